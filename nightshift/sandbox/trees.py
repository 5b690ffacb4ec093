"""Temporary directories for trees: written from values, removed whatever was done in them.

Copies never share an inode with what they were copied from. Links that lead out of a tree, devices and pipes
are not copied. Removal follows no link, opens no file and does not mind depth.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

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


# Reading. A name may have become anything since it was last looked at.


def read_output(directory: Path, path: str, *, most: int) -> bytes:
    """A file that untrusted code left, if it is a plain one of its own. Raises Refused.

    No link is followed on the way, nothing is waited for, and a name may hold bytes that are no text.
    """
    *folders, name = PurePosixPath(path).parts or ("",)
    if path.startswith("/") or ".." in folders or name in ("", "..") or "\0" in path:
        raise Refused(f"{path!r} does not name a file inside {directory}.")
    place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = open_plainly(folder, os.O_DIRECTORY, place)
            os.close(place)
            place = inner
        with open_regular(name, place, alone=True) as file:
            if os.fstat(file.fileno()).st_size > most:
                raise Refused(f"{path!r} is larger than {most} bytes: nothing of it is read.")
            return file.read(most)
    finally:
        os.close(place)


def open_regular(name: str, parent: int | None = None, *, alone: bool = False) -> IO[bytes]:
    """Opened without following a link and without blocking, then seen to be a file; `alone`: of one name only."""
    fd = open_plainly(name, os.O_NONBLOCK, parent)
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode) or (alone and facts.st_nlink != 1):
        os.close(fd)
        raise Refused(f"{name!r} is not a plain file: it is a device, a pipe, or has a second name.")
    return open(fd, "rb")


def open_plainly(name: str, flags: int, parent: int | None) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EMLINK):
            raise
        raise Refused(f"{name!r} is a link, a socket or no directory: it is not opened.") from error


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
            end_processes_of(nest)
            remove(nest)


def end_processes_of(nest: Path) -> None:
    """Those that stand in it or still have its name; whoever has neither is not known to be ours."""
    mark = os.fsencode(nest) + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            stands = os.fsencode(os.readlink(process / "cwd")) + b"/"
            if stands.startswith(mark) or b"TMPDIR=" + mark in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


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
