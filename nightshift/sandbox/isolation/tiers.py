"""The tiers of isolation, strongest first, and what each of them asks of the launcher for one call.

docs/sandbox.md says what each holds back. Nothing here is believed: `probe.py` shows whether a tier holds.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from nightshift.domain import ExecLimits
from nightshift.sandbox.inside.launch import landlock
from nightshift.sandbox.interpreter.paths import judge_site
from nightshift.sandbox.isolation import bubblewrap, macos
from nightshift.sandbox.isolation.layout import DEVICES, NAME_SERVICE, TMP, TREE, VISIBLE, Entry, Place, entries
from nightshift.sandbox.isolation.seccomp import OPEN_NETWORK, PRIVATE_NETWORK, seccomp_filter

TierName = Literal["A", "A-copied", "bubblewrap", "B", "macos", "none"]
TIERS: tuple[TierName, ...] = get_args(TierName)

AS_A_SHELL = ("/bin/sh", "-c", 'exec "$@"', "sh")
"""Before an argv: a program that cannot be started then ends as everywhere, with 126 or 127."""
SPARE_ID = 65534
"""Whom root becomes: root is above process limits and file permissions."""


@dataclass(frozen=True, slots=True)
class Fence:
    """What stands around one command: the fields of a job, and words before its argv."""

    walls: str = ""
    jail: Mapping[str, Any] = field(default_factory=dict)
    landlock: Mapping[str, Any] | None = None
    filter: bytes = b""
    before: tuple[str, ...] = ()
    cwd: str = ""
    """Where those words are started, if not in the tree."""


@dataclass(frozen=True, slots=True)
class Tier:
    name: TierName

    @property
    def own_root(self) -> bool:
        return self.name in ("A", "A-copied", "bubblewrap")

    @property
    def layered(self) -> bool:
        """The tree is put together in the jail, in memory, and no copy on disk is written to."""
        return self.name in ("A", "A-copied")

    @property
    def drop(self) -> bool:
        """Root must not stay root in there."""
        return self.name not in ("none", "macos") and os.geteuid() == 0

    @property
    def ids(self) -> tuple[int, int]:
        return (SPARE_ID, SPARE_ID) if self.drop else (os.geteuid(), os.getegid())

    @property
    def isolation(self) -> str:
        """One phrase for reports."""
        layers = ["Landlock"] * bool(landlock.version()) + ["seccomp"] * bool(seccomp_filter())
        return {
            "A": " + ".join(["namespaces", *layers]),
            "A-copied": " + ".join(["namespaces", *layers]),
            "bubblewrap": "bubblewrap + seccomp",
            "B": f"weaker isolation: {' + '.join(layers)}, no namespaces",
            "macos": "weaker isolation: sandbox-exec",
            "none": "none (unsafe)",
        }[self.name]

    def fence(self, place: Place, known: dict[str, Entry], limits: ExecLimits, *, network: bool) -> Fence:
        return FENCES[self.name](self, place, known, limits, network)


def candidates() -> Iterator[tuple[Tier, str]]:
    """The tiers this system may have, strongest first, each with the reason why it cannot be tried."""
    if sys.platform == "darwin":
        yield Tier("macos"), ""
        return
    yield Tier("A"), ""
    yield Tier("A-copied"), ""
    yield Tier("bubblewrap"), "" if shutil.which("bwrap") else "it is not installed"
    enough = landlock.version() >= landlock.ENOUGH and seccomp_filter()
    yield Tier("B"), "" if enough else "this kernel has no Landlock that suffices, or an unknown machine"


def tier_a(tier: Tier, place: Place, known: dict[str, Entry], limits: ExecLimits, network: bool) -> Fence:
    seen = entries(known, place.layers, limits, uid=tier.ids[0], overlay=tier.name == "A", network=network)
    return Fence(
        walls="namespaces",
        jail={**identity(tier), "network": network, "entries": seen},
        landlock={"read": ["/"], "write": [TREE, TMP, "/dev"], "tcp": True} if landlock.version() else None,
        filter=seccomp_filter(families=PRIVATE_NETWORK),
    )


def tier_b(tier: Tier, place: Place, known: dict[str, Entry], limits: ExecLimits, network: bool) -> Fence:
    sources = [str(entry[2] if len(entry) > 2 else entry[1]) for entry in known.values() if entry[0] == "bind"]
    read = [*sources, *VISIBLE, *(NAME_SERVICE if network else ())]
    write = [str(place.tree), str(place.host_tmp), *(f"/dev/{name}" for name in DEVICES)]
    return Fence(
        walls="reaper",
        jail=identity(tier),
        landlock={"read": read, "write": write, "tcp": network, "names": [judge_site()]},
        filter=seccomp_filter(families=OPEN_NETWORK if network else (), shared=True),
    )


def with_bubblewrap(tier: Tier, place: Place, known: dict[str, Entry], limits: ExecLimits, network: bool) -> Fence:
    seen = entries(known, (place.tree,), limits, uid=tier.ids[0], overlay=False, network=network)
    before = bubblewrap.command(shutil.which("bwrap") or "bwrap", seen, place, network=network)
    program = seccomp_filter(families=PRIVATE_NETWORK)
    return Fence("reaper", identity(tier), filter=program, before=(*before, *AS_A_SHELL), cwd="/")


def on_macos(tier: Tier, place: Place, known: dict[str, Entry], limits: ExecLimits, network: bool) -> Fence:
    read = [str(entry[2] if len(entry) > 2 else entry[1]) for entry in known.values() if entry[0] == "bind"]
    profile = macos.profile(read, [str(place.tree), str(place.host_tmp)], network=network)
    return Fence(before=("/usr/bin/sandbox-exec", "-p", profile, *AS_A_SHELL))


def no_fence(tier: Tier, place: Place, known: dict[str, Entry], limits: ExecLimits, network: bool) -> Fence:
    return Fence()


FENCES = {
    "A": tier_a, "A-copied": tier_a, "bubblewrap": with_bubblewrap, "B": tier_b, "macos": on_macos, "none": no_fence,
}  # fmt: skip


def identity(tier: Tier) -> dict[str, Any]:
    uid, gid = tier.ids
    return {"uid": uid, "gid": gid, "drop": tier.drop}
