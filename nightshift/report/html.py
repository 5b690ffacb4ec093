"""report.html: one self-contained page about a run. No script, no network, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
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
    of_kind,
    outcome_of,
    plan_of,
    settled,
    started_with,
)
from nightshift.report.cache import cache_use
from nightshift.report.console import OWN_CHECKS
from nightshift.report.handoff import continue_command
from nightshift.report.result import result_of
from nightshift.report.text import duration, one_line, printable

SHORT_TITLE = 100
SHOWN_CALLS = 500
DETAIL_CHARS = 4000

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #ff7b72; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto; margin-bottom: 1rem; }
td pre { margin: 0; padding: .3rem .6rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; }
tr { border-bottom: 1px solid var(--line); }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; white-space: pre-wrap; }
pre, code, .mono { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); } .soft { opacity: .75; }
"""


class Markup(str):
    """Text that is HTML already; any other text is escaped."""

    __slots__ = ()


def report_of(records: Sequence[Record]) -> str:
    """The whole page, from the trace alone."""
    body = "\n".join(part for section in _SECTIONS for part in section(records))
    title = _text(f"Nightshift: {result_of(records)['task'][:80]}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _verdict(records: Sequence[Record]) -> Iterator[str]:
    result = result_of(records)
    passed = result["status"] == "passed"
    outcome = outcome_of(records)
    task = one_line(result["task"])
    yield _tag("h1", task if len(task) <= SHORT_TITLE else task[:SHORT_TITLE].rsplit(" ", 1)[0] + " …")
    if len(task) > SHORT_TITLE:
        yield _details("the whole task", result["task"])
    reason = "" if result["exit_reason"] == result["status"] else f" ({result['exit_reason']})"
    line = f"{result['status']}{reason} after {duration(result['usage']['wall_seconds'])}"
    yield Markup(f'<p><strong class="{"good" if passed else "bad"}">{_text(line)}</strong></p>')
    if passed:
        yield _tag("p", OWN_CHECKS if result["proof"] == "self" else f"proof: {result['proof']} checks")
    elif outcome and outcome.fields.get("message"):
        yield _tag("p", str(outcome.fields["message"]))
    if not passed:
        yield _pre(continue_command(records))
    usage = result["usage"]
    tokens = f"{usage['prompt_tokens']:,} prompt + {usage['completion_tokens']:,} completion tokens"
    yield _tag("p", f"run {result['run']}: {usage['calls']} calls, {tokens}")
    use = cache_use(records)
    if use.prompt:
        yield _tag("p", f"{use}")
    if use.sent:
        yield _tag("p", f"prompt tokens evaluated / sent by our count: {use.evaluated:,} / {use.sent:,}")
    isolation = str(started_with(records).get("isolation", ""))
    if "unsafe" in isolation:
        yield Markup(f'<p><strong class="bad">isolation: {_text(isolation)}</strong></p>')
    elif isolation:
        yield _tag("p", f"isolation: {isolation}")
    if result["remote"]:
        yield _tag("p", "A model server outside this machine's networks was used.")


def _criteria(records: Sequence[Record]) -> Iterator[str]:
    results = criteria_of(records)
    verdict = deciding_verdict(records)
    yield _tag("h2", f"Criteria: {sum(r.passed for r in results)} of {len(results)} hold")
    yield _table(("", "criterion", "check", "channel", "evidence"), map(_criterion_row, results))
    yield from (_tag("p", problem, "bad") for problem in (verdict.problems if verdict else ()))
    if verdict and verdict.report:
        yield from _tests(verdict.report)
    if verdict and verdict.quarantined:
        yield _tag("h2", "Quarantined tests")
        yield _table(("test", "reason"), ((q.node, q.reason) for q in verdict.quarantined))


def _criterion_row(result: CriterionResult) -> tuple[Any, ...]:
    criterion = result.criterion
    kind = " (yours)" if criterion.trusted else " (guard)" if criterion.guard else ""
    check = _pre(describe_check(criterion.check))
    name = f"{criterion.id}{kind}: {criterion.description}"
    return _mark(result.passed), name, check, result.channel, _pre(result.evidence)


def _tests(report: TestReport) -> Iterator[str]:
    good = sum(result.outcome == "passed" for result in report.results)
    yield _tag("p", f"Tests: {good} of {report.collected} collected passed")
    for path, text in report.collection_errors:
        yield _details(f"{path} cannot be collected", text)
    for result in report.failures:
        yield _details(f"{result.node}: {result.outcome}", result.detail)


def _plan(records: Sequence[Record]) -> Iterator[str]:
    plan = plan_of(records)
    if plan:
        yield _tag("h2", "Plan")
        yield _tag("p", plan.summary)
        rows = ((s.path, s.kind, s.purpose, ", ".join(s.depends_on), _pre(s.interface)) for s in plan.steps)
        yield _table(("file", "kind", "purpose", "depends on", "interface"), rows)
    pools = [record.fields for record in of_kind(settled(records), "accepted")]
    if pools:
        rows_of_pools = ((f.get("path"), f.get("samples"), f.get("tests")) for f in pools)
        yield _table(("tests from the specification", "samples", "accepted tests"), rows_of_pools)
    for record in of_kind(settled(records), "planned"):
        yield from (_tag("p", f"refused plan: {reason}", "soft") for reason in record.fields.get("refusals") or ())


def _attempts(records: Sequence[Record]) -> Iterator[str]:
    told = settled(records)
    judged = {attempt.number: attempt for attempt in attempts_of(records)}
    for number in sorted({attempt_number(r) for r in told} | judged.keys()):
        own = [record for record in told if attempt_number(record) == number]
        if number or of_kind(own, "evaluation"):
            yield _tag("h2", f"Attempt {number}")
        for path in dict.fromkeys(str(r.fields.get("path")) for r in of_kind(own, "evaluation", "selected", "repair")):
            yield from _step(path, [record for record in own if record.fields.get("path") == path])
        if number in judged:
            yield from _judged(judged[number])
        rebuilt = [item for record in of_kind(own, "cascade") for item in record.fields.get("rebuild") or ()]
        if rebuilt:
            yield _table(("rebuilt", "because"), ((item.get("path"), item.get("reason")) for item in rebuilt))


def _step(path: str, records: Sequence[Record]) -> Iterator[str]:
    """The matrix of one file: a column for each candidate, a row for each test."""
    evaluations = [record.fields for record in of_kind(records, "evaluation")]
    yield Markup(f"<h3 class='mono'>{_text(path)}</h3>")
    for record in of_kind(records, "selected"):
        yield _tag("p", f"chosen: {record.fields.get('chosen')}: {record.fields.get('reason')}")
        scores = record.fields.get("scores") or {}
        yield _table(("candidate", "score"), ((label, ", ".join(map(str, s))) for label, s in scores.items()))
    for record in of_kind(records, "repair"):
        yield _tag("p", f"repair: {record.fields.get('outcome')}: {record.fields.get('detail')}")
    if not evaluations:
        return
    rungs = dict.fromkeys(rung["name"] for fields in evaluations for rung in fields.get("rungs") or ())
    nodes = dict.fromkeys(node for fields in evaluations for node in fields.get("outcomes") or {})
    rows = [(rung, *(_rung_mark(fields, rung) for fields in evaluations)) for rung in rungs]
    rows += [(node, *(_mark((f.get("outcomes") or {}).get(node)) for f in evaluations)) for node in nodes]
    yield _table(("", *(fields.get("candidate", {}).get("label") for fields in evaluations)), rows)
    for fields in evaluations:
        yield _details(f"{fields.get('candidate', {}).get('label')}: its text", fields["candidate"].get("text", ""))


def _judged(attempt: Attempt) -> Iterator[str]:
    results = attempt.verdict.results
    yield _tag("p", f"Verdict: {sum(r.passed for r in results)} of {len(results)} criteria hold")
    if attempt.diagnosis:
        items = "".join(f"<li>{_text(why)}</li>" for why in attempt.diagnosis.whys)
        yield Markup(f"<p>Why it failed</p><ol>{items}</ol>")
        yield _table(("blamed", "", "why"), ((c.path, c.blame, c.why) for c in attempt.diagnosis.culprits))
        yield _tag("p", f"Advice: {attempt.diagnosis.advice}")


def _calls(records: Sequence[Record]) -> Iterator[str]:
    calls = of_kind(records, "call")
    faults = of_kind(records, "fault")
    yield _tag("h2", f"Model calls: {len(calls)}")
    head = ("where", "role", "model", "evaluated", "sent", "cached", "completion", "seconds", "fault")
    yield _table(head, map(_call_row, calls[:SHOWN_CALLS]))
    if len(calls) > SHOWN_CALLS:
        yield _tag("p", f"{len(calls) - SHOWN_CALLS} more are in the trace.")
    if faults:
        yield _tag("h2", f"Faults: {len(faults)}")
        names = ("role", "endpoint", "model", "attempt", "fault", "message")
        yield _table(names, (tuple(r.fields.get(name) for name in names) for r in faults))


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
        yield _tag("h2", "Guards and refusals")
        yield _table(("rule", "what", "why"), rows)


def _files(records: Sequence[Record]) -> Iterator[str]:
    result = result_of(records)
    if result["files"]:
        yield _tag("h2", "Files delivered" + (f" on branch {result['branch']}" if result["branch"] else ""))
        rows = ((f.get("path"), f.get("action"), f.get("lines")) for f in result["files"])
        yield _table(("file", "action", "lines"), rows)


def _mark(passed: bool | None) -> Markup:
    if passed is None:
        return Markup('<span class="soft">·</span>')
    return Markup('<span class="good">✓</span>' if passed else '<span class="bad">✗</span>')


def _rung_mark(fields: Any, name: str) -> Markup:
    return _mark(next((rung["passed"] for rung in fields.get("rungs") or () if rung["name"] == name), None))


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> Markup:
    body = "".join(f"<tr>{''.join(_tag('td', cell) for cell in row)}</tr>" for row in rows)
    return Markup(f"<table><tr>{''.join(_tag('th', name) for name in head)}</tr>{body}</table>" if body else "")


def _details(summary: str, text: str) -> Markup:
    return Markup(f"<details><summary class='mono'>{_text(summary)}</summary>{_pre(text)}</details>")


def _pre(text: str) -> Markup:
    return Markup(f"<pre>{_text(tail(text, DETAIL_CHARS))}</pre>" if text.strip() else "")


def _tag(name: str, content: object, style: str = "") -> Markup:
    return Markup(
        f'<{name} class="{style}">{_text(content)}</{name}>' if style else f"<{name}>{_text(content)}</{name}>"
    )


def _text(content: object) -> str:
    if isinstance(content, Markup):
        return content
    return "" if content is None else escape(printable(str(content)))


_SECTIONS = (_verdict, _criteria, _plan, _attempts, _denials, _calls, _files)
