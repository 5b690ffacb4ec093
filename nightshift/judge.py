"""The verdict on the whole tree: every criterion, the user's tests and the trusted generated tests, on a clean copy.

Nothing here maps words to results or counts percentages. A pass needs tests collected, each planned test file
among them, exactly the frozen tests run, none failed, skipped or broken, and every criterion's own check fulfilled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from nightshift.acceptance import Accepted
from nightshift.checks import base_node, judge_by_tests, run_command_check
from nightshift.domain import (
    Criterion,
    CriterionResult,
    ExecLimits,
    Plan,
    Quarantined,
    Sandbox,
    TestReport,
    TestsCheck,
    Tree,
    Verdict,
)
from nightshift.policy import is_protected
from nightshift.project.box import united
from nightshift.project.retest import Standing, retest, without
from nightshift.project.standing import PASSES_NOW, STILL_FAILS, UserTests, standing_criteria, standing_tests

__all__ = ["UserTests", "judge", "standing_criteria", "standing_tests"]

MANY = 20
"""Frozen tests that did not run are named, up to so many."""


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
    bounds = test_limits or limits
    excused = user_tests.excused(plan)
    files = tuple(path for path in user_tests.files if path not in excused)
    standing = retest(user_tests, files, plan, _as_it_was(clean, user_tests), sandbox, bounds, excused)
    own = [sandbox.test(clean, accepted.files, limits=bounds, confirm=True)] if accepted.files else []
    reports = [*([standing.report] if standing.report else []), *own]
    whole = united(reports) if reports else None
    report = without(whole, excused) if whole else None
    results = tuple(_result(criterion, report, clean, sandbox, limits, network) for criterion in plan.criteria)
    return Verdict(
        results,
        report,
        tuple(_problems(plan, accepted, user_tests, clean, report, standing)),
        (*accepted.quarantined, *_with_outcomes(excused, whole), *standing.wavering),
    )


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
    return run_command_check(criterion, tree, sandbox, limits, network=network)


def _as_it_was(tree: Tree, user_tests: UserTests) -> Tree:
    """The tree with the user's tests and their configuration as found; configuration that is new is emptied."""
    new = {path: "" for path in tree.texts if is_protected(path) and path not in user_tests.originals}
    return Tree({**tree.texts, **new, **user_tests.originals}, tree.base)


def _with_outcomes(excused: Mapping[str, Quarantined], report: TestReport | None) -> Iterable[Quarantined]:
    """What failed before, and how it is now."""
    now = {result.node: result.outcome for result in report.results} if report else {}
    for node, quarantined in excused.items():
        became = PASSES_NOW if now.get(node) == "passed" else STILL_FAILS if node in now else ""
        yield replace(quarantined, reason=quarantined.reason + became)


def _problems(
    plan: Plan, accepted: Accepted, user_tests: UserTests, tree: Tree, report: TestReport | None, standing: Standing
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
    if standing.not_run:
        yield f"{len(standing.not_run)} test files were not run: tests that use what was changed fail already"
    waiting = {node for node in user_tests.passing if node.split("::")[0] in standing.not_run}
    missing = sorted((accepted.nodes | user_tests.passing) - ran - waiting)
    for node in missing[:MANY]:
        yield f"the frozen test {node} did not run"
    if len(missing) > MANY:
        yield f"{len(missing) - MANY} more frozen tests did not run"
    cases = Counter(base_node(result.node) for result in report.results)
    for node, before in sorted(user_tests.baseline.cases.items()):
        if node in ran and cases[node] < before and node not in user_tests.baseline.flaky:
            yield f"of the {before} cases of {node} that passed before, only {cases[node]} are left"
    for node in sorted(ran - accepted.nodes):
        if node.split("::")[0] not in user_tests.files:
            yield f"{node} ran but is not one of the frozen tests"
    if not report.complete:
        yield "the test run did not come to its end, or its exit status contradicts its results"
