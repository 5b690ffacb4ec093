"""Base trees are copied when they changed and only then, and no call ever sees another's tree."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nightshift.domain import Tree
from nightshift.errors import Refused
from nightshift.sandbox.files.snapshots import AT_ONCE, TICK_NANOSECONDS, Snapshots


@pytest.fixture
def base(tmp_path: Path) -> Path:
    made = tmp_path / "base"
    (made / "pkg").mkdir(parents=True)
    (made / "a.txt").write_text("a")
    (made / "pkg" / "b.txt").write_text("b")
    (made / "link").symlink_to("pkg")
    settle()
    return made


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    place = tmp_path / "nest"
    place.mkdir()
    return Snapshots(place, None)


def settle() -> None:
    """Until a file that was just written is old enough to be trusted."""
    time.sleep(TICK_NANOSECONDS / 1e9 + 0.02)


def below(snapshots: Snapshots, base: Path, tmp_path: Path) -> Path:
    with snapshots.layers(Tree({}, base), tmp_path / f"texts-{time.monotonic_ns()}") as layers:
        return layers[-1]


def test_an_unchanged_base_is_copied_once(snapshots: Snapshots, base: Path, tmp_path: Path) -> None:
    first = below(snapshots, base, tmp_path)
    assert below(snapshots, base, tmp_path) == first
    assert sorted(os.listdir(first)) == ["a.txt", "link", "pkg"]


def rewrite(base: Path) -> None:
    (base / "a.txt").write_text("z")


def restore_times(base: Path) -> None:
    before = (base / "a.txt").stat()
    (base / "a.txt").write_text("z")
    os.utime(base / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(base: Path) -> None:
    (base / "new").write_text("z")
    os.replace(base / "new", base / "a.txt")


def remove_one(base: Path) -> None:
    (base / "pkg" / "b.txt").unlink()


def point_elsewhere(base: Path) -> None:
    (base / "link").unlink()
    (base / "link").symlink_to("a.txt")


def make_executable(base: Path) -> None:
    (base / "a.txt").chmod(0o755)


@pytest.mark.parametrize("change", [rewrite, restore_times, replace, remove_one, point_elsewhere, make_executable])
def test_any_change_of_a_base_is_seen(
    change: Callable[[Path], None], snapshots: Snapshots, base: Path, tmp_path: Path
) -> None:
    first = below(snapshots, base, tmp_path)
    change(base)
    second = below(snapshots, base, tmp_path)
    assert second != first
    assert not first.exists(), "nobody uses it any more"


def test_a_base_that_was_changed_a_moment_ago_is_not_trusted(snapshots: Snapshots, base: Path, tmp_path: Path) -> None:
    """Two changes within one tick of the clock have the same stamp."""
    rewrite(base)
    with snapshots.layers(Tree({}, base), tmp_path / "texts") as (_, first):
        assert below(snapshots, base, tmp_path) != first
    settle()
    assert below(snapshots, base, tmp_path) == below(snapshots, base, tmp_path)


def test_a_snapshot_in_use_outlives_a_change(snapshots: Snapshots, base: Path, tmp_path: Path) -> None:
    with snapshots.layers(Tree({}, base), tmp_path / "texts") as (_, first):
        rewrite(base)
        settle()
        second = below(snapshots, base, tmp_path)
        assert ((first / "a.txt").read_text(), (second / "a.txt").read_text()) == ("a", "z")
    assert not first.exists()


def test_a_text_goes_where_its_path_leads(snapshots: Snapshots, base: Path, tmp_path: Path) -> None:
    tree = Tree({"a.txt": "new", "link/through.txt": "x", "pkg/deep/er.txt": "y"}, base)
    with snapshots.layers(tree, tmp_path / "texts") as (texts, _):
        found = sorted(path.relative_to(texts).as_posix() for path in texts.rglob("*") if path.is_file())
    assert found == ["a.txt", "pkg/deep/er.txt", "pkg/through.txt"]


@pytest.mark.parametrize(
    "path", ["a.txt/below", "a.txt/far/below", "pkg", "../x", "/etc/x", ".git/config", "link/../../x", ""]
)
def test_a_path_that_cannot_be_held_is_refused(path: str, snapshots: Snapshots, base: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot hold"), snapshots.layers(Tree({path: "x"}, base), tmp_path / "texts"):
        pass


def test_only_the_newest_few_are_kept(snapshots: Snapshots, tmp_path: Path) -> None:
    bases = [tmp_path / f"base-{number}" for number in range(AT_ONCE + 3)]
    for base in bases:
        base.mkdir()
        (base / "a").write_text("")
    settle()
    for base in bases:
        below(snapshots, base, tmp_path)
    assert len(list((tmp_path / "nest").iterdir())) == AT_ONCE


def test_threads_share_one_copy(snapshots: Snapshots, base: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        used = list(pool.map(lambda _: below(snapshots, base, tmp_path), range(40)))
    assert len(set(used)) == 1
