"""Of the suite `serving`: what a call costs beyond the server's own work, and what reading a reply costs."""

from __future__ import annotations

import statistics
from dataclasses import replace

from benchmarks.figures import Figure, cost_of, figure_of, in_turns
from benchmarks.serving.bare_client import playback, send
from benchmarks.serving.lab import Lab, asked, bytes_of, pool_of
from nightshift.domain import Completion

REAL_PACE = 100.0
"""Tokens a second, as a model on one good GPU writes them."""


async def overhead(lab: Lab) -> list[Figure]:
    """A call of ours and its very bytes sent by a bare client, in turns."""
    request = asked("overhead", "A question.\n" * 150, tokens=16)
    [raw] = await bytes_of(lab.server, [request])
    pool = pool_of(lab.server)
    replies: list[Completion] = []

    async def ours() -> None:
        replies.append(await pool.complete(request))

    mine, its = await in_turns(ours, lambda: send(lab.server.url, raw), lab.scale.pairs)
    beyond_bare = [1000 * (a.wall - b.wall) for a, b in zip(mine, its, strict=True)]
    beyond_told = [1000 * (a.wall - r.prefill_seconds - r.decode_seconds) for a, r in zip(mine, replies, strict=True)]
    medians = [1000 * statistics.median(cost.wall for cost in costs) for costs in (mine, its)]
    how = "a call of ours {:.2f} ms, the same bytes sent bare {:.2f} ms".format(*medians)
    return [
        figure_of("client overhead per call, beyond a bare client", beyond_bare, "ms", at_most=3.0, how=how),
        figure_of("client overhead per call, beyond what the server says it took", beyond_told, "ms"),
        figure_of("CPU of a call of ours", [1000 * cost.cpu for cost in mine], "ms"),
    ]


async def streaming(lab: Lab) -> list[Figure]:
    """CPU time of our thread, as a reply comes at a real model's pace and as fast as the generated one writes."""
    tokens = lab.scale.tokens
    request = asked("stream", "Write.", tokens=tokens)
    full = [await cost_of(lambda: pool_of(lab.server).complete(request)) for _ in range(5)]
    [raw] = await bytes_of(lab.server, [request])
    with playback(await send(lab.server.url, raw), REAL_PACE) as url:
        paced = await cost_of(lambda: pool_of(replace(lab.server, url=url)).complete(request))
    per_thousand = 1e6 / tokens
    fast = f"{tokens / statistics.median(cost.wall for cost in full):,.0f} tokens/s, faster than any real model"
    slow = f"thread CPU / wall time, a reply played back one token at a time at {tokens / paced.wall:.0f} tokens/s"
    return [
        Figure(f"of a core, streaming {tokens:,} tokens", paced.share, "%", at_most=15.0, how=slow),
        Figure("CPU for 1,000 tokens at that pace", paced.cpu * per_thousand, "ms"),
        figure_of("of a core, streaming at the generated model's speed", [c.share for c in full], "%", how=fast),
        figure_of("CPU for 1,000 tokens at that speed", [cost.cpu * per_thousand for cost in full], "ms"),
    ]
