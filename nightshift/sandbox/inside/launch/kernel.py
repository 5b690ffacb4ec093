"""The few kernel calls that the launcher needs and Python does not have, by ctypes.

Imported by a bare interpreter at every launch (see `launcher.py`), so it imports little. Nothing is checked
here but the answer of the kernel.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

SIGKILL, SIGSTOP = 9, 19
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAPBSET_DROP = 1, 8, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
CAPSET, PIVOT_ROOT, SECCOMP = {"x86_64": (126, 155, 317), "aarch64": (91, 41, 277)}.get(os.uname().machine, (0, 0, 0))
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
AT_FDCWD, AT_RECURSIVE, OPEN_TREE_CLONE, MOVE_FROM_FD, MNT_DETACH = -100, 0x8000, 1, 4, 2
ATTR_RDONLY, ATTR_NOSUID = 1, 2
CAPABILITIES_V3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int, what: str) -> None:
    check(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), what)


def die_with_parent() -> None:
    """The kernel forgets it whenever the credentials change."""
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, SIGKILL, "parent-death signal")


def become(uid: int, gid: int) -> None:
    """Capabilities are kept, for what is still to be built; `drop_capabilities` ends that."""
    prctl(PR_SET_KEEPCAPS, 1, "keep capabilities")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    die_with_parent()


def drop_capabilities() -> None:
    capability = 0
    while libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    header = struct.pack("=Ii", CAPABILITIES_V3, 0)
    check(libc.syscall(CAPSET, header, bytes(24)), "drop capabilities")


def install_filter(program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    check(libc.syscall(SECCOMP, 1, 0, header), "install the seccomp filter")


def shell_code(status: int) -> int:
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def mount(source: str | None, path: str, kind: str | None, flags: int, options: str = "") -> None:
    encoded = [word.encode() if word else None for word in (source, kind, options)]
    done = libc.mount(encoded[0], os.fsencode(path), encoded[1], ctypes.c_ulong(flags), encoded[2])
    check(done, f"mount {kind} on {path}")


def clone_mount(source: str) -> int:
    """A detached copy of what lies at a path, as a descriptor."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_RECURSIVE
    return check(libc.syscall(OPEN_TREE, AT_FDCWD, os.fsencode(source), flags), f"open {source}")


def attach_mount(clone: int, place: str) -> None:
    moved = libc.syscall(MOVE_MOUNT, clone, b"", AT_FDCWD, os.fsencode(place), MOVE_FROM_FD)
    check(moved, f"attach {place}")
    os.close(clone)


def make_read_only(path: str, *, recursive: bool) -> None:
    value = struct.pack("=QQQQ", ATTR_RDONLY | ATTR_NOSUID, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    changed = libc.syscall(MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), flags, value, len(value))
    check(changed, f"make {path} read-only")


def pivot_root(path: str) -> None:
    os.chdir(path)
    check(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")
    check(libc.umount2(b".", MNT_DETACH), "leave the old root")
    os.chdir("/")


def put(path: str, text: str, flags: int = 0) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o644)
    os.write(fd, text.encode())
    os.close(fd)
