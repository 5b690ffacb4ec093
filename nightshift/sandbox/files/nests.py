"""A nest: the directory one sandbox keeps its files in. Its lock tells a later start whether the owner lives."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nightshift.sandbox.files.removal import remove
from nightshift.sandbox.files.trees import PREFIX

LOCK = "lock"


class Nest:
    def __init__(self, scratch: Path) -> None:
        parent = scratch.resolve()
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = os.open(self.path / "new-lock", os.O_CREAT | os.O_WRONLY, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        os.rename(self.path / "new-lock", self.path / LOCK)  # a lock with this name has always been held

    @contextmanager
    def directory(self) -> Iterator[Path]:
        place = Path(tempfile.mkdtemp(dir=self.path))
        try:
            yield place
        finally:
            remove(place)

    def close(self) -> None:
        remove(self.path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def sweep(scratch: Path) -> None:
    """Removes the nests of owners that are gone; only this user's, since /tmp belongs to everybody."""
    for nest in scratch.glob(PREFIX + "*"):
        if nest.lstat().st_uid == os.geteuid() and not nest.is_symlink() and orphaned(nest):
            end_processes_of(nest)
            remove(nest)


def end_processes_of(nest: Path) -> None:
    """Those that stand in it or still have its name; whoever has neither is not known to be ours."""
    mark = os.fsencode(nest) + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            stands = os.fsencode(os.readlink(process / "cwd")) + b"/"
            if stands.startswith(mark) or b"TMPDIR=" + mark in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def orphaned(nest: Path) -> bool:
    try:
        lock = os.open(nest / LOCK, os.O_WRONLY | os.O_NOFOLLOW)
    except OSError:  # one just being made
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
