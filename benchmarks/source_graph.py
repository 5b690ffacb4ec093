"""How long the signatures and the import graph of a large package take, at first and after a change.

    python3 benchmark.py --suite source
    python3 benchmark.py --suite source --corpus DIR

Every repeat is a process of its own on one core, so that nothing is warm that should be cold. Times are processor time,
which other work on the machine stretches less than the clock's; how long `ast.parse` takes of the same texts by itself
is measured beside, since no reading that parses can be faster. Without a folder the standard library is read. The
target for a first reading is one for some 2,900 files, and is asked of no other number.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, figure_of
from nightshift.source.facts import facts_or_nothing
from nightshift.source.graph import affected, import_graph
from nightshift.source.syntax import parse_or_none

HERE = Path(__file__).resolve().parent.parent
STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
PACKAGE = range(2600, 3200)
"""How many files the target for a first reading is meant for."""
Say = Callable[[str], object]
Sample = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    repeats: int = 5
    files: int = 1_000_000
    changes: int = 20


QUICK = Scale(repeats=2, files=200, changes=5)


def measure(scale: Scale, corpus: Path | None, say: Say) -> list[Figure]:
    """All figures. Raises ValueError for a folder without Python."""
    folder = (corpus or STANDARD_LIBRARY).resolve()
    texts = read(folder, scale.files)
    if not texts:
        raise ValueError(f"{folder} holds no Python files: name the folder of a package")
    samples = [sample(folder, scale) for _ in range(scale.repeats)]
    figures = [*figures_of(samples, len(texts))]
    for figure in figures:
        say(str(figure))
    return figures


def read(folder: Path, limit: int) -> dict[str, str]:
    """Installed packages that lie in the folder are not part of it."""
    paths = sorted(path for path in folder.rglob("*.py") if "site-packages" not in path.relative_to(folder).parts)
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in paths[:limit]
    }


def sample(folder: Path, scale: Scale) -> Sample:
    command = [sys.executable, "-m", "benchmarks.source_graph", str(folder), str(scale.files), str(scale.changes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=HERE)
    told: Sample = json.loads(done.stdout)
    return told


def figures_of(samples: Sequence[Sample], files: int) -> Iterator[Figure]:
    def all_of(name: str) -> list[float]:
        return [value for each in samples for value in each[name]]

    first = 3.0 if files in PACKAGE else None
    yield figure_of("ast.parse alone", all_of("parse"), "s", how=f"{files} files, no collector, trees dropped")
    yield figure_of("cold: signatures and import graph", all_of("cold"), "s", at_most=first, how="processor time")
    yield figure_of("cold, by the clock", all_of("clock"), "s")
    yield figure_of("cold: times ast.parse alone", all_of("ratio"), "x")
    yield figure_of("after one changed file", all_of("changed"), "ms", at_most=50, how="its signatures and the graph")
    yield figure_of("after one new file", all_of("added"), "ms", how="every import means something else")
    yield figure_of("who is affected, the first question", all_of("first_affected"), "ms", how="reads attribute chains")
    yield figure_of("who is affected, after another change", all_of("affected"), "ms", how="with the graph")
    yield figure_of("memory at most", all_of("memory"), "MB", at_most=300, how="the whole process, texts included")


# One process


def run(folder: Path, files: int, changes: int) -> dict[str, list[float]]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    texts = read(folder, files)
    cold, clock = spent(lambda: look(texts, texts))
    parse, _ = spent(lambda: parse_all(texts))
    chosen = [*texts][:: max(1, len(texts) // changes)][:changes]
    changed = [spent(partial(look, {**texts, path: texts[path] + "\n# changed\n"}, [path]))[0] for path in chosen]
    added = [spent(partial(look, {**texts, f"new_{n}.py": "import os\n"}, [f"new_{n}.py"]))[0] for n in range(5)]
    questions = [
        {path: {name}} for path in chosen for name in [*facts_or_nothing(texts[path]).interface.definitions][:1]
    ]
    first, _ = spent(lambda: [affected(texts, question) for question in questions])
    again = [spent(partial(affected, texts, question))[0] for question in questions]
    return {
        "cold": [cold], "clock": [clock], "parse": [parse], "ratio": [cold / parse], "memory": [peak()],
        "changed": in_ms(changed), "added": in_ms(added),
        "first_affected": in_ms([first / max(1, len(questions))]), "affected": in_ms(again),
    }  # fmt: skip


def look(texts: Mapping[str, str], wanted: Sequence[str] | Mapping[str, str]) -> None:
    for path in wanted:
        facts_or_nothing(texts[path])
    import_graph(texts)


def parse_all(texts: Mapping[str, str]) -> None:
    gc.disable()
    for text in texts.values():
        parse_or_none(text)
    gc.enable()


def spent(action: Callable[[], object]) -> tuple[float, float]:
    """(processor seconds, seconds)."""
    clock, processor = time.perf_counter(), time.thread_time()
    action()
    return time.thread_time() - processor, time.perf_counter() - clock


def peak() -> float:
    """MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def in_ms(seconds: Sequence[float]) -> list[float]:
    return [1000 * each for each in seconds]


if __name__ == "__main__":
    json.dump(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])), sys.stdout)
