"""What is to be run and what came of it, as values; and a job as the plan that the launcher reads."""

from __future__ import annotations

import math
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nightshift.domain import ExecLimits
from nightshift.sandbox.processes.usage import Room

ORDERS, REPORT, FILTER, CHANNEL = "{orders}", "{report}", "{filter}", "{channel}"
"""In an argv: the descriptors of the private input, of the private reply, of the seccomp filter for a program
that installs it itself, and of a conversation."""

OPEN_FILES = 1024
LOCKED_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Job:
    """One process to run, and what the launcher is to put around it."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    limits: ExecLimits
    walls: str = ""
    """The launcher's name for them; with none, it only sets limits."""
    jail: Mapping[str, Any] = field(default_factory=dict)
    landlock: Mapping[str, Any] | None = None
    filter: bytes = b""
    room: Room | None = None
    """Set where it writes to a disk of the host."""
    orders: bytes | None = None
    """Private input; with it the process also gets a private reply channel."""
    channel: int | None = None
    """A socket to converse through."""


@dataclass(frozen=True, slots=True)
class Ended:
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool
    truncated: bool
    report: bytes
    silent_seconds: float
    """How long the private reply had been silent at the end."""


def launcher_plan(job: Job, status: int, leash: int, private: Mapping[str, int]) -> dict[str, Any]:
    return {
        "parent": os.getpid(),
        "argv": [str(private.get(word, word)) for word in job.argv],
        "env": dict(job.env),
        "cwd": job.cwd,
        "rlimits": rlimits(job.limits, counted=bool(job.walls)),
        "walls": job.walls,
        "jail": dict(job.jail),
        "landlock": dict(job.landlock) if job.landlock is not None else None,
        "filter": b"" if FILTER in private else job.filter,
        "status": status,
        "leash": leash,
    }


def rlimits(limits: ExecLimits, *, counted: bool) -> list[tuple[int, int]]:
    """Processes are counted where there are walls only: without any, all of the user's would count."""
    bounds = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, math.ceil(limits.seconds) * (os.cpu_count() or 1) + 1),
        *([(resource.RLIMIT_AS, limits.memory_bytes)] if sys.platform == "linux" else []),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_MEMLOCK, LOCKED_BYTES),
    ]
    own = 2  # the launcher and init
    return [*bounds, (resource.RLIMIT_NPROC, limits.processes + own)] if counted else bounds
