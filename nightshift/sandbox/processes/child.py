"""One launcher process under a wall clock and bounds on output and memory: started, watched and ended.

What comes back is bytes and numbers; nothing here judges them. Without a jail, a process that left its group
outlives its end.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO

from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.processes.job import CHANNEL, FILTER, ORDERS, REPORT, Ended, Job, launcher_plan
from nightshift.sandbox.processes.pipe import Pipe
from nightshift.sandbox.processes.programs import start_code
from nightshift.sandbox.processes.usage import overfull, resident_bytes

FLOOD = 64
"""A process that writes this many times its output cap is ended: nobody reads that much."""
REPORT_BYTES = 32 << 20
GRACE_SECONDS = 2.0
TICK_SECONDS = 0.05


class Child:
    """A launcher process with its pipes. Letting go of the leash ends everything in its namespace."""

    def __init__(self, job: Job, tools: str) -> None:
        self._job = job
        self._started = self._weighed = time.monotonic()
        self._disk = os.statvfs(job.room.place) if job.room else None
        cap = job.limits.output_bytes
        self._out, self._err, self._status = Pipe(cap), Pipe(cap), Pipe(4096)
        self._report = Pipe(2 * REPORT_BYTES)
        leash, held = os.pipe()
        self._leash: IO[bytes] = open(held, "wb", buffering=0)  # noqa: SIM115
        self._process = self._launched(tools, leash)
        for fd in (leash, *(pipe.write for pipe in self._pipes)):
            os.close(fd)
        self._exited = self._ended = False
        self._poll = select.poll()
        self._pidfd = os.pidfd_open(self._process.pid) if hasattr(os, "pidfd_open") else -1
        for fd in (self._pidfd, *(pipe.read for pipe in self._pipes)):
            if fd >= 0:
                self._poll.register(fd, select.POLLIN)

    def _launched(self, tools: str, leash: int) -> subprocess.Popen[bytes]:
        """What it is to read are files that nobody else has; a pipe could fill up."""
        job = self._job
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
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", start_code("launch.launcher"), tools],
                stdin=stdin, stdout=self._out.write, stderr=self._err.write,
                pass_fds=[leash, self._status.write, *private.values()],
                env={}, cwd="/", start_new_session=True,
            )  # fmt: skip

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
