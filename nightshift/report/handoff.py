"""handoff.md: what a person, or the next attempt, needs to go on with a run that did not pass."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nightshift.domain import EXIT_CODES, Attempt, CriterionResult, TestReport
from nightshift.evidence import describe_check, of_test
from nightshift.prompting import fenced, tail
from nightshift.records import (
    Record,
    attempt_number,
    attempts_of,
    criteria_of,
    deciding_verdict,
    elapsed_of,
    of_kind,
    outcome_of,
    selections,
    settled,
    started_with,
    usage_of,
)
from nightshift.report.result import since
from nightshift.report.text import counted, one_line, printable

SHOWN_FAILURES = 20
DETAIL_CHARS = 2000


def handoff_of(records: Sequence[Record]) -> str:
    """The handoff as Markdown, all of it from the trace."""
    return "\n".join(line for section in _SECTIONS for line in section(records)).rstrip() + "\n"


def can_go_on(records: Sequence[Record]) -> bool:
    """Whether the run was stopped rather than finished, so that nothing but `continue_command` is needed."""
    outcome, in_place = outcome_of(records), started_with(records).get("overrides", {}).get("workspace.in_place")
    stopped = outcome is not None and outcome.fields.get("status") in ("interrupted", "limit")
    unserved = outcome is not None and outcome.fields.get("exit_code") == EXIT_CODES["endpoint_unreachable"]
    return (stopped or unserved) and not in_place


def continue_command(records: Sequence[Record]) -> str:
    """The command that goes on where this run stopped; with room to go on, when it used up what it had."""
    started, outcome = started_with(records), outcome_of(records)
    reason = outcome.fields.get("exit_reason") if outcome else "interrupted"
    workspace = shlex.quote(str(started.get("workspace", ".")))
    program = f"python3 {shlex.quote(str(ORCHESTRATOR))} --workspace {workspace}"
    if reason == "no_progress":
        # A replay would stop at the same place: the task or the plan has to change.
        return f"{program} --dry-run {shlex.quote(one_line(started.get('task', {}).get('prompt', '')))} > plan.json"
    room = _room(records, started, str(reason)) if str(reason) in _MORE else ""
    return f"{program} --resume {records[0].run if records else 'RUN'}{room}"


def _room(records: Sequence[Record], started: Mapping[str, Any], reason: str) -> str:
    """Twice the budget, and in any case more than was spent: the last reply may have overdrawn it far."""
    flag, key, spent = _MORE[reason]
    limit = _setting(started, key)
    return f" {flag} {math.ceil(limit + max(limit, spent(records)))}"


def _setting(started: Mapping[str, Any], key: str) -> float:
    value: Any = started.get("config", {})
    for part in key.split("."):
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return float(value) if isinstance(value, int | float) else 1.0


ORCHESTRATOR = Path(__file__).resolve().parents[2] / "orchestrator.py"


def _tokens(records: Sequence[Record]) -> int:
    usage = usage_of(records)
    return usage.prompt_tokens + usage.completion_tokens


_MORE: dict[str, tuple[str, str, Callable[[Sequence[Record]], float]]] = {
    "attempts_exhausted": ("--attempts", "attempts", lambda records: 0),
    "budget_calls": ("--max-calls", "limits.calls", lambda records: usage_of(records).calls),
    "budget_tokens": ("--max-tokens", "limits.tokens", _tokens),
    "budget_minutes": ("--max-minutes", "limits.minutes", lambda records: elapsed_of(records) / 60),
}
"""Exit reason -> the flag that gives more room, the setting it had, and what was spent of it."""


def _head(records: Sequence[Record]) -> Iterator[str]:
    task = started_with(records).get("task", {}).get("prompt", "")
    outcome = outcome_of(records)
    fields = outcome.fields if outcome else {"status": "interrupted", "exit_reason": "interrupted"}
    yield f"# Handoff: {one_line(task)[:100]}"
    yield ""
    run = records[0].run if records else ""
    yield one_line(f"Run `{run}` ended **{fields.get('status')}** ({fields.get('exit_reason')}).")
    if fields.get("message"):
        yield one_line(str(fields["message"]))
    if "unsafe" in str(started_with(records).get("isolation")):
        yield "**Generated code ran without isolation** (`--unsafe-no-sandbox`)."
    yield ""
    yield from ("## The task", "", _block(task), "")


def _works(records: Sequence[Record]) -> Iterator[str]:
    verdict = deciding_verdict(records)
    passed = [result for result in criteria_of(records) if result.passed]
    yield "## What works"
    yield ""
    yield from (f"- {_title(result)}" for result in passed)
    if verdict and verdict.report:
        good = len(verdict.report.results) - len(verdict.report.failures)
        yield f"- {good} of {counted(verdict.report.collected, 'collected test')} pass"
    if not passed:
        yield "No criterion is proved."
    yield ""


def _fails(records: Sequence[Record]) -> Iterator[str]:
    yield from ("## What fails", "")
    verdict = deciding_verdict(records)
    if verdict is None:
        yield from ("Nothing was judged: the run ended before a verdict.", "")
    for problem in verdict.problems if verdict else ():
        yield from (f"- {one_line(problem)}", "")
    for result in criteria_of(records):
        if not result.passed:
            check = one_line(describe_check(result.criterion.check))
            yield from (f"### {_title(result)}", "", f"Check: {check}", "", _block(result.evidence), "")
    if verdict and verdict.report:
        yield from _failing_tests(verdict.report)
    for node in since(records)["regressed"]:
        yield f"- passed before this run began, and fails now: `{one_line(node)}`"
    for item in verdict.quarantined if verdict else ():
        yield f"- quarantined, took no part: `{one_line(item.node)}`: {one_line(item.reason)}"
    yield ""


def _failing_tests(report: TestReport) -> Iterator[str]:
    yield from ("### Failing tests", "")
    for path, text in report.collection_errors:
        yield from (f"- `{one_line(path)}` cannot be collected", "", _block(text), "")
    for result in report.failures[:SHOWN_FAILURES]:
        yield from (f"- `{one_line(result.node)}` {result.outcome}", "", _block(of_test(result)), "")
    if len(report.failures) > SHOWN_FAILURES:
        yield from (f"{len(report.failures) - SHOWN_FAILURES} more are in the trace.", "")


def _tried(records: Sequence[Record]) -> Iterator[str]:
    yield from ("## What was tried", "")
    told = settled(records)
    for attempt in attempts_of(records):
        yield from _attempt(attempt)
        own = [record for record in told if attempt_number(record) == attempt.number]
        yield f"- {counted(len(of_kind(own, 'evaluation')), 'candidate')} evaluated"
        yield from (f"- {_choice(record)}" for record in selections(own))
        yield from (f"- repair of `{_field(r, 'path')}`: {_field(r, 'outcome')}" for r in of_kind(own, "repair"))
        yield ""
    for record in of_kind(told, "fault"):
        where = f"{_field(record, 'role')} at {_field(record, 'endpoint')}"
        yield f"- fault: {where}: {_field(record, 'message')}"
    yield ""


def _attempt(attempt: Attempt) -> Iterator[str]:
    results = attempt.verdict.results
    yield f"### Attempt {attempt.number}: {sum(r.passed for r in results)} of {len(results)} criteria hold"
    yield ""
    if attempt.diagnosis:
        yield from (f"{number}. why: {one_line(why)}" for number, why in enumerate(attempt.diagnosis.whys, 1))
        for culprit in attempt.diagnosis.culprits:
            yield f"- blamed: `{one_line(culprit.path)}` ({culprit.blame}): {one_line(culprit.why)}"
        yield f"- advice: {one_line(attempt.diagnosis.advice)}"


def _next(records: Sequence[Record]) -> Iterator[str]:
    yield from ("## To continue", "", fenced(printable(continue_command(records)), "sh"), "")
    kept = of_kind(records, "kept", "delivered")
    if kept and kept[-1].fields.get("branch"):
        yield f"The best tree is on branch `{_field(kept[-1], 'branch')}`."
    elif kept and kept[-1].fields.get("folder"):
        yield f"The best tree is in `{_field(kept[-1], 'folder')}`."
    if kept and kept[-1].fields.get("originals"):
        yield f"Your files as they were before the run are in `{_field(kept[-1], 'originals')}`."


def _choice(record: Record) -> str:
    chosen = record.fields.get("chosen")
    considered = counted(len(record.fields.get("considered", ())), "candidate")
    what = f"chose {one_line(str(chosen))}" if chosen else "kept what was there"
    return f"`{_field(record, 'path')}`: {what} of {considered}: {_field(record, 'reason')}"


def _title(result: CriterionResult) -> str:
    return f"{one_line(result.criterion.id)}: {one_line(result.criterion.description)}"


def _field(record: Record, name: str) -> str:
    return one_line(str(record.fields.get(name, "")))


def _block(text: str) -> str:
    return fenced(printable(tail(text.strip("\n"), DETAIL_CHARS)), "text")


_SECTIONS = (_head, _works, _fails, _tried, _next)
