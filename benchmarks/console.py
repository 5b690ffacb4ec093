"""What the live console costs while a run is live, in a process that does nothing else.

    python3 benchmark.py --suite console

Four replies are written at once, ten times a second each tells how far it is, and the tree has what a long run has; a
pseudo-terminal takes what is drawn. The share is of one core: CPU time of the whole process, the writing of frames
included, by wall time.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TextIO

from benchmarks.figures import Figure, figure_of
from nightshift.domain import Waiting
from nightshift.records import Record
from nightshift.report.console import Console
from nightshift.report.console.drawing import draw
from nightshift.report.console.picture import Picture, after

Say = Callable[[str], object]
SPANS = tuple(f"attempt-2/build/module_{number}.py/candidate-1" for number in range(4))
TOLD_EACH_SECOND = 10


@dataclass(frozen=True, slots=True)
class Scale:
    rounds: int = 5
    seconds: float = 10.0
    """Of each round."""


QUICK = Scale(rounds=2, seconds=3.0)


def measure(scale: Scale, say: Say) -> list[Figure]:
    """All figures, each told as soon as it is had."""
    told = []
    for figure in costs(scale):
        say(str(figure))
        told.append(figure)
    return told


def costs(scale: Scale) -> Iterator[Figure]:
    shares = [100 * live(scale.seconds) for _ in range(scale.rounds)]
    how = f"{len(SPANS)} replies at once, 40 files, {scale.seconds:g} s a round"
    yield figure_of("share of a core while a run is live", shares, "%", at_most=2.0, how=how)
    quiet = [100 * live(scale.seconds, told=0) for _ in range(scale.rounds)]
    yield figure_of("share of a core while only the clock moves", quiet, "%", how="nothing is told")
    picture = Picture()
    for record in records():
        picture = after(picture, record)
    yield figure_of("frame, drawn", [1000 * timed(partial(draw, picture, 119, 49)) for _ in range(50)], "ms")
    yield figure_of("record, taken in", [1000 * timed(partial(after, picture, record)) for record in records()], "ms")


def live(seconds: float, told: int = TOLD_EACH_SECOND) -> float:
    """Share of a core that a console takes on a terminal of 120 columns and 50 rows."""
    master, slave = pty.openpty()
    reader = subprocess.Popen([sys.executable, "-c", READER], stdin=master, stdout=subprocess.DEVNULL)
    os.close(master)
    with open(slave, "w", encoding="utf-8") as terminal:
        share = _share(terminal, seconds, told)
    reader.wait()
    return share


READER = """
import fcntl, os, struct, termios
fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
try:
    while os.read(0, 65536): pass
except OSError: pass
"""


def _share(terminal: TextIO, seconds: float, told: int) -> float:
    console = Console(terminal, environ={"TERM": "xterm"})
    for record in records():
        console(record)
    time.sleep(0.5)
    began, used = time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - began) < seconds:
        for span in SPANS[: 4 if told else 0]:
            console.waiting(Waiting("builder", span, "reply", tokens=int(40 * passed), seconds=passed))
        time.sleep(1 / (told or 1))
    share = (time.process_time() - used) / (time.perf_counter() - began)
    console.close()
    return share


def records() -> Iterator[Record]:
    """Of a run in its second attempt at a plan of forty files, where four are being built."""
    paths = [f"module_{number}.py" for number in range(40)]
    yield _record("run_started", "", task={"prompt": "Build forty modules"}, config={})
    plan = {"summary": "", "criteria": [], "steps": [{"path": path, "kind": "source"} for path in paths]}
    # A resumed run may tell a plan without its criteria; the picture needs the paths alone.
    yield _record("planned", "plan", accepted=False, plan=plan, refusals=[])
    for path in paths:
        span = f"attempt-1/build/{path}"
        yield from _candidate(f"{span}/candidate-1", path)
        yield _record("selected", span, path=path, chosen="candidate-1", considered=["candidate-1"], reason="alone")
    yield _record(
        "cascade", "attempt-2", rebuild=[{"path": path, "reason": "culprit"} for path in paths[:12]], retest=[]
    )
    for span in SPANS:
        yield _record("asked", span, role="builder")


def _candidate(span: str, path: str) -> Iterator[Record]:
    yield _record("asked", span, role="builder")
    yield _record(
        "call", span, role="builder", prompt_tokens=3000, cached_tokens=2000, completion_tokens=300, decode_seconds=9
    )
    rungs = [{"name": "tests", "passed": True}]
    yield _record("evaluation", span, path=path, candidate={"label": "candidate-1"}, rungs=rungs, outcomes={"a": True})


def _record(kind: str, span: str, **fields: object) -> Record:
    return Record(1, "2026-01-01T00:00:00.000Z", "run", kind, span, fields)


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
