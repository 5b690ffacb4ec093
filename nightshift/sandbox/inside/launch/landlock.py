"""Landlock: a process gives up, for itself and all below it, every path and signal that is not on its list.

It does not govern chmod, chown, times, extended attributes, locks nor sockets that have a path: the seccomp
filter and the namespaces do. As root `/proc/<pid>/environ` stays open to it, so root becomes somebody else first.
"""

from __future__ import annotations

import os
import struct
import sys

from .kernel import check, libc

TYPE_CHECKING = False  # importing these would take longer than all that is done here
if TYPE_CHECKING:
    from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH, ASK_VERSION = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
FIRST = (1 << 13) - 1
"""What the first version of Landlock knows."""
LATER = ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV))
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (
    READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM
    | REFER | TRUNCATE | IOCTL_DEV
)  # fmt: skip
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
BIND_TCP, CONNECT_TCP = 1, 2
ABSTRACT_SOCKETS, SIGNALS = 1, 2

ENOUGH = 3
"""From this version on nothing outside can be changed through it: links, renames and truncation are covered."""


def version() -> int:
    """0 where the kernel has no Landlock, or has it switched off."""
    if sys.platform != "linux":
        return 0
    return int(max(0, libc.syscall(CREATE_RULESET, None, 0, ASK_VERSION)))


def restrict(read: Iterable[str], write: Iterable[str], *, tcp: bool, names: Iterable[str] = ()) -> None:
    """For good. Of `names` the directories can be listed. A path that is not there grants nothing."""
    known = version()
    files = FIRST | sum(right for since, right in LATER if known >= since)
    ports = 0 if tcp or known < 4 else BIND_TCP | CONNECT_TCP
    scopes = ABSTRACT_SOCKETS | SIGNALS if known >= 6 else 0
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    rules = struct.pack("=QQQ", files, ports, scopes)[:size]
    ruleset = check(libc.syscall(CREATE_RULESET, rules, size, 0), "make a Landlock ruleset")
    for paths, rights in ((read, READ), (write, WRITE), (names, READ_DIR)):
        for path in paths:
            allow(ruleset, path, rights & files)
    check(libc.syscall(RESTRICT_SELF, ruleset, 0), "enter the Landlock ruleset")
    os.close(ruleset)


def allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    rights &= ~0 if os.path.isdir(path) else OF_A_FILE
    rule = struct.pack("=Qi", rights, place)
    check(libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0), f"allow {path}")
    os.close(place)
