"""Which workspaces, runs and queues there are to show.

Every run leaves a room outside its workspace that says where that is, so all runs of this user are found; folders given
on the command line are added. A name from a request is only ever compared with names found on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Any

from nightshift.errors import NightshiftError
from nightshift.records import runs_in
from nightshift.report.dashboard.owner import owner_of
from nightshift.report.dashboard.server import HttpError
from nightshift.report.reading import summary_of
from nightshift.workspace.start import read_start

RUN = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Run ids and the names of nights."""
MAX_REPORT = 64 << 20
UNREADABLE = (NightshiftError, ValueError, KeyError, TypeError, AttributeError, OSError)
"""A trace may be a stranger's: what it lacks must not take the page with it."""


@dataclass(frozen=True, slots=True)
class Run:
    place: str
    """The id of its workspace."""
    workspace: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.workspace / ".nightshift" / "runs" / self.name

    @property
    def trace(self) -> Path:
        return self.folder / "trace.jsonl"

    @property
    def url(self) -> str:
        return f"/run/{self.place}/{self.name}"


def id_of(folder: Path) -> str:
    return sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Known:
    """Keeps what was read of rooms and ended runs: neither changes any more."""

    def __init__(self, trees: Path, workspaces: Sequence[Path] = (), queues: Sequence[Path] = ()) -> None:
        self._trees = trees
        self._given = tuple(workspaces)
        self.queues: Mapping[str, Path] = {id_of(queue): queue for queue in queues}
        self._rooms: dict[str, Path | None] = {}
        self._summaries: dict[Path, tuple[tuple[int, int], dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def workspaces(self) -> dict[str, Path]:
        """By id; those that still exist."""
        with self._lock:
            found = dict.fromkeys([*self._given, *self._from_rooms()])
        return {id_of(path): path for path in found if path.is_dir()}

    def runs(self) -> list[Run]:
        """Newest first."""
        found = [Run(place, path, run.name) for place, path in self.workspaces().items() for run in _runs(path)]
        return sorted(found, key=lambda run: run.name, reverse=True)

    def run(self, place: str, name: str) -> Run:
        """Raises HttpError for one that is not there."""
        workspace = self.workspaces().get(place)
        if workspace is None or name not in {run.name for run in _runs(workspace)}:
            raise HttpError(404, "there is no such run; it may have been pruned")
        return Run(place, workspace, name)

    def queue(self, place: str) -> Path:
        if place not in self.queues:
            raise HttpError(404, "there is no such queue: start the dashboard with --queue DIR")
        return self.queues[place]

    def summary(self, run: Run) -> dict[str, Any]:
        """One row of the list; without an end in its trace a run is `running` while its process lives."""
        told = self._summary(run)
        if told["status"] != "unfinished":
            return told
        return {**told, "status": "running" if is_running(run) else "interrupted"}

    def _summary(self, run: Run) -> dict[str, Any]:
        with suppress(OSError):
            stat = run.trace.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            kept = self._summaries.get(run.trace)
            if kept is None or kept[0] != stamp:
                kept = self._summaries[run.trace] = stamp, _read(run)
            return kept[1]
        return {"run": run.name, "status": "removed", "exit_reason": None, "time": None, "task": ""}

    def _from_rooms(self) -> Iterator[Path]:
        for room in self._trees.iterdir() if self._trees.is_dir() else ():
            if self._rooms.get(room.name) is None:
                self._rooms[room.name] = _workspace_of(room)
            if known := self._rooms[room.name]:
                yield known


def is_running(run: Run) -> bool:
    owner = owner_of(run.workspace)
    return owner is not None and owner.run == run.name


def report_in(folder: Path, root: Path) -> bytes:
    """The page in a folder below `root`; what only a link leads to is not shown. Raises HttpError."""
    file = folder / "report.html"
    with suppress(OSError):
        real = file.resolve(strict=True)
        if real == root.resolve() / file.relative_to(root) and S_ISREG(real.stat().st_mode):
            with real.open("rb") as opened:
                return opened.read(MAX_REPORT)
    raise HttpError(404, "there is no report yet: it is written when the run ends")


def _read(run: Run) -> dict[str, Any]:
    try:
        told = summary_of(run.folder)
    except UNREADABLE:
        told = {"run": run.name, "status": "damaged", "exit_reason": None, "time": None, "task": ""}
    return {**told, "status": str(told["status"]), "task": str(told["task"])}


def _runs(workspace: Path) -> list[Path]:
    with suppress(OSError):
        own = workspace / ".nightshift" / "runs"
        if own.resolve() == workspace.resolve() / ".nightshift" / "runs":
            return [run for run in runs_in(workspace) if not run.is_symlink()]
    return []


def _workspace_of(room: Path) -> Path | None:
    with suppress(NightshiftError, OSError):
        start = read_start(room, reopen=True)
        return Path(start.workspace) if start and start.workspace else None
    return None
