"""One run in a workspace at a time.

On one machine the kernel holds the lock and drops it with its process, however that died: a dead owner, or another
process under its number, is none. A lock that another machine's kernel holds may not be seen here, as on some network
file systems: there the owner's heartbeat counts. It says that the process lives, not that it gets on.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from nightshift.errors import Refused, WorkspaceLocked
from nightshift.workspace.files import explained

BEAT_SECONDS = 15.0
STALE_SECONDS = 600.0
"""Without a heartbeat for so long an owner on another machine is dead; clocks may differ by less than that."""
MAX_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Owner:
    """Who works there, as the lock file says."""

    pid: int
    run: str
    host: str
    boot: str
    """Of the kernel: containers of one machine have names of their own and one kernel."""
    beat: float
    """Unix time of the last sign of life."""

    @property
    def silent_seconds(self) -> float:
        return max(0.0, time.time() - self.beat)

    def is_elsewhere(self) -> bool:
        """On a machine whose locks may not be seen here; one that was started anew holds none."""
        return self.boot != _boot() and self.host != socket.gethostname()


class Lock:
    """Held from the call until `release` or the end of the process. Raises WorkspaceLocked and Refused."""

    def __init__(self, folder: Path, run: str = "") -> None:
        self._file = folder / "lock"
        with explained(self._file):
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None
        try:
            self.replaced = self._acquired()
            """The owner that died with the lock, if one did."""
            self._owner = Owner(os.getpid(), run, socket.gethostname(), _boot(), 0.0)
            self._beat()
        except BaseException:
            self._close()
            raise
        self._heart = threading.Thread(target=self._beat_on, name="workspace-lock", daemon=True)
        self._heart.start()

    def release(self) -> None:
        if self._descriptor < 0:
            return
        self._stop.set()
        if self._heart:
            self._heart.join()
        with suppress(OSError):  # a disk that is gone: the next owner reads an old heartbeat
            os.ftruncate(self._descriptor, 0)
        self._close()

    def _acquired(self) -> Owner | None:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise Refused(f"{self._file} is not a regular file: remove it.")
        owner = _read(self._descriptor)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WorkspaceLocked(self._who_works_there(owner)) from error
        owner = _read(self._descriptor)  # another may have come and gone meanwhile
        if owner and owner.is_elsewhere() and owner.silent_seconds < STALE_SECONDS:
            raise WorkspaceLocked(self._who_works_there(owner))
        return owner

    def _who_works_there(self, owner: Owner | None) -> str:
        folder = self._file.parent.parent
        if owner is None:
            return f"{folder} is in use by another run (process unknown): wait for it or work elsewhere."
        who = f"process {owner.pid} on {owner.host}, run {owner.run or 'unknown'}"
        told = f"{folder} is in use by another run ({who}): wait for it or work elsewhere."
        if owner.is_elsewhere():
            rest = (STALE_SECONDS - owner.silent_seconds) / 60
            return f"{told} If it died, the folder is free in {max(1.0, rest):.0f} min; at once without {self._file}."
        if owner.silent_seconds >= STALE_SECONDS:
            return f"{told} It gave no sign of life for {owner.silent_seconds / 60:.0f} min: end it if it is stopped."
        return told

    def _beat_on(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            with suppress(OSError):  # nobody to tell; an old heartbeat is what others then see
                self._beat()

    def _beat(self) -> None:
        now = Owner(self._owner.pid, self._owner.run, self._owner.host, self._owner.boot, round(time.time(), 1))
        line = json.dumps(asdict(now)).encode()
        with explained(self._file):
            # Padded, so that a longer line before it leaves nothing behind.
            os.pwrite(self._descriptor, line.ljust(os.fstat(self._descriptor).st_size), 0)

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1


def _read(descriptor: int) -> Owner | None:
    """Who wrote the lock file last; None for nobody, or for what no lock of ours holds."""
    try:
        return Owner(**json.loads(os.pread(descriptor, MAX_BYTES, 0)))
    except (ValueError, TypeError):
        return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()
