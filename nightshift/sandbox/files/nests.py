"""A nest: the directory one sandbox keeps its files in, locked, so that a later start knows whether the owner lives."""

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


class Nest:
    def __init__(self, scratch: Path) -> None:
        parent = scratch.resolve()
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent)
        self.path, self._lock = _made(parent)

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
        with suppress(FileNotFoundError):  # another start was faster
            if nest.lstat().st_uid == os.geteuid() and not nest.is_symlink() and orphaned(nest):
                _remove_if_still_orphaned(nest)


def orphaned(nest: Path) -> bool:
    try:
        lock = _locked(nest)
    except OSError:  # what cannot be asked is left alone
        return False
    if lock is None:
        return False
    os.close(lock)
    return True


def end_processes_of(nest: Path) -> None:
    """Those that stand in it or still have its name; whoever has neither is not known to be ours."""
    mark = os.fsencode(nest) + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            stands = os.fsencode(os.readlink(process / "cwd")) + b"/"
            if stands.startswith(mark) or b"TMPDIR=" + mark in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def _made(parent: Path) -> tuple[Path, int]:
    """A new nest and its lock. Who is killed before the lock is held leaves a nest that the next start sweeps;
    who is swept at that instant makes another."""
    while True:
        nest = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = _locked(nest)
        if lock is not None:
            return nest, lock


def _remove_if_still_orphaned(nest: Path) -> None:
    lock = _locked(nest)
    if lock is None:
        return
    try:  # held until the nest is gone, so that nobody who is just making it believes to own it
        end_processes_of(nest)
        remove(nest)
    finally:
        os.close(lock)


def _locked(nest: Path) -> int | None:
    """The directory itself, opened and locked; None while somebody else holds it, or when it has gone."""
    try:
        fd = os.open(nest, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if nest.exists():  # else it was removed between the two
            return fd
    os.close(fd)
    return None
