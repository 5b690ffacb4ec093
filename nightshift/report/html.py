"""report.html: one self-contained page about a run. No script, no network, everything escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nightshift.domain import Attempt, CriterionResult, TestReport
from nightshift.evidence import describe_check
from nightshift.prompting import tail
from nightshift.records import (
    Record,
    attempt_number,
    attempts_of,
    criteria_of,
    deciding_verdict,
    doubted_tests,
    of_kind,
    outcome_of,
    plan_of,
    selections,
    settled,
    started_with,
)
from nightshift.report.cache import cache_use
from nightshift.report.console import OWN_CHECKS
from nightshift.report.handoff import continue_command
from nightshift.report.markup import Markup, escaped, page, table, tag
from nightshift.report.result import result_of
from nightshift.report.text import duration, one_line

SHORT_TITLE = 100
SHOWN_CALLS = 500
DETAIL_CHARS = 4000


def report_of(records: Sequence[Record]) -> str:
    """The whole page, from the trace alone."""
    title = f"Nightshift: {result_of(records)['task'][:80]}"
    return page(title, (part for section in _SECTIONS for part in section(records)))


def _verdict(records: Sequence[Record]) -> Iterator[str]:
    result = result_of(records)
    passed = result["status"] == "passed"
    outcome = outcome_of(records)
    task = one_line(result["task"])
    yield tag("h1", task if len(task) <= SHORT_TITLE else task[:SHORT_TITLE].rsplit(" ", 1)[0] + " …")
    if len(task) > SHORT_TITLE:
        yield _details("the whole task", result["task"])
    reason = "" if result["exit_reason"] == result["status"] else f" ({result['exit_reason']})"
    line = f"{result['status']}{reason} after {duration(result['usage']['wall_seconds'])}"
    yield Markup(f'<p><strong class="{"good" if passed else "bad"}">{escaped(line)}</strong></p>')
    if passed:
        yield tag("p", OWN_CHECKS if result["proof"] == "self" else f"proof: {result['proof']} checks")
    elif outcome and outcome.fields.get("message"):
        yield tag("p", str(outcome.fields["message"]))
    if not passed:
        yield _pre(continue_command(records))
    usage = result["usage"]
    tokens = f"{usage['prompt_tokens']:,} prompt + {usage['completion_tokens']:,} completion tokens"
    yield tag("p", f"run {result['run']}: {usage['calls']} calls, {tokens}")
    use = cache_use(records)
    if use.prompt:
        yield tag("p", f"{use}")
    if use.sent:
        yield tag("p", f"prompt tokens evaluated / sent by our count: {use.evaluated:,} / {use.sent:,}")
    isolation = str(started_with(records).get("isolation", ""))
    if "unsafe" in isolation:
        yield Markup(f'<p><strong class="bad">isolation: {escaped(isolation)}</strong></p>')
    elif isolation:
        yield tag("p", f"isolation: {isolation}")
    if result["remote"]:
        yield tag("p", "A model server outside this machine's networks was used.")


def _criteria(records: Sequence[Record]) -> Iterator[str]:
    results = criteria_of(records)
    verdict = deciding_verdict(records)
    yield tag("h2", f"Criteria: {sum(r.passed for r in results)} of {len(results)} hold")
    yield table(("", "criterion", "check", "channel", "evidence"), map(_criterion_row, results))
    yield from (tag("p", problem, "bad") for problem in (verdict.problems if verdict else ()))
    if verdict and verdict.report:
        yield from _tests(verdict.report)
    if verdict and verdict.quarantined:
        yield tag("h2", "Quarantined tests")
        yield table(("test", "reason"), ((q.node, q.reason) for q in verdict.quarantined))


def _criterion_row(result: CriterionResult) -> tuple[Any, ...]:
    criterion = result.criterion
    kind = " (yours)" if criterion.trusted else " (guard)" if criterion.guard else ""
    check = _pre(describe_check(criterion.check))
    name = f"{criterion.id}{kind}: {criterion.description}"
    return _mark(result.passed), name, check, result.channel, _pre(result.evidence)


def _tests(report: TestReport) -> Iterator[str]:
    good = sum(result.outcome == "passed" for result in report.results)
    yield tag("p", f"Tests: {good} of {report.collected} collected passed")
    for path, text in report.collection_errors:
        yield _details(f"{path} cannot be collected", text)
    for result in report.failures:
        yield _details(f"{result.node}: {result.outcome}", result.detail)


def _plan(records: Sequence[Record]) -> Iterator[str]:
    plan = plan_of(records)
    if plan:
        yield tag("h2", "Plan")
        yield tag("p", plan.summary)
        rows = ((s.path, s.kind, s.purpose, ", ".join(s.depends_on), _pre(s.interface)) for s in plan.steps)
        yield table(("file", "kind", "purpose", "depends on", "interface"), rows)
    pools = [record.fields for record in of_kind(settled(records), "accepted")]
    if pools:
        rows_of_pools = ((f.get("path"), f.get("samples"), f.get("tests")) for f in pools)
        yield table(("tests from the specification", "samples", "accepted tests"), rows_of_pools)
    if doubted := doubted_tests(records):
        rows_of_doubts = ((t.get("node"), t.get("score"), "; ".join(t.get("doubts") or ())) for t in doubted)
        yield table(("test in doubt", "trust", "because"), rows_of_doubts)
    for record in of_kind(settled(records), "planned"):
        yield from (tag("p", f"refused plan: {reason}", "soft") for reason in record.fields.get("refusals") or ())


def _attempts(records: Sequence[Record]) -> Iterator[str]:
    told = settled(records)
    judged = {attempt.number: attempt for attempt in attempts_of(records)}
    for number in sorted({attempt_number(r) for r in told} | judged.keys()):
        own = [record for record in told if attempt_number(record) == number]
        if number or of_kind(own, "evaluation"):
            yield tag("h2", f"Attempt {number}")
        for path in dict.fromkeys(str(r.fields.get("path")) for r in of_kind(own, "evaluation", "selected", "repair")):
            yield from _step(path, [record for record in own if record.fields.get("path") == path])
        if number in judged:
            yield from _judged(judged[number])
        rebuilt = [item for record in of_kind(own, "cascade") for item in record.fields.get("rebuild") or ()]
        if rebuilt:
            yield table(("rebuilt", "because"), ((item.get("path"), item.get("reason")) for item in rebuilt))


def _step(path: str, records: Sequence[Record]) -> Iterator[str]:
    """The matrix of one file: a column for each candidate, a row for each test."""
    evaluations = [record.fields for record in of_kind(records, "evaluation")]
    yield Markup(f"<h3 class='mono'>{escaped(path)}</h3>")
    for record in selections(records):
        yield tag("p", f"chosen: {record.fields.get('chosen')}: {record.fields.get('reason')}")
        scores = record.fields.get("scores") or {}
        yield table(("candidate", "score"), ((label, ", ".join(map(str, s))) for label, s in scores.items()))
    for record in of_kind(records, "repair"):
        yield tag("p", f"repair: {record.fields.get('outcome')}: {record.fields.get('detail', '')}")
    for record in of_kind(records, "splice"):
        names, kept = ", ".join(map(str, record.fields.get("names") or ())), record.fields.get("kept")
        made = f"{record.fields.get('base')} with {names} of {record.fields.get('donor')}"
        yield tag("p", f"splice: {made}: {'kept' if kept else 'no better'}")
    for record in of_kind(records, "effort"):
        taken = "asked" if record.fields.get("taken") else "not asked"
        yield tag("p", f"{record.fields.get('move')}: {taken}: {record.fields.get('reason')}", "soft")
    if not evaluations:
        return
    rungs = dict.fromkeys(rung["name"] for fields in evaluations for rung in fields.get("rungs") or ())
    nodes = dict.fromkeys(node for fields in evaluations for node in fields.get("outcomes") or {})
    rows = [(rung, *(_rung_mark(fields, rung) for fields in evaluations)) for rung in rungs]
    rows += [(node, *(_mark((f.get("outcomes") or {}).get(node)) for f in evaluations)) for node in nodes]
    yield table(("", *(fields.get("candidate", {}).get("label") for fields in evaluations)), rows)
    for fields in evaluations:
        yield _details(f"{fields.get('candidate', {}).get('label')}: its text", fields["candidate"].get("text", ""))


def _judged(attempt: Attempt) -> Iterator[str]:
    results = attempt.verdict.results
    yield tag("p", f"Verdict: {sum(r.passed for r in results)} of {len(results)} criteria hold")
    if attempt.diagnosis:
        items = "".join(f"<li>{escaped(why)}</li>" for why in attempt.diagnosis.whys)
        yield Markup(f"<p>Why it failed</p><ol>{items}</ol>")
        yield table(("blamed", "", "why"), ((c.path, c.blame, c.why) for c in attempt.diagnosis.culprits))
        yield tag("p", f"Advice: {attempt.diagnosis.advice}")


def _calls(records: Sequence[Record]) -> Iterator[str]:
    calls = of_kind(records, "call")
    faults = of_kind(records, "fault")
    yield tag("h2", f"Model calls: {len(calls)}")
    head = ("where", "role", "model", "evaluated", "sent", "cached", "completion", "seconds", "fault")
    yield table(head, map(_call_row, calls[:SHOWN_CALLS]))
    if len(calls) > SHOWN_CALLS:
        yield tag("p", f"{len(calls) - SHOWN_CALLS} more are in the trace.")
    if faults:
        yield tag("h2", f"Faults: {len(faults)}")
        names = ("role", "endpoint", "model", "attempt", "fault", "message")
        yield table(names, (tuple(r.fields.get(name) for name in names) for r in faults))


def _call_row(record: Record) -> tuple[Any, ...]:
    fields = record.fields
    counts = (fields.get(name) for name in ("prompt_tokens", "prompt_sent", "cached_tokens", "completion_tokens"))
    model = fields.get("model_served") or fields.get("model_requested")
    return (
        record.span,
        fields.get("role"),
        model,
        *counts,
        f"{fields.get('seconds') or 0:.1f}",
        fields.get("fault"),
    )


def _denials(records: Sequence[Record]) -> Iterator[str]:
    told = settled(records)
    rows = [(r.fields.get("rule"), r.fields.get("action"), r.fields.get("reason")) for r in of_kind(told, "guard")]
    refused = [r for r in of_kind(told, "policy") if not r.fields.get("allowed")]
    rows += [("policy", r.fields.get("path"), r.fields.get("reason")) for r in refused]
    if rows:
        yield tag("h2", "Guards and refusals")
        yield table(("rule", "what", "why"), rows)


def _files(records: Sequence[Record]) -> Iterator[str]:
    result = result_of(records)
    if result["files"]:
        yield tag("h2", "Files delivered" + (f" on branch {result['branch']}" if result["branch"] else ""))
        rows = ((f.get("path"), f.get("action"), f.get("lines")) for f in result["files"])
        yield table(("file", "action", "lines"), rows)


def _mark(passed: bool | None) -> Markup:
    if passed is None:
        return Markup('<span class="soft">·</span>')
    return Markup('<span class="good">✓</span>' if passed else '<span class="bad">✗</span>')


def _rung_mark(fields: Any, name: str) -> Markup:
    return _mark(next((rung["passed"] for rung in fields.get("rungs") or () if rung["name"] == name), None))


def _details(summary: str, text: str) -> Markup:
    return Markup(f"<details><summary class='mono'>{escaped(summary)}</summary>{_pre(text)}</details>")


def _pre(text: str) -> Markup:
    return Markup(f"<pre>{escaped(tail(text, DETAIL_CHARS))}</pre>" if text.strip() else "")


_SECTIONS = (_verdict, _criteria, _plan, _attempts, _denials, _calls, _files)
