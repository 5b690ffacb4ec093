"""What old runs left behind goes by age and count; what is newer, in use or somebody's own stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nightshift.errors import Refused, WorkspaceLocked
from nightshift.workspace import open_workspace
from nightshift.workspace.prune import Ages, Homes, Leftover, leftovers, prune

ROOT = Path(__file__).resolve().parents[1]
OLD = time.time() - 40 * 86_400
MONTH = Ages(days=30, keep=0)


def git(top: Path, *args: str) -> str:
    told = ["git", "-c", "user.name=U", "-c", "user.email=u@example.com", "-c", "commit.gpgSign=false", *args]
    return subprocess.run(told, cwd=top, capture_output=True, text=True, check=True).stdout.strip()


class Place:
    def __init__(self, base: Path, *, repository: bool = False) -> None:
        self.workspace = base / "project"
        self.workspace.mkdir()
        self.state = base / "state" / "nightshift"
        self.homes = Homes(self.state / "trees", self.state / "environments", self.state / "runs")
        for folder in (self.homes.environments, self.homes.marks):
            folder.mkdir(parents=True)
        if repository:
            git(self.workspace, "init", "-q", "-b", "main")
            (self.workspace / "a.py").write_text("1\n")
            git(self.workspace, "add", "-A")
            git(self.workspace, "commit", "-q", "-m", "first")

    def ran(self, run: str, when: float = OLD) -> Path:
        """A run as it leaves things."""
        with open_workspace(self.workspace, run_id=run, trees=self.homes.trees) as workspace:
            workspace.write("b.py", f"{run}\n")
            workspace.commit_step(["b.py"], run)
        folder = self.workspace / ".nightshift" / "runs" / run
        folder.mkdir(parents=True)
        (folder / "trace.jsonl").write_text("{}\n")
        (self.homes.marks / run).write_text("mark")
        self.age(folder, when)
        self.age(self.homes.trees / run, when)
        return folder

    def age(self, folder: Path, when: float) -> None:
        for path in (*folder.iterdir(), folder):
            os.utime(path, (when, when))

    def environment(self, name: str, when: float) -> Path:
        place = self.homes.environments / name
        (place / "bin").mkdir(parents=True)
        place.with_suffix(".lock").touch()
        os.utime(place.with_suffix(".lock"), (when, when))
        return place

    def prune(self, ages: Ages = MONTH) -> list[Leftover]:
        told: list[Leftover] = []
        prune(self.workspace, self.homes, ages, told.append)
        return told

    def names(self, ages: Ages = MONTH) -> list[tuple[str, str]]:
        return [(one.kind, one.name) for one in leftovers(self.workspace, self.homes, ages) if not one.kept]


def test_old_runs_go_with_their_trees_and_marks_and_the_newest_stay(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for run in ("20260101-1", "20260102-1", "20260103-1"):
        place.ran(run)
    fresh = place.ran("20260104-1", time.time())
    (place.workspace / "mine.py").write_text("mine")
    told = place.prune(Ages(days=30, keep=2))
    assert [(one.kind, one.name) for one in told] == [
        ("tree", "20260101-1"), ("tree", "20260102-1"), ("run", "20260102-1"), ("run", "20260101-1"),
    ]  # fmt: skip
    left = ["20260103-1", "20260104-1"]
    for folder in (fresh.parent, place.homes.trees, place.homes.marks):
        assert sorted(path.name for path in folder.iterdir()) == left
    assert (place.workspace / "mine.py").read_text() == "mine"
    assert place.prune(Ages(days=30, keep=2)) == []


def test_nothing_is_removed_by_looking(tmp_path: Path) -> None:
    place = Place(tmp_path)
    folder = place.ran("r1")
    assert place.names() == [("tree", "r1"), ("run", "r1")]
    assert folder.exists()


@pytest.mark.parametrize("days, keep", [(50, 0), (30, 1)])
def test_a_run_stays_that_is_young_enough_or_among_the_newest(tmp_path: Path, days: float, keep: int) -> None:
    place = Place(tmp_path)
    place.ran("r1")
    assert place.names(Ages(days=days, keep=keep)) == []


def test_nobody_prunes_while_a_run_is_at_work(tmp_path: Path) -> None:
    place = Place(tmp_path)
    folder = place.ran("r1")
    with open_workspace(place.workspace, run_id="r2", trees=place.homes.trees), pytest.raises(WorkspaceLocked):
        place.prune()
    assert folder.exists()


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no run was ever started"):
        Place(tmp_path).prune()


def test_a_merged_branch_goes_and_an_unmerged_one_only_when_asked(tmp_path: Path) -> None:
    place = Place(tmp_path, repository=True)
    place.ran("r1")
    git(place.workspace, "merge", "-q", "nightshift/task-r1")
    place.ran("r2")
    tip = git(place.workspace, "rev-parse", "nightshift/task-r2")
    found = {one.name: one for one in leftovers(place.workspace, place.homes, MONTH) if one.kind == "branch"}
    assert not found["nightshift/task-r1"].kept
    assert found["nightshift/task-r2"].kept
    assert "--unmerged" in found["nightshift/task-r2"].note
    told = place.prune(Ages(30, 0, unmerged=True))
    assert git(place.workspace, "branch", "--format=%(refname:short)") == "main"
    (note,) = [one.note for one in told if one.name == "nightshift/task-r2"]
    git(place.workspace, *note.removesuffix(" brings it back").split()[1:])
    assert git(place.workspace, "rev-parse", "nightshift/task-r2") == tip


def test_a_branch_that_is_checked_out_or_was_gone_on_with_stays(tmp_path: Path) -> None:
    place = Place(tmp_path, repository=True)
    place.ran("r1")
    place.ran("r2")
    git(place.workspace, "worktree", "add", "-q", str(tmp_path / "beside"), "nightshift/task-r1")
    git(place.workspace, "checkout", "-q", "nightshift/task-r2")
    git(place.workspace, "commit", "-q", "--allow-empty", "--date=2001-01-01T00:00", "-m", "it")
    git(place.workspace, "checkout", "-q", "main")
    told = {one.name: one.note for one in place.prune(Ages(30, 0, unmerged=True)) if one.kind == "branch"}
    assert told == {
        "nightshift/task-r1": "it is checked out",
        "nightshift/task-r2": "somebody committed to it since",
    }
    assert len(git(place.workspace, "branch", "--list", "nightshift/*").splitlines()) == 2


def test_trees_without_a_run_go_once_they_are_old_and_others_stay(tmp_path: Path) -> None:
    place = Place(tmp_path)
    folder = place.ran("orphan")
    (folder / "trace.jsonl").unlink()
    folder.rmdir()
    (place.homes.trees / "half-made").mkdir()
    (place.homes.trees / ".deliveries").mkdir()
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    with open_workspace(elsewhere, run_id="theirs", trees=place.homes.trees):
        (elsewhere / ".nightshift" / "runs" / "theirs").mkdir(parents=True)
    for room in place.homes.trees.iterdir():
        place.age(room, OLD)
    assert place.names() == [("tree", "half-made"), ("tree", "orphan")]
    place.age(place.homes.trees / "half-made", time.time())
    assert place.names(Ages(days=0, keep=0)) == [("tree", "orphan")], "it may be one that is just being made"


def test_an_environment_goes_that_no_run_asked_for_since(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.ran("r1", time.time())
    old, used = place.environment("old", OLD), place.environment("used", time.time())
    assert [one.name for one in place.prune()] == ["old"]
    assert used.exists()
    assert not old.exists()


def test_asking_for_an_environment_counts_as_use(tmp_path: Path) -> None:
    lock = tmp_path / "e.lock"
    lock.touch()
    os.utime(lock, (OLD, OLD))
    with open(lock, "w"):
        pass
    assert lock.stat().st_mtime > OLD + 1


def test_a_link_in_the_place_of_a_run_is_not_followed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.ran("r1")
    target = tmp_path / "precious"
    target.mkdir()
    (target / "file").write_text("x")
    place.age(target, OLD)
    link = place.workspace / ".nightshift" / "runs" / "r0"
    link.symlink_to(target)
    os.utime(link, (OLD, OLD), follow_symlinks=False)
    with pytest.raises(Refused):
        place.prune()
    assert (target / "file").exists()


def command(place: Place, *args: str) -> str:
    told = [sys.executable, str(ROOT / "trace_collector.py"), "--workspace", str(place.workspace), "prune", *args]
    env = {"PATH": os.environ["PATH"], "HOME": str(place.state.parents[1]), "XDG_STATE_HOME": str(place.state.parent)}
    return subprocess.run(told, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_command_shows_first_and_removes_when_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    folder = place.ran("r1")
    assert "would go  run         r1" in command(place, "--keep", "0")
    assert folder.exists()
    told = json.loads(command(place, "--keep", "0", "--yes", "--json"))
    assert [(one["kind"], one["name"], one["kept"]) for one in told] == [("tree", "r1", False), ("run", "r1", False)]
    assert not folder.exists()
    assert command(place) == "0 leftovers, 0.0 MB\n"
