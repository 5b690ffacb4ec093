"""Temporary directories for trees: written from values, removed whatever was done in them.

Copies never share an inode with what they were copied from. Links that lead out of a tree, devices and pipes
are not copied. Removal follows no link, opens no file and does not mind depth.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from nightshift.domain import Tree
from nightshift.errors import Refused

PREFIX = "nightshift-trees-"
LOCK = "lock"

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
    todo = [(base, place)]
    while todo:
        source, target = todo.pop()
        for entry in listing(source):
            if entry.name in LEFT_OUT or entry.name.startswith(PREFIX):
                continue
            copy = target / entry.name
            if entry.is_symlink():
                copy_link(Path(entry.path), copy, base)
            elif entry.is_file():
                copy_file(entry.path, copy)
            elif entry.is_dir() and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                copy.mkdir()
                todo.append((Path(entry.path), copy))


def listing(directory: Path) -> list[os.DirEntry[str]]:
    with suppress(PermissionError, FileNotFoundError), os.scandir(directory) as entries:
        return list(entries)
    return []  # what its user cannot read takes no part in a project


def copy_file(source: str, copy: Path) -> None:
    with suppress(PermissionError, FileNotFoundError):
        shutil.copyfile(source, copy, follow_symlinks=False)
        copy.chmod(0o755 if os.stat(source).st_mode & 0o111 else 0o644)


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


# Removal. Sub-directories are moved up to the top, so no path grows long and no recursion deep.


def remove(place: Path) -> None:
    """Removes a directory that untrusted code has written in."""
    with suppress(FileNotFoundError):
        top = open_directory(os.fspath(place))
        try:
            while names := os.listdir(top):
                for name in names:
                    dismantle(top, name)
        finally:
            os.close(top)
        place.rmdir()


def dismantle(top: int, name: str) -> None:
    if unlinked(name, top):
        return
    with suppress(FileNotFoundError):
        inner = open_directory(name, top)
        try:
            for child in os.listdir(inner):
                if not unlinked(child, inner):
                    os.close(open_directory(child, inner))  # a directory must be writable to be moved
                    os.rename(child, f"moved-{secrets.token_hex(8)}", src_dir_fd=inner, dst_dir_fd=top)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=top)


def unlinked(name: str, directory: int) -> bool:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except (IsADirectoryError, PermissionError):  # macOS answers EPERM for a directory
        return False
    return True


def open_directory(name: str, parent: int | None = None) -> int:
    """Never through a link; made ours to write first when its permissions were taken away."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        fd = os.open(name, flags, dir_fd=parent)
    except PermissionError:
        allow(name, parent)
        fd = os.open(name, flags, dir_fd=parent)
    os.fchmod(fd, stat.S_IRWXU)
    return fd


def allow(name: str, parent: int | None) -> None:
    if not hasattr(os, "O_PATH"):
        return os.chmod(name, stat.S_IRWXU, dir_fd=parent)
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IRWXU)
    finally:
        os.close(fd)


# A nest: the directory one sandbox keeps its trees in. Its lock tells a later start whether the owner lives.


class Nest:
    def __init__(self, scratch: Path) -> None:
        parent = scratch.resolve()
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = os.open(self.path / "new-lock", os.O_CREAT | os.O_WRONLY, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        os.rename(self.path / "new-lock", self.path / LOCK)  # a lock with this name has always been held

    @contextmanager
    def directory(self) -> Iterator[Path]:
        place = Path(tempfile.mkdtemp(dir=self.path))
        try:
            yield place
        finally:
            remove(place)

    def close(self) -> None:
        remove(self.path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def sweep(scratch: Path) -> None:
    """Removes the nests of owners that are gone; only this user's, since /tmp belongs to everybody."""
    for nest in scratch.glob(PREFIX + "*"):
        if nest.lstat().st_uid == os.geteuid() and not nest.is_symlink() and orphaned(nest):
            remove(nest)


def orphaned(nest: Path) -> bool:
    try:
        lock = os.open(nest / LOCK, os.O_WRONLY | os.O_NOFOLLOW)
    except OSError:  # one just being made
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
