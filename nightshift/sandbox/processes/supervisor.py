"""Runs jobs, a bounded number at once, from any thread; closed, it leaves none of them running."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.processes.child import GRACE_SECONDS, Child
from nightshift.sandbox.processes.job import Ended, Job


class Supervisor:
    """At most `parallel` processes at once; `close` ends them all, whatever thread waits for them."""

    def __init__(self, parallel: int, tools: Path) -> None:
        self._tools = str(tools)
        self._turns = threading.BoundedSemaphore(max(1, parallel))
        self._idle = threading.Condition()
        self._running: set[Child] = set()
        self._closed = False

    def run(self, job: Job) -> Ended:
        with self._turns:
            with self._idle:
                self.raise_if_closed()
                child = Child(job, self._tools)
                self._running.add(child)
            try:
                return child.watch()
            finally:
                child.end()
                self._forget(child)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """For work in a process that was kept: it counts among the `parallel`."""
        with self._turns:
            self.raise_if_closed()
            yield
            self.raise_if_closed()

    def keep(self, job: Job) -> Child:
        """A process that nobody waits for; whoever keeps it ends it, or `close` does."""
        with self._idle:
            self.raise_if_closed()
            return Child(job, self._tools)

    def close(self) -> None:
        with self._idle:
            self._closed = True
            for child in self._running:
                child.let_go()
            if not self._idle.wait_for(lambda: not self._running, GRACE_SECONDS):
                for child in self._running:
                    child.kill()

    def _forget(self, child: Child) -> None:
        """A result cut short by `close` is no result: it must not be recorded as one."""
        with self._idle:
            self._running.discard(child)
            self._idle.notify_all()
            self.raise_if_closed()

    def raise_if_closed(self) -> None:
        if self._closed:
            raise SandboxUnavailable("The sandbox is closed: open a new one to run anything.")
