"""Which checks may prove something: seen to fail on stubs, bound to their criteria, then frozen.

A check that holds on a tree of stubs proves nothing about the real one. A file that is there already is its own stub,
with stubs of what the plan adds to it: what holds before anything is changed shows nothing new. Generated tests that
cannot fail, that cannot be collected, or that other samples of the same specification contradict, are quarantined
with a reason; they take no part in the verdict and are listed in the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from nightshift.checks import base_node, run_command_check
from nightshift.domain import (
    Criterion,
    ExecLimits,
    Plan,
    Quarantined,
    Sandbox,
    TestReport,
    TestResult,
    TestsCheck,
    Tree,
)
from nightshift.source.interfaces import interface_of, parse_interface, render
from nightshift.source.shapes import Interface
from nightshift.source.stubs import VARIANTS, stub_module, stub_texts
from nightshift.source.tests_pool import contradicted, drop_tests, pool_tests, test_names, unsafe_test_reason

STUB_VARIANTS = tuple(range(len(VARIANTS)))
NONSENSE = slice(2, 4)
"""What holds on both kinds of nonsense proves a type or a truth value, and nothing of the task."""

_BROKEN = re.compile(r"^(?:E\s+)?(ImportError|ModuleNotFoundError|NameError|SyntaxError|IndentationError)\b", re.M)
_UNKNOWN_NAME = re.compile(r"AttributeError: (?:partially initialized )?module '[\w.]+' has no attribute")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The generated tests that the verdict trusts, frozen before judging."""

    texts: Mapping[str, str]
    nodes: frozenset[str]
    """Test ids without parameters."""
    held: tuple[frozenset[str], ...] = ()
    """For each kind of stub, the tests that held on it."""
    support: Mapping[str, int] = field(default_factory=dict)
    """Test id -> how many of the samples hold that very test."""
    samples: Mapping[str, int] = field(default_factory=dict)
    """Test file -> how many samples it was made from."""
    quarantined: tuple[Quarantined, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)
    """The planned files that were there before, as they were."""

    def replacing(self, path: str, new: Accepted) -> Accepted:
        """With the tests of one file taken from `new`."""

        def others(nodes: Iterable[str]) -> set[str]:
            return {node for node in nodes if not node.startswith(path + "::")}

        held = zip(self.held or new.held, new.held, strict=False)
        return Accepted(
            {**self.texts, **new.texts},
            frozenset(others(self.nodes) | new.nodes),
            tuple(frozenset(others(old) | fresh) for old, fresh in held),
            {**{node: self.support[node] for node in others(self.support)}, **new.support},
            {**self.samples, **new.samples},
            tuple(dict.fromkeys((*self.quarantined, *new.quarantined))),
            self.found,
        )

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self.texts)


def prove_criteria(
    plan: Plan, tree: Tree, sandbox: Sandbox, limits: ExecLimits, *, found: Mapping[str, str] | None = None
) -> tuple[Plan, tuple[str, ...]]:
    """Runs every script and command on the stubs: the plan with its guards marked, and reasons to refuse it.

    `found` are the planned files that were there before; of this tree, when it is not given.
    """
    found = planned_files(plan, tree) if found is None else found
    stubs = [_stub_tree(plan, tree, variant, found) for variant in STUB_VARIANTS]
    criteria: list[Criterion] = []
    reasons: list[str] = []
    for criterion in plan.criteria:
        if isinstance(criterion.check, TestsCheck):
            criteria.append(criterion)
            continue
        results = [run_command_check(criterion, stub, sandbox, limits) for stub in _different(stubs)]
        # Not seen to fail on one of them: then code that does nothing fulfils it.
        guard = any(result.passed for result in results)
        criteria.append(replace(criterion, guard=guard))
        if not criterion.trusted and not guard and (fault := _fault(results[0].evidence)):
            reasons.append(f"criterion {criterion.id} cannot be run on the plan's own interfaces: {fault}")
    if criteria and all(c.guard for c in criteria):
        reasons.append("every criterion already holds before anything is built, so none proves the task")
    return replace(plan, criteria=tuple(criteria)), tuple(reasons)


def planned_files(plan: Plan, tree: Tree) -> dict[str, str]:
    """The files that the plan changes, as they are in this tree."""
    paths = [step.path for step in plan.steps if step.kind != "test"]
    return {path: tree.texts[path] for path in paths if path in tree.texts}


