"""What a heap of outcomes says: shares with intervals, and whether one model or version is better than another.

Intervals are bootstrap intervals over tasks and, within a task, over its repeats: both are samples, of the tasks that
might be asked and of the luck a run may have. A comparison is paired by task, and is refused between results that
differ in more than the one thing compared. A few tasks give wide intervals; that is what few tasks are worth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, median
from typing import Literal

from benchmarks.outcomes import Outcome
from benchmarks.setting import Setting, differences
from nightshift.errors import ConfigError

DRAWS = 4000
LEVEL = 0.95

Result = Literal["better", "worse", "undecided"]
Groups = Mapping[str, Sequence[float]]
"""Task -> the values of its repeats."""


@dataclass(frozen=True, slots=True)
class Interval:
    value: float
    low: float
    high: float

    def percent(self) -> str:
        return f"{100 * self.value:.0f} % ({100 * self.low:.0f} to {100 * self.high:.0f})"


@dataclass(frozen=True, slots=True)
class Standing:
    """One setting on one set of tasks."""

    setting: Setting
    runs: int
    tasks: int
    repeats: int
    """Of the task with the fewest."""
    accepted: Interval
    any_accepted: float
    """Share of tasks that were accepted in some repeat."""
    claimed: int
    false_green: int
    false_red: int
    attempts: float
    calls: float
    """Medians of a run, as are tokens and seconds."""
    tokens: float
    seconds: float
    cached_share: float
    tokens_per_second: float
    first_candidate_rate: float | None
    dates: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """B measured against A, on the tasks that both did."""

    first: Setting
    second: Setting
    tasks: int
    difference: Interval
    """Of the accepted share, B less A."""
    chance: float
    """Of a difference as large when neither is better: the signs of the tasks' differences thrown at random."""
    regressions: tuple[str, ...]
    """Tasks of which B passes less than A, worst first."""
    gains: tuple[str, ...]

    @property
    def result(self) -> Result:
        """Both have to say so: on a handful of tasks a bootstrap interval is too narrow."""
        if self.chance > 1 - LEVEL:
            return "undecided"
        if self.difference.low > 0:
            return "better"
        return "worse" if self.difference.high < 0 else "undecided"

    def __str__(self) -> str:
        points = f"{100 * self.difference.value:+.0f} points"
        bounds = f"{100 * self.difference.low:+.0f} to {100 * self.difference.high:+.0f}"
        told = f"{points} ({bounds}; {self.tasks} tasks, p = {self.chance:.3f})"
        return f"{self.second.title} is {self.result}: {told} against {self.first.title}"


def by_setting(outcomes: Sequence[Outcome]) -> dict[Setting, list[Outcome]]:
    """In the order in which they first appear."""
    found: dict[Setting, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.setting, []).append(outcome)
    return found


def standing(outcomes: Sequence[Outcome]) -> Standing:
    """Of the outcomes of one setting, at least one."""
    groups = _accepted(outcomes)
    rates = [o.first_candidate_rate for o in outcomes if o.first_candidate_rate is not None]
    dates = sorted(outcome.date for outcome in outcomes)
    return Standing(
        setting=outcomes[0].setting, runs=len(outcomes), tasks=len(groups), repeats=min(map(len, groups.values())),
        accepted=bootstrap(groups), any_accepted=fmean(any(values) for values in groups.values()),
        claimed=sum(o.claimed for o in outcomes), false_green=sum(o.false_green for o in outcomes),
        false_red=sum(o.false_red for o in outcomes), attempts=median(o.attempts for o in outcomes),
        calls=median(o.calls for o in outcomes), tokens=median(o.tokens for o in outcomes),
        seconds=median(o.seconds for o in outcomes),
        cached_share=_share(outcomes, lambda o: o.cached_tokens, lambda o: o.prompt_tokens),
        tokens_per_second=_share(outcomes, lambda o: o.completion_tokens, lambda o: o.model_seconds),
        first_candidate_rate=fmean(rates) if rates else None, dates=(dates[0], dates[-1]),
    )  # fmt: skip


