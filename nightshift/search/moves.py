"""The ladder of effort for one file: what may be asked of the model, in order, and why a rung is left out.

One candidate, then more of them, then repairs, then a fresh start. Each is asked only because the moves before left
no candidate that climbs every rung of the checks, and none of the reasons below says that it would not help.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nightshift.domain import Candidate, Evaluation
from nightshift.evidence import of_report
from nightshift.search.asking import Asked, race, usable
from nightshift.search.brief import Brief, Builder, Effort
from nightshift.search.evaluate import Bench
from nightshift.search.pool import Pool
from nightshift.source.normal import fingerprint

CHANGE_AFTER = 2
"""Moves in a row without a better score before the approach has to change."""
STOP_AFTER = 4
"""Moves in a row without a better score that end the search for this file."""

HINTS = (
    "",
    "think of the edge cases first, then write the plainest code that handles each",
    "split the work into small helper functions with one job each",
    "check the arguments first, then compute in as few steps as possible",
    "think of the data structure first and let the code follow from it",
)
"""A different plan varies candidates more usefully than a higher temperature; the plan's own approaches come first."""

REPAIR_TEMPERATURES = (0.0, 0.5)
"""The same question at temperature 0 has the same answer."""


@dataclass(frozen=True, slots=True)
class Move:
    name: str
    kind: Literal["sample", "repair", "fresh"]
    make: Callable[[Pool], Awaitable[None]]


def ladder(brief: Brief, builder: Builder, effort: Effort) -> list[Move]:
    desk = _Desk(brief, builder, effort)
    repairs = [Move(f"repair-{n}", "repair", desk.repair(n)) for n in range(1, effort.repairs + 1)]
    more, fresh = range(2, effort.count + 1), range(effort.count + 1, effort.widened + 1)
    return [
        Move("first", "sample", desk.sample(range(1, 2))),
        *([Move("more", "sample", desk.sample(more))] if more else []),
        *repairs,
        *([Move("fresh", "fresh", desk.fresh(fresh))] if fresh else []),
    ]


def why_not(move: Move, pool: Pool) -> str:
    """Why the next question is not worth its tokens; empty when it is."""
    return next((reason for doubt in _DOUBTS if (reason := doubt(move, pool))), "")


def _alike(move: Move, pool: Pool) -> str:
    return "different candidates behave alike, so would another" if move.kind != "repair" and pool.alike else ""


def _nothing_to_repair(move: Move, pool: Pool) -> str:
    if move.kind != "repair" or any(e.height > 0 for e in pool.evaluations):
        return ""
    return "no candidate even parses"


def _in_doubt(move: Move, pool: Pool) -> str:
    """A repair bends the code to the tests it is shown: never to those that are wrong more often than right."""
    if move.kind != "repair" or not pool.evaluations or not _failing_tests(pool.best):
        return ""
    return "" if believed(pool.best, pool) else "most candidates fail the tests that fail, so these are in doubt"


def believed(evaluation: Evaluation, pool: Pool) -> frozenset[str]:
    """Of the tests it fails, the user's and those that half of the samples pass; all, as long as nobody can say.

    Measured in the laboratory (docs/log.md, the selection suite): where the best of three candidates is wrong and fails
    a test, that test is right in 6 % of all cases when no other passes it, in 31 % when one does, in 58 % when two do.
    """
    failing = frozenset(_failing_tests(evaluation))
    samples = [e for e in pool.evaluations if e.candidate.origin == "sample" and e.outcomes]
    heard = {fingerprint(e.candidate.text): e.outcomes for e in samples}.values()
    if len(heard) < 2:
        return failing

    def told(node: str) -> bool:
        agreed = 2 * sum(outcomes.get(node, False) for outcomes in heard) >= len(heard)
        return agreed or node.split("::")[0] in pool.bench.user_tests

    return frozenset(filter(told, failing))


def _failing_tests(evaluation: Evaluation) -> list[str]:
    """Empty where something else than a test fails."""
    report = evaluation.report
    if report is None or report.collection_errors:
        return []
    return [node for node, ok in evaluation.outcomes.items() if not ok]


def _same_again(move: Move, pool: Pool) -> str:
    if move.kind == "fresh" or pool.fruitless < CHANGE_AFTER:
        return ""
    return f"no better score in {pool.fruitless} moves: the approach has to change"


