"""All model servers as one: whose turn it is, which server to ask, and what to do when one fails.

Each server is sent no more requests at once than it has slots, and a request's clock starts when a slot is
its own. What can pass is tried again after a pause; what cannot is tried elsewhere. The gate is told of every
request before it is sent, charges the budget and writes it down. Does not hedge or rest a dead server.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Protocol

from nightshift.domain import Completion, Request, Role
from nightshift.errors import ModelServerError, ServerLoading, ServerOverloaded, StreamBroken, Unreachable
from nightshift.llm.client import Deadlines, Runaway, ask
from nightshift.llm.discover import POLL_SECONDS, is_ready
from nightshift.llm.endpoint import Endpoint
from nightshift.llm.endpoint import Target as Target

PAUSES = (1.0, 3.0, 9.0)
"""Seconds before each further round of tries, give or take half."""
FINAL_FAULTS = ("total", "first_token")
"""Broken streams that took so long that the server is not asked again."""


class Gate(Protocol):
    def before_send(self, request: Request, endpoint: str, model: str, attempt: int) -> None:
        """Called just before each generation request is sent. Raises BudgetExceeded when it may not be."""

    def fault(self, request: Request, endpoint: str, model: str, attempt: int, error: ModelServerError) -> None:
        """Told of each request that came to nothing, or was cut."""


class Pool:
    """A ChatModel over many servers."""

    def __init__(
        self,
        routes: Mapping[Role, Sequence[Target]],
        *,
        gate: Gate,
        context: int = 32_768,
        deadlines: Deadlines | None = None,
        retries: Sequence[float] = PAUSES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routes = {role: tuple(targets) for role, targets in routes.items()}
        self._gate = gate
        self._context = context
        self._deadlines = deadlines or Deadlines()
        self._retries = tuple(retries)
        self._sleep = sleep
        self._clock = clock
        endpoints = {target.endpoint for targets in self._routes.values() for target in targets}
        self._slots = {endpoint.url: asyncio.Semaphore(max(1, endpoint.slots)) for endpoint in endpoints}

    def window(self, role: Role) -> int:
        """Tokens, prompt and reply together, that any server this role may be sent to can take."""
        return min(target.endpoint.window(self._context) for target in self._routes[role])

    async def complete(self, request: Request) -> Completion:
        pending = list(in_order(self._routes[request.role], request.span))
        failures: dict[Target, ModelServerError] = {}
        tries = count(1)
        give_up = self._clock() + self._deadlines.first_token
        for pause in (None, *self._retries):
            if pause is not None:
                loading = [t.endpoint for t in pending if isinstance(failures[t], ServerLoading)]
                await self._wait(pause, loading, give_up)
            for target in tuple(pending):
                try:
                    return await self._send(request, target, next(tries))
                except ModelServerError as error:
                    failures[target] = error
                    if not may_pass(error):
                        pending.remove(target)
            if not pending:
                break
        raise _summary(list(failures.values()))

    async def _send(self, request: Request, target: Target, attempt: int) -> Completion:
        endpoint, model = target.endpoint, target.model
        try:
            async with self._slots[endpoint.url]:
                self._gate.before_send(request, endpoint.url, model, attempt)
                context = endpoint.window(self._context)
                return await ask(endpoint, model, request, context=context, deadlines=self._deadlines)
        except Runaway as error:
            self._gate.fault(request, endpoint.url, model, attempt, error)
            return error.completion
        except ModelServerError as error:
            self._gate.fault(request, endpoint.url, model, attempt, error)
            raise

    async def _wait(self, pause: float, loading: Sequence[Endpoint], give_up: float) -> None:
        """Servers that load are waited for without asking them anything that costs; others get a pause."""
        if not loading or self._clock() >= give_up:
            await self._sleep(pause * random.uniform(0.5, 1.5))
        while loading and self._clock() < give_up:
            if any([await is_ready(endpoint) for endpoint in loading]):
                return
            await self._sleep(POLL_SECONDS)


def in_order(targets: Sequence[Target], span: str) -> tuple[Target, ...]:
    """The first target first, except that the candidates of one step are spread over all of them.

    >>> in_order("ab", "build/a.py/candidate-2")
    ('b', 'a')
    """
    candidate = re.search(r"candidate-(\d+)", span)
    first = (int(candidate[1]) - 1) % len(targets) if candidate else 0
    return (*targets[first:], *targets[:first])


def may_pass(error: ModelServerError) -> bool:
    passing = isinstance(error, Unreachable | ServerLoading | ServerOverloaded | StreamBroken)
    return passing and error.fault not in FINAL_FAULTS


def _summary(errors: Sequence[ModelServerError]) -> ModelServerError:
    """The error itself when there is one; else the preferred server's kind of error, naming all."""
    if len(errors) == 1:
        return errors[0]
    summary = "; ".join(str(error) for error in errors)
    return type(errors[0])(f"none of {len(errors)} servers could answer: {summary}", fault=errors[0].fault)
