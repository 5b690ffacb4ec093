"""Of the suite `serving`: four candidates of one file, beside the server's own limit and cut short by a winner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.figures import Figure, figure_of, in_turns
from benchmarks.serving.bare_client import relay, send
from benchmarks.serving.demo_calls import Waves
from benchmarks.serving.lab import SLOTS, Lab, bytes_of, pool_of
from nightshift.domain import Message, Request, SamplingParams
from nightshift.switches import Layout

TOKENS = 200
UNEQUAL_TOKENS = (100, 200, 300, 400)
ROUND = "[round {:06}] "
"""Begins the prompts of a round: nothing of it is in the cache yet."""


async def candidates(lab: Lab) -> list[Figure]:
    """Four candidates of one file through the pool, and the very same bytes sent bare and at once, in turns."""
    name = "wall time of 4 candidates / the same sent bare and at once"
    return [
        figure_of(f"{name}, at-once", await ratios(lab, "at-once"), at_most=1.1),
        figure_of(f"{name}, auto", await ratios(lab, "auto")),
        figure_of(f"{name}, warm", await ratios(lab, "warm")),
    ]


async def ratios(lab: Lab, layout: Layout) -> list[float]:
    requests = four_candidates(lab.waves, (TOKENS,) * SLOTS)
    raw = await bytes_of(lab.server, requests)
    pool = pool_of(lab.server, layout=layout)

    async def ours() -> None:
        number = next(lab.rounds)
        await asyncio.gather(*(pool.complete(in_round(number, request)) for request in requests))

    async def bare() -> None:
        old, new = (ROUND.format(number).encode() for number in (0, next(lab.rounds)))
        await asyncio.gather(*(send(lab.server.url, each.replace(old, new)) for each in raw))

    mine, its = await in_turns(ours, bare, lab.scale.rounds)
    return [a.wall / b.wall for a, b in zip(mine, its, strict=True)]


async def early_winner(lab: Lab) -> list[Figure]:
    """The first of four candidates that is whole wins and the others are cancelled, as a relay in between sees it."""
    planned, saved = sum(UNEQUAL_TOKENS), []
    for _ in range(lab.scale.rounds):
        async with relay(lab.server.url) as (url, passed):
            pool, number = pool_of(replace(lab.server, url=url), layout="at-once"), next(lab.rounds)
            requests = four_candidates(lab.waves, UNEQUAL_TOKENS)
            tasks = [asyncio.create_task(pool.complete(in_round(number, request))) for request in requests]
            [winner, *_], _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            winner.result()
            saved.append(100 * (1 - sum(exchange.tokens for exchange in passed) / planned))
    how = (
        f"of {planned:,} in replies of {', '.join(map(str, UNEQUAL_TOKENS))} tokens, cancelled when the first was whole"
    )
    return [figure_of("tokens saved when the winner is decided early", saved, "%", how=how)]


def four_candidates(waves: Waves, tokens: Sequence[int]) -> list[Request]:
    """Of the first file that the demo builds."""
    first = next(request for wave in waves for request in wave if request.role == "builder")
    requests = [
        replace(
            first, span=f"build/file/candidate-{number}", sampling=SamplingParams(1.0, seed=number, max_tokens=size)
        )
        for number, size in enumerate(tokens, 1)
    ]
    return [in_round(0, request) for request in requests]


def in_round(number: int, request: Request) -> Request:
    first, *others = request.messages
    text = ROUND.format(number) + first.content.removeprefix(ROUND.format(0))
    return replace(request, messages=(Message(first.role, text), *others))
