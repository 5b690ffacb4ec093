"""Removes a directory that untrusted code has written in: follows no link, opens no file and does not mind depth.

Sub-directories are moved up to the top, so no path grows long and no recursion deep.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


def remove(place: Path) -> None:
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
