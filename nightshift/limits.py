"""The run's budget, and the signs that a run goes in circles.

A budget only ever shrinks: a resumed run starts with what the earlier parts used. What a reply costs is known
afterwards: requests already in flight may take the tokens past their limit, but no new one is sent.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nightshift.domain import ExitReason, Limits
from nightshift.errors import BudgetExceeded

PATIENCE = 2
"""Attempts without a better score before the strategy has to change."""


class Budget:
    """Counts what a run uses. `elapsed` is the seconds that earlier parts of a resumed run took."""

    def __init__(
        self,
        limits: Limits,
        *,
        used_calls: int = 0,
        used_tokens: int = 0,
        elapsed: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.calls = used_calls
        self.tokens = used_tokens
        self._clock = clock
        self._start = clock() - elapsed

    @property
    def elapsed_minutes(self) -> float:
        return (self._clock() - self._start) / 60

    def remaining(self) -> Limits:
        return Limits(
            max(0.0, self.limits.minutes - self.elapsed_minutes),
            max(0, self.limits.calls - self.calls),
            max(0, self.limits.tokens - self.tokens),
        )

    def check(self) -> None:
        """Raises BudgetExceeded when nothing more may be asked."""
        spent: tuple[tuple[float, float, ExitReason], ...] = (
            (self.limits.minutes, self.elapsed_minutes, "budget_minutes"),
            (self.limits.calls, self.calls, "budget_calls"),
            (self.limits.tokens, self.tokens, "budget_tokens"),
        )
        for limit, used, reason in spent:
            if used >= limit:
                raise BudgetExceeded(used_up(reason, limit, used), reason)

    def charge_call(self) -> None:
        """Counts one generation request, just before it is sent, or raises BudgetExceeded."""
        self.check()
        self.calls += 1

    def add_tokens(self, tokens: int) -> None:
        self.tokens += tokens


BUDGETS: Mapping[ExitReason, tuple[str, str]] = {
    "budget_minutes": ("minutes", "--max-minutes"),
    "budget_calls": ("model calls", "--max-calls"),
    "budget_tokens": ("tokens", "--max-tokens"),
}
"""Exit reason -> what was limited, and by which flag."""


def used_up(reason: ExitReason, limit: float, used: float) -> str:
    """
    >>> used_up("budget_tokens", 2000, 5312)
    'The budget of 2,000 tokens is used up (5,312 spent); --max-tokens sets a larger one.'
    """
    unit, flag = BUDGETS[reason]
    return f"The budget of {limit:,.10g} {unit} is used up ({round(used, 2):,.10g} spent); {flag} sets a larger one."


class Allowance:
    """Attempts and plans of one run. They only ever shrink, but that the first new plan brings half of the attempts."""

    def __init__(self, attempts: int, replans: int) -> None:
        self.number = 0
        """Of the attempt that was taken last."""
        self.plans = 1
        self._attempts = attempts
        self._replans = replans
        self._refill = attempts // 2

    def attempt(self) -> int | None:
        """The number of one more attempt; None when they are used up."""
        if self.number >= self._attempts:
            return None
        self.number += 1
        return self.number

    @property
    def spent(self) -> bool:
        """No attempt is left for the present plan."""
        return self.number >= self._attempts

    def replan(self) -> bool:
        """Takes one more plan; False when none is left, or no attempt for it."""
        if self.plans > self._replans:
            return False
        self._attempts += self._refill
        self._refill = 0
        if self.number >= self._attempts:
            return False
        self.plans += 1
        return True


@dataclass(frozen=True, slots=True)
class Progress:
    """One failed attempt, as the loop breakers see it."""

    diagnosis: tuple[str, ...]
    """`Diagnosis.signature`; empty when there was none."""
    tree: str
    """`tree_hash` of the tree that was judged."""
    score: tuple[int, int]
    """`Verdict.score`."""
    plan: int = 1
    """Which plan it built, counted from 1: scores and diagnoses of different plans say nothing of each other."""
    made: str = ""
    """`tree_hash` of the files that this attempt made; empty when it made none."""


def stuck(history: Sequence[Progress]) -> str | None:
    """Why the last attempt of a run's whole history was no progress; None when it may go on as before."""
    return next((reason for sign in SIGNS if history and (reason := sign(history))), None)


def _tree_seen_before(history: Sequence[Progress]) -> str | None:
    *earlier, last = history
    seen = next((i for i, attempt in enumerate(earlier, 1) if attempt.tree == last.tree), None)
    return f"the tree is the one of attempt {seen} again" if seen else None


def _same_files_made(history: Sequence[Progress]) -> str | None:
    *earlier, last = history
    # The same files beside better tests may get further.
    same = [i for i, a in enumerate(earlier, 1) if a.made == last.made and not _risen(a, last)]
    return f"the files made are those of attempt {same[0]} again" if same and last.made else None


def _same_diagnosis(history: Sequence[Progress]) -> str | None:
    *earlier, last = history
    # Blaming a file again while the score rises is progress, not a circle.
    same = [
        i
        for i, a in enumerate(earlier, 1)
        if a.plan == last.plan and a.diagnosis == last.diagnosis and not _risen(a, last)
    ]
    return f"the diagnosis is the one of attempt {same[0]} again" if same and last.diagnosis else None


def _risen(before: Progress, after: Progress) -> bool:
    return before.plan == after.plan and after.score > before.score


def _no_better_score(history: Sequence[Progress]) -> str | None:
    scores = [attempt.score for attempt in history if attempt.plan == history[-1].plan]
    if len(scores) <= PATIENCE or max(scores[-PATIENCE:]) > max(scores[:-PATIENCE]):
        return None
    return f"no better score for {PATIENCE} attempts"


SIGNS: tuple[Callable[[Sequence[Progress]], str | None], ...] = (
    _tree_seen_before,
    _same_files_made,
    _same_diagnosis,
    _no_better_score,
)


def tree_hash(texts: Mapping[str, str]) -> str:
    """Equal for two trees with the same texts under the same paths, in whatever order."""
    return hashlib.sha256(json.dumps(sorted(texts.items())).encode()).hexdigest()
