"""The figures of the laboratory: how near the simulation is to what was measured, what each arm brings and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.figures import Figure
from benchmarks.selection.arms import BARE, COUNT, FREE, METHOD, MORE, ONE, ORACLE, PARTS, POOLS, VERIFIED
from benchmarks.selection.scoring import Row, arm, difference, interval, pass_rate
from benchmarks.simulated.calibration import (
    MEASURED,
    RIGHT_ASSERTS,
    SIZES,
    TOLERANCE,
    Matrix,
    off,
    right_asserts,
    table,
)


def calibration(matrices: Sequence[Matrix]) -> Iterator[Figure]:
    """Each row of the table: how far the simulation is from what was measured, at most."""
    for name, values in table(matrices).items():
        pairs = ", ".join(f"{value:.1f} ({aim:.1f})" for value, aim in zip(values, MEASURED[name], strict=True))
        how = f"% right at N = {', '.join(map(str, SIZES))}, in brackets as measured: {pairs}"
        yield Figure(
            f"calibration, {name}: furthest from the table", off(name, values), "points", how=how, at_most=TOLERANCE
        )
    asserts = right_asserts(matrices)
    how = f"{asserts:.1f} % (measured {RIGHT_ASSERTS})"
    away = abs(asserts - RIGHT_ASSERTS)
    yield Figure("calibration, right asserts: off the measured rate", away, "points", how=how, at_most=TOLERANCE)


def main(found: Sequence[Row], what: str = "") -> Iterator[Figure]:
    """Of the arms that are there: pass rates with intervals, then the targets; variations, named, have none."""
    names = list(dict.fromkeys(row.arm for row in found))
    for name in names:
        yield _rate(f"{what}{name}", found, name)
    there = set(names)
    if {ONE.name, METHOD.name, ORACLE.name} <= there:
        yield _estimated(f"{what}recovered of the way to the oracle", found, _recovered, "%", **_aim(what, at_least=60))
    if {COUNT.name, METHOD.name} <= there:
        cost = "to a right file, against best of N"
        yield _estimated(f"{what}tokens {cost}", found, _cheaper, "x", **_aim(what, at_most=1))
        yield _estimated(f"{what}seconds {cost}", found, _faster, "x")
    if {BARE.name, FREE.name} <= there:
        gained = difference(FREE.name, BARE.name)
        yield _estimated(f"{what}gained by fixes and splice without a token", found, gained, "points", at_least=0.1)
    if VERIFIED.name in there:
        yield _estimated(f"{what}false green with --verify", arm(found, VERIFIED.name), _false_green, "%", at_most=0)
        yield from _checked(arm(found, VERIFIED.name), what)
    for part in (*PARTS, *MORE, *POOLS):
        if {part.name, METHOD.name} <= there:
            lost = difference(METHOD.name, part.name)
            yield _estimated(f"{what}full method above {part.name}", found, lost, "points")
    for name in (METHOD.name, FREE.name):
        yield from _splicing(arm(found, name), f"{what}{name}: ")
    if tried := sum(row.tried for row in arm(found, METHOD.name)):
        alike = sum(row.alike for row in arm(found, METHOD.name))
        how = f"{alike} of {tried}, each one run less"
        yield Figure(f"{what}texts that only look different", 100 * alike / tried, "%", how=how)


def _aim(what: str, **target: float) -> dict[str, float]:
    return {} if what else target


def _rate(name: str, found: Sequence[Row], which: str) -> Figure:
    own = arm(found, which)
    figure = _any_right if which == ORACLE.name else pass_rate
    seen = interval(own, figure)
    claimed = [row for row in own if row.claimed]
    wrong = sum(not row.right for row in claimed)
    told = [
        f"95 % [{seen.low:.1f}, {seen.high:.1f}]",
        f"{_mean(own, _tokens):.0f} tokens",
        f"{_mean(own, _seconds):.0f} s",
        f"{_per_right(own, _tokens):.0f} tokens and {_per_right(own, _seconds):.0f} s a right file",
        f"claims {100 * len(claimed) / len(own):.0f} %, {wrong} of {len(claimed)} wrongly",
    ]
    return Figure(name, seen.value, "% right", how=", ".join(told))


def _estimated(
    name: str, found: Sequence[Row], figure: Callable[[Sequence[Row]], float], unit: str, **target: Any
) -> Figure:
    seen = interval(found, figure)
    return Figure(name, seen.value, unit, how=f"95 % [{seen.low:.2f}, {seen.high:.2f}]", **target)


def _checked(own: Sequence[Row], what: str) -> Iterator[Figure]:
    """A few checks of the user's are no proof that a file is right."""
    if passing := [row for row in own if row.verified]:
        wrong = sum(not row.right for row in passing)
        how = f"{wrong} of {len(passing)} files that pass them, of {len(own)} in all"
        yield Figure(f"{what}passes the user's checks and is wrong", 100 * wrong / len(passing), "%", how=how)


def _splicing(own: Sequence[Row], what: str) -> Iterator[Figure]:
    failing = [row for row in own if not row.right_samples]
    if failing:
        turned = sum(row.right and row.origin == "splice" for row in failing)
        mended = sum(row.right and row.origin == "fix" for row in failing)
        origins = Counter(row.origin for row in own if row.right)
        came = ", ".join(f"{count} {origin}" for origin, count in origins.most_common())
        how = (
            f"{turned} of {len(failing)} cases in which no reply was right, fixes {mended}; right files came as {came}"
        )
        yield Figure(f"{what}failing sets that splicing turned into a pass", 100 * turned / len(failing), "%", how=how)


def _any_right(found: Sequence[Row]) -> float:
    return 100 * sum(row.right_samples > 0 for row in found) / max(1, len(found))


def _recovered(found: Sequence[Row]) -> float:
    one, oracle = pass_rate(arm(found, ONE.name)), _any_right(arm(found, ORACLE.name))
    return 100 * (pass_rate(arm(found, METHOD.name)) - one) / max(1.0, oracle - one)


def _cheaper(found: Sequence[Row]) -> float:
    return _per_right(arm(found, METHOD.name), _tokens) / max(1.0, _per_right(arm(found, COUNT.name), _tokens))


def _faster(found: Sequence[Row]) -> float:
    return _per_right(arm(found, METHOD.name), _seconds) / max(1.0, _per_right(arm(found, COUNT.name), _seconds))


def _false_green(found: Sequence[Row]) -> float:
    return 100 * sum(row.claimed and not row.right for row in found) / max(1, len(found))


def _per_right(found: Sequence[Row], value: Callable[[Row], float]) -> float:
    """What was spent on all cases for each that came out right."""
    return sum(map(value, found)) / max(1, sum(row.right for row in found))


def _tokens(row: Row) -> float:
    return row.tokens


def _seconds(row: Row) -> float:
    return row.seconds


def _mean(found: Sequence[Row], value: Callable[[Row], float]) -> float:
    return sum(map(value, found)) / max(1, len(found))


def merged(parts: Sequence[Mapping[str, Sequence[Row]]]) -> dict[str, list[Row]]:
    together: dict[str, list[Row]] = {}
    for part in parts:
        for name, found in part.items():
            together.setdefault(name, []).extend(found)
    return together
