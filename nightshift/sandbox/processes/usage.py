"""What a job uses while it runs: the memory of all its processes, and what it wrote where no file system bounds it.

Memory that the kernel holds for a process, in the buffers of its sockets and pipes, is not seen.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEPT = (b"RssAnon:", b"RssShmem:")
"""What a process holds that is no file. Shared memory counts for each that maps it."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be written below a directory of the host."""

    place: Path
    bytes: int
    names: int


def resident_bytes(root: int) -> int:
    """The memory of a process and all below it; 0 where the kernel does not say."""
    kilobytes, todo = 0, [root]
    while todo:
        pid = todo.pop()
        with suppress(OSError, ValueError, IndexError):
            lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith(KEPT))
            for task in os.listdir(f"/proc/{pid}/task"):
                todo += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return kilobytes << 10


def overfull(room: Room, before: os.statvfs_result) -> bool:
    """Looked up only when the disk lost as much since `before`: it may be somebody else's doing."""
    now = os.statvfs(room.place)
    lost = (before.f_bavail - now.f_bavail) * now.f_frsize
    if lost <= room.bytes and before.f_favail - now.f_favail <= room.names:
        return False
    used, names = written(room.place)
    return used > room.bytes or names > room.names


def written(place: Path) -> tuple[int, int]:
    """Bytes and names below a directory; what lies too deep to be named is not seen."""
    used, names, todo = 0, 0, [str(place)]
    while todo:
        with suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                names += 1
                used += entry.stat(follow_symlinks=False).st_blocks * 512
                todo += [entry.path] if entry.is_dir(follow_symlinks=False) else []
    return used, names
