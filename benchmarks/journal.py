"""What the trace costs: each record until it is with the operating system, and on disk where it is expensive or final.

    python3 benchmark.py --suite journal

One run of the demo is made, whose model answers in a quarter of a second: with a slower one the share is smaller. Its
records are then written again, each timed, into new traces on the same disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.figures import Figure, figure_of
from nightshift.records import Record, elapsed_of, read_trace, runs_in
from trace_collector import SYNCED, Trace

PROGRAM = Path(__file__).resolve().parent.parent / "orchestrator.py"
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scale:
    rounds: int = 20
    """How often the records of the run are written."""


QUICK = Scale(rounds=2)


def measure(scale: Scale, say: Say, disk: Path | None = None) -> list[Figure]:
    """All figures, each told as soon as it is had; `disk` is where traces are written, else the temporary folder."""
    told = []
    with tempfile.TemporaryDirectory(prefix="nightshift-journal-", dir=disk) as folder:
        for figure in costs(demo(Path(folder)), Path(folder), scale):
            say(str(figure))
            told.append(figure)
    return told


def demo(folder: Path) -> list[Record]:
    """The records of one whole run."""
    command = [sys.executable, str(PROGRAM), "--demo", "--quiet", "--workspace", str(folder / "demo")]
    surroundings = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    subprocess.run(command, env=surroundings, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return list(with_questions(read_trace(runs_in(folder / "demo")[0] / "trace.jsonl")))


def with_questions(records: list[Record]) -> Iterator[Record]:
    """As a model server would have been asked, each of which is on disk before it is sent."""
    for record in records:
        if record.kind == "call":
            told = {name: record.fields.get(name) for name in ("role", "endpoint", "model", "attempt", "key")}
            yield replace(record, kind="asked", fields=told)
        yield record


def costs(records: list[Record], folder: Path, scale: Scale) -> Iterator[Figure]:
    rounds = [written(records, folder / f"round-{number}") for number in range(scale.rounds)]
    for synced, name in ((True, "record that is synced"), (False, "record that is not")):
        wanted = [number for number, record in enumerate(records) if (record.kind in SYNCED) is synced]
        each = [1000 * seconds[number] for seconds in rounds for number in wanted]
        yield figure_of(name, each, "ms", how=f"{len(wanted)} of a run's {len(records)}")
    yield figure_of("record, of all", [1000 * each for seconds in rounds for each in seconds], "ms")
    whole = elapsed_of(records)
    shares = [100 * sum(seconds) / whole for seconds in rounds]
    yield figure_of("share of a run's wall time", shares, "%", at_most=1.0, how=f"a demo of {whole:.1f} s")
    again = [1000 * taken_up(folder / f"round-{number}") for number in range(scale.rounds)]
    yield figure_of("taking up a killed run", again, "ms", how=f"{len(records)} records read")


def written(records: list[Record], folder: Path) -> list[float]:
    """Seconds for each record."""
    seconds = []
    with closing(Trace.create(folder, "measured")) as trace:
        for record in records:
            began = time.perf_counter()
            trace.record(record.kind, record.span, **record.fields)
            seconds.append(time.perf_counter() - began)
    return seconds


def taken_up(folder: Path) -> float:
    began = time.perf_counter()
    Trace.resume(folder).close()
    return time.perf_counter() - began
