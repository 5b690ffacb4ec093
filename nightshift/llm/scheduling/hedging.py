"""Sending a straggler a second time, elsewhere, and keeping whichever reply is whole first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from nightshift.errors import ModelServerError

Rival = TypeVar("Rival")
Reply = TypeVar("Reply")


async def hedged(
    first: Coroutine[Any, Any, Reply],
    straggles: Coroutine[Any, Any, Rival],
    second: Callable[[Rival], Coroutine[Any, Any, Reply | None]],
) -> tuple[Reply, bool]:
    """The reply, and whether it is the second request's.

    `straggles` returns once a second request is due, and whom to ask; `second` returns None when it comes to nothing.
    When this returns or is cancelled, no request is left running. When both fail, the first's error is raised.
    """
    running: list[asyncio.Task[Any]] = []

    def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        running.append(asyncio.create_task(work))
        return running[-1]

    leading, watching = start(first), start(straggles)
    try:
        await asyncio.wait((leading, watching), return_when=asyncio.FIRST_COMPLETED)
        if not leading.done():
            hedge = start(second(watching.result()))
            await asyncio.wait((leading, hedge), return_when=asyncio.FIRST_COMPLETED)
            if _unanswered(leading) and (reply := await hedge) is not None:
                return reply, True
        return await leading, False
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _unanswered(task: asyncio.Task[Any]) -> bool:
    return not task.done() or isinstance(task.exception(), ModelServerError)
