"""Working in the user's own folder: what somebody else wrote there meanwhile is never overwritten or claimed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightshift.errors import Refused, Tampered
from nightshift.workspace import Workspace, open_workspace
from nightshift.workspace.ledger import Ledger

Opener = Callable[..., Workspace]
Meanwhile = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text("old")
    return folder


@pytest.fixture
def opened(folder: Path, tmp_path: Path) -> Iterator[Opener]:
    workspaces: list[Workspace] = []

    def open_it(in_place: bool = True, reopen: bool = False, trees: Path | None = None) -> Workspace:
        for workspace in workspaces:
            workspace.close()
        room = trees or tmp_path / "trees"
        workspaces.append(open_workspace(folder, run_id="run-1", trees=room, in_place=in_place, reopen=reopen))
        return workspaces[-1]

    yield open_it
    for workspace in workspaces:
        workspace.close()


def edit(file: Path) -> None:
    file.write_text("the user's")


def vanish(file: Path) -> None:
    file.unlink()


def become_link(file: Path) -> None:
    file.rename(file.with_name("target"))
    file.symlink_to("target")


def become_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def seen(file: Path) -> object:
    """What is there, links not followed."""
    return (file.is_symlink(), file.is_dir(), file.read_bytes() if file.is_file() else None)


def mine(tmp_path: Path, path: str) -> str:
    return (tmp_path / "trees" / "run-1" / "mine" / path).read_text()


CHANGES = [edit, vanish, become_link, become_folder]


@pytest.mark.parametrize("meanwhile", CHANGES)
@pytest.mark.parametrize("path", ["a.py", "new/b.py"])
@pytest.mark.parametrize("resumed", [False, True])
def test_a_file_that_changed_since_the_run_wrote_it_is_left_alone(
    folder: Path, tmp_path: Path, opened: Opener, path: str, meanwhile: Meanwhile, resumed: bool
) -> None:
    workspace = opened()
    workspace.write(path, "one")
    meanwhile(folder / path)
    before = seen(folder / path)
    workspace = opened(reopen=True) if resumed else workspace
    with pytest.raises(Refused, match=path) as refusal:
        workspace.deliver()
    assert str(tmp_path / "trees" / "run-1" / "mine") in str(refusal.value)
    assert mine(tmp_path, path) == "one"
    with pytest.raises(Refused, match=path):
        workspace.write(path, "two")
    assert mine(tmp_path, path) == "two"
    with pytest.raises(Refused, match=path):
        workspace.restore(path)
    assert seen(folder / path) == before


@pytest.mark.parametrize("meanwhile", CHANGES)
@pytest.mark.parametrize("resumed", [False, True])
def test_a_file_that_changed_between_the_start_and_the_first_write_is_left_alone(
    folder: Path, tmp_path: Path, opened: Opener, meanwhile: Meanwhile, resumed: bool
) -> None:
    workspace = opened()
    meanwhile(folder / "a.py")
    before = seen(folder / "a.py")
    workspace.tree()
    workspace = opened(reopen=True) if resumed else workspace
    with pytest.raises(Refused, match=r"a\.py"):
        workspace.write("a.py", "new")
    assert seen(folder / "a.py") == before
    assert mine(tmp_path, "a.py") == "new"
    assert workspace.deliver().files == ()


@pytest.mark.parametrize("path", ["b.py", "venv/lib.py"])
def test_a_file_that_the_run_did_not_find_is_not_overwritten(folder: Path, opened: Opener, path: str) -> None:
    """It appeared meanwhile, or lies in a folder that is left out of every tree."""
    (folder / "venv").mkdir()
    (folder / "venv" / "lib.py").write_text("the user's")
    workspace = opened()
    edit(folder / "b.py")
    with pytest.raises(Refused, match=path):
        workspace.write(path, "new")
    assert (folder / path).read_text() == "the user's"


def test_a_file_that_the_user_made_meanwhile_is_not_taken_back(folder: Path, opened: Opener) -> None:
    workspace = opened()
    edit(folder / "b.py")
    workspace.restore("b.py")
    assert (folder / "b.py").read_text() == "the user's"


def test_a_resumed_run_knows_its_own_work(folder: Path, opened: Opener) -> None:
    opened().write("a.py", "one")
    workspace = opened(reopen=True)
    workspace.write("b.py", "made")
    workspace.write("a.py", "two")
    workspace = opened(reopen=True)
    assert [(file.path, file.action) for file in workspace.deliver().files] == [("a.py", "changed"), ("b.py", "added")]
    workspace.restore("a.py")
    workspace.restore("b.py")
    assert {file.name: file.read_text() for file in folder.glob("*.py")} == {"a.py": "old"}


def test_a_write_that_was_killed_half_way_is_no_conflict(folder: Path, tmp_path: Path, opened: Opener) -> None:
    """The ledger is written before the file: a kill between leaves the file as it was."""
    opened().write("a.py", "one")
    ledger = Ledger(tmp_path / "trees" / "run-1", {})
    with pytest.raises(KeyboardInterrupt), ledger.changing("a.py", "mark of a text that never arrived"):
        raise KeyboardInterrupt
    opened(reopen=True).write("a.py", "two")
    assert (folder / "a.py").read_text() == "two"


def test_a_file_that_was_taken_back_is_the_users_again(folder: Path, opened: Opener) -> None:
    workspace = opened()
    for path in ("a.py", "b.py"):
        workspace.write(path, "new")
        workspace.restore(path)
        edit(folder / path)
    assert workspace.deliver().files == ()
    with pytest.raises(Refused):
        workspace.write("a.py", "again")
    assert (folder / "a.py").read_text() == (folder / "b.py").read_text() == "the user's"


def test_a_damaged_ledger_is_named(tmp_path: Path, opened: Opener) -> None:
    opened().write("a.py", "one")
    (tmp_path / "trees" / "run-1" / "written.json").write_text("[")
    with pytest.raises(Refused, match=r"written\.json is damaged"):
        opened(reopen=True)


def test_a_write_that_fails_is_not_claimed(folder: Path, opened: Opener) -> None:
    workspace = opened()
    (folder / "link.py").symlink_to("a.py")
    with pytest.raises(Refused, match=r"link\.py"):
        workspace.write("link.py", "new")
    assert workspace.deliver().files == ()


def test_the_originals_are_where_the_workspace_says(folder: Path, opened: Opener) -> None:
    workspace = opened()
    workspace.write("b.py", "new")
    assert workspace.originals is None
    workspace.write("a.py", "new")
    assert workspace.originals is not None
    assert (workspace.originals / "a.py").read_text() == "old"


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs a second file system")
def test_the_state_may_lie_on_another_file_system(folder: Path, opened: Opener) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(dir="/dev/shm") as other:
        workspace = opened(trees=Path(other) / "trees")
        workspace.write("a.py", "new")
        assert workspace.originals is not None


# In every mode.


def test_a_copy_is_not_delivered_with_what_the_run_did_not_write(folder: Path, opened: Opener) -> None:
    workspace = opened(in_place=False)
    workspace.write("a.py", "new")
    (workspace.root / "a.py").write_text("somebody else's")
    with pytest.raises(Tampered, match=r"a\.py"):
        workspace.deliver()
    assert (folder / "a.py").read_text() == "old"


def test_a_read_only_file_is_not_replaced_in_place(folder: Path, tmp_path: Path, opened: Opener) -> None:
    (folder / "a.py").chmod(0o444)
    workspace = opened()
    with pytest.raises(Refused, match=r"a\.py is read-only"):
        workspace.write("a.py", "new")
    assert (folder / "a.py").read_text() == "old"
    assert mine(tmp_path, "a.py") == "new"
    (folder / "a.py").chmod(0o644)
    workspace.write("a.py", "new")
    assert (folder / "a.py").read_text() == "new"


def test_a_read_only_file_stops_the_whole_delivery_of_a_copy(folder: Path, opened: Opener) -> None:
    (folder / "z.py").write_text("old")
    (folder / "z.py").chmod(0o444)
    workspace = opened(in_place=False)
    for path in ("a.py", "z.py"):
        workspace.write(path, "new")
    with pytest.raises(Refused, match=r"z\.py is read-only") as refusal:
        workspace.deliver()
    assert str(workspace.root) in str(refusal.value)
    assert [(folder / name).read_text() for name in ("a.py", "z.py")] == ["old", "old"]
    (folder / "z.py").chmod(0o644)
    assert len(workspace.deliver().files) == 2


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("path", ["a.py/x.py", "a.py/x/y.py", "pkg", "dangling", "loop/x.py"])
def test_a_path_that_another_file_or_folder_blocks_is_refused(
    folder: Path, opened: Opener, path: str, in_place: bool
) -> None:
    (folder / "pkg").mkdir()
    (folder / "pkg" / "b.py").write_text("old")
    workspace = opened(in_place=in_place)
    (workspace.root / "dangling").symlink_to("nowhere")
    (workspace.root / "loop").symlink_to(".")
    with pytest.raises(Refused, match=path):
        workspace.write(path, "new")
    assert (workspace.root / "a.py").read_text() == "old"
    assert (workspace.root / "pkg" / "b.py").read_text() == "old"
    assert workspace.deliver().files == ()
