"""How long it takes from a large repository to the planner's question, and how much memory: at first, and once more.

    python3 -m benchmarks.repository DIR

Every repeat is a process of its own, in a state folder of its own that the second run of the pair finds filled. The
steps are those of a run: opening the workspace (git and the check-out of its files), reading the texts, the map, the
import graph. Times are processor time, git's included, which other work on the machine stretches less. Without a
repository one is made, of 3,000 modules that import each other.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, figure_of
from nightshift.explore import overview
from nightshift.source.graph import import_graph
from nightshift.workspace import open_workspace

HERE = Path(__file__).resolve().parent.parent
TASK = "Invoice.total in module_1234 must round each line before it adds them up; ledger entries follow"
COLD, WARM, MEMORY = 5.0, 1.0, 300
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scale:
    repeats: int = 3
    files: int = 3000


QUICK = Scale(repeats=1, files=300)


def measure(scale: Scale, say: Say, corpus: Path | None = None) -> list[Figure]:
    """All figures."""
    with TemporaryDirectory(prefix="nightshift-repository-") as scratch:
        folder = corpus or generated(Path(scratch) / "repository", scale.files)
        pairs = [pair(folder, Path(scratch) / "state") for _ in range(scale.repeats)]
    figures = [*figures_of(pairs)]
    for figure in figures:
        say(str(figure))
    return figures


def generated(folder: Path, files: int) -> Path:
    """Modules of some 150 lines in 60 packages below src/, committed."""
    names = [f"shop.part_{n % 60}.module_{n}" for n in range(files)]
    for n, name in enumerate(names):
        path = folder / "src" / Path(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(module(n, names[max(0, n - 7) : n]))
    for args in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all"), ("gc", "-q")):
        identity = ("-c", "user.name=Nightshift", "-c", "user.email=nightshift@localhost", "-c", "commit.gpgSign=false")
        subprocess.run(["git", *identity, *args], cwd=folder, check=True)
    return folder


def module(number: int, imported: Sequence[str]) -> str:
    lines = [f"from {name.rpartition('.')[0]} import {name.rpartition('.')[2]}" for name in imported]
    for n in range(12):
        lines += ["", "", f"def compute_{number}_{n}(first: int, second: int = {n}) -> int:"]
        lines += [f"    first = first * {line} + second" for line in range(8)] + ["    return first"]
    return "\n".join([*lines, "", "", "class Invoice:", "    def total(self, lines: list[int]) -> int:"]) + (
        "\n        return sum(lines)\n"
    )


def pair(folder: Path, state: Path) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """(at first, once more)."""
    shutil.rmtree(state, ignore_errors=True)
    return one(folder, state, "first"), one(folder, state, "second")


def one(folder: Path, state: Path, run: str) -> Mapping[str, float]:
    command = [sys.executable, "-m", "benchmarks.repository", "--one", str(folder), str(state), run]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=HERE)
    told: Mapping[str, float] = json.loads(done.stdout)
    return told


def figures_of(pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> Iterator[Figure]:
    for which, name, limit in ((0, "at first", COLD), (1, "once more", WARM)):
        runs = [pair[which] for pair in pairs]
        for part in ("open", "read", "map", "graph"):
            yield figure_of(f"{name}: {part}", [run[part] for run in runs], "s")
        yield figure_of(
            f"{name}: ready to plan", [run["ready"] for run in runs], "s", at_most=limit, how="open, read, map"
        )
        yield figure_of(f"{name}: ready, by the clock", [run["clock"] for run in runs], "s")
        without = [run["read"] + run["map"] for run in runs]
        yield figure_of(f"{name}: the same without the check-out", without, "s", how="read, map")
    memory = [run["memory"] for pair in pairs for run in pair]
    yield figure_of("memory at most", memory, "MB", at_most=MEMORY, how="the whole process, with the import graph")


# One process


def run_once(folder: Path, state: Path, run: str) -> dict[str, float]:
    start, laps = time.perf_counter(), [processor()]
    with open_workspace(folder, run_id=run, trees=state) as workspace:
        laps.append(processor())
        tree = workspace.tree()
        laps.append(processor())
        overview(tree, workspace.git_state().sentence(), TASK, recent=workspace.recent())
        laps.append(processor())
        clock = time.perf_counter() - start
        import_graph(tree.texts)
        laps.append(processor())
    spent = [later - earlier for earlier, later in pairwise(laps)]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = most / (2**20 if sys.platform == "darwin" else 2**10)
    told = dict(zip(("open", "read", "map", "graph"), spent, strict=True))
    return told | {"ready": sum(spent[:3]), "clock": clock, "memory": peak}


def processor() -> float:
    """Seconds of this process and of those it waited for, git among them."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        json.dump(run_once(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]), sys.stdout)
    else:
        measure(Scale(), print, Path(sys.argv[1]) if sys.argv[1:] else None)
