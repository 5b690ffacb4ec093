"""Who may be to blame for a failed verdict, and what the analyst is shown to find out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from nightshift.checks import base_node
from nightshift.domain import Culprit, Diagnosis, Plan, TestsCheck, Verdict
from nightshift.evidence import of_verdict
from nightshift.prompting import fenced
from nightshift.search.trials import trust_of
from nightshift.search.trust import DOUBTED, Trust
from nightshift.search.work import Work
from nightshift.source.graph import import_graph
from nightshift.source.outline import outlined
from nightshift.source.ranking import words_of

SOURCES_CHARS = 24_000
"""Of source and test code shown to the analyst."""


def unprovable(plan: Plan) -> str:
    """Why no attempt can pass: a criterion has no trusted test, or none was seen to fail; empty when one can."""
    bare = [c.id for c in plan.criteria if isinstance(c.check, TestsCheck) and not c.check.nodes]
    if bare:
        return (
            f"no trusted test proves {', '.join(bare)}, so no attempt can pass: say more in the task, or use --verify"
        )
    if all(c.guard for c in plan.criteria):
        return "no criterion can prove anything, so no attempt can pass: say more in the task, or use --verify"
    return ""


def suspects(work: Work, verdict: Verdict) -> dict[str, str]:
    """What may be blamed, with its kind: planned files, tests while some test fails, and failing checks of our own.

    The user's tests and commands are never among them.
    """
    tests_fail = verdict.report is not None and not verdict.report.passed
    files = {
        s.path: s.kind for s in work.plan.steps if s.kind != "test" or (tests_fail and s.path in work.accepted.texts)
    }
    own = [r.criterion for r in verdict.results if not r.passed and not r.criterion.trusted]
    return files | {f"criterion {c.id}": "criterion" for c in own if not isinstance(c.check, TestsCheck)}


def weighed(diagnosis: Diagnosis, work: Work, verdict: Verdict) -> tuple[Diagnosis, str]:
    """The diagnosis with the blame that trust in the failing tests allows, and why it was changed; else as it is.

    Execution outranks the analyst: tests that have earned trust are not to blame, and where nothing fails but tests
    that are doubted, the specification is asked again before the source is bent to them.
    """
    trust, failing = trust_of(work), failing_generated(work, verdict)
    cleared = [c for c in diagnosis.culprits if c.blame == "test" and _all_trusted(c.path, failing, trust)]
    if cleared:
        left = tuple(c for c in diagnosis.culprits if c not in cleared)
        names = ", ".join(c.path for c in cleared)
        culprits = left or without_analyst(work, verdict, diagnosis.advice).culprits
        return replace(diagnosis, culprits=culprits), f"the failing tests of {names} have earned trust"
    if failing and not others_fail(verdict, failing) and all(trust[node].score < DOUBTED for node in failing):
        files = sorted({node.split("::")[0] for node in failing} - work.reopened.keys())
        if files and all(c.blame == "source" for c in diagnosis.culprits):
            why = "; ".join(f"{node}: {', '.join(trust[node].doubts)}" for node in sorted(failing))
            doubted = tuple(Culprit(path, why, "test") for path in files)
            return replace(diagnosis, culprits=doubted), "nothing fails but tests that are doubted"
    return diagnosis, ""


def said_of_tests(work: Work, verdict: Verdict) -> str:
    """What running candidates and mutants showed of each failing generated test, for the analyst."""
    trust = trust_of(work)
    lines = [
        f"- {node}: {t.passed} of {t.tried} candidates pass it; {'; '.join(t.doubts) or 'nothing speaks against it'}"
        for node in sorted(failing_generated(work, verdict))
        if (t := trust[node]).tried
    ]
    return "\n".join(["What candidates show of the failing tests:", *lines]) if lines else ""


def failing_generated(work: Work, verdict: Verdict) -> frozenset[str]:
    """Test ids of the model's own that fail."""
    failed = {base_node(r.node) for r in verdict.report.failures} if verdict.report else set()
    return work.accepted.nodes & failed


