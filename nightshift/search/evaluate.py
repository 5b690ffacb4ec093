"""The ladder of checks that one candidate climbs, cheap rungs first; nothing above the first failure is tried."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from nightshift.checks import run_command_check
from nightshift.domain import (
    Candidate,
    Criterion,
    Evaluation,
    ExecLimits,
    Rung,
    Sandbox,
    Step,
    TestReport,
    Tree,
)
from nightshift.evidence import fitted, of_criterion, of_exec
from nightshift.project.retest import without
from nightshift.source.facts import facts_or_nothing
from nightshift.source.graph import affected, import_graph, importable, module_name
from nightshift.source.interfaces import changed_names, interface_of, missing_from, parse_interface


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the candidates of one step are tried."""

    step: Step
    tree: Tree
    """The project as far as it is finished, with the accepted tests."""
    tests: tuple[str, ...]
    """Test files that can run once this step exists."""
    sandbox: Sandbox
    limits: ExecLimits
    command_limits: ExecLimits
    network: bool = False
    """For the user's commands."""
    user_tests: frozenset[str] = frozenset()
    found: str = ""
    """The user's own file that the step changes, as it was."""
    undecided: frozenset[str] = frozenset()
    """Tests of the user that failed or wavered before anything was touched, and are not demanded."""
    criteria: tuple[Criterion, ...] = ()
    """Commands and scripts that failed on the whole tree and should now succeed."""


@dataclass(frozen=True, slots=True)
class Climb:
    rung: Rung
    report: TestReport | None = None


def evaluate(candidate: Candidate, bench: Bench) -> Evaluation:
    rungs: list[Rung] = []
    report = None
    for climb in _LADDER if candidate.path.endswith(".py") else _LADDER_OF_TEXTS:
        step = climb(candidate, bench)
        rungs.append(step.rung)
        report = step.report or report
        if not step.rung.passed:
            break
    return Evaluation(candidate, tuple(rungs), report)


def runnable_tests(step: Step, tree: Tree, tests: tuple[str, ...], unfinished: frozenset[str]) -> tuple[str, ...]:
    """The test files that reach this step and need no other unfinished file; the step's own before its dependents'."""
    texts = dict(tree.texts)
    texts.setdefault(step.path, "")
    graph = import_graph(texts)
    own = [t for t in tests if step.path in graph.imports(t)]
    wider = [t for t in tests if t not in own and step.path in graph.reach(t)]
    missing = unfinished - {step.path}
    return tuple(t for t in (*own, *wider) if not _needs(texts[t], missing, graph.reach(t)))


def _needs(test: str, missing: frozenset[str], reach: frozenset[str]) -> bool:
    # An unfinished file is not in the tree, so the graph cannot see it: look at the names imported as well.
    names = {module_name(path) for path in missing}
    return bool(missing & reach) or bool(names & _imported(test))


def _imported(source: str) -> set[str]:
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return set()
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    origins = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return (
        plain
        | {str(node.module) for node in origins}
        | {f"{node.module}.{alias.name}" for node in origins for alias in node.names}
    )


def _parses(candidate: Candidate, _: Bench) -> Climb:
    try:
        compile(candidate.text, candidate.path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return Climb(Rung("parses", False, str(error)))
    return Climb(Rung("parses", True))


def _data_parses(candidate: Candidate, _: Bench) -> Climb:
    """Of what is no program only JSON and TOML can be read without a library; all else the criteria judge."""
    readers = {".json": json.loads, ".toml": tomllib.loads}
    read = readers.get(PurePosixPath(candidate.path).suffix)
    try:
        if read:
            read(candidate.text)
    except ValueError as error:
        return Climb(Rung("parses", False, str(error)))
    return Climb(Rung("parses", True, "" if read else "nothing here reads such a file"))


def _interface(candidate: Candidate, bench: Bench) -> Climb:
    if not bench.step.interface.strip():
        return Climb(Rung("interface", True, "the plan sets none"))
    missing = missing_from(interface_of(candidate.text), parse_interface(bench.step.interface))
    return Climb(Rung("interface", not missing, "; ".join(missing)))


def _imports(candidate: Candidate, bench: Bench) -> Climb:
    tree = bench.tree.with_text(candidate.path, candidate.text)
    root, name = importable(candidate.path, tuple(tree.texts))
    script = f"import sys; sys.path.insert(0, {root!r}); import {name}" if root else f"import {name}"
    result = bench.sandbox.run(tree, ("python3", "-c", script), limits=bench.limits)
    return Climb(Rung("imports", result.ok, "" if result.ok else of_exec(result)))


def _tests(candidate: Candidate, bench: Bench) -> Climb:
    if not bench.tests:
        return Climb(Rung("tests", True, "no test can run before other files are finished"))
    tree = bench.tree.with_text(candidate.path, candidate.text)
    stale = stale_dependents(candidate, bench)
    graph = import_graph(tree.texts)
    late = frozenset().union(*map(graph.all_dependents, stale))
    tests = [test for test in bench.tests if test not in late]
    if not tests:
        return Climb(Rung("tests", True, "every test waits for a dependent that must follow a changed interface"))
    report = without(bench.sandbox.test(tree, tests, limits=bench.limits, confirm=True), bench.undecided)
    if bench.undecided and not report.collected and not report.collection_errors:
        return Climb(Rung("tests", True, "no test that is there decides"))
    passed = sum(result.outcome == "passed" for result in report.results)
    return Climb(Rung("tests", report.passed, f"{passed} of {report.collected} tests passed"), report)


def _criteria(candidate: Candidate, bench: Bench) -> Climb:
    if not bench.criteria or stale_dependents(candidate, bench):
        return Climb(Rung("criteria", True, "none to be tried yet"))
    tree = bench.tree.with_text(candidate.path, candidate.text)
    results = [
        run_command_check(criterion, tree, bench.sandbox, bench.command_limits, network=bench.network)
        for criterion in bench.criteria
    ]
    failed = [of_criterion(result) for result in results if not result.passed]
    return Climb(Rung("criteria", not failed, fitted(failed) if failed else f"{len(results)} criteria hold now"))


def stale_dependents(candidate: Candidate, bench: Bench) -> frozenset[str]:
    """The files that use a name whose interface this candidate changes: until they follow, they prove nothing."""
    present = bench.tree.texts.get(candidate.path)
    if present is None or not candidate.path.endswith(".py"):
        return frozenset()
    changed = changed_names(facts_or_nothing(present).interface, facts_or_nothing(candidate.text).interface)
    found = affected(bench.tree.with_text(candidate.path, candidate.text).texts, {candidate.path: changed})
    return frozenset(path for path in found if path not in bench.tests)


_LADDER: tuple[Callable[[Candidate, Bench], Climb], ...] = (_parses, _interface, _imports, _tests, _criteria)
_LADDER_OF_TEXTS: tuple[Callable[[Candidate, Bench], Climb], ...] = (_data_parses, _criteria)
