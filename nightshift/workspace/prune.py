"""What old runs leave behind, found and, when told to, removed: traces, trees, branches, environments.

Nothing else in Nightshift deletes any of these. The newest runs of a workspace stay whatever their age, and so do a
branch that holds what no other one has, unless that is asked for, and one that somebody committed to.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nightshift.workspace.files as files
import nightshift.workspace.git as git
from nightshift.errors import Refused
from nightshift.workspace.git import Repository
from nightshift.workspace.lock import Lock
from nightshift.workspace.place import OWN
from nightshift.workspace.start import Start, read_start

DAY = 86_400.0
HOUR = 3600.0
"""A younger tree may be one that is just being made, whatever ages are asked for."""


@dataclass(frozen=True, slots=True)
class Homes:
    """Where Nightshift keeps things outside the workspace."""

    trees: Path
    environments: Path
    marks: Path
    """See `nightshift.ownership`."""


@dataclass(frozen=True, slots=True)
class Ages:
    """What is old."""

    days: float
    keep: int
    """Runs of the workspace that stay, the newest, however old they are."""
    unmerged: bool = False
    """Branches whose commits no other branch has go too."""


@dataclass(frozen=True, slots=True)
class Leftover:
    kind: Literal["run", "tree", "branch", "environment"]
    name: str
    size: int = 0
    """Bytes."""
    note: str = ""
    kept: bool = False
    """Old, and left where it is; `note` says why."""
    path: Path | None = None
    commit: str = ""


def leftovers(workspace: Path, homes: Homes, ages: Ages) -> list[Leftover]:
    """What a prune would remove, and the branches that it would leave."""
    before = time.time() - ages.days * DAY
    runs = _old_runs(workspace, ages.keep, before)
    repository = git.find_repository(workspace) if git.has_git() else None
    rooms = _old_rooms(homes, runs, min(before, time.time() - HOUR))
    # Runs come last: a prune that is killed half-way finds the rest by them.
    return [
        *(branch for run in runs if repository for branch in _branches(repository, homes, run.name, ages)),
        *(Leftover("tree", room.name, _size(room), path=room) for room in rooms),
        *(Leftover("run", run.name, _size(run), path=run) for run in runs),
        *_old_environments(homes.environments, before),
    ]


def prune(workspace: Path, homes: Homes, ages: Ages, told: Callable[[Leftover], object]) -> None:
    """Removes them while nobody works in the workspace, each told once it is gone. Raises WorkspaceLocked, Refused."""
    own = workspace / OWN
    if not own.is_dir():
        raise Refused(f"{own} does not exist: no run was ever started in {workspace}.")
    lock = Lock(own, "prune")
    try:
        repository = git.find_repository(workspace) if git.has_git() else None
        for leftover in leftovers(workspace, homes, ages):
            if not leftover.kept:
                _remove(leftover, repository, homes)
            told(leftover)
    finally:
        lock.release()


def _old_runs(workspace: Path, keep: int, before: float) -> list[Path]:
    folder = workspace / OWN / "runs"
    runs = sorted((path for path in folder.iterdir() if path.is_dir()), reverse=True) if folder.is_dir() else []
    return [run for run in runs[keep:] if _last_touched(run) < before]


def _old_rooms(homes: Homes, runs: list[Path], before: float) -> Iterator[Path]:
    """Trees of those runs, and old ones that belong to no run any more, in whatever workspace."""
    ours = {run.name for run in runs}
    for room in sorted(homes.trees.iterdir()) if homes.trees.is_dir() else []:
        if room.name in ours or (not room.name.startswith(".") and _last_touched(room) < before and _is_orphan(room)):
            yield room


def _is_orphan(room: Path) -> bool:
    start = _start_of(room)
    if start is None:
        return True  # an opening that was killed half-way
    return bool(start.workspace) and not (Path(start.workspace) / OWN / "runs" / room.name).is_dir()


def _start_of(room: Path) -> Start | None:
    return read_start(room, reopen=True)


def _branches(repository: Repository, homes: Homes, run: str, ages: Ages) -> Iterator[Leftover]:
    start = _start_of(homes.trees / run)
    if start is None or start.base is None:
        return
    ref = f"refs/heads/{start.branch}"
    tip = repository.value("rev-parse", "--verify", "--quiet", ref)
    if tip is None:
        return
    reason = _why_it_stays(repository, start.branch, tip, start.base.when, ages)
    note = reason or f"git branch {start.branch} {tip[:12]} brings it back"
    yield Leftover("branch", start.branch, note=note, kept=bool(reason), commit=tip)


def _why_it_stays(repository: Repository, branch: str, tip: str, when: int, ages: Ages) -> str:
    """Empty when it may go. Every commit of a run bears the time of its start (see `Base.when`)."""
    if os.fsencode(f"branch refs/heads/{branch}") in repository.run("worktree", "list", "--porcelain").splitlines():
        return "it is checked out"
    if repository.value("log", "-1", "--format=%at %ct", tip) != f"{when} {when}":
        return "somebody committed to it since"
    holders = repository.run("for-each-ref", "--contains", tip, "--format=%(refname)", "refs/heads/", "refs/remotes/")
    if len(holders.splitlines()) < 2 and not ages.unmerged:
        return "no other branch has its commits; --unmerged removes it too"
    return ""


def _old_environments(folder: Path, before: float) -> Iterator[Leftover]:
    """Each is locked, and so its lock touched, whenever a run asks for it."""
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        used = place.with_suffix(".lock")
        if place.is_dir() and used.exists() and used.stat().st_mtime < before:
            yield Leftover("environment", place.name, _size(place), path=place)


def _remove(leftover: Leftover, repository: Repository | None, homes: Homes) -> None:
    if leftover.kind == "branch":
        assert repository is not None, "a branch is found in a repository"
        repository.run("update-ref", "-d", f"refs/heads/{leftover.name}", leftover.commit)
    elif leftover.path is not None:
        with files.explained(leftover.path):
            shutil.rmtree(leftover.path)
    if leftover.kind == "run":
        (homes.marks / leftover.name).unlink(missing_ok=True)


def _last_touched(folder: Path) -> float:
    """Of the folder and what lies directly in it."""
    times = [folder.lstat().st_mtime]
    with os.scandir(folder) as entries:
        times += [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
    return max(times)


def _size(folder: Path) -> int:
    """Files that vanish meanwhile count as nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total
