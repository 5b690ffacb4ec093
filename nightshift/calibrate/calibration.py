"""The calibration: the first model that passes the gate is chosen, then its knobs are climbed, within a budget.

Every cell is on disk before the next is begun, so that a calibration killed anywhere goes on where it was. Speed
never chooses the model; it only turns knobs of the one chosen, and `climb.decide` alone says which cell is best.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from nightshift.calibrate.bench import Effort, Subject
from nightshift.calibrate.climb import decide, hotter, hottest, next_cell
from nightshift.calibrate.gate import PROMPTS
from nightshift.calibrate.trials import Ending, Knobs, Run, Stage, Trial, Trials, recipe_hash
from nightshift.errors import BudgetExceeded

Tell = Callable[[str], object]


class Measurer(Protocol):
    async def measure(self, subject: Subject, knobs: Knobs, stage: Stage, recipe: str) -> Trial:
        """Raises BudgetExceeded."""


class Calibration:
    """One run of it; `run` is the decision as far as it has come, and on disk."""

    def __init__(
        self,
        run: Run,
        trials: Trials,
        bench: Measurer,
        *,
        machine: Mapping[str, str],
        effort: Effort,
        fresh: bool = False,
        tell: Tell = lambda line: None,
    ) -> None:
        self.run = run
        self._trials, self._bench = trials, bench
        self._machine, self._effort, self._fresh, self._tell = machine, effort, fresh, tell
        self._gates: list[Trial] = []
        self._climbed: list[Trial] = []
        """Cells of the chosen model, its gate first."""
        self._heated: list[Trial] = []
        """The best of them at higher temperatures, which change no speed and so take no part in the climb."""

    async def calibrate(self, subjects: Sequence[Subject], temperatures: Sequence[float]) -> Run:
        """The finished run; when it is cancelled, `run` and the file say so."""
        self._save(Ending.RUNNING)
        try:
            await self._measure(subjects, temperatures)
        except BudgetExceeded as error:
            self._save(Ending.PARTIAL if self._climbed else Ending.NOTHING_YET, str(error))
        except asyncio.CancelledError:
            self._save(Ending.INTERRUPTED, "stopped from outside; what was measured is kept")
            raise
        finally:
            for subject in subjects:
                if subject.server:
                    await subject.server.close()
        return self.run

    async def _measure(self, subjects: Sequence[Subject], temperatures: Sequence[float]) -> None:
        chosen = await self._gate(subjects)
        if chosen is None:
            self._save(Ending.NO_FEASIBLE, none_feasible(self._gates))
            return
        while knobs := next_cell(self._climbed, chosen.axes):
            self._climbed.append(await self._cell(chosen, knobs, "climb"))
            self._save(Ending.RUNNING)
        while (best := decide(self._climbed)) and (knobs := hotter(best, self._heated, temperatures)):
            self._heated.append(await self._cell(chosen, knobs, "heat"))
            self._save(Ending.RUNNING)
        self._save(Ending.CHOSEN)

    async def _gate(self, subjects: Sequence[Subject]) -> Subject | None:
        """The first that is feasible with the knobs as they are: the order decides, not the speed."""
        for subject in subjects:
            trial = await self._cell(subject, subject.start, "gate")
            self._gates.append(trial)
            if trial.ok:
                self._climbed.append(trial)
                self._save(Ending.RUNNING)
                return subject
            if subject.server:  # the next model needs the memory
                await subject.server.close()
            self._save(Ending.RUNNING)
        return None

    async def _cell(self, subject: Subject, knobs: Knobs, stage: Stage) -> Trial:
        recipe = recipe_of(self._machine, subject, knobs, self._effort)
        seen = recipe in self.run.recipes
        known = None if self._fresh and not seen else self._trials.known(recipe)
        trial = known or await self._bench.measure(subject, knobs, stage, recipe)
        trial = replace(trial, stage=stage, kept=False)
        if stage != "heat" and decide([*self._climbed, trial]) == trial:
            trial = replace(trial, kept=True)
        self._trials.add(trial, self.run.id)
        self.run = replace(self.run, recipes=(*self.run.recipes, recipe))
        self._tell(told(trial, remembered=known is not None))
        return trial

    def _save(self, ending: Ending, message: str = "") -> None:
        best = decide(self._climbed)
        if best:
            top = hottest(best, [best, *self._heated])
            self.run = replace(self.run, chosen=best.recipe, hottest=top)
        self.run = replace(self.run, ending=ending, message=message)
        self._trials.save_run(self.run)


def recipe_of(machine: Mapping[str, str], subject: Subject, knobs: Knobs, effort: Effort) -> str:
    endpoint = subject.target.endpoint
    served = {
        "name": subject.target.model,
        "bytes": str(subject.model.size),
        "url": endpoint.url,
        "server": endpoint.flavour,
        "build": endpoint.build,
        "ours": str(subject.server is not None),
    }
    effort_text = f"{effort.replicates} {effort.first_token:g} {effort.prompt_tokens}"
    return recipe_hash(machine, served, knobs, f"{PROMPTS} {effort_text}")


def none_feasible(gates: Sequence[Trial]) -> str:
    """The last in the order, which is the smallest unless the user said otherwise, tells most and comes first."""
    reasons = [f"{trial.model}: {trial.notes}" for trial in reversed(gates)]
    return f"no model passes the gate. {'. '.join(reasons)}"


def told(trial: Trial, *, remembered: bool = False) -> str:
    mark = "best so far" if trial.kept else "ok" if trial.ok else f"not feasible: {trial.notes}"
    figures = f"{trial.first_token:.1f} s to the first token, {trial.throughput:.1f} tokens/s: " if trial.ok else ""
    source = " (measured before)" if remembered else ""
    return f"{trial.stage:5} {trial.model}, {trial.knobs}: {figures}{mark}{source}"
