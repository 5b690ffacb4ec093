"""Several questions at once: all of their answers, or those that come before one is good enough."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from nightshift.domain import Candidate, Recorder
from nightshift.errors import ReplyRejected

Value = TypeVar("Value")
Asked = Coroutine[Any, Any, Candidate]


async def concurrently(coroutines: Sequence[Coroutine[Any, Any, Value]]) -> list[Value]:
    """All results in order; the first failure cancels the rest and is raised as itself, not in a group."""
    tasks: list[asyncio.Task[Value]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]


async def usable(asked: Asked) -> Candidate | None:
    """The candidate; None for a reply that stayed unusable after its retries: a candidate less, not an error."""
    try:
        return await asked
    except ReplyRejected:
        return None


async def race(
    asked: Mapping[str, Asked],
    good: Callable[[Candidate], Awaitable[bool]],
    span: str,
    path: str,
    recorder: Recorder,
) -> None:
    """Gives each candidate to `good` in the order they come; the first that is good enough calls off the others.

    Which came, and in what order, is recorded: a resumed run considers the very same ones.
    """
    known = recorder.recall("selected", span, "race")
    if known:
        recorder.record("selected", span, **known)
        considered = [str(label) for label in known["considered"]]
        for label in asked.keys() - set(considered):
            asked[label].close()
        for label in considered:
            candidate = await usable(asked[label])
            if candidate and await good(candidate):
                break
        return
    considered = await _first_good(asked, good)
    recorder.record(
        "selected",
        span,
        key="race",
        path=path,
        chosen=None,
        considered=considered,
        scores={},
        reason="the rest was called off" if len(considered) < len(asked) else "all came",
    )


async def _first_good(asked: Mapping[str, Asked], good: Callable[[Candidate], Awaitable[bool]]) -> list[str]:
    """The labels in the order in which their answers were considered."""
    considered: list[str] = []
    tasks = {asyncio.create_task(usable(coroutine)): label for label, coroutine in asked.items()}
    try:
        waiting = set(tasks)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in (t for t in tasks if t in done):
                candidate = task.result()
                considered.append(tasks[task])
                if candidate and await good(candidate):
                    return considered
        return considered
    finally:
        await _called_off(tasks)


async def _called_off(tasks: Mapping[asyncio.Task[Candidate | None], str]) -> None:
    for task in tasks:
        task.cancel()
    # Waited for, so that the slots of their servers are free when the next question is asked.
    await asyncio.gather(*tasks, return_exceptions=True)
