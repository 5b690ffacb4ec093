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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from nightshift.domain import ExecLimits
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.usage import Room, overfull, resident_bytes

LAUNCHER = ("kernel", "landlock", "namespaces", "reaper", "launcher")
"""The modules of the launcher; it imports nothing else of ours."""
LAUNCH = "import sys; sys.path.insert(0, sys.argv[1]); from nightshift.sandbox.launcher import main; main()"
ORDERS, REPORT, FILTER, CHANNEL = "{orders}", "{report}", "{filter}", "{channel}"
"""In an argv: the descriptors of the private input, of the private reply, of the seccomp filter for a program
that installs it itself, and of a conversation."""

FLOOD = 64
"""A process that writes this many times its output cap is ended: nobody reads that much."""
REPORT_BYTES = 32 << 20
GRACE_SECONDS = 2.0
TICK_SECONDS = 0.05
OPEN_FILES = 1024
LOCKED_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Job:
    """One process to run, and what the launcher is to put around it."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    limits: ExecLimits
    walls: str = ""
    """The launcher's name for them; with none, it only sets limits."""
    jail: Mapping[str, Any] = field(default_factory=dict)
    landlock: Mapping[str, Any] | None = None
    filter: bytes = b""
    room: Room | None = None
    """Set where it writes to a disk of the host."""
    orders: bytes | None = None
    """Private input; with it the process also gets a private reply channel."""
    channel: int | None = None
    """A socket to converse through."""


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
        self._launcher = str(scratch / "launch")
        compile_launcher(Path(self._launcher))
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
            return Child(job, self._launcher)

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
        self._disk = os.statvfs(job.room.place) if job.room else None
        cap = job.limits.output_bytes
        self._out, self._err, self._status = Pipe(cap), Pipe(cap), Pipe(4096)
        self._report = Pipe(2 * REPORT_BYTES)
        leash, held = os.pipe()
        self._leash: IO[bytes] = open(held, "wb", buffering=0)  # noqa: SIM115
        with (
            tempfile.TemporaryFile() as stdin,
            tempfile.TemporaryFile() as orders,
            tempfile.TemporaryFile() as program,
        ):
            private = {} if job.orders is None else {ORDERS: orders.fileno(), REPORT: self._report.write}
            private |= {FILTER: program.fileno()} if FILTER in job.argv else {}
            private |= {CHANNEL: job.channel} if job.channel is not None else {}
            orders.write(job.orders or b"")
            program.write(job.filter)
            marshal.dump(launcher_plan(job, self._status.write, leash, private), stdin)
            for file in (orders, program, stdin):
                file.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LAUNCH, launcher],
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

    @property
    def pid(self) -> int:
        return self._process.pid

    def complaint(self) -> str:
        """The end of what it said on stderr, and why it was not started."""
        for pipe in (self._status, self._err):
            pipe.take()
        said = self._status.kept().removeprefix(b"ok") + self._err.kept()[-500:]
        return said.decode(errors="backslashreplace")

    def let_go(self) -> None:
        self._leash.close()
        if not self._job.walls:
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
        if self._job.room and self._disk and overfull(self._job.room, self._disk):
            return f"\nsandbox: ended, its files took more than {self._job.room.bytes >> 20} MB together\n"
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


def compile_launcher(place: Path) -> None:
    """Compiling it takes longer than all it does. A package of that name lies nowhere else in its path."""
    package = place / "nightshift" / "sandbox"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    for name in LAUNCHER:
        source = Path(__file__).with_name(f"{name}.py")
        py_compile.compile(str(source), cfile=str(package / f"{name}.pyc"), doraise=True)


def launcher_plan(job: Job, status: int, leash: int, private: Mapping[str, int]) -> dict[str, Any]:
    return {
        "parent": os.getpid(),
        "argv": [str(private.get(word, word)) for word in job.argv],
        "env": dict(job.env),
        "cwd": job.cwd,
        "rlimits": rlimits(job.limits, counted=bool(job.walls)),
        "walls": job.walls,
        "jail": dict(job.jail),
        "landlock": dict(job.landlock) if job.landlock is not None else None,
        "filter": b"" if FILTER in private else job.filter,
        "status": status,
        "leash": leash,
    }


def rlimits(limits: ExecLimits, *, counted: bool) -> list[tuple[int, int]]:
    """Processes are counted where there are walls only: without any, all of the user's would count."""
    bounds = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, math.ceil(limits.seconds) * (os.cpu_count() or 1) + 1),
        *([(resource.RLIMIT_AS, limits.memory_bytes)] if sys.platform == "linux" else []),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_MEMLOCK, LOCKED_BYTES),
    ]
    own = 2  # the launcher and init
    return [*bounds, (resource.RLIMIT_NPROC, limits.processes + own)] if counted else bounds
