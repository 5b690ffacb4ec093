"""The user's own ways with git, as far as nobody has to be asked: signed commits, hooks, what changed lately."""

from __future__ import annotations

import os
from pathlib import Path

from nightshift.errors import Refused
from nightshift.workspace.git import NO_HOOKS, NO_SIGNING, Repository, commit_command, git

SIGNING_SECONDS = 20.0
"""A key that needs a person takes longer, and is done without."""
ASKS_A_PERSON = frozenset({"DISPLAY", "WAYLAND_DISPLAY", "GPG_TTY", "SSH_ASKPASS"})


def wants_signing(repository: Repository) -> bool:
    """Whether the user's own configuration has commits signed."""
    asked = ("config", "--type=bool", "commit.gpgSign")
    return git(asked, repository.top, repository.located, without=NO_SIGNING).stdout.strip() == b"true"


def commit_signed(
    repository: Repository,
    tree: str,
    parent: str | None,
    message: str,
    when: int,
    *,
    seconds: float = SIGNING_SECONDS,
) -> tuple[str, str]:
    """(commit, "") signed as the user's git would, without asking anybody; else ("", why not)."""
    (command, *args), at, plain = commit_command(repository, tree, parent, message, when)
    mute = dict.fromkeys(ASKS_A_PERSON, "") | {"SSH_ASKPASS_REQUIRE": "never"}
    try:
        done = git((command, "-S", *args), at.top, at.located | mute, plain, seconds=seconds, alone=True)
    except Refused as slow:
        return "", str(slow)
    said = " ".join(done.stderr.decode(errors="replace").split())
    return (done.stdout.decode().strip(), "") if done.returncode == 0 else ("", said or "git gives no reason")


def run_hook(repository: Repository, name: str, index: Path, folder: Path) -> str:
    """Runs the user's hook of that name on an index checked out into the folder; what it says against it, if any."""
    at = repository.located | {"GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": str(index), "GIT_LITERAL_PATHSPECS": "0"}
    done = git(("hook", "run", "--ignore-missing", name), folder, at, without=NO_HOOKS)
    if done.returncode == 0:
        return ""
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    return said or f"it ended with exit code {done.returncode}"


def recent_files(repository: Repository, commits: int = 30) -> tuple[str, ...]:
    """The workspace's files that the newest commits touched, the newest first."""
    scope = ["--", repository.prefix] if repository.prefix else []
    asked = ("log", f"--max-count={commits}", "--no-merges", "--name-only", "--format=", "-z", "--no-renames", *scope)
    done = repository.attempt(*asked)
    paths = os.fsdecode(done.stdout).replace("\n", "\0").split("\0") if done.returncode == 0 else []
    inside = (path.removeprefix(repository.prefix) for path in paths if path.startswith(repository.prefix))
    return tuple(dict.fromkeys(filter(None, inside)))
