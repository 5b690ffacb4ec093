"""Starts the two processes of the oracle, with a channel between them, and hears the one that has the tests."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nightshift.domain import ExecLimits, ExecResult, Tree
from nightshift.sandbox.files.trees import give
from nightshift.sandbox.isolation.layout import NAMES, TMP, Place, room_for
from nightshift.sandbox.oracle.confirm import Answer, Trial
from nightshift.sandbox.processes.job import CHANNEL, ORDERS, REPORT, Ended, Job
from nightshift.sandbox.processes.programs import command_for
from nightshift.sandbox.processes.supervisor import Supervisor
from nightshift.sandbox.processes.usage import Room
from nightshift.sandbox.testing.frames import Asked, read, report_on

SLOWER = 3
"""A test may take so much longer when each of its questions goes to another process."""
SHARED = f"{TMP}/shared"


@dataclass(frozen=True, slots=True)
class Oracle:
    """What a box lends: its places, its jobs and its supervisor."""

    python: str
    supervisor: Supervisor
    place: Callable[[Tree], AbstractContextManager[Place]]
    directory: Callable[[], AbstractContextManager[Path]]
    """A fresh directory on the host."""
    make_job: Callable[[Place, list[str], ExecLimits], Job]
    orders: Callable[[Asked], dict[str, Any]]
    result: Callable[[list[str], Ended, Place], ExecResult]
    owner: int | None
    """Whom the files of a jail belong to."""

    def ask(self, trial: Trial, limits: ExecLimits) -> Answer:
        with self.place(trial.tests) as place, self.place(trial.code) as beside, self._scratch(trial) as scratch:
            limits = replace(limits, seconds=limits.seconds * SLOWER, test_seconds=limits.test_seconds * SLOWER)
            key = secrets.token_hex(16)
            asked = Asked(key, trial.nodes, place.inside, place.tmp, limits.test_seconds, linked=True)
            orders = {**self.orders(asked), "modules": dict(trial.modules)}
            tests = self._job(place, "plugin", [ORDERS, REPORT, CHANNEL], limits, scratch)
            code = self._job(beside, "oracle.code", [ORDERS, CHANNEL], limits, scratch)
            ended = run_linked(
                self.supervisor,
                replace(tests, orders=json.dumps(orders).encode()),
                replace(code, orders=json.dumps({**orders, "root": beside.inside}).encode()),
            )
            told = read(ended.report, asked)
            ran = self.result(["pytest", *trial.nodes], ended, place)
            report = report_on(told, asked, ran, ended.silent_seconds)
            return Answer(report, told.unsupported, tuple(dict.fromkeys(told.notes)))

    def _job(self, place: Place, program: str, words: list[str], limits: ExecLimits, scratch: Path | None) -> Job:
        command = command_for(self.python, program, place.tools, *words)
        job = self.make_job(place, command, limits)
        return job if scratch is None else shared(job, scratch, SHARED if place.own_root else str(scratch), limits)

    @contextmanager
    def _scratch(self, trial: Trial) -> Iterator[Path | None]:
        if not trial.scratch:
            yield None
            return
        with self.directory() as place:
            if self.owner is not None:
                give(place, self.owner)
            place.chmod(0o700)
            yield place


def shared(job: Job, scratch: Path, inside: str, limits: ExecLimits) -> Job:
    """The job with a directory for temporary files that the other one has as well."""
    jail, landlock = dict(job.jail), job.landlock
    if "entries" in jail:
        jail["entries"] = [*jail["entries"], ("device", inside, str(scratch))]
    elif landlock:
        landlock = {**landlock, "write": [*landlock["write"], str(scratch)]}
    room = Room(scratch, room_for(limits), NAMES)
    return replace(job, env={**job.env, "TMPDIR": inside}, jail=jail, landlock=landlock, room=job.room or room)


def run_linked(supervisor: Supervisor, tests: Job, code: Job) -> Ended:
    """Runs the tests beside the code, each with its end of one channel; the code ends with the tests."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs), ThreadPoolExecutor(1) as pool:
        beside = supervisor.keep(replace(code, channel=theirs.fileno()))
        theirs.close()  # so that the end of the code is the end of the link
        watched = pool.submit(beside.watch)
        try:
            ended = supervisor.run(replace(tests, channel=ours.fileno()))
        finally:
            beside.let_go()
        watched.result()
        return ended
