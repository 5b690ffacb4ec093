"""Tier B's way to end everything: the launcher adopts each orphan below it and kills until nobody is left.

Runs in the launcher, which the payload can neither signal nor trace. Where both Nightshift and the launcher are
killed in the same moment, a daemon lives on: only a pid namespace ends that.
"""

from __future__ import annotations

import os
import select
import time

from .kernel import (
    PR_SET_CHILD_SUBREAPER,
    SIGKILL,
    SIGSTOP,
    become,
    die_with_parent,
    drop_capabilities,
    prctl,
    shell_code,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

TICK_SECONDS = 0.02
PATIENCE_SECONDS = 1.5


def enter(jail: dict[str, Any], leash: int) -> None:
    """Returns in the payload only; the launcher keeps watch, and is not the spare id that root becomes."""
    prctl(PR_SET_CHILD_SUBREAPER, 1, "adopt orphans")
    payload = os.fork()
    if payload:
        watch(payload, leash)
    die_with_parent()
    os.setsid()
    if jail["drop"]:
        become(jail["uid"], jail["gid"])
        drop_capabilities()


def watch(payload: int, leash: int) -> NoReturn:
    """The leash tells that Nightshift let go or died."""
    pidfd = os.pidfd_open(payload)
    status, over = 0, False
    while not over:
        ready = select.select([pidfd, leash], [], [], TICK_SECONDS)[0]
        over = bool(ready)
        if pidfd in ready:
            status = os.waitpid(payload, 0)[1]
        elif leash in ready:
            os.kill(payload, SIGKILL)
            status = os.waitpid(payload, 0)[1]
        else:
            collect(payload)
    sweep()
    os._exit(shell_code(status))


def collect(payload: int) -> None:
    """Ended orphans, but not the payload: its status is waited for."""
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != payload:
        os.waitpid(ended.si_pid, 0)


def sweep() -> None:
    """Until the kernel says that nobody is left. Stopped first, so that none forks while others are killed."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while anybody_left() and time.monotonic() < patience:
        below = descendants()
        for signal in (SIGSTOP, SIGKILL):
            for pid in below:
                send(pid, signal)
        time.sleep(0.001)


def anybody_left() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return False
    return True


def descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(parent_of(name), []).append(int(name))
    found, todo = [], [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def parent_of(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return 0  # gone meanwhile


def send(pid: int, signal: int) -> None:
    try:
        os.kill(pid, signal)
    except ProcessLookupError:
        return


def threads_of(uid: int) -> int:
    """What the kernel counts against the process limit of this id already."""
    return sum(len(tasks(name)) for name in os.listdir("/proc") if name.isdigit() and owner_of(name) == uid)


def owner_of(pid: str) -> int:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        return -1


def tasks(pid: str) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
