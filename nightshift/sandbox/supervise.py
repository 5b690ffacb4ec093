"""Runs one launcher process under a wall clock and bounds on output and memory, from any thread, and ends it.

What comes back is bytes and numbers; nothing here judges them. Nothing waits for the end of a pipe either: a
survivor may hold it open for ever. Without a jail, a process that left its group outlives its end.
"""

from __future__ import annotations

import marshal
import math
import os
import py_compile
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nightshift.domain import ExecLimits
from nightshift.errors import SandboxUnavailable

LAUNCHER = Path(__file__).with_name("launcher.py")
ORDERS, REPORT = "{orders}", "{report}"
"""In an argv: the descriptors of the private input and the private reply."""

FLOOD = 64
"""A process that writes this many times its output cap is ended: nobody reads that much."""
REPORT_BYTES = 32 << 20
GRACE_SECONDS = 2.0
TICK_SECONDS = 0.05
OPEN_FILES = 1024
PAGE = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Job:
    """One process to run. `jail` is the launcher's description of it, None for none at all."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    limits: ExecLimits
    jail: Mapping[str, Any] | None = None
    filter: bytes = b""
    orders: bytes | None = None
    """Private input; with it the process also gets a private reply channel."""


@dataclass(frozen=True, slots=True)
class Ended:
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool
    truncated: bool
    report: bytes
    silent_seconds: float
    """How long the private reply had been silent at the end."""


class Supervisor:
    """At most `parallel` processes at once; `close` ends them all, whatever thread waits for them."""

    def __init__(self, parallel: int, scratch: Path) -> None:
        self._launcher = str(scratch / "launcher.pyc")  # compiling it takes longer than all it does
        py_compile.compile(str(LAUNCHER), cfile=self._launcher, doraise=True)
        self._turns = threading.BoundedSemaphore(max(1, parallel))
        self._idle = threading.Condition()
        self._running: set[Child] = set()
        self._closed = False

    def run(self, job: Job) -> Ended:
        with self._turns:
            with self._idle:
                self.raise_if_closed()
                child = Child(job, self._launcher)
                self._running.add(child)
            try:
                return child.watch()
            finally:
                child.end()
                self._forget(child)

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


class Child:
    """A launcher process with its pipes. Letting go of the leash ends everything in its namespace."""

    def __init__(self, job: Job, launcher: str) -> None:
        self._job = job
        self._started = self._weighed = time.monotonic()
        cap = job.limits.output_bytes
        self._out, self._err, self._status = Pipe(cap), Pipe(cap), Pipe(4096)
        self._report = Pipe(2 * REPORT_BYTES)
        leash, held = os.pipe()
        self._leash: IO[bytes] = open(held, "wb", buffering=0)  # noqa: SIM115
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as orders:
            private = {} if job.orders is None else {ORDERS: orders.fileno(), REPORT: self._report.write}
            orders.write(job.orders or b"")
            marshal.dump(launcher_plan(job, self._status.write, leash, private), stdin)
            for file in (orders, stdin):
                file.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", launcher],
                stdin=stdin, stdout=self._out.write, stderr=self._err.write,
                pass_fds=[leash, self._status.write, *private.values()],
                env={}, cwd="/", start_new_session=True,
            )  # fmt: skip
        for fd in (leash, *(pipe.write for pipe in self._pipes)):
            os.close(fd)
        self._exited = self._ended = False
        self._poll = select.poll()
        self._pidfd = os.pidfd_open(self._process.pid) if hasattr(os, "pidfd_open") else -1
        for fd in (self._pidfd, *(pipe.read for pipe in self._pipes)):
            if fd >= 0:
                self._poll.register(fd, select.POLLIN)

    @property
    def _pipes(self) -> tuple[Pipe, ...]:
        return self._out, self._err, self._status, self._report

    def watch(self) -> Ended:
        deadline = self._started + self._job.limits.seconds
        excess = ""
        while not self._exited and not excess and time.monotonic() < deadline:
            self._pump(min(TICK_SECONDS, max(0.0, deadline - time.monotonic())))
            excess = self._excess()
        timed_out = not self._exited and not excess
        self.end()
        seconds = time.monotonic() - self._started
        if not (timed_out or excess):
            self._raise_if_never_started()
        return Ended(
            exit_code=self._exit_code(),
            stdout=self._out.kept(),
            stderr=self._err.kept() + excess.encode(),
            seconds=seconds,
            timed_out=timed_out,
            truncated=bool(excess or self._out.left_out or self._err.left_out),
            report=bytes(self._report.head),
            silent_seconds=time.monotonic() - self._report.last,
        )

    def let_go(self) -> None:
        self._leash.close()
        if self._job.jail is None:
            self.kill()

    def kill(self) -> None:
        """The whole group, before its leader is reaped and its number can belong to somebody else."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Leaves no process of the job: the launcher kills init and waits until its namespace is empty."""
        if self._ended:
            return
        self._ended = True
        self.let_go()
        grace = time.monotonic() + GRACE_SECONDS
        while not self._exited and time.monotonic() < grace:
            self._pump(TICK_SECONDS)
        self.kill()
        self._process.wait()
        self._exited = True
        self._drain()
        for fd in (self._pidfd, *(pipe.read for pipe in self._pipes)):
            if fd >= 0:
                os.close(fd)

    def _pump(self, seconds: float) -> None:
        pipes = {pipe.read: pipe for pipe in self._pipes}
        for fd, _ in self._poll.poll(seconds * 1000):
            if fd == self._pidfd:
                self._exited = True
                self._poll.unregister(fd)
            elif not pipes[fd].take():
                self._poll.unregister(fd)
        if self._pidfd < 0:
            self._exited = self._process.poll() is not None

    def _drain(self) -> None:
        """What is in the pipes already; a survivor that goes on writing is not listened to."""
        for pipe in self._pipes:
            rounds = 0
            while rounds < 64 and pipe.take():
                rounds += 1

    def _excess(self) -> str:
        """Why the job must end now, as the last line of its stderr."""
        if any(pipe.total > FLOOD * pipe.cap for pipe in (self._out, self._err)):
            return f"\nsandbox: ended, it wrote more than {FLOOD} times its output limit\n"
        if self._report.total > REPORT_BYTES:
            return "\nsandbox: ended, its report is too large\n"
        if time.monotonic() < self._weighed + TICK_SECONDS:
            return ""
        self._weighed = time.monotonic()
        bound = self._job.limits.memory_bytes
        if resident_bytes(self._process.pid) > bound:
            return f"\nsandbox: ended, its processes used more than {bound >> 20} MB together\n"
        return ""

    def _exit_code(self) -> int:
        code = self._process.returncode
        return code if code >= 0 else 128 - code

    def _raise_if_never_started(self) -> None:
        said = self._status.kept()
        if said != b"ok":
            why = (said or self._err.kept()[-500:]).decode(errors="backslashreplace")
            raise SandboxUnavailable(f"{self._job.argv[0]} could not be started: {why or 'no reason given'}")


