"""pull_request.md: what a reviewer needs to judge a delivered run; all of it from the trace.

What the plan says of itself is quoted as the plan's; what was proved stands beside the check that proved it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nightshift.domain import Criterion, CriterionResult, TestsCheck
from nightshift.evidence import describe_check
from nightshift.records import Record, criteria_of, deciding_verdict, of_kind, plan_of, proof_of, settled, started_with
from nightshift.report.text import counted, one_line, printable

TITLE_CHARS = 72
PROOFS = {
    "user": "by checks that the user set",
    "self": "by its own checks only: no test or command of the user's took part",
    "mixed": "by checks of the user's and its own",
}


def pull_request_of(records: Sequence[Record]) -> str:
    """As Markdown; empty for a run that delivered nothing."""
    delivered = next((record.fields for record in reversed(settled(records)) if record.kind == "delivered"), None)
    if not delivered or not delivered.get("files"):
        return ""
    what, review = [*_what(records)], [*_review(delivered, records)]
    sections = (what, [*_files(delivered, records)], [*_proof(records)], [*_tests(records)], review)
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _what(records: Sequence[Record]) -> Iterator[str]:
    task = printable(str(started_with(records).get("task", {}).get("prompt", ""))).strip()
    plan = plan_of(records)
    title = one_line(plan.summary if plan and plan.summary else task).rstrip(".")
    yield f"# {title if len(title) <= TITLE_CHARS else title[:TITLE_CHARS].rpartition(' ')[0] + ' ...'}"
    yield ""
    yield "## Why"
    yield from (f"> {line}" if line.strip() else ">" for line in task.splitlines())


def _files(delivered: Mapping[str, Any], records: Sequence[Record]) -> Iterator[str]:
    plan = plan_of(records)
    purposes = {step.path: one_line(step.purpose) for step in plan.steps} if plan else {}
    yield "## What"
    for file in delivered["files"]:
        purpose = purposes.get(file["path"])
        yield f"- `{printable(file['path'])}` ({file['action']})" + (f": {printable(purpose)}" if purpose else "")


def _proof(records: Sequence[Record]) -> Iterator[str]:
    results = criteria_of(records)
    yield "## Proof"
    yield f"Proved {PROOFS[proof_of(results)]}."
    yield ""
    yield "| criterion | holds | shown by |"
    yield "| --- | --- | --- |"
    for result in results:
        holds = "yes" if result.passed else "**no**"
        yield f"| {_cell(result.criterion.description)} | {holds} | {_shown_by(result)} |"


def _shown_by(result: CriterionResult) -> str:
    guard = "; it held before, and guards" if result.criterion.guard else ""
    return f"{_cell(_check(result.criterion))} ({result.channel}{guard})"


def _check(criterion: Criterion) -> str:
    check = criterion.check
    if isinstance(check, TestsCheck):
        return f"{counted(len(check.nodes), 'test')} in {check.path}" if check.nodes else check.path
    return describe_check(check)


def _tests(records: Sequence[Record]) -> Iterator[str]:
    verdict = deciding_verdict(records)
    report = verdict.report if verdict else None
    if verdict is None or report is None:
        return
    passed = sum(result.outcome == "passed" for result in report.results)
    yield "## Tests"
    yield f"{passed} of {report.collected} passed on a clean copy of the result."
    for guard in of_kind(settled(records), "guard"):
        if guard.fields.get("rule") == "style" and not str(guard.fields.get("action")).endswith(": passed"):
            yield f"- style, not judged: {_cell(str(guard.fields.get('action')))}"
    if verdict.quarantined:
        yield ""
        yield "These took no part:"
        yield from (f"- {_cell(one.node)}: {_cell(one.reason)}" for one in verdict.quarantined)


def _review(delivered: Mapping[str, Any], records: Sequence[Record]) -> Iterator[str]:
    started = started_with(records)
    yield "## How to review"
    if branch := delivered.get("branch"):
        yield f"- `git log -p HEAD..{printable(branch)}`: one commit for each step"
    yield "- `git apply --check changes.patch`, from the folder of this run, on a checkout of what it began with"
    yield from (f"- run `{printable(command)}`" for command in started.get("task", {}).get("verify", ()))
    for name in ("note", "unsigned"):
        if told := delivered.get(name):
            yield f"- {'commits are not signed: ' if name == 'unsigned' else ''}{_cell(str(told))}"
    models = sorted({printable(str(model)) for model in started.get("models", {}).values()})
    yield ""
    yield f"Written by Nightshift run {records[0].run} with {', '.join(models) or 'no model'}."


def _cell(text: str) -> str:
    """On one line, and no end to the cell it stands in."""
    return printable(one_line(text)).replace("|", "\\|")
