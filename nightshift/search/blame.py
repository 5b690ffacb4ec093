"""Who may be to blame for a failed verdict, and what the analyst is shown to find out."""

from __future__ import annotations

from nightshift.checks import base_node
from nightshift.domain import Culprit, Diagnosis, TestsCheck, Verdict
from nightshift.prompting import fenced, head
from nightshift.search.work import Work
from nightshift.source.graph import import_graph

SOURCES_CHARS = 12_000
"""Of source and test code shown to the analyst."""


def suspects(work: Work, verdict: Verdict) -> dict[str, str]:
    """The planned files that may be blamed, with their kind; tests only while some test fails."""
    tests_fail = verdict.report is not None and not verdict.report.passed
    return {
        s.path: s.kind for s in work.plan.steps if s.kind != "test" or (tests_fail and s.path in work.accepted.texts)
    }


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
    share = max(SOURCES_CHARS // max(1, len(shown)), 2000)
    return "\n\n".join(f"{path}\n{fenced(head(text, share))}" for path, text in shown) or "(none)"
