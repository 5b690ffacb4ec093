"""How far one request is, told to whoever watches: each new state at once, else at most ten times a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from nightshift.domain import Listener, Request, Waiting, WaitingFor

PAUSE = 0.1
"""Seconds between two tellings of one state."""


class Progress:
    def __init__(
        self, request: Request, listener: Listener = lambda _: None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._request = request
        self._listener = listener
        self._clock = clock
        self._state: WaitingFor | None = None
        self._since = self._told = 0.0

    def tell(self, state: WaitingFor, *, done: int = 0, total: int = 0, tokens: int = 0) -> None:
        now = self._clock()
        if state != self._state:
            self._state, self._since = state, now
        elif now - self._told < PAUSE:
            return
        self._told = now
        asked = self._request
        self._listener(Waiting(asked.role, asked.span, state, done, total, tokens, now - self._since))
