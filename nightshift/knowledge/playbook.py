"""What became of the entries that a run was shown, and entries with their outcomes as JSON.

An outcome is kept for each run by itself, never as a sum: the same file taken in twice, or from two machines in any
order, comes to the same scores. What was shown and then failed need not be the cause; three such runs with no success
between them are taken for one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nightshift.codec import as_json, from_json
from nightshift.domain import Attempt
from nightshift.knowledge.entries import Lesson
from nightshift.records import Record, attempts_of, of_kind, outcome_of, settled

VERSION = 1
Outcome = Literal[-1, 0, 1]
_RUN = re.compile(r"[\w .:-]{1,100}")
MAX_ID = 1 << 63
"""What SQLite counts up to; a trace may claim anything."""


@dataclass(frozen=True, slots=True)
class Scored:
    """An entry and, run by run, what became of it: 1 helped, -1 harmed, 0 nobody knows."""

    lesson: Lesson
    outcomes: Mapping[str, int]


def outcomes_of(records: Sequence[Record], status: str = "") -> dict[int, Outcome]:
    """Entry -> the best that followed where it was shown; `status` is how a run ends that is not yet over."""
    attempts = {attempt.number: attempt for attempt in attempts_of(records)}
    outcome = outcome_of(records)
    status = status or (str(outcome.fields.get("status")) if outcome else "")
    found: dict[int, Outcome] = {}
    for record in of_kind(settled(records), "recalled"):
        now = _followed(record.span, attempts, status)
        for entry in record.fields.get("ids") or ():
            if type(entry) is not int or not 0 < entry < MAX_ID:
                continue
            before = found.get(entry, now)
            found[entry] = max(before, now) if before and now else before or now
    return found


def as_text(entries: Iterable[Scored]) -> str:
    told = [{**_told(one.lesson), "outcomes": dict(sorted(one.outcomes.items()))} for one in entries]
    return json.dumps({"nightshift": "playbook", "version": VERSION, "entries": told}, indent=1) + "\n"


def from_text(text: str) -> list[Scored]:
    """Raises ValueError with what does not fit, and where."""
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(data, Mapping) or data.get("nightshift") != "playbook":
        raise ValueError('it is no playbook: {"nightshift": "playbook", ...} is missing')
    if data.get("version") != VERSION:
        raise ValueError(f"it is of version {data.get('version')}, this Nightshift reads version {VERSION}")
    entries = data.get("entries")
    if not isinstance(entries, list):
        raise ValueError("entries: a list wanted")
    return [_scored(entry, number) for number, entry in enumerate(entries, 1)]


def _followed(span: str, attempts: Mapping[int, Attempt], status: str) -> Outcome:
    match = re.match(r"attempt-(\d+)/(build|diagnose)(?:/(.+?)(?:/repair-\d+)?)?$", span)
    if not match:  # the planner: its plan carries the whole run
        return 1 if status == "passed" else -1 if status == "failed" else 0
    number, where, path = int(match[1]), match[2], match[3]
    if where == "diagnose":
        return _improved(attempts.get(number), attempts.get(number + 1))
    attempt = attempts.get(number)
    if attempt is None or attempt.verdict.passed:
        return 1 if attempt else 0
    blamed = attempt.diagnosis and any(culprit.path == path for culprit in attempt.diagnosis.culprits)
    return -1 if blamed else 0


def _improved(before: Attempt | None, after: Attempt | None) -> Outcome:
    if before is None or after is None:
        return 0
    return 1 if after.verdict.passed or after.verdict.score > before.verdict.score else -1


def _told(entry: Lesson) -> dict[str, Any]:
    data = as_json(entry)
    return {name: data[name] for name in ("kind", "trigger", "advice", "run", "proved", "created")}


def _scored(data: Any, number: int) -> Scored:
    try:
        known = {name: data[name] for name in ("kind", "trigger", "advice", "run", "proved", "created")}
        outcomes = from_json(_Outcomes, data).outcomes
    except (KeyError, TypeError) as error:
        raise ValueError(f"entry {number}: {error} missing") from error
    except ValueError as error:
        raise ValueError(f"entry {number}: {error}") from error
    if set(outcomes.values()) - {-1, 0, 1}:
        raise ValueError(f"entry {number}: an outcome is 1, 0 or -1")
    if odd := next((run for run in outcomes if not _RUN.fullmatch(run)), None):
        raise ValueError(f"entry {number}: {odd[:60]!r} is no name of a run")
    try:
        return Scored(from_json(Lesson, known), outcomes)
    except ValueError as error:
        raise ValueError(f"entry {number}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Outcomes:
    outcomes: Mapping[str, int]