def _different(trees: Sequence[Tree]) -> list[Tree]:
    """Where nothing is new all stubs are the file that is there."""
    return [tree for number, tree in enumerate(trees) if all(tree.texts != other.texts for other in trees[:number])]


def accept_tests(
    plan: Plan,
    samples: Mapping[str, Sequence[str]],
    tree: Tree,
    sandbox: Sandbox,
    limits: ExecLimits,
    *,
    found: Mapping[str, str] = MappingProxyType({}),
) -> Accepted:
    """Pools the sampled versions of each test file and keeps the tests that can prove something.

    `found` are the planned files that were there before the run: a test must fail on them as they were.
    """
    texts: dict[str, str] = {}
    support: dict[str, int] = {}
    out: list[Quarantined] = []
    for path, versions in samples.items():
        # Of two equal tests the first gives the name, and names bind tests to criteria: the best named sample first.
        text, origins, refused = _pooled(path, sorted(versions, key=lambda version: -_naming(version, plan)))
        out += refused
        if text:
            texts[path] = text
            support |= {f"{path}::{name}": len(origin) for name, origin in origins.items()}
    reports = _on_stubs(plan, tree, texts, found, sandbox, limits) if texts else []
    nodes: set[str] = set()
    for path in list(texts):
        refused = _unproving(path, reports, already=bool(found))
        out += refused
        names = {q.node.partition("::")[2] for q in refused}
        collected = {base_node(r.node) for report in reports for r in report.results if r.node.startswith(path + "::")}
        kept = {node for node in collected if node.partition("::")[2] not in names}
        if not kept:
            del texts[path]
            continue
        nodes |= kept
        texts[path] = drop_tests(texts[path], names) if names else texts[path]
    held = tuple(_held(report) & nodes for report in reports)
    counts = {path: len(samples[path]) for path in texts}
    return Accepted(texts, frozenset(nodes), held, support, counts, tuple(dict.fromkeys(out)), found)


def _naming(version: str, plan: Plan) -> int:
    """How many tests of a sample name a criterion."""
    try:
        names = test_names(version)
    except SyntaxError:
        return 0
    return sum(_names(name, criterion.id) for name in names for criterion in plan.criteria)


def _held(report: TestReport) -> frozenset[str]:
    """Tests of which every parameter passed."""
    failed = {base_node(r.node) for r in report.results if r.outcome != "passed"}
    return frozenset(base_node(r.node) for r in report.results) - failed


def bind(plan: Plan, accepted: Accepted) -> Plan:
    """The plan with each criterion that tests prove bound to the accepted tests that name it, or else to its file's."""
    paths = [c.check.path for c in plan.criteria if isinstance(c.check, TestsCheck)]
    return replace(
        plan,
        criteria=tuple(
            _bound(c, accepted, shared=isinstance(c.check, TestsCheck) and paths.count(c.check.path) > 1)
            for c in plan.criteria
        ),
    )


def _bound(criterion: Criterion, accepted: Accepted, *, shared: bool) -> Criterion:
    if not isinstance(criterion.check, TestsCheck) or criterion.trusted:
        return criterion
    own = sorted(node for node in accepted.nodes if node.startswith(criterion.check.path + "::"))
    naming = [node for node in own if _names(node, criterion.id)]
    # A file that proves one criterion need not name it; one that proves several must, or words would prove it.
    nodes = naming or ([] if shared else own)
    if idle_answer(nodes, accepted):
        nodes = []
    return replace(criterion, check=replace(criterion.check, nodes=tuple(nodes)))


def idle_answer(nodes: Sequence[str], accepted: Accepted) -> str:
    """What code that does nothing may do and still pass all these tests; empty when no such code passes them."""
    return next((what for what, held in zip(VARIANTS, accepted.held, strict=False) if nodes and set(nodes) <= held), "")


def _names(node: str, criterion_id: str) -> bool:
    return f"_{criterion_id.lower()}_" in node.lower() + "_"


def _pooled(path: str, versions: Sequence[str]) -> tuple[str, Mapping[str, tuple[int, ...]], list[Quarantined]]:
    """The text, which samples hold each test, and what is left out."""
    reasons = [unsafe_test_reason(version) for version in versions]
    refused = [Quarantined(f"{path} (sample {number})", reason) for number, reason in enumerate(reasons, 1) if reason]
    safe = [version for version, reason in zip(versions, reasons, strict=True) if not reason]
    if not safe:
        return "", {}, refused
    pooled = pool_tests(safe)
    against = contradicted(safe)
    refused += [Quarantined(f"{path}::{name}", "most other samples expect another value") for name in against]
    return drop_tests(pooled.text, set(against)) if against else pooled.text, pooled.origin, refused


