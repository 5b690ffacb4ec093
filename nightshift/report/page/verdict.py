"""How the run ended, first of all; then each criterion with its evidence, and what was planned and delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nightshift.domain import CriterionResult, TestReport
from nightshift.evidence import describe_check
from nightshift.prompting import tail
from nightshift.records import (
    Record,
    criteria_of,
    deciding_verdict,
    doubted_tests,
    of_kind,
    outcome_of,
    plan_of,
    settled,
    started_with,
)
from nightshift.report.cache import cache_use
from nightshift.report.console import OWN_CHECKS
from nightshift.report.handoff import continue_command
from nightshift.report.markup import Markup, joined, table, tag
from nightshift.report.page.steps import fold, mark
from nightshift.report.result import result_of
from nightshift.report.text import counted, duration, one_line

SHORT_TITLE = 100
DETAIL_CHARS = 4000
UNFINISHED = "This trace has no end: the run is still going on, or it was killed."


def heading(records: Sequence[Record]) -> Iterator[Markup]:
    result = result_of(records)
    task = one_line(result["task"].strip().partition("\n")[0]) or "No task is told yet"
    button = tag("button", "Theme", id="theme", type="button", hidden="hidden")
    yield tag("div", joined(tag("p", f"Nightshift, run {result['run']}", "soft small"), button), "bar")
    yield tag("h1", task if len(task) <= SHORT_TITLE else task[:SHORT_TITLE].rsplit(" ", 1)[0] + " …")
    if task != result["task"].strip() or len(task) > SHORT_TITLE:
        yield fold("the whole task", pre(result["task"]))
    yield tag("div", joined(*_ending(records, result)), f"verdict {_style(records, result)}")
    yield tag("dl", joined(*_figures(records, result)), "figures")
    yield from _surroundings(records, result)


def criteria(records: Sequence[Record]) -> Iterator[Markup]:
    results = criteria_of(records)
    verdict = deciding_verdict(records)
    yield tag("h2", f"Criteria: {sum(r.passed for r in results)} of {len(results)} hold", id="criteria")
    if not results:
        yield tag("p", "No plan was accepted yet, so there is none.", "soft")
    yield table(("", "criterion", "check", "channel", "evidence"), map(_criterion, results), "criteria", "wide")
    yield from (tag("p", problem, "bad") for problem in (verdict.problems if verdict else ()))
    if verdict and verdict.report:
        yield from _tests(verdict.report)
    if verdict and verdict.quarantined:
        yield tag("h3", "Quarantined tests")
        yield table(("test", "reason"), ((q.node, q.reason) for q in verdict.quarantined), "quarantined tests")
    if doubted := doubted_tests(records):
        rows = ((t.get("node"), t.get("score"), "; ".join(map(str, t.get("doubts") or ()))) for t in doubted)
        yield tag("h3", "Tests in doubt")
        yield table(("test in doubt", "trust", "because"), rows, "tests in doubt")


def planned(records: Sequence[Record]) -> Iterator[Markup]:
    plan = plan_of(records)
    told = of_kind(settled(records), "planned")
    if plan or told:
        yield tag("h2", "Plan", id="plan")
    if plan:
        yield tag("p", plan.summary)
        rows = ((s.path, s.kind, s.purpose, ", ".join(s.depends_on), pre(s.interface)) for s in plan.steps)
        yield table(("file", "kind", "purpose", "depends on", "interface"), rows, "planned files", "wide")
    pools = [record.fields for record in of_kind(settled(records), "accepted")]
    rows_of_pools = ((f.get("path"), f.get("samples"), f.get("tests")) for f in pools)
    yield table(("tests from the specification", "samples", "accepted tests"), rows_of_pools, "accepted tests")
    for record in told:
        yield from (tag("p", f"refused plan: {reason}", "soft") for reason in record.fields.get("refusals") or ())


def refusals(records: Sequence[Record]) -> Iterator[Markup]:
    told = settled(records)
    rows = [(r.fields.get("rule"), r.fields.get("action"), r.fields.get("reason")) for r in of_kind(told, "guard")]
    refused = [r for r in of_kind(told, "policy") if not r.fields.get("allowed")]
    rows += [("policy", r.fields.get("path"), r.fields.get("reason")) for r in refused]
    if rows:
        yield tag("h2", "Guards and refusals", id="refusals")
        yield table(("rule", "what", "why"), rows, "guards and refusals")


def delivered(records: Sequence[Record]) -> Iterator[Markup]:
    result = result_of(records)
    if result["files"]:
        yield tag("h2", "Files delivered" + (f" on branch {result['branch']}" if result["branch"] else ""), id="files")
        rows = ((f.get("path"), f.get("action"), f.get("lines")) for f in result["files"])
        yield table(("file", "action", "lines"), rows, "files delivered")


def pre(text: str) -> Markup:
    return tag("pre", tail(text, DETAIL_CHARS)) if text.strip() else Markup("")


def _style(records: Sequence[Record], result: dict[str, Any]) -> str:
    if outcome_of(records) is None:
        return "warn"
    return {"passed": "good", "planned": "good", "interrupted": "warn"}.get(result["status"], "bad")


def _ending(records: Sequence[Record], result: dict[str, Any]) -> Iterator[Markup]:
    outcome, spent = outcome_of(records), duration(result["usage"]["wall_seconds"])
    if outcome is None:
        when = f" It was last heard of at {one_line(records[-1].time)}, after {spent}." if records else ""
        yield tag("p", joined(tag("strong", "unfinished"), f" {UNFINISHED}{when}"))
        yield tag("p", "What follows is what it had told by then. If it was killed, this goes on with it:")
        yield pre(continue_command(records))
        return
    passed = result["status"] == "passed"
    reason = "" if result["exit_reason"] == result["status"] else f" ({result['exit_reason']})"
    sign = "✓ " if passed or result["status"] == "planned" else "✗ "
    yield tag("p", joined(tag("strong", f"{sign}{result['status']}{reason}"), f" after {spent}"))
    if outcome.fields.get("message"):
        yield tag("p", str(outcome.fields["message"]))
    if passed:
        yield tag("p", OWN_CHECKS if result["proof"] == "self" else f"proof: {result['proof']} checks")
    else:
        yield pre(continue_command(records))


def _figures(records: Sequence[Record], result: dict[str, Any]) -> Iterator[Markup]:
    usage, tests = result["usage"], result["tests"]
    told = {
        "criteria": f"{sum(c['passed'] for c in result['criteria'])} of {len(result['criteria'])}",
        "tests passed": f"{tests['passed']} of {tests['collected']}",
        "attempts": result["attempts"],
        "requests, replies": f"{usage['calls']:,}, {len(of_kind(records, 'call')):,}",
        "tokens in, out": f"{usage['prompt_tokens']:,}, {usage['completion_tokens']:,}",
        "from a cache": f"{cache_use(records).share:.0%}",
    }
    for name, figure in told.items():
        yield tag("div", joined(tag("dt", name), tag("dd", figure)))


def _surroundings(records: Sequence[Record], result: dict[str, Any]) -> Iterator[Markup]:
    isolation = str(started_with(records).get("isolation", ""))
    if "unsafe" in isolation:
        yield tag("p", tag("strong", f"isolation: {isolation}", "bad"))
    elif isolation:
        yield tag("p", f"isolation: {isolation}", "soft small")
    if result["models"]:
        names = sorted(set(map(str, result["models"].values())))
        yield tag("p", f"{counted(len(names), 'model')}: {', '.join(names)}", "soft small")
    if result["remote"]:
        yield tag("p", "A model server outside this machine's networks was used.", "warn")


def _criterion(result: CriterionResult) -> tuple[Any, ...]:
    criterion = result.criterion
    kind = " (yours)" if criterion.trusted else " (guard)" if criterion.guard else ""
    name = f"{criterion.id}{kind}: {criterion.description}"
    check = describe_check(criterion.check)
    return mark(result.passed), name, pre(check), result.channel, pre(result.evidence)


def _tests(report: TestReport) -> Iterator[Markup]:
    good = sum(result.outcome == "passed" for result in report.results)
    yield tag(
        "p", f"Tests: {good} of {report.collected} collected passed, {report.oracle_share:.0%} judged by the oracle"
    )
    for path, text in report.collection_errors:
        yield fold(f"{path} cannot be collected", pre(text), "print")
    for result in report.failures:
        yield fold(f"{result.node}: {result.outcome}", pre(result.detail), "print")
