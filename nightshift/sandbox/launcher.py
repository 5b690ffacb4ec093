"""Puts one process into its jail: a script for a bare interpreter, never part of a Nightshift process.

Reads a plan (see `supervise.py`) from stdin, builds the jail it describes and becomes, at the bottom of it,
the command. Three processes: the launcher stays outside and holds the leash, the init of the pid namespace
builds the root and reaps, the payload drops everything and executes. Imports little, since each start pays
for it, and nothing of ours.

It does not judge whether the jail holds: `probe.py` does, from outside.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import select
import struct
import sys
import warnings  # noqa: F401  (os.execvpe needs it, and then the library may be out of reach)

TYPE_CHECKING = False  # importing typing would take as long as starting the interpreter
if TYPE_CHECKING:
    from typing import Any, NoReturn

SETUP_FAILED, CANNOT_EXECUTE, NOT_FOUND = 125, 126, 127

SIGKILL, SIGPIPE, SIGINT, SIGXFSZ = 9, 13, 2, 25
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS = 1, 24, 8, 38
NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 1 << 17, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 1 << 14, 1 << 18
ATTR_RDONLY, ATTR_NOSUID = 1, 2
AT_FDCWD, AT_RECURSIVE, OPEN_TREE_CLONE, MOVE_FROM_FD, MNT_DETACH = -100, 0x8000, 1, 4, 2
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
PIVOT_ROOT, CAPSET, SECCOMP = {"x86_64": (155, 126, 317), "aarch64": (41, 91, 277)}.get(os.uname().machine, (0, 0, 0))

NEW_ROOT = "/tmp"
"""Any directory that exists everywhere and that this process no longer needs."""

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def main() -> NoReturn:
    with open(0, "rb", closefd=False) as stdin:
        plan = marshal.loads(stdin.read())
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.set_inheritable(plan["status"], False)
    try:
        die_with_parent()
        if os.getppid() != plan["parent"]:
            os._exit(SETUP_FAILED)
        if plan["jail"]:
            enter(plan["jail"], plan["leash"])
        execute(plan)
    except (OSError, ValueError) as error:
        os.write(plan["status"], f"{type(error).__name__}: {error}".encode(errors="backslashreplace"))
        os._exit(SETUP_FAILED)


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


def shell_code(status: int) -> int:
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


# The root: nothing of the host exists in it but the entries of the allow-list.


def build_root(jail: dict[str, Any]) -> None:
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    entries = [(kind, path, rest, clone_of(kind, path, rest)) for kind, path, *rest in jail["entries"]]
    if jail["drop"]:
        become(jail["uid"], jail["gid"])
    tmpfs(NEW_ROOT, "size=16m,nr_inodes=8k,mode=755")
    for kind, path, rest, clone in entries:
        place = NEW_ROOT + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if not os.path.realpath(os.path.dirname(place)).startswith(NEW_ROOT):
            raise ValueError(f"{path} would be made outside the new root")
        PLACE[kind](place, rest, clone)
    check(libc.sethostname(b"sandbox", 7), "sethostname")
    os.chdir(NEW_ROOT)
    check(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")
    check(libc.umount2(b".", MNT_DETACH), "leave the old root")
    os.chdir("/")
    for path in ("/", *(path for kind, path, *_ in jail["entries"] if kind == "cover")):
        set_attributes(path, ATTR_RDONLY | ATTR_NOSUID, recursive=False)


def clone_of(kind: str, path: str, rest: list[Any]) -> int:
    """A detached copy of the mount: made while the ids still reach it, before anything is covered."""
    if kind not in ("bind", "device", "tree"):
        return -1
    source = rest[0] if rest else path
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_RECURSIVE
    return check(libc.syscall(OPEN_TREE, AT_FDCWD, os.fsencode(source), flags), f"open {source}")


def place_bind(place: str, rest: list[Any], clone: int) -> None:
    attach(clone, place)
    set_attributes(place, ATTR_RDONLY | ATTR_NOSUID, recursive=True)


def place_device(place: str, rest: list[Any], clone: int) -> None:
    attach(clone, place)


def place_tree(place: str, rest: list[Any], clone: int) -> None:
    """With a size: writes go to memory, bounded, and are gone afterwards. With none: to the copy itself."""
    _, size = rest
    if not size:
        return attach(clone, place)
    os.makedirs(place)
    tmpfs(place, f"size={size},nr_inodes=64k,mode=755")
    for name in ("upper", "work"):
        os.mkdir(f"{place}/{name}")
    attach(clone, f"{place}/lower")
    set_attributes(f"{place}/lower", ATTR_RDONLY | ATTR_NOSUID, recursive=True)
    layers = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work,userxattr"
    mount("overlay", place, "overlay", MS_NOSUID | MS_NODEV, layers)
    return None


def place_tmpfs(place: str, rest: list[Any], clone: int) -> None:
    os.makedirs(place, exist_ok=True)
    tmpfs(place, rest[0])


def place_proc(place: str, rest: list[Any], clone: int) -> None:
    os.makedirs(place)
    mount("proc", place, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def place_directory(place: str, rest: list[Any], clone: int) -> None:
    os.makedirs(place, exist_ok=True)


def place_file(place: str, rest: list[Any], clone: int) -> None:
    put(place, rest[0], os.O_CREAT)


def place_link(place: str, rest: list[Any], clone: int) -> None:
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
    moved = libc.syscall(MOVE_MOUNT, clone, b"", AT_FDCWD, os.fsencode(place), MOVE_FROM_FD)
    check(moved, f"attach {place}")
    os.close(clone)


def set_attributes(path: str, attributes: int, *, recursive: bool) -> None:
    value = struct.pack("=QQQQ", attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    changed = libc.syscall(MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), flags, value, len(value))
    check(changed, f"make {path} read-only")


def tmpfs(path: str, options: str) -> None:
    mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options)


def mount(source: str | None, path: str, kind: str | None, flags: int, options: str = "") -> None:
    encoded = [word.encode() if word else None for word in (source, kind, options)]
    done = libc.mount(encoded[0], os.fsencode(path), encoded[1], ctypes.c_ulong(flags), encoded[2])
    check(done, f"mount {kind} on {path}")


def raise_loopback() -> None:
    up = struct.pack("16sH14x", b"lo", 1 | 64)
    fd = check(libc.socket(2, 2, 0), "socket")
    check(libc.ioctl(fd, 0x8914, up), "loopback up")
    os.close(fd)


# Privileges and bounds.


def become(uid: int, gid: int) -> None:
    """From an unmapped root to the spare id; asking for the current id first would show the spare one."""
    check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    die_with_parent()


def drop_capabilities() -> None:
    capability = 0
    while libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    none = struct.pack("=Ii", 0x20080522, 0)
    check(libc.syscall(CAPSET, none, bytes(24)), "drop capabilities")


def execute(plan: dict[str, Any]) -> NoReturn:
    os.chdir(plan["cwd"])
    for kind, bound in plan["rlimits"]:
        hard = resource.getrlimit(kind)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, bound))
    for number in (SIGPIPE, SIGXFSZ, SIGINT):
        libc.signal(number, 0)  # an ignored signal would stay ignored in the command
    if sys.platform == "linux":
        check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    if plan["filter"]:
        install_filter(plan["filter"])
    os.write(plan["status"], b"ok")
    argv, env = plan["argv"], plan["env"]
    try:
        os.execvpe(argv[0], argv, env)
    except (FileNotFoundError, NotADirectoryError):
        os.write(2, os.fsencode(f"{argv[0]}: not found\n"))
        os._exit(NOT_FOUND)
    except (OSError, ValueError) as error:
        os.write(2, os.fsencode(f"{argv[0]}: {error}\n"))
        os._exit(CANNOT_EXECUTE)


def install_filter(program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    check(libc.syscall(SECCOMP, 1, 0, header), "install the seccomp filter")


def die_with_parent() -> None:
    if sys.platform == "linux":
        check(libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "parent-death signal")


def check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def put(path: str, text: str, flags: int = 0) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o644)
    os.write(fd, text.encode())
    os.close(fd)


if __name__ == "__main__":
    main()