def _stub_tree(plan: Plan, tree: Tree, variant: int, found: Mapping[str, str]) -> Tree:
    new = tuple(step for step in plan.steps if step.path not in found)
    stubs = stub_texts(replace(plan, steps=new), variant=variant)
    # The packages that a plan implies may be there, with content.
    kept = {path: text for path, text in stubs.items() if any(path == s.path for s in new) or path not in tree.texts}
    grown = {step.path: _grown(found[step.path], step.interface, variant) for step in plan.steps if step.path in found}
    return Tree({**tree.texts, **kept, **grown}, tree.base)


def _grown(text: str, interface: str, variant: int) -> str:
    """A file as it was, with stubs of the functions and classes that the plan adds to it."""
    try:
        wanted, there = parse_interface(interface), interface_of(text).definitions
    except (ValueError, SyntaxError):
        return text
    new = Interface(
        tuple(function for function in wanted.functions if function.name not in there),
        tuple(cls for cls in wanted.classes if cls.name not in there),
        tuple(constant for constant in wanted.constants if constant.name not in there),
    )
    return f"{text}\n\n{stub_module(render(new), variant=variant)}" if new.definitions else text


def _on_stubs(
    plan: Plan, tree: Tree, texts: Mapping[str, str], found: Mapping[str, str], sandbox: Sandbox, limits: ExecLimits
) -> list[TestReport]:
    """For each kind of stub; those that come to the same tree are run once."""
    stubs = [_stub_tree(plan, tree, variant, found) for variant in STUB_VARIANTS]
    different = _different(stubs)
    trees = [Tree({**stub.texts, **texts}, stub.base) for stub in different]
    reports = [sandbox.test(each, tuple(texts), limits=limits) for each in trees]
    return [next(r for s, r in zip(different, reports, strict=True) if s.texts == stub.texts) for stub in stubs]


def _unproving(path: str, reports: Sequence[TestReport], *, already: bool) -> list[Quarantined]:
    for report in reports:
        if errors := [text for where, text in report.collection_errors if where == path]:
            return [Quarantined(path, f"cannot be collected on the plan's interfaces: {errors[0].strip()[-300:]}")]
    by_node: dict[str, list[TestResult]] = {}
    for report in reports:
        for node, result in _worst_by_test(report, path).items():
            by_node.setdefault(node, []).append(result)
    reasons = {node: _unproving_reason(results, already=already) for node, results in by_node.items()}
    return [Quarantined(node, reason) for node, reason in reasons.items() if reason]


def _worst_by_test(report: TestReport, path: str) -> dict[str, TestResult]:
    """One result for each test of a file: of its parameters, one that failed, when any did."""
    worst: dict[str, TestResult] = {}
    for result in report.results:
        node = base_node(result.node)
        if result.node.startswith(path + "::") and (node not in worst or worst[node].outcome == "passed"):
            worst[node] = result
    return worst


def _proves_nothing(held: Sequence[bool]) -> bool:
    """`held` in the order of the variants: a check that holds on all stubs, or on both kinds of nonsense."""
    return all(held) or (len(held) == len(STUB_VARIANTS) and all(held[NONSENSE]))


def _unproving_reason(results: Sequence[TestResult], *, already: bool) -> str:
    held = [result.outcome == "passed" for result in results]
    if all(held):
        where = "before anything is changed, so it shows nothing new" if already else "on a stub, so it cannot fail"
        return f"passes {where}"
    if _proves_nothing(held):
        return "passes on a stub that returns nonsense of the right type, so it proves nothing of the task"
    if any(result.outcome in ("skipped", "xfailed", "xpassed") for result in results):
        return "is skipped or expected to fail"
    faults = [_fault(result.detail) for result in results if result.outcome != "passed"]
    return f"asks for what the interface does not have: {faults[0]}" if faults and all(faults) else ""


def _fault(text: str) -> str:
    """The line that shows a check broken in itself, not by wrong behaviour; empty when there is none."""
    lines = [line for line in text.splitlines() if _BROKEN.search(line) or _UNKNOWN_NAME.search(line)]
    return lines[-1].removeprefix("E").strip() if lines else ""
