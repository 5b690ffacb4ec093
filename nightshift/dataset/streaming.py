"""A trace of any size, read a line at a time: a line is decoded only when somebody wants what it says.

The head of a line tells its kind and span at a hundredth of the price of the whole. A line that is passed over is not
checked beyond its head and its end.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nightshift.dataset.domains import domain_of
from nightshift.errors import ConfigError
from nightshift.records import Record, TraceDamaged, record_of

_HEAD = re.compile(
    rb'\{"seq": (\d+), "time": "([^"\\]*)", "run": "[^"\\]*", "kind": "([^"\\]*)", "span": ("(?:[^"\\]|\\.)*")[,}]'
)

_KEPT = frozenset({
    "run_started", "planned", "selected", "verdict", "diagnosis", "guard", "trust", "repair", "resumed",
    "run_finished",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    seq: int
    time: str
    kind: str
    span: str
    start: int
    """Byte of the file where it begins."""
    raw: bytes

    def record(self) -> Record:
        """Raises ValueError when the line is no record."""
        return record_of(self.raw)


def lines_in(path: Path) -> Iterator[Line]:
    """Raises TraceDamaged at a line that is wrong; a last one that is cut off counts as not written."""
    if not path.is_file():
        raise ConfigError(f"there is no trace at {path}; `python3 trace_collector.py list` shows the runs there are")
    with path.open("rb") as file:
        start = 0
        for number, raw in enumerate(file, 1):
            try:
                line = _line(raw, start)
                if line.seq != number:
                    raise ValueError(f"seq {line.seq} where {number} belongs")
            except ValueError as problem:
                if not file.read(1):
                    return
                raise TraceDamaged(f"{path}, line {number}: {problem}") from None
            yield line
            start += len(raw)


def _line(raw: bytes, start: int) -> Line:
    head = _HEAD.match(raw)
    if head is None:
        record = record_of(raw)
        return Line(record.seq, record.time, record.kind, record.span, start, raw)
    if not raw.endswith(b"}\n"):
        raise ValueError("the line is cut off")
    return Line(int(head[1]), head[2].decode(), head[3].decode(), json.loads(head[4]), start, raw)


class RunFile:
    """A run as far as learning from it needs it: what was decided in memory, what was said fetched when wanted.

    Texts of candidates are kept as digests; calls as the places where they stand.
    """

    def __init__(self, path: Path) -> None:
        self.records: list[Record] = []
        self.calls = 0
        self._places: dict[str, list[tuple[int, int]]] = {}
        for line in lines_in(path):
            if line.kind == "call":
                self.calls += 1
                self._places.setdefault(re.sub(r"/retry-\d+$", "", line.span), []).append((line.start, len(line.raw)))
            elif line.kind == "evaluation":
                self.records.append(_evaluation(line, path))
            elif line.kind in _KEPT:
                self.records.append(_decoded(line, path))
        self._file: IO[bytes] = path.open("rb")

    def reply(self, span: str) -> Record | None:
        """The call whose reply was used at a span: of several, the last whole one, since a good one ends the asking."""
        for place in reversed(self._places.get(span, [])):
            call = self._record(place)
            if not call.fields.get("fault") and call.fields.get("stop_reason") == "stop":
                return call
        return None

    def text_of(self, evaluation: Record) -> str:
        """The candidate of an evaluation, of which `records` hold the outline."""
        return str(self._record(evaluation.fields["place"]).fields["candidate"]["text"])

    def spans(self) -> list[str]:
        """Where something was asked; the asking again counts as the same place."""
        return list(self._places)

    def _record(self, place: tuple[int, int]) -> Record:
        self._file.seek(place[0])
        return record_of(self._file.read(place[1]))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _decoded(line: Line, path: Path) -> Record:
    try:
        return line.record()
    except ValueError as problem:
        raise TraceDamaged(f"{path}, line {line.seq}: {problem}") from None


def _evaluation(line: Line, path: Path) -> Record:
    try:
        return _outlined(_decoded(line, path), (line.start, len(line.raw)))
    except (AttributeError, TypeError) as problem:  # a stranger's trace may have any shape
        raise TraceDamaged(f"{path}, line {line.seq}: an evaluation of an odd shape: {problem}") from None


def _outlined(record: Record, place: tuple[int, int]) -> Record:
    fields = record.fields
    candidate: Mapping[str, Any] = fields.get("candidate") or {}
    text = str(candidate.get("text", ""))
    rungs = [bool(rung.get("passed")) for rung in fields.get("rungs") or ()]
    outline = {
        "path": fields.get("path"),
        "label": candidate.get("label"),
        "origin": candidate.get("origin"),
        "digest": digest_of(text),
        "domain": domain_of(text),
        "place": place,
        "rank": (all(rungs), rungs.index(False) if False in rungs else len(rungs)),
    }
    if "key" in fields:
        outline["key"] = fields["key"]
    return Record(record.seq, record.time, record.run, record.kind, record.span, outline)


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()[:16]
