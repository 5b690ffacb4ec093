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
        left = self.remaining()
        spent: tuple[tuple[float, ExitReason, str, str], ...] = (
            (left.minutes, "budget_minutes", f"{self.limits.minutes:g} minutes", "--max-minutes"),
            (left.calls, "budget_calls", f"{self.limits.calls} model calls", "--max-calls"),
            (left.tokens, "budget_tokens", f"{self.limits.tokens} tokens", "--max-tokens"),
        )
        for rest, reason, amount, flag in spent:
            if rest <= 0:
                raise BudgetExceeded(f"The budget of {amount} is used up; {flag} sets a larger one.", reason)

    def charge_call(self) -> None:
        """Counts one generation request, just before it is sent, or raises BudgetExceeded."""
        self.check()
        self.calls += 1

    def add_tokens(self, tokens: int) -> None:
        self.tokens += tokens


@dataclass(frozen=True, slots=True)
class Progress:
    """One failed attempt, as the loop breakers see it."""

    diagnosis: tuple[str, ...]
    """`Diagnosis.signature`; empty when there was none."""
    tree: str
    """`tree_hash` of the tree that was judged."""
    score: tuple[int, int]
    """`Verdict.score`."""


def stuck(history: Sequence[Progress]) -> str | None:
    """Why the last attempt of the history was no progress; None when it may go on as before."""
    return next((reason for sign in SIGNS if history and (reason := sign(history))), None)


def _tree_seen_before(history: Sequence[Progress]) -> str | None:
    *earlier, last = history
    seen = next((i for i, attempt in enumerate(earlier, 1) if attempt.tree == last.tree), None)
    return f"the tree is the one of attempt {seen} again" if seen else None


def _same_diagnosis(history: Sequence[Progress]) -> str | None:
    *earlier, last = history
    # Blaming a file again while the score rises is progress, not a circle.
    same = [i for i, a in enumerate(earlier, 1) if a.diagnosis == last.diagnosis and a.score >= last.score]
    return f"the diagnosis is the one of attempt {same[0]} again" if same and last.diagnosis else None


def _no_better_score(history: Sequence[Progress]) -> str | None:
    scores = [attempt.score for attempt in history]
    if len(scores) <= PATIENCE or max(scores[-PATIENCE:]) > max(scores[:-PATIENCE]):
        return None
    return f"no better score for {PATIENCE} attempts"


SIGNS: tuple[Callable[[Sequence[Progress]], str | None], ...] = (
    _tree_seen_before,
    _same_diagnosis,
    _no_better_score,
)


def tree_hash(texts: Mapping[str, str]) -> str:
    """Equal for two trees with the same texts under the same paths, in whatever order."""
    return hashlib.sha256(json.dumps(sorted(texts.items())).encode()).hexdigest()
