"""How well the search chooses, measured on simulated weak models: nothing here says anything about a real one.

    python3 benchmark.py --suite selection [--quick]

Worlds (benchmarks/simulated) answer as a model would whose errors are known; the arms run the real search on the
answers; hidden tests judge what each arm chose. Targets that are missed are published like the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.figures import Figure
from benchmarks.selection import report
from benchmarks.selection.arms import (
    BARE,
    COMPILES,
    COUNT,
    FREE,
    METHOD,
    MORE,
    ONE,
    ORACLE,
    PARTS,
    POOLS,
    VERIFIED,
    Arm,
)
from benchmarks.selection.lab import Job, Trial, found
from benchmarks.selection.speed import speed
from benchmarks.simulated.calibration import WORLDS
from benchmarks.simulated.knowledge import names
from benchmarks.simulated.profiles import CALIBRATED, PROFILES
from nightshift.domain import Environment

CORE = (ONE, COUNT, METHOD, ORACLE)
ALL = (ONE, COMPILES, COUNT, METHOD, *PARTS, BARE, FREE, VERIFIED, ORACLE)
MAIN = "7B"


@dataclass(frozen=True, slots=True)
class Scale:
    tasks: int = 40
    """Spread over all there are."""
    seeds: int = 5
    worlds: int = WORLDS
    """Of each task, for the calibration table; 0: no table."""
    arms: tuple[Arm, ...] = ALL
    varied: tuple[int, ...] = (0, 1)
    """Seeds for the arms that ask other questions, and for the assumptions that no table determines."""


QUICK = Scale(tasks=6, seeds=1, worlds=0, arms=(ONE, COUNT, METHOD, BARE, FREE, ORACLE), varied=())


def measure(scale: Scale, environment: Environment, say: Callable[[str], object]) -> list[Figure]:
    told = []
    for figure in _figures(scale, environment, say):
        say(str(figure))
        told.append(figure)
    return told


def _figures(scale: Scale, environment: Environment, say: Callable[[str], object]) -> Iterator[Figure]:
    chosen = [names()[number * len(names()) // scale.tasks] for number in range(scale.tasks)]
    others = [name for name in names() if name not in chosen] if scale.worlds else []
    trials = (Trial(MAIN, CALIBRATED, tuple(range(scale.seeds)), scale.arms), *_variations(scale.varied))
    jobs = [Job(task, trials, scale.worlds) for task in chosen]
    # The table of rules is of all tasks: there are no arms to be run for it.
    jobs += [Job(task, (), scale.worlds) for task in others]
    parts = []
    for number, part in enumerate(found(jobs, environment, len(os.sched_getaffinity(0))), 1):
        parts.append(part)
        say(f"       simulated: {jobs[number - 1].task}, {number} of {len(jobs)} tasks")
    if scale.worlds:
        yield from report.calibration([matrix for part in parts for matrix in part.matrices])
    yield speed()
    rows = report.merged([part.rows for part in parts])
    yield from report.main(rows.pop(MAIN))
    for name, found_rows in rows.items():
        yield from report.main(found_rows, f"{name}: ")


def _variations(seeds: tuple[int, ...]) -> tuple[Trial, ...]:
    """What asks other questions or other worlds, and so costs runs of its own."""
    craft, shape = CALIBRATED.craft, CALIBRATED.shape
    parts = tuple(part for part in PARTS if part.name in ("without fixes", "without splice"))
    others = (
        Trial("more", CALIBRATED, seeds, (METHOD, *MORE, *POOLS)),
        Trial(
            "if one function alone is wrong", replace(CALIBRATED, craft=replace(craft, alone=1.0)), seeds,
            (*CORE, *parts),
        ),
        Trial("if no error is on the surface", replace(CALIBRATED, shape=replace(shape, flawed=0.0)), seeds, CORE),
        Trial("if hints do not help", replace(CALIBRATED, craft=replace(craft, hinted=0.0)), seeds, CORE),
        *(Trial(f"profile {name}", PROFILES[name], seeds, CORE) for name in ("2B", "32B")),
    )  # fmt: skip
    return others if seeds else ()
