"""Traces for people at a prompt: a run in a row, a record in a few lines, a live trace, what is wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from nightshift.dataset.streaming import Line, lines_in
from nightshift.domain import Diagnosis, Plan, Verdict
from nightshift.errors import NightshiftError
from nightshift.records import (
    KINDS,
    Record,
    TraceDamaged,
    as_json,
    from_json,
    outcome_of,
    proved,
    record_of,
    stream_trace,
)
from nightshift.report.console import describe
from nightshift.report.details import detail_of
from nightshift.report.text import one_line, printable

TAIL_BYTES = 1 << 18
_PLAIN = re.compile(r"[A-Za-z0-9 _,:;=-]+")
"""A pattern that stands for itself, in the text and in its JSON."""
POLL_SECONDS = 0.3


def summary_of(run_dir: Path) -> dict[str, Any]:
    """One row of the list of runs, from the two ends of the trace only: a trace may be large."""
    path = run_dir / "trace.jsonl"
    try:
        started = next(stream_trace(path), None)
        outcome = outcome_of(_last_records(path))
    except NightshiftError:
        return {"run": run_dir.name, "status": "damaged", "exit_reason": None, "time": None, "task": ""}
    fields = outcome.fields if outcome else {}
    reason, task = fields.get("exit_reason"), started.fields.get("task") if started else None
    return {
        "run": run_dir.name,
        "status": str(fields.get("status", "unfinished")),
        "exit_reason": None if reason is None else str(reason),
        "time": started.time if started else None,
        "task": str(task.get("prompt", "")) if isinstance(task, Mapping) else "",
    }


def lines_of(record: Record, *, full: bool = False) -> list[str]:
    """A record as text: what it says, or with `full` every field of it."""
    head = f"{record.seq:>5} {record.time[11:19]} {one_line(record.kind):<12} {one_line(record.span)}".rstrip()
    said = list(_outline(record.fields)) if full else _said(record)
    return [head, *(f"      {line}" for line in said if line)]


def _said(record: Record) -> list[str]:
    try:
        return describe(record) or [detail_of(record) or _gist(record)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # A checkout may bring a trace of any shape: that is no defect of ours.
        problem = f"record {record.seq} of run {one_line(record.run)}: an odd {one_line(record.kind)}: {error}"
        raise TraceDamaged(problem) from error


def follow(path: Path, lines: int) -> Iterator[Record]:
    """The last records and then each new one as it is written, until the run has finished."""
    with path.open("rb") as file:
        file.seek(_start_of_last(file, lines))
        ended = False
        for record in _whole_records(file):
            yield record
            ended = record.kind == "run_finished"
        while not ended:
            for record in _whole_records(file):
                yield record
                ended = record.kind == "run_finished"
            time.sleep(POLL_SECONDS)


def last_records(path: Path, lines: int) -> Iterator[Record]:
    """Read from the end, however long the trace is."""
    with path.open("rb") as file:
        file.seek(_start_of_last(file, lines))
        yield from _whole_records(file)


def records_in(path: Path, *, kind: str = "", span: str = "") -> Iterator[Record]:
    """Those of a kind whose span begins so; the others are not even decoded. Raises TraceDamaged."""
    for line in lines_in(path):
        if line.span.startswith(span) and kind in ("", line.kind):
            yield _decoded(line, path)


def matches_in(path: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Record, str]]:
    """Each record that holds a text with a match, and that place in it. Raises TraceDamaged."""
    plain = pattern.pattern.encode() if _PLAIN.fullmatch(pattern.pattern) and not pattern.flags & re.I else b""
    for line in lines_in(path):
        if plain and plain not in line.raw:
            continue
        record = _decoded(line, path)
        hits = (_around(text, match) for text in texts_in(record.fields) if (match := pattern.search(text)))
        if hit := next(hits, None):
            yield record, hit


def texts_in(value: Any) -> Iterator[str]:
    """Every text inside a record's fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)


