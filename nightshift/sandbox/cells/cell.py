"""Warm cells: processes that have pytest ready and fork one walled-in child for each candidate.

A cell is a process of its own, started by exec in a jail like a cold run's. What comes back is what a cold run gives;
whenever anything about it is odd there is a reason instead, the cell is ended, and the caller runs cold. Cells share
one interpreter and environment; a child shares nothing writable with the one before it. That its code tells the
truth is promised no more than on the cold path.
"""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nightshift.domain import ExecLimits
from nightshift.sandbox.processes.child import FLOOD, GRACE_SECONDS, REPORT_BYTES, TICK_SECONDS, Child
from nightshift.sandbox.processes.job import Ended
from nightshift.sandbox.processes.pipe import Pipe
from nightshift.sandbox.processes.usage import resident_bytes

BOOT_SECONDS = 20.0
MESSAGE_BYTES = 1 << 20
CANDIDATES_PER_CELL = 200
GROWTH_PAGES = 2048
"""Of a cell's memory since it was ready; one that grew more is replaced."""

SHORTEST_SECONDS = 0.005
"""Between two looks at what a candidate has written."""

Start = Callable[[int], Child]
"""Starts the program of a cell, given its end of the channel."""


class Odd(Exception):
    """A cell did something by which no candidate is judged."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One candidate for a cell: what its child is asked, and within which bounds."""

    request: Mapping[str, Any]
    orders: bytes
    limits: ExecLimits


class Cells:
    """The cells of one kind, as many as are used at once; safe from several threads."""

    def __init__(self, start: Start, boot: Mapping[str, Any]) -> None:
        self._start, self._boot = start, boot
        self._changed = threading.Condition()
        self._idle: list[Cell] = []
        self._busy: set[Cell] = set()
        self._closed = False

    def run(self, errand: Errand) -> Ended:
        """Raises Odd when nothing can be said about the candidate."""
        with self.borrowed() as cell:
            return cell.run(errand)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for cell in self._busy:
                cell.let_go()
            self._changed.wait_for(lambda: not self._busy, GRACE_SECONDS)
            while self._idle:
                self._idle.pop().end()

    @contextmanager
    def borrowed(self) -> Iterator[Cell]:
        cell = self._taken()
        sound = False
        try:
            if not cell.ready:
                cell.make_ready(self._boot)
            yield cell
            sound = not cell.worn
        finally:
            self._give_back(cell, sound=sound)

    def _taken(self) -> Cell:
        with self._changed:
            if self._closed:
                raise Odd("the sandbox is closed")
            cell = self._idle.pop() if self._idle else Cell(self._start)
            self._busy.add(cell)
            return cell

    def _give_back(self, cell: Cell, *, sound: bool) -> None:
        if not sound:
            cell.end()
        with self._changed:
            self._busy.discard(cell)
            if sound:
                self._idle.append(cell)
            self._changed.notify_all()


class Cell:
    """One fork server, used by one thread at a time."""

    def __init__(self, start: Start) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._child = start(theirs.fileno())
        self._first: dict[str, Any] = {}
        self._last: dict[str, Any] = {}
        self._served = 0

    def make_ready(self, boot: Mapping[str, Any]) -> None:
        self._channel.send(json.dumps(boot).encode())
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        if not poll.poll(1000 * BOOT_SECONDS):
            raise Odd(f"a warm cell was not ready after {BOOT_SECONDS:g} s")
        try:
            self._first = self._last = heard(self._channel)
        except Odd as odd:
            raise Odd(f"{odd} {self._child.complaint()}".strip()) from odd

    @property
    def ready(self) -> bool:
        return bool(self._first)

    @property
    def late(self) -> frozenset[str]:
        """Top-level modules that came after pytest, when a project's own would have come first."""
        return frozenset(self._first["late"])

    @property
    def worn(self) -> bool:
        grown = self._last["pages"] - self._first["pages"] > GROWTH_PAGES
        changed = any(self._last[name] != self._first[name] for name in ("descriptors", "threads"))
        return grown or changed or self._served >= CANDIDATES_PER_CELL

    def run(self, errand: Errand) -> Ended:
        self._served += 1
        visit = Visit(errand, self._channel, self._child.pid)
        try:
            self._last = visit.watch()
            return visit.told(self._last)
        finally:
            visit.close()

    def retire(self) -> None:
        """The next borrower gets a new one."""
        self._served = CANDIDATES_PER_CELL

    def let_go(self) -> None:
        """From any thread: the cell dies, and whoever waits for it hears so."""
        self._child.let_go()

    def end(self) -> None:
        self._channel.close()
        self._child.end()


