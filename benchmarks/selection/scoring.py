"""The truth about what the arms chose, and what the figures are worth: hidden tests, rates, intervals.

The only reader of hidden tests and solutions beside the simulated model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.selection.arms import Outcome
from benchmarks.simulated.behaviour import behaviours
from benchmarks.simulated.knowledge import Knowledge
from nightshift.domain import Sandbox

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One arm on one task and seed."""

    task: str
    seed: int
    arm: str
    right: bool
    """The file it chose passes every hidden test."""
    claimed: bool
    origin: str
    tokens: int
    seconds: float
    calls: int
    right_samples: int
    """Of the texts that the model wrote, those that are right."""
    right_free: int
    """Of those that were mended or put together without it."""
    samples: int
    tried: int = 0
    alike: int = 0
    """Of the texts it tried, the ones that only look different from another."""
    verified: bool = False
    """The user's tests pass."""


def rows(
    knowledge: Knowledge, outcomes: Mapping[tuple[str, int, str], Outcome], sandbox: Sandbox
) -> dict[str, list[Row]]:
    """By the name of the trial, of outcomes by (trial, seed, arm)."""
    texts = list({t.text for outcome in outcomes.values() for t in outcome.tried})
    right = right_texts(knowledge, texts, sandbox)
    found: dict[str, list[Row]] = {}
    for (trial, seed, name), outcome in outcomes.items():
        found.setdefault(trial, []).append(_row(knowledge.name, seed, name, outcome, right))
    return found


def right_texts(knowledge: Knowledge, texts: Sequence[str], sandbox: Sandbox) -> frozenset[str]:
    """Those that behave as the reference on every call of the task and pass every hidden test."""
    (_, *found), _ = behaviours(knowledge, texts, sandbox)
    return frozenset(text for text, each in zip(texts, found, strict=True) if each.right)


def _row(task: str, seed: int, arm: str, outcome: Outcome, right: Collection[str]) -> Row:
    good = [each for each in outcome.tried if each.text in right]
    free = [each for each in good if each.origin in ("fix", "splice")]
    return Row(
        task, seed, arm,
        right=outcome.text in right,
        claimed=outcome.claimed,
        origin=outcome.origin,
        tokens=outcome.tokens,
        seconds=round(outcome.seconds, 1),
        calls=outcome.calls,
        right_samples=len(good) - len(free),
        right_free=len(free),
        samples=len([each for each in outcome.tried if each.origin == "sample"]),
        tried=len(outcome.tried),
        alike=outcome.alike,
        verified=outcome.verified,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:5.1f} [{self.low:5.1f}, {self.high:5.1f}]"


def interval(found: Sequence[Row], figure: Callable[[Sequence[Row]], float]) -> Estimate:
    """By bootstrap over tasks: the seeds of a task stay together."""
    by_task: dict[str, list[Row]] = {}
    for row in found:
        by_task.setdefault(row.task, []).append(row)
    groups, random = list(by_task.values()), Random(0)
    values = sorted(
        figure([row for group in random.choices(groups, k=len(groups)) for row in group]) for _ in range(RESAMPLES)
    )
    return Estimate(figure(found), values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES) - 1])


def pass_rate(found: Sequence[Row]) -> float:
    return 100 * sum(row.right for row in found) / max(1, len(found))


def difference(one: str, other: str) -> Callable[[Sequence[Row]], float]:
    """In points of the pass rate, of the same tasks and seeds."""

    def figure(found: Sequence[Row]) -> float:
        return pass_rate(arm(found, one)) - pass_rate(arm(found, other))

    return figure


def arm(found: Sequence[Row], name: str) -> list[Row]:
    return [row for row in found if row.arm == name]
