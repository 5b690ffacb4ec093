"""Simulates how workers run jobs that depend on each other."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any


@dataclass(frozen=True)
class Job:
    name: str
    seconds: int
    after: Iterable[str] = ()
    priority: int = 0
    start: int = 0
    retries: int = 0
    fails: int = 0

    def __post_init__(self) -> None:
        if self.seconds < 1 or min(self.start, self.retries, self.fails) < 0:
            raise ValueError(f"job {self.name}: at least 1 second, and no negative numbers")


@dataclass(frozen=True)
class Run:
    job: str
    attempt: int
    worker: int
    begin: int
    end: int
    outcome: str


class PlanError(ValueError):
    def __init__(self, problem: str, cycle: Sequence[str] = ()) -> None:
        super().__init__(problem)
        self.cycle = list(cycle)


def plan(jobs: Sequence[Job], workers: int) -> list[Run]:
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    paths = _critical_paths(jobs)
    ranked = sorted(jobs, key=lambda job: (-job.priority, -paths[job.name]))
    attempts = dict.fromkeys(paths, 0)
    done: set[str] = set()
    running: dict[str, Run] = {}
    moments = sorted({job.start for job in jobs})
    runs: list[Run] = []
    while moments:
        now = heapq.heappop(moments)
        for run in [run for run in running.values() if run.end == now]:
            del running[run.job]
            done |= {run.job} if run.outcome == "done" else set()
        free = sorted(set(range(workers)) - {run.worker for run in running.values()})
        ready = [
            job for job in ranked if job.start <= now and job.name not in running and _may_run(job, attempts, done)
        ]
        for worker, job in zip(free, ready, strict=False):
            attempts[job.name] += 1
            outcome = "done" if attempts[job.name] > job.fails else "failed"
            run = Run(job.name, attempts[job.name], worker, now, now + job.seconds, outcome)
            running[job.name] = run
            runs.append(run)
            heapq.heappush(moments, run.end)
    return runs


def summary(jobs: Sequence[Job], runs: Sequence[Run], workers: int) -> dict[str, Any]:
    end = _end(runs)
    last = {run.job: run.outcome for run in runs}
    return {
        "seconds": end,
        "states": {job.name: last.get(job.name, "skipped") for job in jobs},
        "busy": round(sum(run.end - run.begin for run in runs) / (end * workers), 3) if runs else 0.0,
        "longest": max(_critical_paths(jobs).values(), default=0),
    }


def chart(runs: Sequence[Run], workers: int) -> str:
    lines = [["."] * _end(runs) for _ in range(workers)]
    for run in runs:
        letter = run.job[0].upper() if run.outcome == "done" else run.job[0].lower()
        lines[run.worker][run.begin : run.end] = letter * (run.end - run.begin)
    return "".join(f"{number}: {''.join(line)}\n" for number, line in enumerate(lines))


def _end(runs: Sequence[Run]) -> int:
    return max((run.end for run in runs), default=0)


def _may_run(job: Job, attempts: dict[str, int], done: set[str]) -> bool:
    return job.name not in done and attempts[job.name] <= job.retries and set(job.after) <= done


def _critical_paths(jobs: Sequence[Job]) -> dict[str, int]:
    after = {job.name: list(job.after) for job in jobs}
    if len(after) < len(jobs):
        raise PlanError("two jobs of the same name")
    if unknown := {name for names in after.values() for name in names} - set(after):
        raise PlanError(f"unknown jobs: {', '.join(sorted(unknown))}")
    try:
        order = list(TopologicalSorter(after).static_order())
    except CycleError as error:
        raise PlanError("a cycle", _from_first(error.args[1][:0:-1], list(after))) from error
    seconds = {job.name: job.seconds for job in jobs}
    behind = dict.fromkeys(after, 0)
    for name in reversed(order):
        for earlier in after[name]:
            behind[earlier] = max(behind[earlier], seconds[name] + behind[name])
    return {name: seconds[name] + behind[name] for name in after}


def _from_first(cycle: list[str], names: list[str]) -> list[str]:
    start = cycle.index(min(cycle, key=names.index))
    return cycle[start:] + cycle[:start]
