"""A tree as a directory: written from a value, copied from its base.

Copies never share an inode with what they were copied from. Links that lead out of a tree, devices and pipes
are not copied.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from nightshift.domain import Tree
from nightshift.errors import Refused

PREFIX = "nightshift-trees-"
"""Of the directories that are ours (see `nests.py`), and so no part of a tree."""

LEFT_OUT = frozenset({
    ".git", ".hg", ".svn", ".venv", ".nightshift", "__pycache__", ".pytest_cache", ".mypy_cache",
    ".ruff_cache", ".hypothesis", ".tox", ".nox", "node_modules",
})  # fmt: skip


def write_tree(tree: Tree, place: Path, *, owner: int | None = None) -> None:
    """Makes `place` the tree. With an owner, everything in it belongs to that uid and gid."""
    place.mkdir()
    if tree.base is not None:
        copy_directory(tree.base.resolve(), place)
    for path, text in tree.texts.items():
        write_text(place, path, text)
    if owner is not None:
        give(place, owner)


def copy_directory(base: Path, place: Path) -> None:
    for entry, relative in kept(base):
        copy = place / relative
        if entry.is_symlink():
            copy_link(Path(entry.path), copy, base)
        elif entry.is_dir():
            copy.mkdir()
        else:
            copy_file(entry.path, copy)


def kept(base: Path) -> Iterator[tuple[os.DirEntry[str], str]]:
    """What belongs to a tree, with its path in there; directories before what they hold."""
    todo = [(str(base), "")]
    while todo:
        directory, inside = todo.pop()
        for entry in listing(directory):
            if entry.name in LEFT_OUT or entry.name.startswith(PREFIX):
                continue
            folder = entry.is_dir(follow_symlinks=False)
            if folder and os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                continue
            if folder or entry.is_symlink() or entry.is_file():
                yield entry, inside + entry.name
            if folder:
                todo.append((entry.path, f"{inside}{entry.name}/"))


def listing(directory: str) -> list[os.DirEntry[str]]:
    with suppress(PermissionError, FileNotFoundError), os.scandir(directory) as entries:
        return list(entries)
    return []  # what its user cannot read takes no part in a project


def copy_file(source: str, copy: Path) -> None:
    with suppress(PermissionError, FileNotFoundError, Refused), open_regular(source) as file:
        with open(copy, "wb") as made:
            shutil.copyfileobj(file, made, 1 << 20)
        copy.chmod(0o755 if os.fstat(file.fileno()).st_mode & 0o111 else 0o644)


def open_regular(name: str) -> IO[bytes]:
    """Opened without following a link and without blocking, then seen to be a file: a name may have become anything."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EMLINK):
            raise
        raise Refused(f"{name!r} is a link, a socket or no directory: it is not opened.") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Refused(f"{name!r} is not a plain file: it is a device or a pipe.")
    return open(fd, "rb")


def copy_link(link: Path, copy: Path, base: Path) -> None:
    """Kept only when it leads to something inside the tree, and then made relative."""
    with suppress(OSError, RuntimeError, ValueError):  # broken, in a circle, or leading out
        target = link.resolve(strict=True)
        target.relative_to(base)
        copy.symlink_to(os.path.relpath(target, link.parent.resolve()))


def write_text(place: Path, path: str, text: str) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or ".git" in parts or "\0" in path:
        raise Refused(f"A tree cannot hold {path!r}: use a relative path that stays inside and out of .git.")
    file = place.joinpath(*parts)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # a copied link must not be written through
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise Refused(f"A tree cannot hold {path!r}: it is both a file and a directory ({error}).") from error


def give(place: Path, owner: int) -> None:
    for directory, _, files in os.walk(place):
        os.chown(directory, owner, owner)
        for name in files:
            os.chown(os.path.join(directory, name), owner, owner, follow_symlinks=False)