def _given_up(_: Move, pool: Pool) -> str:
    return f"no better score in {pool.fruitless} moves" if pool.fruitless >= STOP_AFTER else ""


_DOUBTS: tuple[Callable[[Move, Pool], str], ...] = (
    _given_up, _nothing_to_repair, _in_doubt, _same_again, _alike,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where the questions about one file are written."""

    brief: Brief
    builder: Builder
    effort: Effort

    def sample(self, numbers: Sequence[int]) -> Callable[[Pool], Awaitable[None]]:
        async def move(pool: Pool) -> None:
            await self._raced(pool, self.brief, numbers)

        return move

    def fresh(self, numbers: Sequence[int]) -> Callable[[Pool], Awaitable[None]]:
        """From the specification and what failed alone: a model seldom leaves a text that it is shown."""

        async def move(pool: Pool) -> None:
            failed = _told(pool.best, pool) if pool.evaluations else ""
            evidence = f"Earlier versions failed like this:\n{failed}" if failed else ""
            await self._raced(pool, replace(self.brief, current="", evidence=evidence), numbers)

        return move

    def repair(self, number: int) -> Callable[[Pool], Awaitable[None]]:
        async def move(pool: Pool) -> None:
            best, label = pool.best, f"repair-{number}"
            temperature = REPAIR_TEMPERATURES[min(number, len(REPAIR_TEMPERATURES)) - 1]
            evidence = _told_to_repairer(best, pool)
            brief = self.brief.informed(f"{pool.span}/{label}", evidence)
            asked = self.builder.repair(brief, best.candidate, evidence, label, temperature=temperature)
            repaired = await usable(asked)
            pool.recorder.record(
                "repair",
                f"{pool.span}/{label}",
                path=self.brief.step.path,
                outcome=f"{label} made from {best.candidate.label}" if repaired else "no usable reply",
                detail=evidence[:400],
            )
            if repaired:
                await pool.add(repaired)

        return move

    async def _raced(self, pool: Pool, brief: Brief, numbers: Sequence[int]) -> None:
        async def good(candidate: Candidate) -> bool:
            await pool.add(candidate)
            return pool.settled

        asked = {f"candidate-{number}": self._candidate(brief, number) for number in numbers}
        if len(asked) == 1:
            if candidate := await usable(asked.popitem()[1]):
                await pool.add(candidate)
        elif asked:
            span = f"{pool.span}/candidates-{numbers[0]}-{numbers[-1]}"
            await race(asked, good, span, brief.step.path, pool.recorder)

    def _candidate(self, brief: Brief, number: int) -> Asked:
        temperatures = self.effort.temperatures
        temperature = temperatures[min(number, len(temperatures)) - 1]
        hint = hint_for(brief.step.approaches, number)
        return self.builder.build(brief, f"candidate-{number}", temperature=temperature, hint=hint)


def hint_for(approaches: Sequence[str], number: int) -> str:
    """The approach of the first, second, ... candidate: the plan's, then general ones; the first is free to choose."""
    hints = (HINTS[0], *approaches, *HINTS[1:])
    return hints[(number - 1) % len(hints)]


def failure_of(evaluation: Evaluation, bench: Bench) -> str:
    """What the first failed rung said, with the code of the failing tests."""
    failed = next((rung for rung in evaluation.rungs if not rung.passed), None)
    if failed is None:
        return ""
    if failed.name == "tests" and evaluation.report is not None:
        return f"{failed.detail}\n\n{of_report(evaluation.report, bench.tree.texts)}"
    return f"The file fails at '{failed.name}': {failed.detail}"


def _told_to_repairer(best: Evaluation, pool: Pool) -> str:
    evidence, last = _told(best, pool), pool.evaluations[-1]
    if last.candidate.origin != "repair" or last is best or not (failed := _told(last, pool)):
        return evidence
    return f"{evidence}\n\nA repair was tried already and failed like this:\n{failed}"


def _told(evaluation: Evaluation, pool: Pool) -> str:
    """What failed, without the tests that are in doubt: most of their answers are wrong, and they cost tokens."""
    report, failing = evaluation.report, _failing_tests(evaluation)
    if report is None or not failing:
        return failure_of(evaluation, pool.bench)
    shown = believed(evaluation, pool)
    results = tuple(result for result in report.results if result.node in shown)
    return failure_of(replace(evaluation, report=replace(report, results=results)), pool.bench) if shown else ""
