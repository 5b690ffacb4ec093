"""Why an attempt failed: the chain of whys down to the root, who is to blame, and how far making it again reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nightshift.domain import Attempt, Plan
from nightshift.records import Record, attempt_number, attempts_of, of_kind, plan_of, settled
from nightshift.report.markup import Markup, joined, table, tag
from nightshift.report.page.graph import drawing, edges_of, marks_of


def causes(records: Sequence[Record]) -> Iterator[Markup]:
    """What failed and what was done about it, attempt by attempt."""
    told = settled(records)
    failed = [attempt for attempt in attempts_of(records) if attempt.diagnosis or not attempt.verdict.passed]
    if not failed:
        return
    yield tag("h2", "Root causes", id="causes")
    plan = plan_of(records)
    for attempt in failed:
        yield tag("h3", f"Why attempt {attempt.number} failed")
        yield from _chain(attempt)
        if plan:
            yield from _cascade(attempt, plan, told)


def _chain(attempt: Attempt) -> Iterator[Markup]:
    wanting = [f"{r.criterion.id}: {r.criterion.description}" for r in attempt.verdict.results if not r.passed]
    yield from (tag("p", f"✗ {line}", "bad") for line in wanting)
    yield from (tag("p", problem, "bad") for problem in attempt.verdict.problems)
    if not attempt.diagnosis:
        yield tag("p", "No cause was found for it: no diagnosis is in the trace.", "soft")
        return
    whys = attempt.diagnosis.whys
    items = [tag("li", why, "root" if number == len(whys) else "") for number, why in enumerate(whys, 1)]
    yield tag("ol", joined(*items), "whys")
    yield table(("blamed", "", "why"), ((c.path, c.blame, c.why) for c in attempt.diagnosis.culprits), "blamed")
    yield tag("p", f"Advice: {attempt.diagnosis.advice}")


def _cascade(attempt: Attempt, plan: Plan, told: Sequence[Record]) -> Iterator[Markup]:
    """On the imports as they were at the end of the attempt after it, which is where a changed interface shows."""
    after = [record for record in told if attempt_number(record) <= attempt.number + 1]
    cascades = [record for record in of_kind(after, "cascade") if attempt_number(record) == attempt.number + 1]
    diagnosis = attempt.diagnosis
    blamed = frozenset(culprit.path for culprit in diagnosis.culprits) if diagnosis else frozenset[str]()
    marks = marks_of(blamed, cascades)
    if not (marks.blamed or marks.rebuilt):
        return
    yield drawing(
        edges_of(plan, after), marks, f"Imports of the files, and what attempt {attempt.number + 1} made again"
    )
    yield tag(
        "p",
        "An arrow leads from a file to one that imports it; thick where a changed interface was passed on.",
        "soft small",
    )
    yield table(("made again", "because"), marks.reasons.items(), "made again")
