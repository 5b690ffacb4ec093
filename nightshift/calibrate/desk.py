"""A calibration from its order to its page: opens the store, holds it for itself, measures, and writes the report."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nightshift.calibrate.bench import Bench, Effort, Subject
from nightshift.calibrate.calibration import Calibration, Tell, recipe_of
from nightshift.calibrate.plan import Cell, cells
from nightshift.calibrate.report import report_of
from nightshift.calibrate.trials import Ending, Knobs, Run, Trial, Trials, chosen_of, now
from nightshift.disk import lock_or_refuse, write_atomically
from nightshift.domain import Limits, Sandbox
from nightshift.limits import Budget
from nightshift.llm.deadlines import Deadlines


@dataclass(frozen=True, slots=True)
class Order:
    subjects: Sequence[Subject]
    temperatures: Sequence[float]
    folder: Path
    """Where trials and reports are kept."""
    machine: Mapping[str, str]
    limits: Limits
    deadlines: Deadlines
    effort: Effort = Effort()
    fresh: bool = False
    """Measure again what is known."""


@dataclass(frozen=True, slots=True)
class Result:
    run: Run
    trials: Sequence[Trial]
    report: Path

    @property
    def chosen(self) -> Trial | None:
        return chosen_of(self.run, self.trials)


ProfileText = Callable[[Run, Trial], str]
"""The text of the profile for the stored decision."""


def calibrate(order: Order, box: Sandbox, profile: ProfileText, tell: Tell) -> Result:
    """Raises KeyboardInterrupt and what doors raise, after the report of what was measured is written."""
    with _store(order.folder, tell) as trials:
        run = Run(_new_id(), Ending.RUNNING, now(), machine=dict(order.machine))
        bench = Bench(box, Budget(order.limits), order.deadlines, order.effort)
        work = Calibration(run, trials, bench, machine=order.machine, effort=order.effort, fresh=order.fresh, tell=tell)
        try:
            asyncio.run(work.calibrate(order.subjects, order.temperatures))
        finally:
            stored = trials.runs()[-1]
            result = Result(stored, trials.of(stored.recipes), order.folder / "calibration.html")
            text = profile(result.run, result.chosen) if result.chosen else ""
            write_atomically(result.report, report_of(result.run, result.trials, text))
        return result


def plan(order: Order, tell: Tell) -> list[Cell]:
    """What `calibrate` would measure; nobody is asked anything."""
    with _store(order.folder, tell) as trials:

        def known(subject: Subject, knobs: Knobs) -> bool:
            recipe = recipe_of(order.machine, subject, knobs, order.effort)
            return not order.fresh and trials.known(recipe) is not None

        return list(cells(order.subjects, order.temperatures, order.effort, known))


@contextmanager
def _store(folder: Path, tell: Tell) -> Iterator[Trials]:
    """For one calibration at a time: two would time each other."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "calibrate.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        lock_or_refuse(lock, folder / "calibrate.lock")
        trials = Trials(folder / "trials.sqlite")
        if trials.warning:
            tell(f"warning: {trials.warning}")
        try:
            yield trials
        finally:
            trials.close()
    finally:
        os.close(lock)


def _new_id() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(2)}"