class Pipe:
    """A pipe of which the head and the tail are kept; the middle of a long stream is counted and dropped."""

    def __init__(self, cap: int) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)
        self.cap = cap
        self.head, self._tail = bytearray(), bytearray()
        self.total = 0
        self.last = time.monotonic()

    def take(self) -> bool:
        """Takes what is there; False when nothing is there or ever will be."""
        try:
            data = os.read(self.read, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            return False
        self.total += len(data)
        self.last = time.monotonic()
        room = max(0, self.cap - self.cap // 2 - len(self.head))
        self.head += data[:room]
        self._tail += data[room:]
        del self._tail[: max(0, len(self._tail) - self.cap // 2)]
        return True

    @property
    def left_out(self) -> int:
        return self.total - len(self.head) - len(self._tail)

    def kept(self) -> bytes:
        gap = b"\n... %d bytes left out ...\n" % self.left_out if self.left_out else b""
        return bytes(self.head) + gap + bytes(self._tail)


def launcher_plan(job: Job, status: int, leash: int, private: Mapping[str, int]) -> dict[str, Any]:
    return {
        "parent": os.getpid(),
        "argv": [str(private.get(word, word)) for word in job.argv],
        "env": dict(job.env),
        "cwd": job.cwd,
        "rlimits": rlimits(job.limits, counted=job.jail is not None),
        "jail": dict(job.jail) if job.jail is not None else None,
        "filter": job.filter,
        "status": status,
        "leash": leash,
    }


def rlimits(limits: ExecLimits, *, counted: bool) -> list[tuple[int, int]]:
    """Processes are counted in a user namespace of their own only: outside, all of the user's would count."""
    bounds = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, math.ceil(limits.seconds) * (os.cpu_count() or 1) + 1),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ]
    own = 2  # the launcher and init
    return [*bounds, (resource.RLIMIT_NPROC, limits.processes + own)] if counted else bounds


def resident_bytes(root: int) -> int:
    """Private memory of a process and all below it; 0 where the kernel does not say."""
    pages, todo = 0, [root]
    while todo:
        pid = todo.pop()
        with suppress(OSError, ValueError, IndexError):
            _, resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[:3]
            pages += int(resident) - int(shared)
            for task in os.listdir(f"/proc/{pid}/task"):
                todo += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return pages * PAGE