def problems_of(records: Sequence[Record]) -> list[str]:
    """What no good trace would hold, beyond the damage that reading it already refuses."""
    return [problem for rule in _RULES for problem in rule(records)]


def is_suspect(record: Record, run: str) -> bool:
    """`problems_of` may find something in it; the first record of a trace always is one to look at."""
    return record.kind in _JUDGED or record.kind not in KINDS or record.run != run


def _first(records: Sequence[Record]) -> Iterator[str]:
    if not records or records[0].kind != "run_started":
        yield "the first record is not run_started"


def _same_run(records: Sequence[Record]) -> Iterator[str]:
    for run in dict.fromkeys(record.run for record in records if record.run != records[0].run):
        yield f"records of another run, {run}"


def _known_kinds(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        if record.kind not in KINDS:
            yield f"record {record.seq}: unknown kind {record.kind!r}"


def _values(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        name, cls = _VALUES.get(record.kind, ("", object))
        if name and record.fields.get(name) is not None:
            try:
                from_json(cls, record.fields[name])
            except ValueError as error:
                yield f"record {record.seq}: {error}"
        elif name and record.kind != "planned":
            yield f"record {record.seq}: a {record.kind} without its {name}"


def _honest(records: Sequence[Record]) -> Iterator[str]:
    outcome = outcome_of(records)
    if outcome and outcome.fields.get("status") == "passed" and not any(_values(records)) and not proved(records):
        yield f"record {outcome.seq}: the run claims passed without a verdict that passed"


_RULES: tuple[Callable[[Sequence[Record]], Iterator[str]], ...] = (
    _first, _same_run, _known_kinds, _values, _honest,
)  # fmt: skip
_JUDGED = frozenset({"run_started", "planned", "verdict", "diagnosis", "resumed", "run_finished", "selected"})
_VALUES: dict[str, tuple[str, type]] = {
    "planned": ("plan", Plan), "verdict": ("verdict", Verdict), "diagnosis": ("diagnosis", Diagnosis),
}  # fmt: skip


def _whole_records(file: IO[bytes]) -> Iterator[Record]:
    """Records up to the end of the file; a line still being written is left for the next time."""
    while True:
        start = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(start)
            return
        try:
            yield record_of(line)
        except ValueError as problem:
            raise TraceDamaged(f"{file.name}, byte {start}: {problem}") from problem


def _start_of_last(file: IO[bytes], lines: int) -> int:
    """Where the last so many whole lines begin; one still being written is none of them."""
    end = at = file.seek(0, 2)
    found = 0
    while at > 0:
        size = min(TAIL_BYTES, at)
        at = file.seek(at - size)
        block = file.read(size)
        place = len(block)
        while (place := block.rfind(b"\n", 0, place)) >= 0:
            found += 1
            if found > lines:
                return at + place + 1
    return 0 if lines else end


def _decoded(line: Line, path: Path) -> Record:
    try:
        return line.record()
    except ValueError as problem:
        raise TraceDamaged(f"{path}, line {line.seq}: {problem}") from None


def _around(text: str, match: re.Match[str]) -> str:
    return one_line(text[max(0, match.start() - 40) : match.end() + 60])


def _last_records(path: Path) -> list[Record]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        if file.tell():
            file.readline()
        lines = [line for line in file if line.endswith(b"\n")]
    return [record for line in lines for record in _readable(line)]


def _readable(line: bytes) -> Iterator[Record]:
    try:
        yield record_of(line)
    except ValueError:
        return


def _gist(record: Record) -> str:
    return printable(json.dumps(as_json(record.fields), ensure_ascii=False))[:200]


def _outline(value: Any, indent: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value, 1)
    for name, item in items:
        if isinstance(item, (Mapping, list)) and item:
            yield f"{indent}{printable(str(name))}:"
            yield from _outline(item, indent + "  ")
        elif isinstance(item, str) and "\n" in item:
            yield f"{indent}{printable(str(name))}:"
            yield from (f"{indent}  | {line}" for line in printable(item).split("\n"))
        else:
            yield f"{indent}{printable(str(name))}: {printable(str(item))}"
