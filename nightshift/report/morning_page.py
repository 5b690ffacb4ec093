"""The morning report as one self-contained page; everything written by models or tasks is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nightshift.prompting import tail
from nightshift.report.markup import Markup, escaped, page, table, tag
from nightshift.report.morning import (
    EVIDENCE_CHARS,
    NightTold,
    TaskOfNight,
    criteria_of,
    files_of,
    headline,
    next_steps,
    row_of,
)
from nightshift.report.text import duration


def page_of(night: NightTold) -> str:
    return page(f"Nightshift: {headline(night)}", _parts(night))


def _parts(night: NightTold) -> Iterator[str]:
    good = bool(night.tasks) and all(task.passed for task in night.tasks)
    yield tag("h1", headline(night), "good" if good else "bad")
    yield tag("p", f"Night {night.id}, {duration(night.seconds)}, exit code {night.code}, queue {night.queue}", "soft")
    yield table(("task", "status", "criteria", "time", "tokens"), (_row(task) for task in night.tasks))
    for task in night.tasks:
        yield from _task(task)


def _row(task: TaskOfNight) -> tuple[object, ...]:
    name, status, *rest = row_of(task)
    return name, tag("span", status, "good" if task.passed else "bad"), *rest


def _task(task: TaskOfNight) -> Iterator[str]:
    yield tag("h2", f"{task.name}: {task.status}")
    if task.message:
        yield tag("pre", tail(task.message, EVIDENCE_CHARS))
    if task.own_checks_only:
        yield tag("p", "Passed its own checks only: no user check took part.")
    yield table(("", "criterion", "channel", "evidence"), (_criterion(c) for c in criteria_of(task)))
    yield table(("file", "action", "lines"), files_of(task))
    yield from _listed("What was tried", iter(task.tried))
    yield from _listed("What to do next", next_steps(task))
    if task.run_dir:
        report = Path(task.run_dir) / "report.html"
        yield Markup(f'<p><a href="{escaped(report.as_uri())}">the run</a> {escaped(task.run_dir)}</p>')


def _criterion(criterion: object) -> tuple[object, ...]:
    told = criterion if isinstance(criterion, dict) else {}
    sign = tag("span", "✓", "good") if told.get("passed") else tag("span", "✗", "bad")
    evidence = tag("pre", tail(str(told.get("evidence", "")), EVIDENCE_CHARS))
    return sign, f"{told.get('id')}: {told.get('description')}", told.get("channel"), evidence


def _listed(title: str, lines: Iterator[str]) -> Iterator[str]:
    items = "".join(tag("li", line) for line in lines)
    if items:
        yield Markup(f"<p>{escaped(title)}</p><ul>{items}</ul>")
