"""Base trees, copied once and laid under every call until they change: only the texts are written anew.

A snapshot is only ever read: jails lay it, read-only, under a layer of their own. A base is looked through at
each call; one that was changed a moment ago is copied again, since a clock's tick may hide a second change.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from nightshift.domain import Tree
from nightshift.errors import Refused
from nightshift.sandbox.files.removal import remove
from nightshift.sandbox.files.trees import copy_directory, give, kept, write_text

TICK_NANOSECONDS = 100_000_000
"""Longer than the tick of any clock that stamps files."""
AT_ONCE = 4
MEMORY, MUCH_MEMORY = Path("/dev/shm"), 1 << 30

Stamp = tuple[tuple[str, int, int, int, int], ...]


@dataclass(slots=True)
class Snapshot:
    path: Path
    stamp: Stamp
    users: int = 0
    current: bool = True


class Snapshots:
    """Safe to use from several threads at once; the newest few are kept."""

    def __init__(self, place: Path, owner: int | None) -> None:
        self._place, self._owner = place, owner
        self._lock = threading.Lock()
        self._known: dict[Path, Snapshot] = {}

    @contextmanager
    def layers(self, tree: Tree, texts: Path) -> Iterator[tuple[Path, ...]]:
        """The tree as directories, the first one on top; its texts are written to `texts`."""
        texts.mkdir()
        if tree.base is None:
            write_layer(tree, texts, texts, self._owner)
            yield (texts,)
            return
        with self._of(tree.base.resolve()) as below:
            write_layer(tree, texts, below, self._owner)
            yield (texts, below)

    @contextmanager
    def _of(self, base: Path) -> Iterator[Path]:
        snapshot = self._taken(base)
        try:
            yield snapshot.path
        finally:
            with self._lock:
                snapshot.users -= 1
                unused = not snapshot.users and not snapshot.current
            if unused:
                remove(snapshot.path)

    def _taken(self, base: Path) -> Snapshot:
        began = time.time_ns()
        stamp = stamp_of(base)
        with self._lock:
            snapshot = self._known.get(base)
            if not snapshot or snapshot.stamp != stamp:
                snapshot = Snapshot(self._copied(base), stamp)
                self._replace(base, snapshot, lasting=newest(stamp) < began - TICK_NANOSECONDS)
            snapshot.users += 1
            return snapshot

    def _copied(self, base: Path) -> Path:
        place = Path(mkdtemp(prefix="base-", dir=self._place))
        place.chmod(0o755)
        copy_directory(base, place)
        if self._owner is not None:
            give(place, self._owner)
        return place

    def _replace(self, base: Path, snapshot: Snapshot, *, lasting: bool) -> None:
        self._retire(base)
        snapshot.current = lasting
        if lasting:
            self._known[base] = snapshot
        while len(self._known) > AT_ONCE:
            self._retire(next(iter(self._known)))

    def _retire(self, base: Path) -> None:
        if old := self._known.pop(base, None):
            old.current = False
            if not old.users:
                remove(old.path)


def place_for_texts() -> Path | None:
    """A place that needs no disk; none where there is little room in it, as in many containers."""
    try:
        facts = os.statvfs(MEMORY)
    except OSError:
        return None
    roomy = facts.f_bavail * facts.f_frsize >= MUCH_MEMORY
    return MEMORY if roomy and os.access(MEMORY, os.W_OK | os.X_OK) else None


def stamp_of(base: Path) -> Stamp:
    found = []
    for entry, relative in kept(base):
        with suppress(FileNotFoundError):  # gone meanwhile
            facts = entry.stat(follow_symlinks=False)
            found.append((relative, facts.st_mode, facts.st_size, facts.st_ino, facts.st_ctime_ns))
    return tuple(sorted(found))


def newest(stamp: Stamp) -> int:
    return max((changed for *_, changed in stamp), default=0)


def write_layer(tree: Tree, layer: Path, below: Path, owner: int | None) -> None:
    """A text goes where its path leads in the snapshot: through a link to a directory, as a file system would."""
    for path, text in tree.texts.items():
        write_text(layer, settled(path, below) if below != layer else path, text)
    if owner is not None:
        give(layer, owner)


def settled(path: str, below: Path) -> str:
    parent, name = os.path.split(path)
    real = Path(os.path.realpath(below / parent))
    blocked = next((each for each in (real, *real.parents) if each.exists()), below)
    if ".." not in PurePosixPath(path).parts and (not blocked.is_dir() or is_directory(real / name)):
        raise Refused(f"A tree cannot hold {path!r}: it is both a file and a directory.")
    return str(real.relative_to(below) / name) if real.is_relative_to(below) else path


def is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
