"""What a warm cell does with the kernel: puts each child behind walls of its own, and ends what it left.

A child gets user, mount, ipc and network namespaces of its own, so that nothing writable is shared with the child
before it; the pid namespace is the cell's. The limits, Landlock and seccomp are those of a cold run.
"""

from __future__ import annotations

import os
import resource
import time
from typing import Any

from ..launch import kernel, landlock, namespaces, root

SIGKILL = 9
GRACE_SECONDS = 0.5


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


def enter(boot: dict[str, Any], request: dict[str, Any]) -> None:
    os.setsid()
    new_namespaces()
    lay_tree(boot["root"], request["layers"], request["room"])
    kept = [(path, kernel.clone_mount(path)) for path in boot["kept"]]
    for path, options in boot["memory"]:
        root.tmpfs(path, options)
    for path, clone in kept:
        root.attach(clone, path)
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


def lay_tree(place: str, layers: list[str], room: int) -> None:
    """What the layers lie in is covered right afterwards: no candidate sees another's tree."""
    root.tmpfs(place, f"size={room},nr_inodes=64k,mode=755")
    os.mkdir(f"{place}/upper")
    os.mkdir(f"{place}/work")
    where = f"lowerdir={':'.join(layers)},upperdir={place}/upper,workdir={place}/work,userxattr"
    kernel.mount("overlay", place, "overlay", root.MS_NOSUID | root.MS_NODEV, where)


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
