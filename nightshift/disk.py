"""Writing that outlasts a crash: whole lines appended, whole files replaced, a full disk told."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from nightshift.errors import DiskFull, WorkspaceLocked

_DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}


def write_atomically(path: Path, text: str) -> None:
    """Writes the whole file or none of it. Raises DiskFull."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the block ends well, on disk and not merely in memory."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o644)
                os.replace(file.name, path)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(file.name)
                raise
        sync_folder(path.parent)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns a disk that takes no more into DiskFull, with the way out."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRNOS:
            raise
        raise DiskFull(
            f"cannot write {path}: {os.strerror(error.errno)}. Free space on that disk, then continue with "
            "python3 orchestrator.py --resume; nothing recorded so far is lost"
        ) from error


def write_all(fd: int, data: bytes) -> None:
    """A nearly full disk takes a part first and refuses the rest."""
    while data:
        data = data[os.write(fd, data) :]


def sync(fd: int) -> None:
    """fdatasync, or fsync where a system has no such thing."""
    getattr(os, "fdatasync", os.fsync)(fd)


def sync_folder(folder: Path) -> None:
    """Makes a new or replaced name in the folder last."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lock_or_refuse(fd: int, path: Path) -> None:
    """Holds the file for this process alone, until it is closed or the process ends."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WorkspaceLocked(f"{path} is being written by another process: wait for it, or end it") from None
