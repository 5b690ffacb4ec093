"""A root that holds nothing but the entries of an allow-list, built in memory by the init of a new mount namespace.

Which entries is for the plan to say. The tree is layers of the host's under one in memory that takes what is written.
"""

from __future__ import annotations

import os

from .kernel import (
    attach_mount,
    become,
    check,
    clone_mount,
    libc,
    make_read_only,
    mount,
    pivot_root,
    put,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 1 << 14, 1 << 18

NEW_ROOT = "/tmp"
"""Any directory that exists everywhere and that this process no longer needs."""


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
