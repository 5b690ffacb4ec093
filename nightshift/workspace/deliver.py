"""Writing a proved result into a folder without git: all of it or nothing, and over nobody's changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from nightshift.disk import write_atomically
from nightshift.errors import NightshiftError, Refused
from nightshift.workspace.files import (
    ANY_LINKS,
    MAX_TREE_BYTES,
    STAGED,
    explained,
    is_read_only,
    mark,
    mark_of,
    put,
    read_bytes,
    remove,
    stage,
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
    unsigned: str = ""
    """Why commits are not signed, where the user's own are."""


@dataclass(frozen=True, slots=True)
class Change:
    path: str
    before: bytes | None
    """As the run found it; None when there was no such file."""
    after: bytes

    def delivered(self) -> DeliveredFile:
        action: Literal["added", "changed"] = "added" if self.before is None else "changed"
        return DeliveredFile(self.path, action, len(self.after.splitlines()))


@dataclass(frozen=True, slots=True)
class _Written:
    """One file of a delivery under way, as its journal has it; marks are those of `files.mark`."""

    path: str
    before: str | None
    after: str | None
    staged_before: str
    """Names in the staging folder; empty for no file."""
    staged_after: str


def journal_of(trees: Path, folder: Path) -> Path:
    """Outside the workspace: a checkout may bring along what claims to be a journal."""
    return trees / ".deliveries" / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}.json"


def write_back(changes: Sequence[Change], folder: Path, *, staging: Path, kept: Path, journal: Path) -> None:
    """Raises Refused when a file is read-only or no longer as the run found it, unless it is as the run wants it.

    A kill half-way leaves the journal, by which `recover` finishes the delivery or takes it back.
    """
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
    written = [_staged(change, staging) for change in open_changes]
    try:
        if written:
            _note(written, journal)
        _put_all(written, folder, staging)
    finally:
        _forget(written, staging, journal)


def recover(folder: Path, *, staging: Path, journal: Path) -> str:
    """Ends a delivery that was killed half-way: all of it where nobody changed a file since, else none of it.

    A sentence on what was done; empty when there was nothing to do. Raises Refused.
    """
    if not journal.exists():
        _sweep(staging)
        return ""
    written = _read(journal)
    now = {one.path: _now(folder, one.path) for one in written}
    strange = [one.path for one in written if now[one.path] not in (one.before, one.after)]
    waiting = [one for one in written if now[one.path] != one.after]
    if strange or not all((staging / one.staged_after).is_file() for one in waiting):
        _take_back([one for one in written if now[one.path] == one.after], folder, staging)
        left = f", but {', '.join(strange)} was changed since and left alone" if strange else ""
        told = f"was taken back{left}"
    else:
        for one in waiting:
            put(staging / one.staged_after, folder, one.path)
        told = f"was finished: {', '.join(one.path for one in written)}"
    _forget(written, staging, journal)
    return f"a delivery into this folder that had been killed half-way {told}"


def _now(folder: Path, path: str) -> str | None:
    """The file's mark; None where there is nothing, and no mark of any file where there is something else."""
    return mark(folder, path) or ("no file" if os.path.lexists(folder / path) else None)


def _staged(change: Change, staging: Path) -> _Written:
    before = stage(change.before, staging).name if change.before is not None else ""
    after = stage(change.after, staging).name
    return _Written(change.path, mark_of(change.before), mark_of(change.after), before, after)


def _note(written: Sequence[_Written], journal: Path) -> None:
    with explained(journal):
        journal.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(journal, json.dumps([asdict(one) for one in written]))


def _forget(written: Sequence[_Written], staging: Path, journal: Path) -> None:
    """The journal first: without it what is staged is of no meaning."""
    journal.unlink(missing_ok=True)
    for name in {name for one in written for name in (one.staged_before, one.staged_after)} - {""}:
        (staging / name).unlink(missing_ok=True)


def _sweep(staging: Path) -> None:
    """What a run that was killed before it had a journal left staged."""
    with suppress(FileNotFoundError):
        for file in staging.iterdir():
            if STAGED.fullmatch(file.name):
                file.unlink()


def _put_all(written: Sequence[_Written], folder: Path, staging: Path) -> None:
    done: list[_Written] = []
    try:
        for one in written:
            put(staging / one.staged_after, folder, one.path)
            done.append(one)
    except NightshiftError:
        _take_back(done, folder, staging)
        raise


def _take_back(done: Sequence[_Written], folder: Path, staging: Path) -> None:
    for one in reversed(done):
        if one.before is None:
            remove(folder, one.path)
        else:
            put(staging / one.staged_before, folder, one.path)


def _read(journal: Path) -> list[_Written]:
    try:
        return [_Written(**one) for one in json.loads(journal.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise Refused(
            f"{journal} is damaged ({error}): a delivery was killed half-way and cannot be ended; compare the folder "
            "with the run's tree, then remove that file."
        ) from error


def _untouched(folder: Path, change: Change) -> bool:
    if change.before is None:
        return not os.path.lexists(folder / change.path)
    return _content(folder, change.path) == change.before


def _content(folder: Path, path: str) -> bytes | None:
    return read_bytes(folder, path, cap=MAX_TREE_BYTES, links=ANY_LINKS)
