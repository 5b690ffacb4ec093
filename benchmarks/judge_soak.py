"""The long run: thousands of candidates of every kind through the cells, which must stay as they were.

    python3 benchmark.py --suite judge --soak 10000

The levels are taken between portions, when no candidate runs. All files of the sandbox lie in one folder, where the
texts would lie anyway, so that whatever is left there is seen.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.judge_candidates import FILE, TESTS, at_once
from nightshift.domain import Environment, Tree
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.files.snapshots import place_for_texts
from nightshift.sandbox.files.trees import PREFIX
from nightshift.sandbox.processes.usage import resident_bytes

RIGHT, WRONG = "def add(a, b):\n    return a + b\n", "def add(a, b):\n    return a - b\n"
KINDS: tuple[tuple[str, str, bool], ...] = (
    ("right", RIGHT, True),
    ("wrong", WRONG, False),
    ("does not parse", "def add(a, b:\n", False),
    ("hungry", f"data = bytearray(64 << 20)\n{RIGHT}", True),
    ("spoils what it can", f"import json, os\njson.loads = None\nos.environ['HOME'] = '/'\n{WRONG}", False),
    ("litters", f"open('/tmp/x', 'w').write('x' * 100000)\nopen('y', 'w').write('y')\n{RIGHT}", True),
    (
        "leaves a thread",
        f"import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()\n{RIGHT}",
        True,
    ),
    ("imports much", f"import asyncio, sqlite3, http.server\n{RIGHT}", True),
)
"""What comes by in the night: name, source, whether it passes."""
LEAVER = f"import subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)\n{RIGHT}"
ONE_IN = 400
"""Leaves a process behind: its cell is replaced."""


@dataclass(frozen=True, slots=True)
class Level:
    """What must not grow."""

    megabytes: float
    """Of the cells."""
    own_megabytes: float
    descriptors: int
    processes: int
    files: int


MEMORIES, COUNTS = ("megabytes", "own_megabytes"), ("descriptors", "processes", "files")


def soak(candidates: int, environment: Environment) -> Iterator[Figure]:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=place_for_texts()) as folder:
        sandbox = open_sandbox(environment, scratch=Path(folder), parallel=cores, tier="A")
        with closing(sandbox):
            levels, wrong, warm, counter = [], [], [], itertools.count(1)
            portion = max(1, candidates // (20 * cores))

            def judge(number: int) -> None:
                leaver = ("leaves a process", LEAVER, True)
                name, source, passes = leaver if next(counter) % ONE_IN == 0 else KINDS[number % len(KINDS)]
                report = sandbox.test(Tree({"solution.py": source, FILE: TESTS}), [FILE])
                warm.append(bool(report.exec and report.exec.isolation.endswith("warm")))
                wrong.extend([name] * (report.passed is not passes))

            started = time.perf_counter()
            for _ in range(20):
                at_once(cores, judge, portion)
                levels.append(level(Path(folder)))
            seconds = time.perf_counter() - started
        left = len(list(Path(folder).glob(f"{PREFIX}*")))
    yield Figure("soak: candidates", len(warm), how=f"{len(warm) / seconds:.1f}/s, {sum(warm)} of them warm")
    yield Figure("soak: wrong verdicts", len(wrong), at_most=0, how=", ".join(sorted(set(wrong))))
    yield from drift(levels)
    yield Figure("soak: directories left", left, at_most=0)


def drift(levels: list[Level]) -> Iterator[Figure]:
    """The last quarter against the second one: in the first the cells and caches come to be."""
    quarter = len(levels) // 4
    early, late = levels[quarter : 2 * quarter], levels[-quarter:]
    for name, unit, most in (*((each, "MB", 5) for each in MEMORIES), *((each, "", 0) for each in COUNTS)):
        before, after = (statistics.median(getattr(each, name) for each in part) for part in (early, late))
        values = tuple(float(getattr(each, name)) for each in levels)
        title = f"soak: growth of {name.replace('_', ' ')}"
        yield Figure(title, after - before, unit, at_most=most, how=f"from {min(values):.4g} to {max(values):.4g}")


def level(folder: Path) -> Level:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Level(
        megabytes=(resident_bytes(os.getpid()) >> 10) / 1024,
        own_megabytes=pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20),
        descriptors=len(os.listdir("/proc/self/fd")),
        processes=len(descendants(os.getpid())),
        files=sum(len(files) + len(folders) for _, folders, files in os.walk(folder)),
    )


def descendants(root: int) -> list[int]:
    found, todo = [], [root]
    while todo:
        for task in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
                children = [int(each) for each in task.read_text().split()]
                found += children
                todo += children
    return found
