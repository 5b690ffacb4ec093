"""kill -9 at every step of a run's work on its workspace: what is the user's stays byte for byte, resume ends the same."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed_workspace import FIRST, SECOND

from nightshift.workspace import open_workspace

PROGRAM = Path(__file__).parent / "killed_workspace.py"
NEW = {**FIRST, **SECOND}
OLD = {"app.py": "print('old')\n", "lib.py": "L = 1\n"}
BRANCH = "nightshift/task-run-1"


def use(folder: Path, trees: Path, at: int, *options: str, run: str = "run-1") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), str(folder), str(trees), run, str(at), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, start_new_session=True)


def git(top: Path, *args: str) -> str:
    told = ["git", "-c", "user.name=U", "-c", "user.email=u@example.com", "-c", "commit.gpgSign=false", *args]
    return subprocess.run(told, cwd=top, capture_output=True, text=True, check=True).stdout


def facts(file: Path) -> tuple[bytes, int, int]:
    found = file.stat()
    return file.read_bytes(), found.st_mode, found.st_mtime_ns


def users(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content, mode and time of every file that is the user's, in .git too: index, HEAD, stash, branches, reflogs."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    ours = (".nightshift/", ".git/objects/", ".git/refs/heads/nightshift/", ".git/logs/refs/heads/nightshift/")
    return {name: facts(path) for name, path in sorted(files.items()) if not name.startswith(ours)}


def copied_folder(base: Path) -> Path:
    folder = base / "project"
    folder.mkdir(parents=True)
    for path, text in {**OLD, "notes.txt": "mine", "data.bin": "\0\1"}.items():
        (folder / path).write_text(text)
    (folder / "notes.txt").chmod(0o640)
    return folder


def repository(base: Path) -> Path:
    """With work of every kind that is not committed: stashed, staged, changed, deleted, untracked."""
    top = copied_folder(base)
    (top / "gone.py").write_text("G = 1\n")
    git(top, "init", "-q", "-b", "main")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "the user's")
    (top / "app.py").write_text("stashed\n")
    git(top, "stash")
    (top / "lib.py").write_text("L = 'staged'\n")
    git(top, "add", "lib.py")
    (top / "lib.py").write_text("L = 'changed'\n")
    (top / "gone.py").unlink()
    (top / "untracked.py").write_text("U = 1\n")
    return top


def texts(folder: Path) -> dict[str, str | None]:
    return {path: (folder / path).read_text() if (folder / path).exists() else None for path in NEW}


NONE = {path: OLD.get(path) for path in NEW}


def events(kind: str, tmp_path: Path) -> int:
    folder = copied_folder(tmp_path / "whole") if kind == "copy" else repository(tmp_path / "whole")
    done = use(folder, tmp_path / "whole-trees", 0)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def sampled(total: int, count: int) -> list[int]:
    return sorted(random.Random(total).sample(range(1, total + 1), min(count, total)))


@pytest.mark.slow
def test_a_copy_is_delivered_whole_or_not_at_all_wherever_the_run_is_killed(tmp_path: Path) -> None:
    """The end, where the files are put in place, is tried event by event."""
    total = events("copy", tmp_path)
    for at in sorted({*sampled(total, 8), *range(max(1, total - 24), total + 1)}):
        base = tmp_path / str(at)
        folder = copied_folder(base)
        others = {name: fact for name, fact in users(folder).items() if name not in NEW}
        assert use(folder, base / "trees", at).returncode == -signal.SIGKILL
        with open_workspace(folder, run_id="next", trees=base / "trees"):
            assert texts(folder) in (NONE, NEW), f"killed at event {at}"
        assert use(folder, base / "trees", 0, "--reopen").returncode == 0
        assert texts(folder) == NEW
        assert {name: fact for name, fact in users(folder).items() if name not in NEW} == others
        assert not list((folder / ".nightshift" / "staging").iterdir())
        shutil.rmtree(base)


@pytest.mark.slow
def test_a_repository_is_the_users_wherever_the_run_is_killed(tmp_path: Path) -> None:
    total = events("branch", tmp_path)
    for at in sampled(total, 14):
        base = tmp_path / str(at)
        top = repository(base)
        before = users(top)
        assert use(top, base / "trees", at).returncode == -signal.SIGKILL
        assert users(top) == before, f"killed at event {at}"
        assert use(top, base / "trees", 0, "--reopen").returncode == 0
        assert users(top) == before
        assert {path: git(top, "show", f"{BRANCH}:{path}") for path in NEW} == NEW
        shutil.rmtree(base)


@pytest.mark.slow
def test_a_repository_is_the_users_when_git_itself_is_killed(tmp_path: Path) -> None:
    """At any time, in the middle of a git command too; a lock that git leaves on our branch stops no resumption."""
    moments = random.Random(6)
    for number in range(10):
        base = tmp_path / str(number)
        top = repository(base)
        before = users(top)
        command = [sys.executable, str(PROGRAM), str(top), str(base / "trees"), "run-1", "0"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
            time.sleep(moments.uniform(0.1, 1.5))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert users(top) == before
        done = use(top, base / "trees", 0, "--reopen")
        assert done.returncode == 0, done.stderr
        assert users(top) == before
        shutil.rmtree(base)
