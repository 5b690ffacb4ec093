"""Runs every arm on every task and seed: worlds on one side, cases on the other, the truth at the end.

This is where the two sides meet: a world answers as the model, its task's statement makes the case, and the scorer
looks at what the arms chose. An arm is never given more than the case.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.util import Finalize

from benchmarks.selection.arms import Arm, Outcome, run
from benchmarks.selection.cases import Case, Dealer, Memo
from benchmarks.selection.scoring import Row, rows
from benchmarks.simulated.calibration import Matrix, matrix
from benchmarks.simulated.errors import errors_of
from benchmarks.simulated.knowledge import names, read
from benchmarks.simulated.model import SimulatedModel
from benchmarks.simulated.profiles import CALIBRATED, Profile
from benchmarks.simulated.testfiles import as_tests
from benchmarks.simulated.worlds import Assert, World, world
from nightshift.domain import Environment, Sandbox
from nightshift.sandbox.box import Box, open_sandbox

CALLS = 7
"""Candidates that the budget of an arm is worth, beside three test files: the most that the full method asks for."""
USER_CHECKS = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """Some arms in the worlds of one profile."""

    name: str
    profile: Profile
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class Job:
    task: str
    trials: tuple[Trial, ...]
    worlds: int = 0
    """Of the calibrated profile, to be held against the table."""


@dataclass(frozen=True, slots=True)
class Found:
    rows: Mapping[str, Sequence[Row]]
    """By name of the trial."""
    matrices: Sequence[Matrix]


def found(jobs: Sequence[Job], environment: Environment, processes: int) -> Iterator[Found]:
    """What came of each job, in order."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _open, (environment,)) as pool:
        yield from pool.map(_done, jobs)


_box: list[Box] = []
"""The sandbox of a worker process."""


def _open(environment: Environment) -> None:
    _box.append(open_sandbox(environment, parallel=1))
    Finalize(None, _box[0].close, exitpriority=10)


def _done(job: Job) -> Found:
    return asyncio.run(do(job, _box[0]))


async def do(job: Job, box: Sandbox) -> Found:
    knowledge = read(job.task)
    errors, memo, number = errors_of(knowledge, box), Memo(box), names().index(job.task)
    outcomes: dict[tuple[str, int, str], Outcome] = {}
    for trial in job.trials:
        for seed in trial.seeds:
            case = await case_of(world(errors, number, seed, trial.profile), memo)
            for arm in trial.arms:
                outcomes[trial.name, seed, arm.name] = await run(arm, case)
    judged = rows(knowledge, outcomes, box)
    matrices = [matrix(world(errors, number, seed, CALIBRATED)) for seed in range(job.worlds)]
    return Found(judged, matrices)


async def case_of(found: World, memo: Memo) -> Case:
    model = SimulatedModel(lambda _: found, memo)
    case = Case(found.errors.knowledge.statement, memo, Dealer(model), 0, _verify(found))
    return replace(case, budget=await _budget(case))


async def _budget(case: Case) -> int:
    """Of every arm: three test files and `CALLS` candidates of the size of the first."""
    tests = [await case.dealer.tests(case.plan, case.task, number) for number in range(1, 4)]
    first = await case.dealer.build(case.brief, "candidate-1", "")
    return sum(answer.tokens for answer in tests) + CALLS * first.tokens // first.calls


def _verify(found: World) -> str:
    """What a user who gives `--verify` would check: some right results."""
    expected = found.errors.expected
    calls = found.random("verify").sample(range(len(expected)), USER_CHECKS)
    return as_tests(found.errors, [Assert(call, expected[call]) for call in calls], "user")
