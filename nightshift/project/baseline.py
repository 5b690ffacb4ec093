"""What a project's tests said before anything was touched: passed, failed, wavering, slow, or not run for want of time.

Measured within a time box, file by file in portions, so that a repository of any size has a baseline: what it
does not reach is measured later, when it is known which files a plan concerns. What a test that passes twice does
the third time is not known.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nightshift.checks import base_node
from nightshift.domain import ExecLimits, Outcome, Sandbox, TestReport, TestResult, Tree

SECONDS = 120.0
"""For the first run of all."""
CHEAP_SECONDS = 20.0
"""A suite that takes no longer is run twice, the second time backwards and with another hash seed."""
PORTION = 100
"""Test files of one run."""
MANY = 400
SLOW_SECONDS = 1.0
SLOW_FACTOR = 6.0
"""Of the limit of one test: what was late once is tried again with that much, alone."""
MARGIN = 3.0
"""How much longer than at the baseline a test and a run may take."""
LATE = "timed out after"


@dataclass(frozen=True, slots=True)
class Baseline:
    passed: tuple[str, ...] = ()
    """Test ids without parameters, of which some passed."""
    failed: Mapping[str, Outcome] = field(default_factory=dict)
    """Test ids, or files that could not be collected (as errors), and how they ended."""
    flaky: tuple[str, ...] = ()
    """Ids without parameters that ended differently on the same tree."""
    slow: Mapping[str, float] = field(default_factory=dict)
    """Test id -> seconds."""
    unknown: tuple[str, ...] = ()
    """Files that the time box did not reach."""
    unusable: tuple[str, ...] = ()
    """Files whose run cannot be told whole: they leave tests out, or end pytest itself."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """What is in `failed` -> the last line of its evidence."""
    seconds: float = 0.0
    """That one run of all took."""
    slowest: float = 0.0
    cases: Mapping[str, int] = field(default_factory=dict)
    """Test id without parameters -> its cases that passed, where there were several: the code may say how many."""

    @property
    def broken(self) -> tuple[str, ...]:
        """What failed: neither skipped nor expected to fail."""
        return tuple(node for node, outcome in self.failed.items() if outcome in ("failed", "error"))

    def limits(self, usual: ExecLimits) -> ExecLimits:
        """Bounds in which the tests that passed can pass again."""
        return replace(
            usual,
            seconds=max(usual.seconds, self.seconds * MARGIN),
            test_seconds=max(usual.test_seconds, self.slowest * MARGIN),
        )

    def joined(self, other: Baseline) -> Baseline:
        """With what was measured later."""
        known = {*_files_of(other), *other.unusable}
        return Baseline(
            tuple(sorted({*self.passed, *other.passed})),
            {**self.failed, **other.failed},
            tuple(sorted({*self.flaky, *other.flaky})),
            {**self.slow, **other.slow},
            tuple(file for file in self.unknown if file not in known),
            (*self.unusable, *other.unusable),
            {**self.reasons, **other.reasons},
            self.seconds + other.seconds,
            max(self.slowest, other.slowest),
            {**self.cases, **other.cases},
        )


def _files_of(baseline: Baseline) -> set[str]:
    return {node.split("::")[0] for node in (*baseline.passed, *baseline.failed, *baseline.flaky)}


def measure(
    tree: Tree,
    files: Sequence[str],
    box: Sandbox,
    limits: ExecLimits,
    *,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Baseline:
    """Runs the tests of these files as they are: all once, and once more what failed or is cheap."""
    begun = clock()
    first = _Runs(tree, box, limits, begun + seconds, clock)
    first.run_all(files)
    spent = clock() - begun
    late = [r.node for r in first.results if LATE in r.detail]
    patient = replace(limits, test_seconds=limits.test_seconds * SLOW_FACTOR)
    results = {r.node: r for r in first.results}
    if late and (left := begun + seconds * 2 - clock()) > 0:
        again = box.test(tree, late, limits=replace(patient, seconds=left))
        results |= {r.node: r for r in again.results}
    outcomes = {node: r.outcome for node, r in results.items()}
    wavering = _wavering(tree, box, limits, outcomes, late, cheap=spent <= CHEAP_SECONDS)
    broken: dict[str, Outcome] = dict.fromkeys(first.errors, "error")
    failed = {n: o for n, o in outcomes.items() if o != "passed" and base_node(n) not in wavering}
    passed = set(map(base_node, _passing(outcomes))) - wavering
    return Baseline(
        tuple(sorted(passed)),
        {**broken, **failed},
        tuple(sorted(wavering)),
        {r.node: round(r.seconds, 2) for r in results.values() if r.seconds >= SLOW_SECONDS},
        tuple(first.unknown),
        tuple(first.unusable),
        {**{n: _last_line(results[n].detail) for n in failed}, **{p: _last_line(t) for p, t in first.errors.items()}},
        round(spent, 2),
        round(max((r.seconds for r in results.values() if r.outcome == "passed"), default=0.0), 2),
        {node: count for node, count in Counter(map(base_node, _passing(outcomes))).items() if count > 1},
    )


def _passing(outcomes: Mapping[str, Outcome]) -> list[str]:
    return [node for node, outcome in outcomes.items() if outcome == "passed"]


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("E ")]
    return (told or lines or [""])[-1].removeprefix("E").strip()[:200]


def _wavering(
    tree: Tree, box: Sandbox, limits: ExecLimits, outcomes: Mapping[str, Outcome], late: Sequence[str], *, cheap: bool
) -> set[str]:
    """Ids, without parameters, that end differently when they run once more."""
    failing = [node for node, outcome in outcomes.items() if outcome in ("failed", "error") and node not in late]
    again = _backwards(outcomes, late) if cheap else failing
    if not again:
        return set()
    report = box.test(tree, again, limits=limits, hash_seed=1)
    found = {r.node for r in report.results if (r.outcome == "passed") != (outcomes.get(r.node) == "passed")}
    # Alone, in its own order and with its own seed, a test that only leans on these gives its first answer again.
    leaning = _steady(tree, box, limits, outcomes, found) if found else set[str]()
    return {base_node(node) for node in found - leaning}


def _backwards(outcomes: Mapping[str, Outcome], late: Sequence[str]) -> list[str]:
    """Test by test, or file by file where there are many: pytest looks through this list for each of its tests."""
    nodes = [node for node in reversed([*outcomes]) if node not in late]
    return nodes if len(nodes) <= MANY else list(dict.fromkeys(node.split("::")[0] for node in nodes))


def _steady(
    tree: Tree, box: Sandbox, limits: ExecLimits, outcomes: Mapping[str, Outcome], suspects: set[str]
) -> set[str]:
    """Those that keep to their answer in two more runs of their files as they are."""
    files = list(dict.fromkeys(node.split("::")[0] for node in outcomes if node in suspects))
    runs = [box.test(tree, files, limits=limits) for _ in range(2)]
    kept = [{r.node for r in run.results if r.outcome == outcomes.get(r.node)} for run in runs]
    return suspects & kept[0] & kept[1]


class _Runs:
    """The first run of all, in portions, until the time is over."""

    def __init__(self, tree: Tree, box: Sandbox, limits: ExecLimits, end: float, clock: Callable[[], float]) -> None:
        self._tree, self._box, self._limits, self._end, self._clock = tree, box, limits, end, clock
        self.results: list[TestResult] = []
        self.errors: dict[str, str] = {}
        self.unknown: list[str] = []
        self.unusable: list[str] = []

    def run_all(self, files: Sequence[str]) -> None:
        for start in range(0, len(files), PORTION):
            self._run(files[start : start + PORTION])

    def _run(self, files: Sequence[str]) -> None:
        left = self._end - self._clock()
        if left <= 0:
            self.unknown += files
            return
        bounds = replace(self._limits, seconds=min(left, self._limits.seconds))
        report = self._box.test(self._tree, files, limits=bounds)
        if report.complete or all(file in dict(report.collection_errors) for file in files):
            self._keep(report)
        elif len(files) == 1:
            self._give_up(files[0], report)
        else:
            # Which one ended the run is found by halves: the others have nothing to do with it.
            half = len(files) // 2
            self._run(files[:half])
            self._run(files[half:])

    def _keep(self, report: TestReport) -> None:
        self.results += report.results
        self.errors |= dict(report.collection_errors)

    def _give_up(self, file: str, report: TestReport) -> None:
        over = report.exec is not None and report.exec.timed_out
        (self.unknown if over else self.unusable).append(file)
