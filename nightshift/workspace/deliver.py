"""Writing a proved result into a folder without git: all of it or nothing, and over nobody's changes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nightshift.errors import NightshiftError, Refused
from nightshift.workspace.files import (
    ANY_LINKS,
    MAX_TREE_BYTES,
    is_read_only,
    put,
    read_bytes,
    remove,
    stage,
    write_bytes,
)


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    path: str
    action: Literal["added", "changed"]
    lines: int
    """Of the whole file."""


@dataclass(frozen=True, slots=True)
class Delivery:
    files: tuple[DeliveredFile, ...]
    branch: str | None = None
    commit: str | None = None
    merged: bool = False
    note: str = ""
    """Why a merge that was asked for did not happen."""


@dataclass(frozen=True, slots=True)
class Change:
    path: str
    before: bytes | None
    """As the run found it; None when there was no such file."""
    after: bytes

    def delivered(self) -> DeliveredFile:
        action: Literal["added", "changed"] = "added" if self.before is None else "changed"
        return DeliveredFile(self.path, action, len(self.after.splitlines()))


def write_back(changes: Sequence[Change], folder: Path, *, staging: Path, kept: Path) -> None:
    """Raises Refused when a file is read-only or no longer as the run found it, unless it is as the run wants it."""
    open_changes = [change for change in changes if _content(folder, change.path) != change.after]
    moved_on = [change.path for change in open_changes if not _untouched(folder, change)]
    if moved_on:
        raise Refused(
            f"{folder}: {', '.join(moved_on)} changed while the run was at work; nothing was written, "
            f"the result is in {kept}."
        )
    locked = [change.path for change in open_changes if is_read_only(folder, change.path)]
    if locked:
        raise Refused(
            f"{folder}: {', '.join(locked)} is read-only; nothing was written, the result is in {kept}: "
            f"chmod u+w it and continue with --resume."
        )
    staged = [stage(change.after, staging) for change in open_changes]
    try:
        _put_all(open_changes, staged, folder, staging)
    finally:
        for file in staged:
            file.unlink(missing_ok=True)


def _put_all(changes: Sequence[Change], staged: Sequence[Path], folder: Path, staging: Path) -> None:
    done: list[Change] = []
    try:
        for change, file in zip(changes, staged, strict=True):
            put(file, folder, change.path)
            done.append(change)
    except NightshiftError:
        for change in reversed(done):
            _undo(change, folder, staging)
        raise


def _undo(change: Change, folder: Path, staging: Path) -> None:
    if change.before is None:
        remove(folder, change.path)
    else:
        write_bytes(folder, change.path, change.before, staging=staging)


def _untouched(folder: Path, change: Change) -> bool:
    if change.before is None:
        return not os.path.lexists(folder / change.path)
    return _content(folder, change.path) == change.before


def _content(folder: Path, path: str) -> bytes | None:
    return read_bytes(folder, path, cap=MAX_TREE_BYTES, links=ANY_LINKS)
