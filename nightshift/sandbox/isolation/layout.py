"""What a jail contains: the allow-list of paths, as entries for the launcher, and where things lie in there.

Nothing that is not named here exists inside: no home, no sockets, no other project, no checkout of ours. It
does not promise that the named directories hold no secrets; `readable` is for interpreters and packages.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nightshift.domain import Environment, ExecLimits
from nightshift.sandbox.interpreter.paths import interpreter_paths, judge_packages

TREE, TMP, HOME, TOOLS = "/tree", "/tmp", "/tmp/home", "/judge"

NAMES = 1 << 16
"""Files and directories that may be made in one of the places to write."""

Entry = tuple[str | int | list[str], ...]
"""(kind, path inside, ...); the kinds are the launcher's."""

SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache",
    "/etc/alternatives", "/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/mime.types", "/etc/services",
    "/etc/protocols",
)  # fmt: skip
NAME_SERVICE = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
VISIBLE = (
    "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/localtime", "/etc/hosts", "/proc/self",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/filesystems", "/proc/version", "/sys/devices/system/cpu",
)  # fmt: skip
"""What programs look for around them, where the host's own must do."""
DEVICES = ("null", "zero", "full", "random", "urandom")
STREAMS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}

CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one call happens: its directory on the host, and how the process in it names things."""

    root: Path
    own_root: bool
    """The process has a root of its own; else the host's names are its names."""
    host_tools: Path
    layers: tuple[Path, ...] = ()
    """Directories that make the tree, the first one on top; with none it is `tree` itself."""

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def host_tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def inside(self) -> str:
        return TREE if self.own_root else str(self.tree)

    @property
    def home(self) -> str:
        return HOME if self.own_root else str(self.host_tmp / "home")

    @property
    def tmp(self) -> str:
        return TMP if self.own_root else str(self.host_tmp)

    @property
    def tools(self) -> str:
        return TOOLS if self.own_root else str(self.host_tools)

    def as_inside(self, text: str) -> str:
        """The same names wherever it ran."""
        return text if self.own_root else text.replace(str(self.tree), TREE).replace(str(self.host_tmp), TMP)

    def holds(self, path: str) -> bool:
        return any((layer / path).exists() for layer in self.layers or (self.tree,))


def readable(environment: Environment, tools: Path) -> dict[str, Entry]:
    """The part that is the same for every call: system, interpreter, packages, the tools of the judge."""
    paths = [
        *SYSTEM,
        *interpreter_paths(environment.python),
        *environment.readable,
        *judge_packages(environment),
    ]
    found: dict[str, Entry] = {}
    for path in paths:
        found.update(entry_of(os.path.abspath(path)))
    found[TOOLS] = ("bind", TOOLS, str(tools))
    if any(found.get(str(parent), ("",))[0] == "bind" for parent in CHECKOUT.parents):
        found[str(CHECKOUT)] = ("cover", str(CHECKOUT), "size=4m,mode=755")
    return found


def entries(
    known: dict[str, Entry], layers: Sequence[Path], limits: ExecLimits, *, uid: int, overlay: bool, network: bool
) -> list[Entry]:
    """Sorted by path, so that what lies inside something comes after it."""
    room = room_for(limits)
    found = {**known, **{str(entry[1]): entry for entry in scenery(uid, room)}}
    found.update((path, ("bind", path)) for path in NAME_SERVICE if network and os.path.exists(path))
    found[TREE] = ("tree", TREE, room, overlay, [str(layer) for layer in layers])
    return [found[path] for path in sorted(found)]


def room_for(limits: ExecLimits) -> int:
    """Bytes that all files together may take."""
    return max(limits.file_bytes * 4, 256 << 20)


def scenery(uid: int, room: int) -> list[Entry]:
    """What programs expect around them, none of it the host's."""
    nobody = f"sandbox:x:{uid}:{uid}::{HOME}:/bin/sh\n"
    root = "" if uid == 0 else "root:x:0:0::/:/bin/sh\n"
    return [
        ("proc", "/proc"),
        ("tmpfs", TMP, f"size={room},nr_inodes={NAMES},mode=1777"),
        ("directory", HOME),
        ("tmpfs", "/dev/shm", f"size={room},nr_inodes=4k,mode=1777"),
        *(("device", f"/dev/{name}") for name in DEVICES if os.path.exists(f"/dev/{name}")),
        *(("link", f"/dev/{name}", f"/proc/self/fd{rest}") for name, rest in STREAMS.items()),
        ("file", "/etc/passwd", root + nobody),
        ("file", "/etc/group", f"sandbox:x:{uid}:\n"),
        ("file", "/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"),
        ("file", "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ]


def entry_of(path: str) -> dict[str, Entry]:
    if os.path.islink(path):
        return {path: ("link", path, os.readlink(path))}
    return {path: ("bind", path)} if os.path.exists(path) else {}
