"""Who works in a workspace right now, and asking that process to end: never one that merely has its number.

A process is the owner only while it has the workspace's lock file open under the number that the file names, on the
kernel that it names. Asking takes no lock, since that could refuse a run which is just being started.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from nightshift.errors import Refused
from nightshift.workspace.lock import MAX_BYTES, STALE_SECONDS, Owner

PROC = Path("/proc")


def owner_of(workspace: Path) -> Owner | None:
    """None when nobody works there, as far as can be seen from here."""
    lock = workspace / ".nightshift" / "lock"
    owner = _read(lock)
    if owner is None:
        return None
    if owner.is_elsewhere() or not PROC.is_dir():
        return owner if owner.silent_seconds < STALE_SECONDS else None
    return owner if _has_open(owner.pid, lock) else None


def stop(workspace: Path, run: str) -> None:
    """Asks the run to end resumably. Raises Refused when its process is not to be found here."""
    lock = workspace / ".nightshift" / "lock"
    owner = _read(lock)
    if owner is None or owner.run != run:
        raise Refused(f"run {run} does not work in {workspace} any more")
    try:
        # From here on the descriptor means this very process, whatever becomes of its number.
        process = os.pidfd_open(owner.pid)
    except (AttributeError, OSError) as error:
        raise Refused(f"the process of run {run} cannot be reached from here: {error}") from error
    try:
        if owner != _same(owner, _read(lock)) or not _has_open(owner.pid, lock):
            raise Refused(f"process {owner.pid} is not run {run} any more")
        signal.pidfd_send_signal(process, signal.SIGTERM)
    except ProcessLookupError:
        raise Refused(f"run {run} has just ended") from None
    finally:
        os.close(process)


def _same(owner: Owner, now: Owner | None) -> Owner | None:
    """A heartbeat may have come between."""
    return owner if now and (now.pid, now.run, now.boot) == (owner.pid, owner.run, owner.boot) else None


def _read(lock: Path) -> Owner | None:
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        owner = Owner(**json.loads(os.read(descriptor, MAX_BYTES)))
        return owner if type(owner.pid) is int and owner.pid > 0 and owner.beat <= time.time() + STALE_SECONDS else None
    except (OSError, ValueError, TypeError):
        return None
    finally:
        os.close(descriptor)


def _has_open(pid: int, lock: Path) -> bool:
    with suppress(OSError):
        wanted = lock.stat(follow_symlinks=False)
        for name in os.listdir(PROC / str(pid) / "fd"):
            with suppress(FileNotFoundError):
                opened = os.stat(PROC / str(pid) / "fd" / name)
                if (opened.st_dev, opened.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
    return False
