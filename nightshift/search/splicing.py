"""One file from the best functions of several candidates, which usually fail different tests.

The best candidate is the base and keeps its module-level code. A function of another one takes the place of the
base's where a test that only the other one passes runs it. All of them at once are tried first, then each alone,
then pairs, within a number of trials; only a higher score is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import combinations

from nightshift.domain import Evaluation
from nightshift.search.pool import Pool
from nightshift.source.splice import SpliceRefused, differing, spliced, units

TRIALS = 24
"""Test runs that splicing may cost after each move; a run takes 20 to 200 ms."""
DONORS = 4


async def splice(pool: Pool) -> None:
    left = TRIALS
    while left > 0 and not pool.settled:
        used, better = await _improved(pool, left)
        left -= used
        if not better:
            return


async def _improved(pool: Pool, trials: int) -> tuple[int, bool]:
    """How many trials were used, and whether one of them gave a better base."""
    base, used = pool.best, 0
    if not base.outcomes:
        return 0, False
    for donor, names in await _offers(base, pool):
        if used >= trials:
            break
        text = _joined(base.candidate.text, donor.candidate.text, names)
        if not text or pool.like(text) or text in pool.spliced:
            continue
        pool.spliced.add(text)
        used += 1
        if await _tried(text, base, donor, names, pool):
            return used, True
    return used, False


def _joined(base: str, donor: str, names: Collection[str]) -> str:
    """Empty when it cannot be done, not even with what else the refusal asks for."""
    try:
        return spliced(base, donor, names)
    except SpliceRefused as refused:
        if not refused.also:
            return ""
        wider = [*names, *refused.also]
    try:
        return spliced(base, donor, wider)
    except SpliceRefused:
        return ""


async def _tried(text: str, base: Evaluation, donor: Evaluation, names: Collection[str], pool: Pool) -> bool:
    label = f"splice-{len(pool.spliced)}"
    tried = await pool.tried(replace(base.candidate, text=text, origin="splice", label=label))
    better = pool.rises(tried, base)
    pool.recorder.record(
        "splice",
        f"{pool.span}/{label}",
        path=base.candidate.path,
        base=base.candidate.label,
        donor=donor.candidate.label,
        names=sorted(names),
        kept=better,
        passed=tried.passed,
    )
    if better:
        pool.keep(tried)
        pool.mended.add(label)
    return better


async def _offers(base: Evaluation, pool: Pool) -> list[tuple[Evaluation, tuple[str, ...]]]:
    """Donors with the functions to take from each, the most promising first."""
    donors = [(e, gained) for e in pool.evaluations if (gained := _gained(e, base))]
    donors.sort(key=lambda offer: -len(offer[1]))
    if not donors:
        return []
    run = await asyncio.to_thread(_units_run, base, sorted({node for _, gained in donors for node in gained}), pool)
    offers: list[tuple[Evaluation, tuple[str, ...]]] = []
    for donor, gained in donors[:DONORS]:
        names = differing(base.candidate.text, donor.candidate.text)
        weights = {name: sum(name in run.get(node, ()) for node in gained) for name in names}
        # A function that the base lacks is run by no test of the base: it may be the very one that is wanted.
        known = units(base.candidate.text)
        wanted = [name for name in names if weights[name] or not run or name not in known]
        offers += [(donor, chosen) for chosen in _choices(sorted(wanted, key=lambda name: -weights[name]))]
    return offers


def _units_run(base: Evaluation, nodes: list[str], pool: Pool) -> dict[str, frozenset[str]]:
    """Test -> the functions of the base that it runs; empty where that cannot be found out."""
    bench, path = pool.bench, base.candidate.path
    tree = bench.tree.with_text(path, base.candidate.text)
    report = bench.sandbox.test(tree, nodes, limits=bench.limits, lines_of=(path,))
    found = units(base.candidate.text)
    lines = {node: frozenset(files.get(path, ())) for node, files in report.lines.items()}
    return {
        node: frozenset(name for name, unit in found.items() if any(unit.first <= line <= unit.last for line in run))
        for node, run in lines.items()
    }


def _gained(donor: Evaluation, base: Evaluation) -> frozenset[str]:
    """The tests that the donor passes and the base fails."""
    passed = base.outcomes
    return frozenset(node for node, ok in donor.outcomes.items() if ok and not passed.get(node, False))


def _choices(names: list[str]) -> Iterator[tuple[str, ...]]:
    if len(names) > 1:
        yield tuple(names)
    yield from ((name,) for name in names)
    if len(names) > 2:
        yield from combinations(names, 2)
