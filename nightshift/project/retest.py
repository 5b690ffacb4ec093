"""The tests that were there before, run again: nearest to the change first, and twice more before a failure counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from nightshift.checks import base_node
from nightshift.domain import ExecLimits, Plan, Quarantined, Sandbox, TestReport, TestResult, Tree
from nightshift.project.baseline import CHEAP_SECONDS, PORTION, Baseline
from nightshift.project.box import united
from nightshift.project.standing import UserTests
from nightshift.source.graph import ImportGraph, import_graph

RERUNS = 2
"""Of a test that fails now and did not before."""
SUSPECTS = 20
"""More failures than that do not waver, they are broken."""
PROBES = (0, 1, 2)
"""Hash seeds of the runs on the tree as it was, to see whether a test that wavers now did so before."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the tests that were there before say of a tree."""

    report: TestReport | None
    wavering: tuple[Quarantined, ...] = ()
    not_run: tuple[str, ...] = ()
    """Files that were left out because those nearest to the change fail already."""


def retest(
    user_tests: UserTests, files: Sequence[str], plan: Plan, tree: Tree, sandbox: Sandbox, limits: ExecLimits,
    excused: Collection[str] = (),
) -> Standing:  # fmt: skip
    """The tests that use what the plan changes, the nearest first, then all others."""
    if not files:
        return Standing(None)
    bounds = user_tests.baseline.limits(limits)
    near, far = by_distance(files, plan, tree)
    cheap = user_tests.baseline.seconds <= CHEAP_SECONDS
    first = [*near, *far] if cheap or not near else near
    begun = _steadied(user_tests, _run(tree, first, sandbox, bounds, confirm=True), tree, sandbox, bounds, excused)
    rest = [file for file in far if file not in first]
    if not rest or begun.report is None or _broken(begun.report, excused):
        return replace(begun, not_run=tuple(rest))
    # What reaches nothing that was changed needs no second opinion of it.
    others = _steadied(user_tests, _run(tree, rest, sandbox, bounds, confirm=False), tree, sandbox, bounds, excused)
    both = [report for report in (begun.report, others.report) if report]
    return Standing(united(both), (*begun.wavering, *others.wavering))


def _broken(report: TestReport, excused: Collection[str]) -> bool:
    return not report.complete or any(r.node not in excused for r in report.failures)


def _run(tree: Tree, files: Sequence[str], sandbox: Sandbox, limits: ExecLimits, *, confirm: bool) -> TestReport:
    portions = [files[start : start + PORTION] for start in range(0, len(files), PORTION)]
    reports = [sandbox.test(tree, portion, limits=limits, confirm=confirm) for portion in portions]
    return united(reports) if len(reports) > 1 else reports[0]


def by_distance(files: Sequence[str], plan: Plan, tree: Tree) -> tuple[list[str], list[str]]:
    """Those that import what the plan changes, the most direct first; and those that do not."""
    planned = [step.path for step in plan.steps if step.kind != "test"]
    ranks = _ranks(planned, import_graph({**dict.fromkeys(planned, ""), **tree.texts}))
    near = sorted((file for file in files if file in ranks), key=lambda file: (ranks[file], file))
    return near, [file for file in files if file not in ranks]


def _ranks(planned: Iterable[str], graph: ImportGraph) -> dict[str, int]:
    """Path -> over how many imports it reaches a planned file."""
    ranks = dict.fromkeys(planned, 0)
    level = [*ranks]
    while level:
        found = {path for each in level for path in graph.dependents(each)} - ranks.keys()
        ranks |= dict.fromkeys(found, ranks[level[0]] + 1)
        level = sorted(found)
    return ranks


def _steadied(
    user_tests: UserTests, report: TestReport, tree: Tree, sandbox: Sandbox, limits: ExecLimits,
    excused: Collection[str],
) -> Standing:  # fmt: skip
    """With each failure of a test that passed before, or wavered, tried again before it counts."""
    flaky = frozenset(user_tests.baseline.flaky)
    asked = user_tests.passing | flaky
    suspects = [r for r in report.failures if base_node(r.node) in asked and r.node not in excused]
    if not suspects or len(suspects) > SUSPECTS:
        return Standing(report)
    nodes = [result.node for result in suspects]
    again = [_passing(sandbox.test(tree, nodes, limits=limits)) for _ in range(RERUNS)]
    settled = {r.node: r for r in report.results}
    named: list[Quarantined] = []
    for result in suspects:
        recovered = any(result.node in passed for passed in again)
        known = base_node(result.node) in flaky
        if not (known or (recovered and _wavered_before(user_tests, result.node, sandbox, limits))):
            now = f"fails now and then, and never did before:\n{result.detail}" if recovered else result.detail
            settled[result.node] = replace(result, detail=now)
        elif recovered:
            settled[result.node] = replace(result, outcome="passed", detail="", channel="cold")
            named.append(Quarantined(result.node, "is flaky: it failed, then passed on the same tree"))
        else:
            del settled[result.node]
            named.append(Quarantined(result.node, f"is flaky from the start, and failed {1 + RERUNS} times now"))
    left_out = len(report.results) - len(settled)
    kept = replace(report, results=tuple(settled.values()), collected=report.collected - left_out)
    return Standing(kept, tuple(named))


def _passing(report: TestReport) -> frozenset[str]:
    return frozenset(result.node for result in report.results if result.outcome == "passed")


def _wavered_before(user_tests: UserTests, node: str, sandbox: Sandbox, limits: ExecLimits) -> bool:
    """Whether the tree as it was makes it fail too; else what was changed made it waver."""
    if user_tests.before is None:
        return False
    runs = [sandbox.test(user_tests.before, [node], limits=limits, hash_seed=seed) for seed in PROBES]
    return any(node not in _passing(run) for run in runs)


def regressed(baseline: Baseline, results: Iterable[TestResult]) -> tuple[str, ...]:
    """Tests that passed before and fail now."""
    held = frozenset(baseline.passed)
    return tuple(
        r.node for r in results if r.outcome != "passed" and base_node(r.node) in held and r.node not in baseline.failed
    )


def without(report: TestReport, nodes: Collection[str]) -> TestReport:
    """A report that says nothing of these tests, which may be named without their parameters."""
    results = tuple(r for r in report.results if not {r.node, base_node(r.node)} & {*nodes})
    errors = tuple((path, text) for path, text in report.collection_errors if path not in nodes)
    left_out = len(report.results) - len(results)
    return replace(report, results=results, collection_errors=errors, collected=report.collected - left_out)
