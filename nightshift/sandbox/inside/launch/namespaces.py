"""Tier A's walls: six namespaces, and in them a root of its own (see `root.py`).

Runs in the launcher. Three processes: the launcher stays outside and holds the leash, the init of the pid
namespace builds the root and reaps, the payload leaves both behind. Does not judge whether it holds: `probe.py` does.
"""

from __future__ import annotations

import os
import select
import struct

from .kernel import (
    SIGKILL,
    check,
    die_with_parent,
    drop_capabilities,
    libc,
    put,
    shell_code,
)
from .root import build_root

TYPE_CHECKING = False  # importing typing would take as long as starting the interpreter
if TYPE_CHECKING:
    from typing import Any, NoReturn

SETUP_FAILED, SIGINT = 125, 2
NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 1 << 17, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30
SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 1 | 64


def enter(jail: dict[str, Any], leash: int) -> None:
    """Returns in the payload only, inside its jail and without a privilege left."""
    new_namespaces(jail)
    die_with_parent()  # the change of credentials cleared it
    init = os.fork()
    if init:
        hold(init, leash)
    die_with_parent()
    if select.select([leash], [], [], 0)[0]:
        os._exit(SETUP_FAILED)  # everybody above died before the death signal was set
    libc.signal(SIGINT, 0)  # Python's own handler would let the payload interrupt init
    build_root(jail)
    if not jail["network"]:
        raise_loopback()
    payload = os.fork()
    if payload:
        reap(payload)
    os.setsid()
    drop_capabilities()


def new_namespaces(jail: dict[str, Any]) -> None:
    """A process cannot map another id than its own onto itself, so a helper left outside writes the maps."""
    go_read, go_write = os.pipe()
    me = os.getpid()
    helper = os.fork()
    if not helper:
        os.close(go_write)
        if os.read(go_read, 1):
            put(f"/proc/{me}/setgroups", "allow" if jail["drop"] else "deny")
            put(f"/proc/{me}/uid_map", f"{jail['uid']} {jail['uid']} 1")
            put(f"/proc/{me}/gid_map", f"{jail['gid']} {jail['gid']} 1")
        os._exit(0)
    shared = 0 if jail["network"] else NEW_NET
    check(libc.unshare(NEW_USER | NEW_NS | NEW_PID | NEW_IPC | NEW_UTS | shared), "unshare")
    os.write(go_write, b"!")
    os.close(go_read)
    os.close(go_write)
    if os.waitpid(helper, 0)[1]:
        raise OSError("the id maps of the user namespace could not be written")


def hold(init: int, leash: int) -> NoReturn:
    """Waits for init, and kills it when the leash is let go: the namespace dies with its init."""
    pidfd = os.pidfd_open(init)
    ready, _, _ = select.select([pidfd, leash], [], [])
    if pidfd not in ready:
        os.kill(init, SIGKILL)
    os._exit(shell_code(os.waitpid(init, 0)[1]))


def reap(payload: int) -> NoReturn:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == payload:
            os._exit(shell_code(status))


def raise_loopback() -> None:
    up = struct.pack("16sH14x", b"lo", UP_AND_RUNNING)
    fd = check(libc.socket(2, 2, 0), "socket")
    check(libc.ioctl(fd, SIOCSIFFLAGS, up), "loopback up")
    os.close(fd)
