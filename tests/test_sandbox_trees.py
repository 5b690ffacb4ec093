"""Trees on disk: written from values, never reaching outside, removed whatever was left in them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nightshift.domain import Tree
from nightshift.errors import Refused
from nightshift.sandbox.files.nests import Nest, sweep
from nightshift.sandbox.files.removal import remove
from nightshift.sandbox.files.trees import PREFIX, write_tree


@pytest.fixture
def base(tmp_path: Path) -> Path:
    made = tmp_path / "base"
    made.mkdir()
    return made


def names(place: Path) -> list[str]:
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*"))


def test_texts_stand_in_place_of_the_bases_files_exactly(base: Path, tmp_path: Path) -> None:
    (base / "a.py").write_text("old")
    (base / "keep.bin").write_bytes(b"\xff\x00")
    write_tree(Tree({"a.py": "new\r\nline\n", "pkg/b.py": "caf\xe9 \ud800"}, base), tmp_path / "tree")
    assert (tmp_path / "tree/a.py").read_bytes() == b"new\r\nline\n"
    assert (tmp_path / "tree/keep.bin").read_bytes() == b"\xff\x00"
    assert (tmp_path / "tree/pkg/b.py").read_bytes() == b"caf\xc3\xa9 \xed\xa0\x80"
    assert (base / "a.py").read_text() == "old"


def test_what_belongs_to_tools_is_left_out(base: Path, tmp_path: Path) -> None:
    for name in (
        ".git",
        ".venv",
        ".nightshift",
        "__pycache__",
        ".pytest_cache",
        "node_modules",
        "pkg/__pycache__",
        "pkg/.git",
    ):
        (base / name).mkdir(parents=True)
        (base / name / "file").write_text("x")
    (base / "env/bin").mkdir(parents=True)
    (base / "env/pyvenv.cfg").write_text("")
    (base / ".gitignore").write_text("x")
    write_tree(Tree({}, base), tmp_path / "tree")
    assert names(tmp_path / "tree") == [".gitignore", "pkg"]


def test_a_git_file_of_a_worktree_is_left_out(base: Path, tmp_path: Path) -> None:
    (base / ".git").write_text("gitdir: /elsewhere")
    write_tree(Tree({}, base), tmp_path / "tree")
    assert names(tmp_path / "tree") == []


def test_only_links_that_stay_inside_are_copied(base: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "folder").mkdir()
    (base / "pkg").mkdir()
    (base / "pkg/a.py").write_text("a")
    links = {
        "inside": "pkg/a.py", "pkg/up": "../pkg", "absolute": str(base / "pkg" / "a.py"), "out": "../secret",
        "out_folder": "../folder", "out_absolute": str(tmp_path / "secret"), "broken": "nowhere", "circle": "circle",
        "chain": "out", "etc": "/etc/passwd",
    }  # fmt: skip
    for name, target in links.items():
        (base / name).symlink_to(target)
    write_tree(Tree({}, base), tmp_path / "tree")
    tree = tmp_path / "tree"
    assert {name for name in names(tree) if (tree / name).is_symlink()} == {"inside", "pkg/up", "absolute"}
    assert all(not os.path.isabs(os.readlink(tree / name)) for name in ("inside", "pkg/up", "absolute"))
    assert (tree / "absolute").read_text() == "a"


def test_a_text_replaces_a_link_and_does_not_write_through_it(base: Path, tmp_path: Path) -> None:
    (base / "real.py").write_text("real")
    (base / "link.py").symlink_to("real.py")
    write_tree(Tree({"link.py": "text"}, base), tmp_path / "tree")
    assert (tmp_path / "tree/real.py").read_text() == "real"
    assert (tmp_path / "tree/link.py").read_text() == "text"


def test_copies_share_no_inode_with_the_base(base: Path, tmp_path: Path) -> None:
    (base / "a").write_text("x")
    os.link(base / "a", base / "b")
    write_tree(Tree({}, base), tmp_path / "tree")
    assert len({(tmp_path / "tree" / n).stat().st_ino for n in "ab"} | {(base / "a").stat().st_ino}) == 3


def test_a_base_that_holds_our_own_trees_is_not_copied_into_itself(base: Path) -> None:
    nest = Nest(base)
    with nest.directory() as place:
        write_tree(Tree({"a": ""}, base), place / "tree")
        assert names(place / "tree") == ["a"]
    nest.close()


def test_pipes_are_not_opened(base: Path, tmp_path: Path) -> None:
    os.mkfifo(base / "pipe")
    write_tree(Tree({}, base), tmp_path / "tree")
    assert names(tmp_path / "tree") == []


def test_a_path_that_is_both_file_and_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="both a file and a directory"):
        write_tree(Tree({"a": "x", "a/b": "x"}), tmp_path / "one")
    with pytest.raises(Refused, match="both a file and a directory"):
        write_tree(Tree({"a/b": "x", "a": "x"}), tmp_path / "two")


def make_deep(place: Path) -> None:
    """Deeper than a path or a recursion can be."""
    here = os.getcwd()
    try:
        os.chdir(place)
        for _ in range(sys.getrecursionlimit() + 500):
            os.mkdir("d" * 20)
            os.chdir("d" * 20)
        Path("file").write_text("")
    finally:
        os.chdir(here)


def make_locked(place: Path) -> None:
    (place / "a" / "b" / "c").mkdir(parents=True)
    (place / "a" / "b" / "file").write_text("")
    (place / "a" / "b" / "c").chmod(0)
    (place / "a" / "b").chmod(0)
    (place / "a").chmod(0o500)
    place.chmod(0o500)


def make_odd(place: Path) -> None:
    os.mkfifo(place / "pipe")
    with open(place / "sparse", "wb") as file:
        file.truncate(1 << 40)
    (os.fsencode(place) + b"/\xff\xfe").decode("utf-8", "surrogateescape")
    os.mkdir(os.fsencode(place) + b"/\xff\xfe")
    (place / "new\nline").write_text("")
    (place / "folder").mkdir()
    (place / "folder" / "moved-1-0").mkdir()


def make_links(place: Path) -> None:
    (place / "to_file").symlink_to(place.parent / "outside" / "file")
    (place / "to_folder").symlink_to(place.parent / "outside")
    (place / "inner").mkdir()
    (place / "inner" / "to_folder").symlink_to(place.parent / "outside")


@pytest.mark.parametrize("make", [pytest.param(make_deep, marks=pytest.mark.slow), make_locked, make_odd, make_links])
def test_everything_is_removed_and_nothing_outside(make: object, tmp_path: Path) -> None:
    place, outside = tmp_path / "place", tmp_path / "outside"
    place.mkdir()
    outside.mkdir()
    (outside / "file").write_text("kept")
    make(place)  # type: ignore[operator]
    remove(place)
    assert names(tmp_path) == ["outside", "outside/file"]
    remove(place)


def test_a_link_in_place_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("kept")
    (tmp_path / "place").symlink_to("outside")
    with pytest.raises(OSError, match="place"):
        remove(tmp_path / "place")
    assert (tmp_path / "outside" / "file").read_text() == "kept"


def test_only_nests_without_an_owner_are_swept(tmp_path: Path) -> None:
    alive = Nest(tmp_path)
    dead = Nest(tmp_path)
    os.close(dead._lock)  # as the kernel does for a killed process
    (tmp_path / f"{PREFIX}that-was-being-made").mkdir()
    (tmp_path / "something-else").mkdir()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.path.name, "something-else"])
    alive.close()
    assert not alive.path.exists()
