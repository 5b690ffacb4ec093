"""One simulated night: the real nightly.py on a queue, killed and started again; then what became of everything."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nights.author import Job
from benchmarks.nights.faults import FaultyProxy
from benchmarks.nights.places import Place, enqueue, git, make_place, users_files
from nightshift.domain import Sandbox, Tree
from nightshift.records import Record, read_trace, runs_in

PROGRAM = Path(__file__).resolve().parents[2] / "nightly.py"
PATIENCE = 600.0
"""Seconds of real time for one start of nightly.py: longer is a hang."""
CONFIG = "[deadlines]\nconnect = 2\nfirst_token = 5\nstall = 2\ntotal = 30\n"
Kill = str
KILLS: Sequence[Kill] = ("the queue's process", "all at once", "asked to stop")
"""SIGKILL of nightly.py alone; of it and all below it, as a loss of power does; SIGTERM."""


@dataclass(frozen=True, slots=True)
class Morning:
    """Counts."""

    tasks: int
    passed: int
    failed: int
    waiting: int
    kills: int
    resumed: int
    lost: int
    twice: int
    asked_again: int
    false_green: int
    users_files_changed: int
    processes_left: int
    hung: int


def spend(folder: Path, number: int, tasks: int, kills: int, proxy: FaultyProxy, sandbox: Sandbox) -> Morning:
    """Decided by the number alone but for the machine's own timing."""
    chance, queue = random.Random(number), folder / "queue"
    places = list(_places(folder, number, tasks))
    for place in places:
        enqueue(place, queue)
    before = [users_files(place) for place in places]
    home = folder / "home"
    home.mkdir()
    (folder / "night.toml").write_text(CONFIG)
    done, hung = _through_the_night(folder, home, chance, kills, proxy)
    runs = [(place, job, _runs_of(place, job)) for place in places for job in place.jobs]
    standing = [_where(queue, job) for _, job, _ in runs]
    greens = [(place, job) for (place, job, _), where in zip(runs, standing, strict=True) if where == ["done"]]
    return Morning(
        tasks=len(runs),
        passed=len(greens),
        failed=standing.count(["failed"]),
        waiting=standing.count([""]),
        kills=done,
        resumed=sum(_count(run, "resumed") for _, _, each in runs for run in each),
        lost=sum(len(where) != 1 for where in standing),
        twice=sum(sum(_count(run, "delivered") for run in each) > 1 for _, _, each in runs),
        asked_again=sum(_asked_again(run) for _, _, each in runs for run in each),
        false_green=sum(not _right(place, job, sandbox) for place, job in greens),
        users_files_changed=sum(_changed(was, place) for was, place in zip(before, places, strict=True)),
        processes_left=len(_marked(home)),
        hung=hung,
    )


def _places(folder: Path, number: int, tasks: int) -> Iterator[Place]:
    """Two jobs each, every fourth job hopeless, every second place in git."""
    for each in range((tasks + 1) // 2):
        jobs = [
            Job(
                f"{'hopeless' if (2 * each + which) % 4 == 3 else 'times'}_{number}_{2 * each + which}",
                3 + each + which,
            )
            for which in range(min(2, tasks - 2 * each))
        ]
        yield make_place(folder / "work" / f"place-{each}", jobs, in_git=each % 2 == 0)


def _through_the_night(
    folder: Path, home: Path, chance: random.Random, kills: int, proxy: FaultyProxy
) -> tuple[int, int]:
    """How often it was killed, and whether it hung at last; started again each time, as by cron after a reboot."""
    outage = threading.Timer(chance.uniform(2, 15), _switch_off, (proxy, chance.uniform(1, 6)))
    outage.daemon = True
    outage.start()
    killed = 0
    while True:
        process = _start(folder, home)
        try:
            wait = chance.uniform(0.5, 14) if killed < kills else PATIENCE
            process.wait(wait)
            outage.cancel()
            return killed, 0
        except subprocess.TimeoutExpired:
            _kill(process, chance.choice(KILLS) if killed < kills else "all at once")
            if killed == kills:
                return killed, 1
            killed += 1


def _start(folder: Path, home: Path) -> subprocess.Popen[bytes]:
    state, data = {"XDG_STATE_HOME": str(home / "state")}, {"XDG_DATA_HOME": str(home / "data")}
    env = {**os.environ, "HOME": str(home), **state, **data}
    command = [
        sys.executable, str(PROGRAM), str(folder / "queue"), "--workspace", str(folder / "work"),
        "--retry-seconds", "0.5", "--retries", "4", "--no-memory", "--config", str(folder / "night.toml"),
        "--endpoint", (folder / "endpoint").read_text(),
    ]  # fmt: skip
    with (folder / "night.log").open("ab") as log:
        return subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _switch_off(proxy: FaultyProxy, seconds: float) -> None:
    proxy.down.set()
    proxy.ending.wait(seconds)
    proxy.down.clear()


def _kill(process: subprocess.Popen[bytes], how: Kill) -> None:
    if how == "asked to stop":
        process.terminate()
    else:
        for pid in [process.pid, *(_below(process.pid) if how == "all at once" else ())]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait(60)


def _below(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = list(children.get(pid, ()))
    for each in found:  # grows while it is walked
        found += children.get(each, ())
    return found


def _where(queue: Path, job: Job) -> list[str]:
    places = {"": queue, "done": queue / "done", "failed": queue / "failed"}
    return [name for name, folder in places.items() if (folder / f"{job.name}.md").exists()]


def _runs_of(place: Place, job: Job) -> list[list[Record]]:
    traces = [read_trace(run / "trace.jsonl") for run in runs_in(place.workspace)]
    return [trace for trace in traces if trace and job.text in str(trace[0].fields.get("task"))]


def _count(run: Sequence[Record], kind: str) -> int:
    return sum(record.kind == kind for record in run)


def _asked_again(run: Sequence[Record]) -> int:
    """Completed replies that were bought twice: the same question at the same place."""
    calls = [
        (record.span, record.fields.get("key"))
        for record in run
        if record.kind == "call" and not record.fields.get("fault")
    ]
    return len(calls) - len(set(calls))


def _right(place: Place, job: Job, sandbox: Sandbox) -> bool:
    name = f"{job.name}.py"
    if place.in_git:
        branches = git(place.workspace, "branch", "--format", "%(refname:short)", "--list", "nightshift/*").split()
        texts = [git(place.workspace, "show", f"{branch}:{name}") for branch in branches if _has(place, branch, name)]
    else:
        texts = [(place.workspace / name).read_text()]
    return any(sandbox.run(Tree({name: text}), ("python3", "-c", job.check)).ok for text in texts)


def _has(place: Place, branch: str, name: str) -> bool:
    return bool(git(place.workspace, "ls-tree", "--name-only", branch, name))


def _changed(was: Mapping[str, str], place: Place) -> int:
    now = users_files(place)
    delivered = {f"{job.name}.py" for job in place.jobs} | {f"tests/test_{job.name}.py" for job in place.jobs}
    strange = set(now) - set(was) - delivered
    return sum(now.get(name) != text for name, text in was.items()) + len(strange)


def _marked(home: Path) -> list[int]:
    """Processes that still live in the home of this night."""
    found, mark = [], f"HOME={home}".encode()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
    return found
