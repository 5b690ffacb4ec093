"""The verdict on the whole tree: every criterion, the user's tests and the trusted generated tests, on a clean copy.

Nothing here maps words to results or counts percentages. A pass needs tests collected, each planned test file
among them, exactly the frozen tests run, none failed, skipped or broken, and every criterion's own check fulfilled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nightshift.acceptance import Accepted
from nightshift.checks import base_node, judge_by_tests, run_command_check
from nightshift.domain import (
    Criterion,
    CriterionResult,
    ExecLimits,
    Plan,
    Quarantined,
    Sandbox,
    ShellCheck,
    TestReport,
    TestsCheck,
    Tree,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class UserTests:
    """The tests that were there before, judged as they were: files, and nodes that passed at the start."""

    files: tuple[str, ...] = ()
    nodes: frozenset[str] = frozenset()
    failing: tuple[Quarantined, ...] = ()


def judge(
    plan: Plan,
    accepted: Accepted,
    user_tests: UserTests,
    tree: Tree,
    sandbox: Sandbox,
    limits: ExecLimits,
    *,
    test_limits: ExecLimits | None = None,
    network: bool = False,
) -> Verdict:
    """`accepted` is written over the tree first: code that edited its own tests is judged by the frozen ones."""
    clean = Tree({**tree.texts, **accepted.texts}, tree.base)
    files = (*user_tests.files, *accepted.files)
    report = sandbox.test(clean, files, limits=test_limits or limits) if files else None
    report = _without(report, {q.node for q in user_tests.failing}) if report else None
    results = tuple(_result(criterion, report, clean, sandbox, limits, network) for criterion in plan.criteria)
    return Verdict(
        results,
        report,
        tuple(_problems(plan, accepted, user_tests, clean, report)),
        (*accepted.quarantined, *user_tests.failing),
    )


def standing_tests(files: tuple[str, ...], tree: Tree, sandbox: Sandbox, limits: ExecLimits) -> UserTests:
    """Runs the tests that are there before anything is changed; those that fail already cannot judge the result."""
    if not files:
        return UserTests()
    report = sandbox.test(tree, files, limits=limits)
    broken = dict(report.collection_errors)
    failing = [Quarantined(path, "could not be collected before this run began") for path in broken]
    failing += [Quarantined(r.node, f"was {r.outcome} before this run began") for r in report.failures]
    unusable = {base_node(quarantined.node) for quarantined in failing}
    passing = {base_node(r.node) for r in report.results if r.outcome == "passed"}
    return UserTests(tuple(f for f in files if f not in broken), frozenset(passing - unusable), tuple(failing))


def standing_criteria(user_tests: UserTests) -> tuple[Criterion, ...]:
    """The user's own tests as one more criterion: they held before, so they guard and do not prove."""
    if not user_tests.nodes:
        return ()
    check = TestsCheck("the tests that were there before", tuple(sorted(user_tests.nodes)))
    return (Criterion("user-tests", "The tests that were there before still pass.", check, trusted=True, guard=True),)


def _result(
    criterion: Criterion,
    report: TestReport | None,
    tree: Tree,
    sandbox: Sandbox,
    limits: ExecLimits,
    network: bool,
) -> CriterionResult:
    if isinstance(criterion.check, TestsCheck):
        return judge_by_tests(criterion, criterion.check, report)
    wanted = network and isinstance(criterion.check, ShellCheck)
    return run_command_check(criterion, tree, sandbox, limits, network=wanted)


def _without(report: TestReport, nodes: set[str]) -> TestReport:
    results = tuple(r for r in report.results if r.node not in nodes)
    left_out = len(report.results) - len(results)
    return TestReport(results, report.collected - left_out, report.collection_errors, report.exec, report.complete)


def _problems(
    plan: Plan, accepted: Accepted, user_tests: UserTests, tree: Tree, report: TestReport | None
) -> Iterable[str]:
    by_user = any(c.trusted and not c.guard for c in plan.criteria)
    for step in plan.steps:
        if step.kind != "test" and step.path not in tree.texts:
            yield f"{step.path} was planned and does not exist"
        # A degraded plan that the user's own commands prove needs no generated test.
        if step.kind == "test" and step.path not in accepted.texts and not (plan.degraded and by_user):
            yield f"{step.path} was planned and holds no trusted test"
    if all(c.guard for c in plan.criteria):
        yield "no criterion was seen to fail before the work began"
    if report is None or report.collected == 0:
        if not by_user:
            yield "no test was collected"
        return
    ran = {base_node(result.node) for result in report.results}
    for node in sorted((accepted.nodes | user_tests.nodes) - ran):
        yield f"the frozen test {node} did not run"
    for node in sorted(ran - accepted.nodes - user_tests.nodes):
        yield f"{node} ran but is not one of the frozen tests"
    if not report.complete:
        yield "the test run did not come to its end, or its exit status contradicts its results"