def compared(first: Sequence[Outcome], second: Sequence[Outcome]) -> Comparison:
    """Raises ConfigError, with the reason, when the two cannot be compared."""
    if reason := incomparable(first, second):
        raise ConfigError(reason)
    before, after = _accepted(first), _accepted(second)
    common = [task for task in before if task in after]
    changes = {task: fmean(after[task]) - fmean(before[task]) for task in common}
    worse = sorted((task for task in common if changes[task] < 0), key=lambda task: changes[task])
    better = sorted((task for task in common if changes[task] > 0), key=lambda task: -changes[task])
    pairs = {task: (before[task], after[task]) for task in common}
    return Comparison(
        first[0].setting, second[0].setting, len(common), bootstrap_difference(pairs),
        by_chance([changes[task] for task in common]), tuple(worse), tuple(better),
    )  # fmt: skip


def incomparable(first: Sequence[Outcome], second: Sequence[Outcome]) -> str:
    """Why nothing can be said of the two; empty when something can."""
    if not first or not second:
        return "there is nothing to compare: one of the two has no results"
    one, other = first[0].setting, second[0].setting
    differing = differences(one, other)
    if len(differing) > 1:
        return (
            f"these results differ in {' and '.join(differing)}: nobody can tell which of them made the difference; "
            "run one side again so that only one of them differs"
        )
    if one.simulated != other.simulated:
        return "one of these results is of a simulation, the other of a model: they say nothing of each other"
    digests = {o.task: o.digest for o in first}
    common = [o for o in second if o.task in digests]
    if not common:
        return "these results have no task in common"
    if changed := sorted({o.task for o in common if o.digest != digests[o.task]}):
        return f"the task {changed[0]} is not the same in both: its prompt, tests or limits were changed in between"
    return ""


def bootstrap(groups: Groups, draws: int = DRAWS) -> Interval:
    """The mean over tasks of the mean over repeats. All alike says little of few tasks: then the bound is exact."""
    found = _interval({task: (values,) for task, values in groups.items()}, lambda drawn: fmean(drawn[0]), draws)
    unseen = 1 - ((1 - LEVEL) / 2) ** (1 / len(groups))
    return Interval(
        found.value,
        1 - unseen if found.low == 1 else found.low,
        unseen if found.high == 0 else found.high,
    )


def bootstrap_difference(pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]], draws: int = DRAWS) -> Interval:
    """The same for the second less the first of each task."""
    return _interval(pairs, lambda drawn: fmean(drawn[1]) - fmean(drawn[0]), draws)


def by_chance(changes: Sequence[float], draws: int = DRAWS) -> float:
    """The share of throws of the signs that give a sum at least as far from nothing."""
    random, seen = Random(1), abs(sum(changes)) - 1e-9
    thrown = (abs(sum(random.choice((-1, 1)) * change for change in changes)) for _ in range(draws))
    return (1 + sum(each >= seen for each in thrown)) / (1 + draws)


def _interval(
    groups: Mapping[str, tuple[Sequence[float], ...]],
    value_of: Callable[[Sequence[Sequence[float]]], float],
    draws: int,
) -> Interval:
    random, all_groups = Random(1), list(groups.values())
    value = fmean(value_of(group) for group in all_groups)

    def drawn() -> float:
        chosen = random.choices(all_groups, k=len(all_groups))
        return fmean(value_of([random.choices(values, k=len(values)) for values in group]) for group in chosen)

    found = sorted(drawn() for _ in range(draws))
    outside = (1 - LEVEL) / 2
    return Interval(value, found[int(outside * draws)], found[min(draws - 1, int((1 - outside) * draws))])


def _accepted(outcomes: Sequence[Outcome]) -> dict[str, list[float]]:
    groups = defaultdict[str, list[float]](list)
    for outcome in outcomes:
        groups[outcome.task].append(float(outcome.accepted))
    return dict(groups)


def _share(outcomes: Sequence[Outcome], part: Callable[[Outcome], float], whole: Callable[[Outcome], float]) -> float:
    total = sum(map(whole, outcomes))
    return sum(map(part, outcomes)) / total if total else 0.0
