"""What a warm cell does with the kernel: hears its orders, puts each child behind walls of its own, ends what is left.

A child gets user, mount, ipc and network namespaces of its own, so that nothing writable is shared with the child
before it; the pid namespace is the cell's. The limits, Landlock and seccomp are those of a cold run.
"""

from __future__ import annotations

import _socket
import json
import os
import resource
import struct
import sys
import time
from typing import Any

from . import kernel

sys.modules["nightshift.sandbox.kernel"] = kernel  # the name its siblings know it by; forgotten after the start

from . import landlock, namespaces

MESSAGE_BYTES = 1 << 16
MOST_FDS = 8
CLOEXEC = 0x40000000
SIGKILL = 9
GRACE_SECONDS = 0.5


class Channel:
    """Messages, whole or not at all, with descriptors beside them."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._socket = _socket.socket(fileno=fd)

    def hear(self) -> tuple[dict[str, Any], list[int]]:
        room = _socket.CMSG_LEN(MOST_FDS * 4)
        data, ancillary, _, _ = self._socket.recvmsg(MESSAGE_BYTES, room, CLOEXEC)
        if not data:
            os._exit(0)  # whom it serves is gone
        fds = [fd for _, _, raw in ancillary for (fd,) in struct.iter_unpack("i", raw)]
        return json.loads(data), fds

    def say(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message).encode())

    def close(self) -> None:
        self._socket.close()


def be_ready(boot: dict[str, Any]) -> None:
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1, "adopt orphans")
    os.chdir(boot["root"])


def health() -> dict[str, int]:
    """What must stay as it was from one candidate to the next."""
    with open("/proc/self/statm", "rb") as file:
        pages = int(file.read().split()[1])
    descriptors, threads = (len(os.listdir(f"/proc/self/{name}")) for name in ("fd", "task"))
    return {"pages": pages, "descriptors": descriptors, "threads": threads}


def aliases() -> dict[int, int]:
    """Descriptors that lead where stdout or stderr lead -> 1 or 2: pytest keeps some for faults and time-outs."""
    known = {os.readlink(f"/proc/self/fd/{fd}"): fd for fd in (1, 2)}
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # the one that was listing
        if target in known:
            found[int(name)] = known[target]
    return found


def redirect(streams: dict[int, int], out: int, err: int) -> None:
    for fd, kind in streams.items():
        os.dup2(out if kind == 1 else err, fd, inheritable=fd in (1, 2))
    os.close(out)
    os.close(err)


# Walls.


def enter(boot: dict[str, Any], request: dict[str, Any]) -> None:
    os.setsid()
    new_namespaces()
    lay_tree(boot["root"], request["layers"], request["room"])
    kept = [(path, kernel.clone_mount(path)) for path in boot["kept"]]
    for path, options in boot["memory"]:
        namespaces.tmpfs(path, options)
    for path, clone in kept:
        namespaces.attach(clone, path)
    os.mkdir(boot["home"])
    namespaces.raise_loopback()
    os.chdir(boot["root"])
    kernel.drop_capabilities()
    kernel.die_with_parent()
    for kind, bound in request["rlimits"]:
        resource.setrlimit(kind, (bound, bound))
    if boot["landlock"]:
        landlock.restrict(boot["landlock"]["read"], boot["landlock"]["write"], tcp=boot["landlock"]["tcp"])
    if boot["filter"]:
        kernel.install_filter(bytes.fromhex(boot["filter"]))


def new_namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()  # without a map yet, everybody is nobody
    wanted = namespaces.NEW_USER | namespaces.NEW_NS | namespaces.NEW_IPC | namespaces.NEW_NET
    kernel.check(kernel.libc.unshare(wanted), "unshare")
    kernel.put("/proc/self/setgroups", "deny")
    kernel.put("/proc/self/uid_map", f"{uid} {uid} 1")
    kernel.put("/proc/self/gid_map", f"{gid} {gid} 1")


def lay_tree(root: str, layers: list[str], room: int) -> None:
    """What the layers lie in is covered right afterwards: no candidate sees another's tree."""
    namespaces.tmpfs(root, f"size={room},nr_inodes=64k,mode=755")
    os.mkdir(f"{root}/upper")
    os.mkdir(f"{root}/work")
    where = f"lowerdir={':'.join(layers)},upperdir={root}/upper,workdir={root}/work,userxattr"
    kernel.mount("overlay", root, "overlay", namespaces.MS_NOSUID | namespaces.MS_NODEV, where)


# The end.


def ended(child: int) -> dict[str, int]:
    """Waits for the child, then for everything it left, which has become ours."""
    status = os.waitpid(child, 0)[1]
    patience = time.monotonic() + GRACE_SECONDS
    strays = 0
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            if time.monotonic() < patience:  # helpers of multiprocessing end when they hear of the end
                time.sleep(0.001)
                continue
            strays += 1
            os.kill(-1, SIGKILL)  # all of this namespace but its init and us
            os.waitpid(-1, 0)
        except ChildProcessError:
            return {"status": status, "strays": strays}