class Visit:
    """One child of a cell, from its orders to its end."""

    def __init__(self, errand: Errand, channel: socket.socket, pid: int) -> None:
        self._errand, self._channel, self._pid = errand, channel, pid
        self._started = self._weighed = time.monotonic()
        cap = errand.limits.output_bytes
        self._out, self._err, self._report = Pipe(cap), Pipe(cap), Pipe(2 * REPORT_BYTES)
        orders = os.memfd_create("orders")
        os.write(orders, errand.orders)
        os.lseek(orders, 0, os.SEEK_SET)
        theirs = [orders, *(pipe.write for pipe in self._pipes)]
        try:
            socket.send_fds(channel, [json.dumps(errand.request).encode()], theirs)
        except OSError as error:
            raise Odd(f"a warm cell hears nothing: {error}") from error
        finally:
            for fd in theirs:
                os.close(fd)

    @property
    def _pipes(self) -> tuple[Pipe, ...]:
        return self._out, self._err, self._report

    def watch(self) -> dict[str, Any]:
        """What the cell says when the child and all it left are gone."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        deadline = self._started + self._errand.limits.seconds
        pause = TICK_SECONDS / 2
        while (now := time.monotonic()) < deadline:
            # Only the cell wakes us: pytest writes a dot for every test, and pipes hold more than that.
            if poll.poll(1000 * min(pause, deadline - now)):
                return heard(self._channel)
            busy = [pipe.take() for pipe in self._pipes]
            pause = SHORTEST_SECONDS if any(busy) else min(2 * pause, TICK_SECONDS)
            self._raise_if_excessive()
        raise Odd("the time for the whole run was over")

    def told(self, reply: Mapping[str, Any]) -> Ended:
        for pipe in self._pipes:
            while pipe.take():
                pass
        if reply["strays"]:
            raise Odd("it left processes behind")
        if not os.WIFEXITED(reply["status"]):
            raise Odd(f"it was ended by signal {os.WTERMSIG(reply['status'])}")
        now = time.monotonic()
        return Ended(
            exit_code=os.WEXITSTATUS(reply["status"]),
            stdout=self._out.kept(),
            stderr=self._err.kept(),
            seconds=now - self._started,
            timed_out=False,
            truncated=bool(self._out.left_out or self._err.left_out),
            report=bytes(self._report.head),
            silent_seconds=now - self._report.last,
        )

    def close(self) -> None:
        for pipe in self._pipes:
            os.close(pipe.read)

    def _raise_if_excessive(self) -> None:
        if any(pipe.total > FLOOD * pipe.cap for pipe in (self._out, self._err)) or self._report.total > REPORT_BYTES:
            raise Odd("it wrote far too much")
        now = time.monotonic()
        if now > self._weighed + TICK_SECONDS:
            self._weighed = now
            if resident_bytes(self._pid) > self._errand.limits.memory_bytes:
                raise Odd("it used more memory than it may")


def heard(channel: socket.socket) -> dict[str, Any]:
    try:
        data = channel.recv(MESSAGE_BYTES)
    except OSError as error:
        raise Odd(f"a warm cell was lost: {error}") from error
    if not data:
        raise Odd("a warm cell ended")
    message: dict[str, Any] = json.loads(data)
    return message
