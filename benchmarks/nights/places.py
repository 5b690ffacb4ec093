"""Workspaces of people: their files, half of them in git with uncommitted work; and a queue of jobs for them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchmarks.nights.author import Job

OURS = (".nightshift", ".git")
GIT = ("git", "-c", "user.name=A User", "-c", "user.email=user@example.org", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True)
class Place:
    workspace: Path
    in_git: bool
    jobs: tuple[Job, ...]


def make_place(workspace: Path, jobs: Sequence[Job], *, in_git: bool) -> Place:
    workspace.mkdir(parents=True)
    (workspace / "house.py").write_text("def rooms() -> int:\n    return 4\n")
    (workspace / "notes.txt").write_text("what the user thinks\n")
    if in_git:
        git(workspace, "init", "--quiet", "--initial-branch", "main")
        git(workspace, "add", "-A")
        git(workspace, "commit", "--quiet", "--message", "The user's work")
    (workspace / "notes.txt").write_text("what the user thinks today\n")
    (workspace / "draft.txt").write_bytes(b"not yet in git \x00\xff\r\n")
    return Place(workspace, in_git, tuple(jobs))


def enqueue(place: Place, queue: Path) -> None:
    """The later jobs of a place wait for the first."""
    queue.mkdir(exist_ok=True)
    for number, job in enumerate(place.jobs):
        after = f'after = ["{place.jobs[0].name}"]\n' if number and not place.jobs[0].hopeless else ""
        text = f'+++\nworkspace = "{place.workspace}"\n{after}[limits]\ncalls = 60\n+++\n{job.text}\n'
        (queue / f"{job.name}.md").write_text(text)


def users_files(place: Place) -> Mapping[str, str]:
    """What must be the same in the morning: content and mode of each file, and what git says of them."""
    files = (path for path in sorted(place.workspace.rglob("*")) if path.is_file())
    seen = {
        str(path.relative_to(place.workspace)): f"{path.stat().st_mode:o} {sha256(path.read_bytes()).hexdigest()}"
        for path in files
        if path.relative_to(place.workspace).parts[0] not in OURS
    }
    if place.in_git:
        seen["HEAD"] = git(place.workspace, "rev-parse", "HEAD") + git(place.workspace, "symbolic-ref", "HEAD")
        seen["status"] = git(place.workspace, "status", "--porcelain")
    return seen


def git(folder: Path, *args: str) -> str:
    return subprocess.run([*GIT, "-C", str(folder), *args], capture_output=True, text=True, check=True).stdout
