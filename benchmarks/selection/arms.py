"""The ways to a file that are compared at equal tokens: simple rules, the full method, and it without each part.

The full method is `nightshift.search.build.build_step` itself. An arm is given a `Case` and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.selection.cases import RUN_SECONDS, Case, Log, Purse
from nightshift.domain import Evaluation
from nightshift.errors import ReplyRejected
from nightshift.search.brief import Effort
from nightshift.search.build import build_step
from nightshift.search.evaluate import Bench, evaluate

FULL = Effort(count=3, temperatures=(0.0, 0.4, 0.8), widened=5, repairs=2)
MANY = 40
"""More candidates than any budget allows."""


@dataclass(frozen=True, slots=True)
class Tried:
    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class Outcome:
    text: str
    """Empty when nothing usable came."""
    claimed: bool
    """Every check that the arm knows of passed."""
    origin: str
    tokens: int
    seconds: float
    calls: int
    tried: tuple[Tried, ...]
    """Every file it looked at."""
    alike: int = 0
    """Of these, the ones that only look different from another and were not run."""
    verified: bool = False
    """The user gave tests, and they pass."""


@dataclass(frozen=True, slots=True)
class Choice:
    tried: Sequence[Tried]
    chosen: Tried | None
    claimed: bool = False
    alike: int = 0
    verified: bool = False


Way = Callable[[Case, Purse], Awaitable[Choice]]


@dataclass(frozen=True, slots=True)
class Arm:
    name: str
    way: Way
    verify: bool = False
    """The user gave a test file."""
    hints: bool = True


async def run(arm: Arm, case: Case) -> Outcome:
    purse, asked = Purse(case.dealer, case.budget, arm.hints), case.sandbox.asked
    choice = await arm.way(case if arm.verify else replace(case, verify=""), purse)
    seconds = purse.seconds + RUN_SECONDS * (case.sandbox.asked - asked)
    chosen = choice.chosen or Tried("", "")
    return Outcome(
        chosen.text,
        choice.claimed,
        chosen.origin,
        purse.tokens,
        seconds,
        purse.calls,
        tuple(choice.tried),
        choice.alike,
        choice.verified,
    )


# Simple rules.


async def _one(case: Case, purse: Purse) -> Choice:
    found = [e async for e in _samples(case, case.bench({}), purse, 1)]
    return _choice(found, found[0] if found else None)


async def _by_compiling(case: Case, purse: Purse) -> Choice:
    """The first that can be imported and has the interface; else the first."""
    found: list[Evaluation] = []
    async for evaluation in _samples(case, case.bench({}), purse):
        found.append(evaluation)
        if evaluation.passed:
            break
    return _choice(found, max(found, key=lambda e: e.height, default=None))


async def _by_tests(case: Case, purse: Purse) -> Choice:
    """The one that passes most tests; asking ends when one passes all."""
    bench = await case.tested(purse)
    found: list[Evaluation] = []
    async for evaluation in _samples(case, bench, purse):
        found.append(evaluation)
        if evaluation.passed:
            break
    return _choice(found, max(found, key=lambda e: (e.height, sum(e.outcomes.values())), default=None))


async def _all_samples(case: Case, purse: Purse) -> Choice:
    """As many samples as best of N by tests can have: what an oracle would choose from."""
    bench = await case.tested(purse)
    found = [evaluation async for evaluation in _samples(case, bench, purse)]
    return _choice(found, found[0] if found else None)


async def _samples(case: Case, bench: Bench, purse: Purse, count: int = MANY) -> AsyncIterator[Evaluation]:
    for number in range(1, count + 1):
        if purse.empty:
            return
        try:
            candidate = await purse.build(case.brief, f"candidate-{number}", temperature=0.8)
        except ReplyRejected:
            continue
        yield evaluate(candidate, bench)


def _choice(found: Sequence[Evaluation], chosen: Evaluation | None) -> Choice:
    tried = [Tried(e.candidate.text, e.candidate.origin) for e in found]
    if chosen is None:
        return Choice(tried, None)
    return Choice(tried, Tried(chosen.candidate.text, chosen.candidate.origin), chosen.passed)


# The full method, and it without a part.


async def _method(case: Case, purse: Purse, effort: Effort = FULL, files: int = 3, *, by_count: bool = False) -> Choice:
    bench, log = await case.tested(purse, files), Log()
    built = await build_step(case.brief, bench, purse, effort, log)
    told = log.of("evaluation")
    tried = [Tried(record["candidate"]["text"], record["candidate"]["origin"]) for record in told]
    alike = sum(record["same_as"] is not None for record in told)
    if built is None:
        return Choice(tried, None)
    if by_count:
        best = max(range(len(told)), key=lambda i: _count(told[i]))
        return Choice(tried, tried[best], all(rung["passed"] for rung in told[best]["rungs"]), alike)
    chosen = built.chosen.candidate
    users = [ok for node, ok in built.chosen.outcomes.items() if node.split("::")[0] in bench.user_tests]
    return Choice(tried, Tried(chosen.text, chosen.origin), built.chosen.passed, alike, bool(users) and all(users))


def _without(**parts: Any) -> Way:
    return partial(_method, effort=replace(FULL, **parts))


def _count(record: Mapping[str, Any]) -> tuple[int, int]:
    """Rungs climbed, tests passed."""
    return sum(rung["passed"] for rung in record["rungs"]), sum(record["outcomes"].values())


ONE = Arm("one sample", _one)
COMPILES = Arm("best of N by compiling", _by_compiling)
COUNT = Arm("best of N by tests passed", _by_tests)
METHOD = Arm("full method", _method)
VERIFIED = Arm("with --verify", _method, verify=True)
ORACLE = Arm("oracle of N", _all_samples)
"""Its figure is the share of cases in which any of its samples is right."""
BARE = Arm("5 samples, nothing free", _without(count=5, repairs=0, fixes=False, splice=False, probes=False))
FREE = Arm("5 samples, fixes and splice", _without(count=5, repairs=0, probes=False))
PARTS = (
    Arm("without fixes", _without(fixes=False)),
    Arm("without splice", _without(splice=False)),
    Arm("without probes", _without(probes=False)),
    Arm("without weights at the end", partial(_method, by_count=True)),
    Arm("without repairs", _without(repairs=0)),
    Arm("without hints", _method, hints=False),
)
MORE = (Arm("with votes", _without(votes=True)), Arm("with up to 7 samples", _without(widened=7)))
POOLS = (Arm("1 test file", partial(_method, files=1)), Arm("6 test files", partial(_method, files=6)))
