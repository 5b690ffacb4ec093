"""The jail's entries as an argv for bubblewrap, for machines that let it make namespaces and us not.

It has no bound on the tree on disk. The launcher sets limits and becomes the spare id before it starts bubblewrap,
and bubblewrap installs our seccomp filter.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nightshift.sandbox.isolation.layout import TREE, Entry, Place
from nightshift.sandbox.processes.job import FILTER

ALWAYS = (
    "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL",
    "--hostname", "sandbox", "--die-with-parent", "--new-session", "--seccomp", FILTER,
)  # fmt: skip


def command(program: str, seen: Sequence[Entry], place: Place, *, network: bool) -> tuple[str, ...]:
    """The words before the argv to run; files that the entries describe are written below the place."""
    words = [program, *ALWAYS, *(() if network else ("--unshare-net",))]
    for entry in seen:
        words += words_for(entry, place)
    return (*words, "--remount-ro", "/", "--chdir", TREE, "--")


def words_for(entry: Entry, place: Place) -> list[str]:
    kind, path, *rest = entry
    path = str(path)
    if kind == "bind":
        return ["--ro-bind", str(rest[0]) if rest else path, path]
    if kind == "device":
        return ["--dev-bind", path, path]
    if kind == "tree":
        return ["--bind", str(place.tree), path]
    if kind in ("tmpfs", "cover"):
        size = dict(option.partition("=")[::2] for option in str(rest[0]).split(","))["size"]
        return ["--size", in_bytes(size), "--tmpfs", path]
    if kind == "file":
        return ["--ro-bind", written(place.root / "files", path, str(rest[0])), path]
    return {"proc": ["--proc", path], "directory": ["--dir", path]}.get(str(kind)) or ["--symlink", str(rest[0]), path]


def in_bytes(size: str) -> str:
    return str(int(size.removesuffix("m")) << 20) if size.endswith("m") else size


def written(folder: Path, path: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    file = folder / os.path.basename(path)
    file.write_text(text)
    file.chmod(0o644)
    return str(file)
