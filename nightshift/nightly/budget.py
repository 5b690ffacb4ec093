"""How much of the night's budget one task may use now: its share, or twice what such a task usually takes.

A task that does not end within its share is put aside, and goes on where it stopped once all others have had
their turn: most of a night's time would else go to the tasks that fail in the end. Does not measure anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ROOM = 2.0
"""A task that takes twice its estimate is no easy win any more."""
WORTHWHILE_MINUTES = 0.02
"""With less left than this nothing is begun."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Used, allowed or left; infinite where nothing limits it."""

    minutes: float = 0.0
    calls: float = 0.0
    tokens: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.minutes + other.minutes, self.calls + other.calls, self.tokens + other.tokens)

    def __sub__(self, other: Amount) -> Amount:
        """Never less than nothing."""
        return Amount(
            max(0.0, self.minutes - other.minutes),
            max(0.0, self.calls - other.calls),
            max(0.0, self.tokens - other.tokens),
        )


UNLIMITED = Amount(math.inf, math.inf, math.inf)


def worthwhile(left: Amount) -> bool:
    return left.minutes >= WORTHWHILE_MINUTES and left.calls >= 1 and left.tokens >= 1


def allowance(own: Amount, used: Amount, left: Amount, waiting: int, usual: Amount) -> Amount:
    """The totals at which the run has to stop, what it used on earlier nights included.

    `own` is the task's limit for all nights, `left` what the night still has, `waiting` how many tasks want it.
    """
    return Amount(
        _allowed(own.minutes, used.minutes, left.minutes, waiting, usual.minutes),
        math.floor(_allowed(own.calls, used.calls, left.calls, waiting, usual.calls)),
        math.floor(_allowed(own.tokens, used.tokens, left.tokens, waiting, usual.tokens)),
    )


def _allowed(own: float, used: float, left: float, waiting: int, usual: float) -> float:
    share = min(left, max(left / max(1, waiting), ROOM * usual))
    return min(own, used + max(share, 1.0 if left >= 1 else 0.0))


def stopped_by_the_night(reason: str, totals: Amount, own: Amount) -> bool:
    """The run ended for want of what the night kept back, not at a limit of its own."""
    amounts = {
        "budget_minutes": (totals.minutes, own.minutes),
        "budget_calls": (totals.calls, own.calls),
        "budget_tokens": (totals.tokens, own.tokens),
    }
    given, wanted = amounts.get(reason, (0.0, 0.0))
    return given < wanted
