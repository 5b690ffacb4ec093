"""The queue's own log: one JSON object a line, on disk before its effect happens, so that a killed night goes on.

What the records add up to is in memory.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nightshift.codec import as_json
from nightshift.disk import disk_errors, sync, sync_folder, write_all
from nightshift.errors import Refused

Entry = Mapping[str, Any]


class Journal:
    """Open for appending. Every reader is told each record, those of earlier nights first."""

    def __init__(self, path: Path) -> None:
        self.entries, length = read_journal(path)
        with disk_errors(path):
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            sync_folder(path.parent)
            self.dropped = os.fstat(self._fd).st_size - length
            """Bytes of a last line that a kill cut off."""
            if self.dropped:
                os.ftruncate(self._fd, length)
        self._path = path
        self._readers: list[Callable[[Entry], object]] = []

    def tell(self, reader: Callable[[Entry], object], *, earlier: bool = False) -> None:
        for entry in self.entries if earlier else ():
            reader(entry)
        self._readers.append(reader)

    def append(self, kind: str, **fields: Any) -> None:
        """Raises DiskFull."""
        entry = {"seq": len(self.entries) + 1, "time": round(time.time(), 3), "kind": kind, **as_json(fields)}
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace") + b"\n"
        with disk_errors(self._path):
            write_all(self._fd, line)
            sync(self._fd)
        self.entries.append(entry)
        for reader in self._readers:
            reader(entry)

    def close(self) -> None:
        os.close(self._fd)


def read_journal(path: Path) -> tuple[list[Entry], int]:
    """The records and how many bytes they take; a cut last line is none. Raises Refused for any other damage."""
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.split(b"\n")[:-1]
    return [_entry(path, number, line) for number, line in enumerate(lines, 1)], len(whole)


def _entry(path: Path, number: int, line: bytes) -> Entry:
    try:
        entry = json.loads(line)
        if not isinstance(entry, dict) or entry["seq"] != number:
            raise ValueError(f"record {number} belongs here")
    except (ValueError, KeyError, TypeError) as problem:
        raise Refused(
            f"{path}, line {number}: {problem}. The lines before it are intact: keep a copy, cut the file there "
            f"(head -n {number - 1}) and start again; no task file is lost"
        ) from problem
    return entry
