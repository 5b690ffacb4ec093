"""The verdict on the whole tree: every criterion, the user's tests and the trusted generated tests, on a clean copy.

Nothing here maps words to results or counts percentages. A pass needs tests collected, each planned test file
among them, exactly the frozen tests run, none failed, skipped or broken, and every criterion's own check fulfilled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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
from nightshift.source.graph import import_graph, module_name


@dataclass(frozen=True, slots=True)
class UserTests:
    """The tests that were there before: they judge as they were, and nobody writes over them."""

    files: tuple[str, ...] = ()
    originals: Mapping[str, str] = field(default_factory=dict)
    """These files and the configuration they were run with, as they were."""
    passing: frozenset[str] = frozenset()
    """Ids, without parameters, of which something passed at the start."""
    failing: tuple[Quarantined, ...] = ()
    """Tests, or whole files, that failed at the start."""

    def due(self, plan: Plan, tree: Tree) -> tuple[str, ...]:
        """What failed and uses a planned file: this run has to make it pass."""
        planned = {step.path for step in plan.steps}
        graph = import_graph({**dict.fromkeys(planned, ""), **tree.texts})
        # A test may load its module through a subprocess, a fixture or importorskip: a mention is enough.
        names = "|".join(re.escape(name) for path in planned for name in (path, module_name(path)))
        mention = re.compile(rf"(?<!\w)(?:{names})(?!\w)")

        def concerns(file: str) -> bool:
            texts = [tree.texts.get(path, "") for path in (file, *_conftests(file))]
            return bool(graph.reach(file) & planned) or any(mention.search(text) for text in texts)

        return tuple(q.node for q in self.failing if concerns(q.node.split("::")[0]))


def _conftests(file: str) -> list[str]:
    parts = file.split("/")[:-1]
    return ["/".join([*parts[:depth], "conftest.py"]) for depth in range(len(parts) + 1)]


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
    excused = _excused(plan, user_tests)
    standing = tuple(path for path in user_tests.files if path not in excused)
    wanted = ((_as_it_was(clean, user_tests), standing), (clean, accepted.files))
    reports = [
        sandbox.test(where, files, limits=test_limits or limits, confirm=True) for where, files in wanted if files
    ]
    report = _without(_united(reports), excused.keys()) if reports else None
    results = tuple(_result(criterion, report, clean, sandbox, limits, network) for criterion in plan.criteria)
    return Verdict(
        results,
        report,
        tuple(_problems(plan, accepted, user_tests, clean, report)),
        (*accepted.quarantined, *excused.values()),
    )


def standing_tests(files: tuple[str, ...], tree: Tree, sandbox: Sandbox, limits: ExecLimits) -> UserTests:
    """Runs the tests that are there before anything is changed."""
    if not files:
        return UserTests()
    report = sandbox.test(tree, files, limits=limits)
    broken = [path for path, _ in report.collection_errors]
    failing = [Quarantined(path, "could not be collected before this run began") for path in broken]
    failing += [Quarantined(r.node, f"was {r.outcome} before this run began") for r in report.failures]
    passing = {base_node(r.node) for r in report.results if r.outcome == "passed"}
    originals = {path: text for path, text in tree.texts.items() if path in files or is_protected(path)}
    return UserTests(files, originals, frozenset(passing), tuple(failing))


def standing_criteria(user_tests: UserTests, plan: Plan, tree: Tree) -> tuple[Criterion, ...]:
    """The user's own tests as criteria: what held before guards, what failed and concerns the plan is to be proved."""
    due = user_tests.due(plan, tree)
    held = TestsCheck("the tests that were there before", tuple(sorted(user_tests.passing)))
    owed = TestsCheck("the tests that failed before", due)
    wanted = (
        Criterion("user-tests", "The tests that passed before still pass.", held, trusted=True, guard=True),
        Criterion("user-tests-due", "The tests that failed before and use planned files pass.", owed, trusted=True),
    )
    return tuple(c for c in wanted if isinstance(c.check, TestsCheck) and c.check.nodes)


def _excused(plan: Plan, user_tests: UserTests) -> dict[str, Quarantined]:
    """The user's tests that failed before and do not concern the plan; they are listed, and cannot count against it."""
    checks = [c.check for c in plan.criteria if c.id == "user-tests-due" and isinstance(c.check, TestsCheck)]
    due = {node for check in checks for node in check.nodes}
    return {q.node: q for q in user_tests.failing if q.node not in due}


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


def _united(reports: Sequence[TestReport]) -> TestReport:
    """The runs of the user's tests and of ours as one; the first process stands for both."""
    return TestReport(
        tuple(result for report in reports for result in report.results),
        sum(report.collected for report in reports),
        tuple(error for report in reports for error in report.collection_errors),
        reports[0].exec,
        all(report.complete for report in reports),
    )


def _without(report: TestReport, nodes: Collection[str]) -> TestReport:
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
    for node in sorted((accepted.nodes | user_tests.passing) - ran):
        yield f"the frozen test {node} did not run"
    for node in sorted(ran - accepted.nodes):
        if node.split("::")[0] not in user_tests.files:
            yield f"{node} ran but is not one of the frozen tests"
    if not report.complete:
        yield "the test run did not come to its end, or its exit status contradicts its results"
