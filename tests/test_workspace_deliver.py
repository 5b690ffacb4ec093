"""A delivery that was killed half-way: finished or taken back at the next start, and nobody's change lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nightshift.errors import NightshiftError, Refused
from nightshift.workspace import open_workspace
from nightshift.workspace.deliver import Change, _note, _staged, journal_of, recover

OLD: Mapping[str, bytes | None] = {"a.py": b"old a", "b.py": b"old b", "new/c.py": None}
NEW = {"a.py": b"new a", "b.py": b"new b", "new/c.py": b"new c"}


class Half:
    """A folder in which a delivery of `NEW` was killed after so many of its files."""

    def __init__(self, base: Path, done: int) -> None:
        self.folder, self.trees = base / "project", base / "trees"
        self.staging = self.folder / ".nightshift" / "staging"
        self.staging.mkdir(parents=True)
        self.journal = journal_of(self.trees, self.folder)
        for path, content in OLD.items():
            if content is not None:
                (self.folder / path).write_bytes(content)
        written = [_staged(Change(path, OLD[path], NEW[path]), self.staging) for path in NEW]
        _note(written, self.journal)
        for one in written[:done]:
            (self.folder / one.path).parent.mkdir(exist_ok=True)
            (self.staging / one.staged_after).rename(self.folder / one.path)

    def recover(self) -> str:
        return recover(self.folder, staging=self.staging, journal=self.journal)

    def content(self) -> dict[str, bytes | None]:
        return {path: (self.folder / path).read_bytes() if (self.folder / path).exists() else None for path in NEW}


@pytest.mark.parametrize("done", range(4))
def test_it_is_finished_where_nobody_changed_anything(tmp_path: Path, done: int) -> None:
    half = Half(tmp_path, done)
    assert "was finished: a.py, b.py, new/c.py" in half.recover()
    assert half.content() == NEW
    assert not half.journal.exists()
    assert not list(half.staging.iterdir())
    assert half.recover() == "", "and not once more"


@pytest.mark.parametrize("changed", ["a.py", "b.py", "new/c.py"])
@pytest.mark.parametrize("done", range(4))
def test_it_is_taken_back_around_what_somebody_changed_since(tmp_path: Path, done: int, changed: str) -> None:
    half = Half(tmp_path, done)
    (half.folder / changed).parent.mkdir(exist_ok=True)
    (half.folder / changed).write_bytes(b"the user's")
    assert f"was taken back, but {changed} was changed since and left alone" in half.recover()
    assert half.content() == {**OLD, changed: b"the user's"}


def test_it_is_taken_back_when_what_was_staged_is_gone(tmp_path: Path) -> None:
    half = Half(tmp_path, 1)
    before = {path.name: path.read_bytes() for path in half.staging.iterdir()}
    for name, content in before.items():
        if content == b"new b":
            (half.staging / name).unlink()
    assert half.recover().endswith("was taken back")
    assert half.content() == OLD


def test_any_next_run_of_the_folder_does_it_and_notes_it(tmp_path: Path) -> None:
    half = Half(tmp_path, 2)
    with open_workspace(half.folder, run_id="another", trees=half.trees) as workspace:
        assert any("was finished" in note for note in workspace.notes)
        assert half.content() == NEW
        assert workspace.tree().texts == {path: text.decode() for path, text in NEW.items()}


def link(half: Half) -> None:
    (half.folder / "b.py").unlink()
    (half.folder / "b.py").symlink_to("/etc/hostname")


def folder(half: Half) -> None:
    (half.folder / "new" / "c.py").mkdir(parents=True)


@pytest.mark.parametrize("meanwhile", [link, folder])
def test_a_name_that_became_something_else_is_left_alone(tmp_path: Path, meanwhile: Callable[[Half], None]) -> None:
    half = Half(tmp_path, 1)
    meanwhile(half)
    assert "was taken back" in half.recover()
    assert (half.folder / "a.py").read_bytes() == b"old a"


def test_a_damaged_journal_is_named_with_the_way_out(tmp_path: Path) -> None:
    half = Half(tmp_path, 1)
    half.journal.write_text("[{]")
    with pytest.raises(Refused, match=r"is damaged.*then remove that file"):
        half.recover()


def test_a_journal_that_a_checkout_brings_along_is_not_read(tmp_path: Path) -> None:
    half = Half(tmp_path, 0)
    planted = half.folder / ".nightshift" / "delivery.json"
    half.journal.rename(planted)
    with open_workspace(half.folder, run_id="r", trees=half.trees):
        assert half.content() == OLD


def test_what_was_staged_without_a_journal_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    half = Half(tmp_path, 0)
    half.journal.unlink()
    (half.staging / "notes.txt").write_text("the user's")
    assert half.recover() == ""
    assert [path.name for path in half.staging.iterdir()] == ["notes.txt"]


def test_a_delivery_that_cannot_be_ended_is_tried_again_at_the_next_start(tmp_path: Path) -> None:
    half = Half(tmp_path, 1)
    (half.folder / "new").symlink_to(tmp_path)
    with pytest.raises(NightshiftError):
        half.recover()
    assert json.loads(half.journal.read_text())
    (half.folder / "new").unlink()
    half.recover()
    assert half.content() == NEW
