"""Which cell is best and which to measure next: pure decisions over trials.

`decide` is the one judge; the loop, the report and the profile follow it. Speeds of equal settings differ by a
fifth and more from trial to trial, so what is within the tie band counts as equally fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

from nightshift.calibrate.trials import Knobs, Trial

TIE_BAND = 0.10
LOW_ACCEPTANCE = 0.5
LEAST_SPREAD = 0.2
"""Between the coolest and the hottest candidate: equal ones would be the same text."""
STEPWISE = ("context", "parallel")
"""Axes on which a step leads to the next value; on the others it leads to any."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The values each knob can take."""

    context: tuple[int, ...]
    parallel: tuple[int, ...] = (1,)
    kv_type: tuple[str, ...] = ("",)
    speculation: tuple[str, ...] = ("",)


def decide(trials: Sequence[Trial], band: float = TIE_BAND) -> Trial | None:
    """The best feasible trial: of those within the band of the fastest, the one with the largest context, and
    of several the one with the lowest time to first token.

    Two passes over all, because a comparison of pairs would drift down by a band at every step.
    """
    feasible = [trial for trial in trials if trial.ok]
    if not feasible:
        return None
    fastest = max(trial.throughput for trial in feasible)
    tied = [trial for trial in feasible if trial.throughput >= (1 - band) * fastest]
    widest = max(trial.knobs.context for trial in tied)
    return min((trial for trial in tied if trial.knobs.context == widest), key=lambda trial: trial.first_token)


def next_cell(trials: Sequence[Trial], axes: Axes, band: float = TIE_BAND) -> Knobs | None:
    """The first neighbour of the best that is worth measuring; None on the top of the hill."""
    best = decide(trials, band)
    if best is None:
        return None
    measured = {trial.knobs for trial in trials}
    open_cells = (knobs for knobs in neighbours(best.knobs, axes) if knobs not in measured)
    return next((knobs for knobs in open_cells if not hopeless(knobs, trials)), None)


def neighbours(knobs: Knobs, axes: Axes) -> Iterator[Knobs]:
    for axis in fields(Axes):
        values, value = getattr(axes, axis.name), getattr(knobs, axis.name)
        place = values.index(value)
        steps = values[place + 1 :][:1] + values[:place][-1:] if axis.name in STEPWISE else values
        yield from (replace(knobs, **{axis.name: step}) for step in steps if step != value)


def hopeless(knobs: Knobs, trials: Sequence[Trial]) -> bool:
    """Where memory ran out, neither a larger context nor more slots of the same one are tried."""
    return any(_asks_more(knobs, trial.knobs) for trial in trials if trial.exhausted)


def hotter(best: Trial, trials: Sequence[Trial], temperatures: Sequence[float]) -> Knobs | None:
    """The next temperature to try with the best knobs: upwards, until the canary fails."""
    for temperature in sorted(temperatures):
        knobs = replace(best.knobs, temperature=temperature)
        found = next((trial for trial in trials if trial.knobs == knobs), None)
        if temperature > best.knobs.temperature and (found is None or not found.ok):
            return None if found else knobs
    return None


def hottest(best: Trial, trials: Sequence[Trial]) -> float:
    """The highest temperature that passed with the best knobs."""
    same = [trial for trial in trials if replace(trial.knobs, temperature=best.knobs.temperature) == best.knobs]
    return max(trial.knobs.temperature for trial in same if trial.ok)


def spread_to(temperatures: Sequence[float], top: float) -> tuple[float, ...]:
    """As many temperatures as were configured, squeezed below what passed.

    >>> spread_to((0.0, 0.4, 0.8), 0.4)
    (0.0, 0.2, 0.4)
    """
    low, high = min(temperatures), max(temperatures)
    width = max(top - low, LEAST_SPREAD)
    if width >= high - low:
        return tuple(temperatures)
    return tuple(round(low + (value - low) * width / (high - low), 2) for value in temperatures)


def warnings(trial: Trial) -> Iterator[str]:
    """What to know of a trial although it is feasible."""
    if trial.drafted and trial.accepted < LOW_ACCEPTANCE * trial.drafted:
        share = 100 * trial.accepted / trial.drafted
        yield f"only {share:.0f} % of the drafted tokens were accepted: {trial.knobs.speculation} does not pay here"
    if trial.spread > TIE_BAND:
        yield f"its replicates differ by {100 * trial.spread:.0f} %: gains below that are noise"


def _asks_more(knobs: Knobs, failed: Knobs) -> bool:
    same_memory = knobs.context == failed.context and knobs.kv_type == failed.kv_type
    return knobs.context > failed.context or (same_memory and knobs.parallel >= failed.parallel)
