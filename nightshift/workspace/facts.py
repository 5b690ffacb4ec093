"""What was read of a large project's imports, kept for the next run: parsing 3,000 files takes seconds.

A cache and nothing more: what is damaged or cannot be written is as if it were not there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from nightshift.source.facts import packed, remember

MANY = 200
"""Python files; fewer are parsed before one looks."""
MAX_BYTES = 64 << 20


def facts_file(trees: Path, folder: Path) -> Path:
    return trees / ".facts" / hashlib.sha256(str(folder).encode()).hexdigest()[:32]


class FactsKept:
    """Of one workspace, from its first tree to its closing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._texts: tuple[str, ...] = ()
        self._before = b""

    def recall(self, texts: Mapping[str, str]) -> None:
        python = tuple(text for path, text in texts.items() if path.endswith(".py"))
        if len(python) < MANY:
            return
        self._texts = python
        with suppress(OSError):
            if self._file.stat().st_size <= MAX_BYTES:
                data = self._file.read_bytes()
                self._before = data if remember(data) else b""

    def save(self) -> None:
        """In one step, so that two runs that end together leave a whole file."""
        data = packed(self._texts) if self._texts else b""
        if not data or data == self._before:
            return
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(self._file)
        with suppress(OSError):
            part.unlink(missing_ok=True)
        self._before = data