def others_fail(verdict: Verdict, failing: frozenset[str]) -> bool:
    """Something fails that is no generated test: a command, a script, a test of the user's, a collection."""
    report = verdict.report
    commands = any(not r.passed and not isinstance(r.criterion.check, TestsCheck) for r in verdict.results)
    tests = report is not None and any(base_node(r.node) not in failing for r in report.failures)
    return commands or tests or bool(report and report.collection_errors)


def _all_trusted(path: str, failing: frozenset[str], trust: Mapping[str, Trust]) -> bool:
    own = [node for node in failing if node.startswith(f"{path}::")]
    return bool(own) and all(trust[node].trusted for node in own)


def without_analyst(work: Work, verdict: Verdict, why: str) -> Diagnosis:
    """What can be said when no usable diagnosis came: the files that the failing tests import, or all of them."""
    graph = import_graph(work.tested_tree.texts)
    failing = {r.node.split("::")[0] for r in verdict.report.failures} if verdict.report else set()
    sources = [step.path for step in work.plan.steps if step.kind == "source"]
    reached = [path for path in sources if any(path in graph.imports(test) for test in failing)]
    culprits = tuple(Culprit(path, "the failing checks use it", "source") for path in reached or sources)
    return Diagnosis(
        (f"no usable diagnosis: {why}",), culprits, "Compare each failing check with the task, word by word."
    )


def evidence_for(path: str, verdict: Verdict, work: Work) -> str:
    """What the author of one file is shown: the failing checks that concern it, or all when none does."""
    own = _concerning(path, verdict, work)
    nothing = all(r.passed for r in own.results) and not (own.report and own.report.failures)
    return of_verdict(verdict if nothing else own, work.tested_tree.texts)


def _concerning(path: str, verdict: Verdict, work: Work) -> Verdict:
    """The part of a verdict that speaks of one file: its failing tests as they are now, and every failed command."""
    graph = import_graph(work.tested_tree.texts)

    def concerns(node: str) -> bool:
        file = node.split("::")[0]
        standing = base_node(node) in work.accepted.nodes or file in work.user_tests.files
        return standing and path in graph.reach(file)

    report = verdict.report
    if report is not None:
        results = tuple(r for r in report.results if concerns(r.node))
        errors = tuple((where, text) for where, text in report.collection_errors if path in graph.reach(where))
        report = replace(report, results=results, collection_errors=errors, collected=len(results))
    commands = tuple(r for r in verdict.results if not isinstance(r.criterion.check, TestsCheck))
    return replace(verdict, results=commands, report=report, problems=())


def concerned_sources(work: Work, verdict: Verdict) -> str:
    """What the analyst reads: the failing tests and the planned files they reach, or all when a command fails."""
    tree, report = work.tested_tree, verdict.report
    failing = {base_node(r.node).split("::")[0] for r in report.failures} if report else set()
    failing |= {path for path, _ in report.collection_errors} if report else set()
    command_fails = any(not r.passed and not isinstance(r.criterion.check, TestsCheck) for r in verdict.results)
    graph = import_graph(tree.texts)
    reached = {path for test in failing for path in graph.reach(test)}
    planned = [step.path for step in work.plan.steps if step.kind != "test"]
    wanted = [path for path in planned if command_fails or not failing or path in reached]
    shown = [(path, tree.texts[path]) for path in (*wanted, *sorted(failing)) if path in tree.texts]
    share = max(SOURCES_CHARS // max(1, len(shown)), 4000)
    told = "\n".join(result.detail for result in report.failures) if report else ""
    return "\n\n".join(f"{path}\n{fenced(_focused(path, text, told, share))}" for path, text in shown) or "(none)"


def _focused(path: str, text: str, told: str, limit: int) -> str:
    """A long file around the lines that the tracebacks name."""
    lines = {int(line) for line in re.findall(rf"{re.escape(path)}\"?(?:, line |:)(\d+)", told)}
    return outlined(text, path, words=words_of(told), lines=sorted(lines), limit=limit)
