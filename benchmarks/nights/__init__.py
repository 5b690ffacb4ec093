"""Nights that take hours, simulated in minutes: the real programs against a pretended model whose server keeps failing.

    python3 benchmark.py --suite nights

The model's seconds are told, not spent; everything else is real: processes, git, kills, files. What is counted is what
a user would lose sleep over: tasks lost, work delivered twice, their own files changed, a pass that is none.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.nights.author import Author
from benchmarks.nights.faults import FaultyProxy
from benchmarks.nights.night import Morning, spend
from nightshift.domain import Environment
from nightshift.sandbox.box import open_sandbox

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scale:
    nights: int = 10
    tasks: int = 8
    kills: int = 3
    """In each night."""


QUICK = Scale(nights=1, tasks=4, kills=1)
NEVER = {
    "lost": "tasks lost",
    "twice": "tasks delivered twice",
    "users_files_changed": "files of the user changed",
    "false_green": "passed and wrong",
    "asked_again": "completed replies asked for again",
    "processes_left": "processes left",
    "hung": "nights that hung",
}


def measure(scale: Scale, environment: Environment, say: Say) -> list[Figure]:
    """A night that broke a rule keeps its folder, which is told."""
    mornings: list[Morning] = []
    with closing(open_sandbox(environment)) as sandbox, Author(sandbox) as author, FaultyProxy(author.url) as proxy:
        for number in range(scale.nights):
            folder = Path(tempfile.mkdtemp(prefix="nightshift-night-"))
            (folder / "endpoint").write_text(proxy.url)
            morning = spend(folder, number, scale.tasks, scale.kills, proxy, sandbox)
            mornings.append(morning)
            broken = [name for field, name in NEVER.items() if getattr(morning, field)]
            say(f"night {number + 1}: {_line(morning)}")
            if broken:
                say(f"  {', '.join(broken)}: see {folder}")
            else:
                shutil.rmtree(folder)
        hours = author.model_seconds / 3600
        faults = ", ".join(f"{count} {name}" for name, count in sorted(proxy.made.items()))
    figures = [
        Figure("simulated hours of a model's time", hours, "h", how=f"{author.calls} replies"),
        Figure("tasks", sum(each.tasks for each in mornings), how=_line_of_all(mornings)),
        Figure("faults of the server", sum(proxy.made.values()), how=faults),
        Figure(
            "kills", sum(each.kills for each in mornings), how=f"{sum(each.resumed for each in mornings)} runs resumed"
        ),
        *(Figure(name, sum(getattr(each, field) for each in mornings), at_most=0) for field, name in NEVER.items()),
    ]
    for figure in figures:
        say(str(figure))
    return figures


def _line(morning: Morning) -> str:
    counts = {"passed": morning.passed, "failed": morning.failed, "wait": morning.waiting, "kills": morning.kills}
    return f"{morning.tasks} tasks, " + ", ".join(f"{count} {name}" for name, count in counts.items())


def _line_of_all(mornings: list[Morning]) -> str:
    passed, failed = sum(each.passed for each in mornings), sum(each.failed for each in mornings)
    return f"{passed} passed, {failed} failed honestly, {sum(each.waiting for each in mornings)} wait for another night"
