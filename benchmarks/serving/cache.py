"""How many prompt tokens of a whole run a real server need not read again, by the order in which they are sent.

Of the suite `serving`. What a server can share depends on its version: figures are llama.cpp's, with a slot's cache of
its own for each of four slots.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from benchmarks.figures import Figure, figure_of
from benchmarks.serving.demo_calls import Waves, shareable, shuffled
from benchmarks.serving.lab import CONTEXT, SLOTS, Scale, asked, pool_of
from benchmarks.tiny_model import llama_server
from nightshift.domain import Message, SamplingParams, Usage
from nightshift.llm.discovery.probe import probe
from nightshift.llm.scheduling.pool import Pool
from nightshift.switches import Layout

REPLY = SamplingParams(1.0, max_tokens=16)


async def cache_shares(scale: Scale, waves: Waves) -> AsyncIterator[Figure]:
    """The demo's calls, each time to a server of its own."""
    single = [[request] for wave in waves for request in wave]
    mixed = [[shuffled(request) for request in wave] for wave in waves]
    calls, name = f"{len(single)} calls of the demo", "prompt tokens from cache"
    yield Figure(f"{name}, the most that any server could", 100 * shareable(waves), "%", how=f"bytes of {calls}")
    yield figure_of(f"{name}, first warm", await shares(scale, waves, "warm"), "%", at_least=80.0, how=calls)
    yield figure_of(f"{name}, all at once", await shares(scale, waves, "at-once"), "%")
    yield figure_of(f"{name}, automatic", await shares(scale, waves, "auto"), "%")
    yield figure_of(f"{name}, one call at a time", await shares(scale, single, "warm"), "%")
    yield figure_of(f"{name}, another task done before", await shares(scale, waves, "warm", other_task(waves)), "%")
    yield figure_of(f"{name}, sections shuffled", await shares(scale, mixed, "warm"), "%", how="the baseline")
    how = "one prompt is read, then sent to all slots at once, and again: each slot must have read it once"
    first, second = zip(*[await followers() for _ in range(scale.replays)], strict=True)
    yield figure_of("from cache, four that follow one", first, "%", how=how)
    yield figure_of("from cache, four that follow those", second, "%")


async def shares(scale: Scale, waves: Waves, layout: Layout, before: Waves = ()) -> list[float]:
    found = []
    for _ in range(scale.replays):
        with llama_server(context=CONTEXT, slots=SLOTS, ends=False) as url:
            pool = pool_of(await probe(url), layout=layout)
            await replay(pool, before)
            found.append(share_of(await replay(pool, waves)))
    return found


async def followers() -> tuple[float, float]:
    """Percent from cache of four requests with the prompt of one that is done, and of four more after them."""
    request = asked("followed", "A long prompt. " * 200, tokens=REPLY.max_tokens)
    with llama_server(context=CONTEXT, slots=SLOTS, ends=False) as url:
        pool = pool_of(await probe(url), layout="at-once")
        await replay(pool, [[request]])
        first, second = [share_of(await replay(pool, [[request] * SLOTS])) for _ in range(2)]
    return first, second


async def replay(pool: Pool, waves: Waves) -> Usage:
    total = Usage()
    for wave in waves:
        short = [replace(request, sampling=REPLY) for request in wave]
        for completion in await asyncio.gather(*map(pool.complete, short)):
            total += completion.usage
    return total


def share_of(usage: Usage) -> float:
    return 100 * usage.cached_tokens / usage.prompt_tokens


def other_task(waves: Waves) -> Waves:
    """One call of each role that has the role's rules and nothing else in common with the run."""
    first = {request.role: request for wave in reversed(waves) for request in reversed(wave)}
    other = Message("user", "# Task\nAnother one, of last night.\n")
    return [[replace(request, messages=(request.messages[0], other))] for request in first.values()]
