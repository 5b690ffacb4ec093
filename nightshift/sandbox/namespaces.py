"""Tier A's walls: six namespaces, and a root that holds nothing but the entries of an allow-list.

Runs in the launcher. Three processes: the launcher stays outside and holds the leash, the init of the pid
namespace builds the root and reaps, the payload leaves both behind. Does not judge whether it holds: `probe.py` does.
"""

from __future__ import annotations

import os
import select
import struct

from nightshift.sandbox.kernel import (
    SIGKILL,
    attach_mount,
    become,
    check,
    clone_mount,
    die_with_parent,
    drop_capabilities,
    libc,
    make_read_only,
    mount,
    pivot_root,
    put,
    shell_code,
)

TYPE_CHECKING = False  # importing typing would take as long as starting the interpreter
if TYPE_CHECKING:
    from typing import Any, NoReturn

SETUP_FAILED, SIGINT = 125, 2
NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 1 << 17, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 1 << 14, 1 << 18
SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 1 | 64

NEW_ROOT = "/tmp"
"""Any directory that exists everywhere and that this process no longer needs."""


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


# The root.


def build_root(jail: dict[str, Any]) -> None:
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    # All cloned first: while the ids still reach them, and before anything is covered.
    entries = [(kind, path, rest, clones(kind, path, rest)) for kind, path, *rest in jail["entries"]]
    if jail["drop"]:
        become(jail["uid"], jail["gid"])  # asking for the current id first would show the spare one: it is unmapped
    tmpfs(NEW_ROOT, "size=16m,nr_inodes=8k,mode=755")
    for kind, path, rest, sources in entries:
        place = NEW_ROOT + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if not os.path.realpath(os.path.dirname(place)).startswith(NEW_ROOT):
            raise ValueError(f"{path} would be made outside the new root")
        PLACE[kind](place, rest, sources)
    check(libc.sethostname(b"sandbox", 7), "sethostname")
    pivot_root(NEW_ROOT)
    for path in ("/", *(path for kind, path, *_ in jail["entries"] if kind == "cover")):
        make_read_only(path, recursive=False)


def clones(kind: str, path: str, rest: list[Any]) -> list[int]:
    if kind == "tree":
        return [clone_mount(layer) for layer in rest[2]]
    return [clone_mount(rest[0] if rest else path)] if kind in ("bind", "device") else []


def place_bind(place: str, rest: list[Any], sources: list[int]) -> None:
    attach(sources[0], place)
    make_read_only(place, recursive=True)


def place_device(place: str, rest: list[Any], sources: list[int]) -> None:
    attach(sources[0], place)


def place_tree(place: str, rest: list[Any], sources: list[int]) -> None:
    """The layers, the first one on top. What is written goes to memory, bounded, and is gone afterwards."""
    size, overlay, _ = rest
    os.makedirs(place)
    tmpfs(place, f"size={size},nr_inodes=64k,mode=755")
    for name in ("upper", "work"):
        os.mkdir(f"{place}/{name}")
    layers = [f"{place}/layer{number}" for number in range(len(sources))]
    for layer, source in zip(layers, sources, strict=True):
        attach(source, layer)
        make_read_only(layer, recursive=True)
    if overlay:
        where = f"lowerdir={':'.join(layers)},upperdir={place}/upper,workdir={place}/work,userxattr"
        mount("overlay", place, "overlay", MS_NOSUID | MS_NODEV, where)
    else:
        for layer in reversed(layers):
            copy_layer(layer, f"{place}/upper")
        attach(clone_mount(f"{place}/upper"), place)


def copy_layer(source: str, target: str) -> None:
    for entry in os.scandir(source):
        copy = f"{target}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            os.makedirs(copy, exist_ok=True)
            copy_layer(entry.path, copy)
            continue
        if os.path.lexists(copy):
            os.unlink(copy)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), copy)
        else:
            copy_file(entry.path, copy)


def copy_file(source: str, copy: str) -> None:
    with open(source, "rb") as old, open(copy, "wb") as new:
        while data := old.read(1 << 20):
            new.write(data)
    os.chmod(copy, os.stat(source).st_mode & 0o777)


def place_tmpfs(place: str, rest: list[Any], sources: list[int]) -> None:
    os.makedirs(place, exist_ok=True)
    tmpfs(place, rest[0])


def place_proc(place: str, rest: list[Any], sources: list[int]) -> None:
    os.makedirs(place)
    mount("proc", place, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def place_directory(place: str, rest: list[Any], sources: list[int]) -> None:
    os.makedirs(place, exist_ok=True)


def place_file(place: str, rest: list[Any], sources: list[int]) -> None:
    put(place, rest[0], os.O_CREAT)


def place_link(place: str, rest: list[Any], sources: list[int]) -> None:
    if not os.path.lexists(place):
        os.symlink(rest[0], place)


PLACE = {
    "bind": place_bind, "device": place_device, "tree": place_tree, "tmpfs": place_tmpfs,
    "cover": place_tmpfs, "proc": place_proc, "directory": place_directory, "file": place_file,
    "link": place_link,
}  # fmt: skip


def attach(clone: int, place: str) -> None:
    if os.path.isdir(f"/proc/self/fd/{clone}"):
        os.makedirs(place, exist_ok=True)
    elif not os.path.exists(place):
        put(place, "", os.O_CREAT)
    attach_mount(clone, place)


def tmpfs(path: str, options: str) -> None:
    mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options)
