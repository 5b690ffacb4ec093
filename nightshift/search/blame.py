"""Who may be to blame for a failed verdict, and what the analyst is shown to find out."""

from __future__ import annotations

from dataclasses import replace

from nightshift.checks import base_node
from nightshift.domain import Culprit, Diagnosis, Plan, TestsCheck, Verdict
from nightshift.evidence import of_verdict
from nightshift.prompting import fenced, head
from nightshift.search.work import Work
from nightshift.source.graph import import_graph

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
    return "\n\n".join(f"{path}\n{fenced(head(text, share))}" for path, text in shown) or "(none)"
