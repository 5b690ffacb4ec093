"""The folder of a queue, and its locks.

tracker.md            a waiting task
done/ failed/         what had its turn: tracker.md and tracker.result.json; to run it again, move it back
nights/20260101-2200/ report.html, report.md and the log of each task
.nightly/             journal.jsonl, locks, and `go`, without which every run of the queue ends
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nightshift.disk import disk_errors
from nightshift.errors import WorkspaceLocked

WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Folder:
    root: Path

    @property
    def own(self) -> Path:
        return self.root / ".nightly"

    @property
    def journal(self) -> Path:
        return self.own / "journal.jsonl"

    @property
    def go(self) -> Path:
        return self.own / "go"

    def lock_of(self, name: str) -> Path:
        return self.own / "locks" / f"{name}.lock"

    def night(self, night: str) -> Path:
        return self.root / "nights" / night

    def prepare(self) -> None:
        with disk_errors(self.own):
            (self.own / "locks").mkdir(parents=True, exist_ok=True)
            (self.own / ".gitignore").write_text("*\n")

    def free_name(self, section: str, name: str) -> str:
        """Where a task goes, relative to the root: nothing that is there already is overwritten."""
        number = 1
        while any(
            (self.root / section / f"{_numbered(name, number)}{end}").exists() for end in (".md", ".result.json")
        ):
            number += 1
        return f"{section}/{_numbered(name, number)}"

    def names_in(self, section: str) -> set[str]:
        return {file.stem for file in (self.root / section).glob("*.md")}


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


@contextmanager
def only_one(folder: Folder) -> Iterator[None]:
    """One nightly.py at a queue. Raises WorkspaceLocked."""
    descriptor = _opened(folder.own / "lock")
    try:
        if not _taken(descriptor):
            owner = os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "unknown"
            raise WorkspaceLocked(f"{folder.root} is being worked on by another nightly.py ({owner}): see --status")
        sign(descriptor, os.getpid())
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held(lock: Path, stop: Callable[[], bool], ended: Callable[[], object] = lambda: None) -> Iterator[int | None]:
    """The lock's descriptor, once nobody else holds it; None when `stop` says so before. `ended` is then called.

    A process that inherits the descriptor holds the lock on, also when this one is killed.
    """
    descriptor = _opened(lock)
    try:
        while not (taken := _taken(descriptor)) and not stop():
            time.sleep(WAIT_SECONDS)
        if not taken:
            ended()
        yield descriptor if taken else None
    finally:
        os.close(descriptor)


def is_held(lock: Path) -> bool:
    """Whether a living process holds it."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _taken(descriptor)
    finally:
        os.close(descriptor)


def owner_here(lock: Path) -> int | None:
    """The process that holds the lock, when it is one of this machine."""
    with suppress(OSError, ValueError):
        host, _, pid = lock.read_text().strip().rpartition(" ")
        return int(pid) if host == socket.gethostname() and is_held(lock) else None
    return None


def sign(descriptor: int, pid: int) -> None:
    """Says in the lock who holds it."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{socket.gethostname()} {pid}\n".encode(), 0)


def _opened(lock: Path) -> int:
    with disk_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
