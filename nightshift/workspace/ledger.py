"""What a run last wrote at each path, by mark (see `files.mark`), so that it never takes another's work for its own.

With a room the ledger is kept on disk, for a resumed run whose tree is the user's own folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nightshift.workspace.files as files
from nightshift.errors import NightshiftError, Refused

NAME = "written.json"


class Ledger:
    def __init__(self, room: Path | None, found: Mapping[str, str | None]) -> None:
        self._room = room
        self._found = found
        self._marks: dict[str, tuple[str | None, ...]] = _read(room / NAME) if room else {}

    def paths(self) -> list[str]:
        return sorted(self._marks)

    def __contains__(self, path: str) -> bool:
        return path in self._marks

    def knows(self, path: str, mark: str | None) -> bool:
        """True when the file is what the run last wrote or, before that, found."""
        return mark in self._expected(path)

    @contextmanager
    def changing(self, path: str, mark: str | None) -> Iterator[None]:
        """Around a write: one that is killed half-way leaves the old file or the new, and both are known."""
        marks = dict(self._marks)
        self._marks[path] = (*self._expected(path), mark)
        try:
            self._save()
            yield
        except NightshiftError:
            self._marks = marks  # nothing was written; after an interruption nobody can say
            raise
        self._marks[path] = (mark,)
        self._save()

    def forget(self, path: str) -> None:
        """The file is again as it was found."""
        del self._marks[path]
        self._save()

    def _expected(self, path: str) -> tuple[str | None, ...]:
        return self._marks.get(path, (self._found.get(path),))

    def _save(self) -> None:
        if self._room:
            content = json.dumps(self._marks).encode()
            files.write_bytes(self._room, NAME, content, staging=self._room / "staging")


def _read(file: Path) -> dict[str, tuple[str | None, ...]]:
    if not file.exists():
        return {}
    try:
        return {path: tuple(marks) for path, marks in json.loads(file.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"{file} is damaged ({error}): start the task anew.") from error
