"""The tests that were there before, as judges of the work: what they owe, what they are owed, and what wavers.

They judge as they were found. One that passed and fails now is a regression, whatever else holds; one that failed is
demanded only when it tests what the plan changes; one that wavers is named and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nightshift.checks import base_node
from nightshift.domain import (
    Criterion,
    ExecLimits,
    Plan,
    Quarantined,
    Sandbox,
    ShellCheck,
    TestsCheck,
    Tree,
)
from nightshift.policy import is_protected
from nightshift.project.baseline import Baseline, measure
from nightshift.source.graph import import_graph, module_name
from nightshift.source.interfaces import interface_of, parse_interface
from nightshift.source.shapes import Interface
from nightshift.source.tests_units import source_of

PASSES_NOW, STILL_FAILS = "; it passes now", "; it still does"
"""How the reason ends why a test that failed before takes no part."""
NODES_NAMED = 300
"""A suite of more is bound by its files."""
DUE = "user-tests-due"
"""The criterion that holds what is demanded of those that failed."""
_SURROUNDINGS = re.compile(
    r"timed out after|Connection(?:Refused|Reset|Aborted)?Error|gaierror|Name or service|Network is unreachable"
    r"|Temporary failure in name resolution|PermissionError|Read-only file system|skipped as a whole"
)
_ABOUT_TESTS = re.compile(
    r"\b(?:fail(?:s|ed|ing|ure)?|broken|red)\b[^.\n]{0,60}\btests?\b|\btests?\b[^.\n]{0,60}\b(?:fail|pass|green)"
)


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
    baseline: Baseline = Baseline()
    before: Tree | None = None
    """The tree they were run on."""
    task: str = ""
    """What the user asked: a failing test that it speaks of is demanded."""
    commands: tuple[str, ...] = ()
    """Commands of the project that succeeded at the start."""

    def excused(self, plan: Plan) -> dict[str, Quarantined]:
        """What failed before and is not demanded of this plan: it is listed, and cannot count against it."""
        checks = [c.check for c in plan.criteria if c.id == DUE and isinstance(c.check, TestsCheck)]
        due = {node for check in checks for node in check.nodes}
        return {q.node: q for q in self.failing if q.node not in due}

    def undecided(self, plan: Plan) -> frozenset[str]:
        """Tests that say nothing of a candidate: excused ones, and those that waver."""
        return frozenset(self.excused(plan)) | frozenset(self.baseline.flaky)

    def due(self, plan: Plan, tree: Tree) -> tuple[str, ...]:
        """What failed and tests what the plan changes: this run has to make it pass."""
        found = [q.node for q in self.failing if not q.reason.startswith(_UNDEMANDED)]
        if not found:
            return ()
        concern = _Concern(plan, tree)
        return tuple(node for node in found if self._demanded(node, concern))

    def _demanded(self, node: str, concern: _Concern) -> bool:
        if not concern.reaches(node):
            return False
        if self._spoken_of(node):
            return True
        return not _SURROUNDINGS.search(self.baseline.reasons.get(node, "")) and concern.is_tested_by(node)

    def _spoken_of(self, node: str) -> bool:
        path, _, name = base_node(node).partition("::")
        names = [path, path.rpartition("/")[2], *([name.rpartition("::")[2]] if name else [])]
        return bool(_ABOUT_TESTS.search(self.task)) or any(
            re.search(rf"(?<![\w/]){re.escape(each)}\b", self.task) for each in names
        )


_UNDEMANDED = ("was skipped", "was xfailed", "was xpassed")


class _Concern:
    """What a plan has to do with a test that failed."""

    def __init__(self, plan: Plan, tree: Tree) -> None:
        self._planned = {step.path for step in plan.steps}
        self._tree = tree
        self._graph = import_graph({**dict.fromkeys(self._planned, ""), **tree.texts})
        # A test may load its module through a subprocess, a fixture or importorskip: a mention is enough.
        names = "|".join(re.escape(name) for path in self._planned for name in (path, module_name(path)))
        self._mention = re.compile(rf"(?<!\w)(?:{names})(?!\w)")
        steps = [step for step in plan.steps if step.kind == "source" and step.path.endswith(".py")]
        self._promised = frozenset(name for step in steps for name in _names(_parsed(step.interface)))
        there = [tree.texts[step.path] for step in steps if step.path in tree.texts]
        self._defined = frozenset(name for text in there for name in _names(interface_of(text)))

    def reaches(self, node: str) -> bool:
        file = node.split("::")[0]
        return bool(self._graph.reach(file) & self._planned) or self._mentioned(file)

    def is_tested_by(self, node: str) -> bool:
        """It uses what the plan promises; or it uses a planned file directly, and nothing there that stays."""
        path, _, name = base_node(node).partition("::")
        text = self._tree.texts.get(path, "")
        used = _identifiers(source_of(text, name) or text)
        direct = bool(self._graph.imports(path) & self._planned) or self._mentioned(path)
        return bool(used & self._promised) or (direct and not used & self._defined)

    def _mentioned(self, file: str) -> bool:
        return any(self._mention.search(self._tree.texts.get(path, "")) for path in (file, *_conftests(file)))


def _parsed(interface: str) -> Interface:
    try:
        return parse_interface(interface)
    except ValueError:
        return interface_of("")


def _names(interface: Interface) -> Iterator[str]:
    yield from (function.name for function in interface.functions)
    yield from (constant.name for constant in interface.constants)
    for cls in interface.classes:
        yield cls.name
        yield from (method.name for method in cls.methods if not method.name.startswith("__"))


def _identifiers(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\b[A-Za-z_]\w*\b", text))


def _conftests(file: str) -> list[str]:
    parts = file.split("/")[:-1]
    return ["/".join([*parts[:depth], "conftest.py"]) for depth in range(len(parts) + 1)]


def standing_tests(
    files: tuple[str, ...],
    tree: Tree,
    sandbox: Sandbox,
    limits: ExecLimits,
    *,
    known: Baseline | None = None,
    task: str = "",
    commands: tuple[str, ...] = (),
) -> UserTests:
    """The tests that are there before anything is changed, measured unless what they said is `known`."""
    if not files and not commands:
        return UserTests()
    baseline = known or measure(tree, files, sandbox, limits)
    judging = tuple(file for file in files if file not in (*baseline.unknown, *baseline.unusable))
    failing = tuple(
        Quarantined(node, f"was {outcome} before this run began" if "::" in node else _uncollected(baseline, node))
        for node, outcome in baseline.failed.items()
    )
    originals = {path: text for path, text in tree.texts.items() if path in files or is_protected(path)}
    return UserTests(
        judging, originals, frozenset(baseline.passed), failing, baseline, before=tree, task=task, commands=commands
    )


def _uncollected(baseline: Baseline, path: str) -> str:
    skipped = "skipped as a whole" in baseline.reasons.get(path, "")
    return "was skipped before this run began" if skipped else "could not be collected before this run began"


def standing_criteria(user_tests: UserTests, plan: Plan, tree: Tree) -> tuple[Criterion, ...]:
    """The user's own tests as criteria: what held before guards, what failed and concerns the plan is to be proved."""
    due = user_tests.due(plan, tree)
    held = TestsCheck("the tests that were there before", _shortened(user_tests))
    owed = TestsCheck("the tests that failed before", due)
    wanted = (
        Criterion("user-tests", "The tests that passed before still pass.", held, trusted=True, guard=True),
        Criterion(DUE, "The tests that failed before and use planned files pass.", owed, trusted=True),
    )
    commands = tuple(
        Criterion(f"user-tests-{number}", f"`{command}` still succeeds.", ShellCheck(command), trusted=True, guard=True)
        for number, command in enumerate(user_tests.commands, 1)
    )
    return (*(c for c in wanted if isinstance(c.check, TestsCheck) and c.check.nodes), *commands)


def _shortened(user_tests: UserTests) -> tuple[str, ...]:
    """Ids; of a large suite the files in which everything passed, which stand for every test in them."""
    if len(user_tests.passing) <= NODES_NAMED:
        return tuple(sorted(user_tests.passing))
    spoilt = {node.split("::")[0] for node in (*user_tests.baseline.failed, *user_tests.baseline.flaky)}
    by_file = {node.split("::")[0] for node in user_tests.passing}
    named = {node for node in user_tests.passing if node.split("::")[0] in spoilt}
    return tuple(sorted(named | (by_file - spoilt)))
