"""The records of a run without their bulk, so that figures of a trace of any size fit into memory.

What is left out are prompts, replies, outputs and texts of candidates; digests stand for the texts, so that they can
still be told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from sys import intern
from typing import Any

from nightshift.dataset.streaming import Line, digest_of, lines_in
from nightshift.records import Record, TraceDamaged

_HEAD_ONLY = frozenset({"executed", "explored", "policy", "server", "learned", "kept"})
_NOTHING: Mapping[str, Any] = {}
_BULK = frozenset({"messages", "text", "reasoning", "schema", "sampling", "fixed_sampling", "outcomes"})


def outline(path: Path) -> Iterator[Record]:
    """Raises TraceDamaged."""
    for line in lines_in(path):
        try:
            yield _of_line(line)
        except ValueError as problem:
            raise TraceDamaged(f"{path}, line {line.seq}: {problem}") from None


def outlined(record: Record) -> Record:
    """One record without its bulk."""
    if record.kind in _HEAD_ONLY:
        return Record(record.seq, record.time, record.run, record.kind, intern(record.span), _NOTHING)
    # The names of the fields are the same in every record and stand in memory once.
    fields = {intern(name): value for name, value in record.fields.items() if name not in _BULK}
    if record.kind == "call":
        fields["said"] = digest_of(str(record.fields.get("text"))).hex()
    if isinstance(candidate := fields.get("candidate"), dict):
        digest = digest_of(str(candidate.get("text"))).hex()
        fields["candidate"] = {**{k: v for k, v in candidate.items() if k != "text"}, "digest": digest}
    if isinstance(rungs := fields.get("rungs"), list):
        told = [rung for rung in rungs if isinstance(rung, dict)]
        fields["rungs"] = [_rung(str(rung.get("name")), bool(rung.get("passed"))) for rung in told]
    return Record(record.seq, record.time, intern(record.run), intern(record.kind), record.span, fields)


@cache
def _rung(name: str, passed: bool) -> Mapping[str, Any]:
    return {"name": name, "passed": passed}


def _of_line(line: Line) -> Record:
    if line.kind in _HEAD_ONLY:
        return Record(line.seq, line.time, "", intern(line.kind), intern(line.span), _NOTHING)
    return outlined(line.record())
