"""When things happened, in seconds that the run was alive: the pause before a resumed part counts as nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nightshift.records import Record

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Busy:
    """Something that took time: a call, or a process in the sandbox."""

    start: float
    end: float
    record: Record
    answered: bool = True


def seconds_of(records: Iterable[Record]) -> list[float]:
    """For each record, seconds since the start; a clock set back counts as nothing."""
    told: list[float] = []
    before: datetime | None = None
    for record in records:
        now = datetime.fromisoformat(record.time)
        step = max(0.0, (now - before).total_seconds()) if before and record.kind != "resumed" else 0.0
        told.append((told[-1] if told else 0.0) + step)
        before = now
    return told


def calls_in(records: Sequence[Record]) -> list[Busy]:
    """Replies from when they were asked for, and questions that none came to, by when they began."""
    asked: dict[str, tuple[float, Record]] = {}
    told: list[Busy] = []
    for now, record in zip(seconds_of(records), records, strict=True):
        if record.kind == "asked":
            asked[record.span] = now, record
        elif record.kind == "call":
            began = asked.pop(record.span, None)
            told.append(Busy(began[0] if began else _began(now, record.fields.get("seconds")), now, record))
        elif asked and _ends_all(record):
            told += [Busy(began, now, one, answered=False) for began, one in _ended(record, asked)]
    last = seconds_of(records)[-1] if records else 0.0
    told += [Busy(began, last, one, answered=False) for began, one in asked.values()]
    return sorted(told, key=lambda busy: busy.start)


def processes_in(records: Sequence[Record]) -> list[Busy]:
    """What ran in the sandbox; trials of tests are told once, at their end, and began after the record before it."""
    told: list[Busy] = []
    before = 0.0
    for now, record in zip(seconds_of(records), records, strict=True):
        if record.kind == "executed":
            told.append(Busy(_began(now, _took(record.fields.get("result"))), now, record))
        elif record.kind == "trust":
            told.append(Busy(before, now, record))
        before = now
    return told


def rows_of(busy: Iterable[Busy]) -> list[list[Busy]]:
    """As few rows as there were at once."""
    rows: list[list[Busy]] = []
    for one in sorted(busy, key=lambda one: one.start):
        free = next((row for row in rows if row[-1].end <= one.start), None)
        if free is None:
            rows.append([one])
        else:
            free.append(one)
    return rows


def by_endpoint(calls: Iterable[Busy]) -> dict[str, list[Busy]]:
    told = defaultdict[str, list[Busy]](list)
    for call in calls:
        told[str(call.record.fields.get("endpoint"))].append(call)
    return dict(told)


def union(spans: Iterable[Span], gap: float = 0.0) -> list[Span]:
    """The same time without overlaps; spans closer than `gap` become one."""
    told: list[Span] = []
    for start, end in sorted(spans):
        if told and start <= told[-1][1] + gap:
            told[-1] = told[-1][0], max(told[-1][1], end)
        else:
            told.append((start, end))
    return told


def total(spans: Iterable[Span]) -> float:
    return sum(end - start for start, end in spans)


def _ends_all(record: Record) -> bool:
    race = record.kind == "selected" and record.fields.get("key") == "race"
    return race or record.kind in ("fault", "resumed", "run_finished")


def _ended(record: Record, asked: dict[str, tuple[float, Record]]) -> list[tuple[float, Record]]:
    """Questions without a reply that this record ends: its own, those of its race, or all when a part ends."""
    if record.kind == "fault":
        gone = [span for span in asked if span == record.span]
    elif record.kind == "selected":
        step = record.span.rpartition("/")[0]
        gone = [span for span in asked if span.startswith(f"{step}/")]
    else:
        gone = [*asked]
    return [asked.pop(span) for span in gone]


def _began(end: float, seconds: Any) -> float:
    return max(0.0, end - seconds) if isinstance(seconds, (int, float)) else end


def _took(result: Any) -> Any:
    """Of one process, or of the process of a test report."""
    if not isinstance(result, dict):
        return None
    return result.get("seconds", (result.get("exec") or {}).get("seconds"))
