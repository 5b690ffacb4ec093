"""Of the suite `serving`: whether requests fail, and whether a cancelled one frees its slot."""

from __future__ import annotations

import asyncio

from benchmarks.figures import Figure, cost_of, figure_of, until
from benchmarks.serving.bare_client import body_of, get, post, send
from benchmarks.serving.lab import SLOTS, Lab, Ledger, asked, pool_of
from nightshift.errors import ConfigError, ModelServerError
from nightshift.llm.endpoint import Endpoint

SETTLE_SECONDS = 1.0
START_SECONDS = 10.0


async def requests_without_failure(lab: Lab) -> list[Figure]:
    """Ours always stream; the plain ones between them are what other users of the server send."""
    ledger = Ledger()
    failed: dict[str, str] = {}
    pool, numbers = pool_of(lab.server, ledger=ledger), iter(range(lab.scale.calls))

    async def one(number: int) -> None:
        text = f"Call {number}."
        if number % 2:
            await pool.complete(asked(f"call-{number}", text, tokens=16))
        else:
            plain = post({"messages": [{"role": "user", "content": text}], "max_tokens": 16})
            body_of(await send(lab.server.url, plain))["choices"][0]["message"]

    async def worker() -> None:
        for number in numbers:
            try:
                await one(number)
            except (ModelServerError, OSError, ValueError, LookupError) as error:
                failed[f"call-{number}"] = str(error)

    cost = await cost_of(lambda: asyncio.gather(*(worker() for _ in range(SLOTS))))
    failures = [f"{span}: {error}" for span, error in (ledger.faults | failed).items()]
    how = f"streamed by us and plain in turn, {SLOTS} at a time, {lab.scale.calls / cost.wall:.0f} a second"
    name = f"failed of {lab.scale.calls:,} requests"
    return [Figure(name, len(failures), at_most=0, how="; ".join([how, *failures[:3]]))]


async def cancelled_races(lab: Lab) -> list[Figure]:
    busy, freed = 0, []

    async def all_busy() -> bool:
        return await busy_slots(lab.server) == SLOTS

    async def all_free() -> bool:
        return await busy_slots(lab.server) == 0

    for race in range(lab.scale.races):
        pool = pool_of(lab.server, layout="at-once")
        tasks = [
            asyncio.create_task(pool.complete(asked(f"race-{race}-{n}", "Run.", tokens=12_000))) for n in range(SLOTS)
        ]
        if await until(all_busy, START_SECONDS) >= START_SECONDS:
            raise ConfigError("the four requests of a race never ran together: is this machine busy?")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        freed.append(1000 * await until(all_free, SETTLE_SECONDS))
        busy += await busy_slots(lab.server)
    name = f"slots still busy {SETTLE_SECONDS:g} s after {lab.scale.races} cancelled races"
    return [Figure(name, busy, at_most=0), figure_of("time until all four slots are free again", freed, "ms")]


async def busy_slots(server: Endpoint) -> int:
    return sum(slot["is_processing"] for slot in await get(server.url, "/slots"))
