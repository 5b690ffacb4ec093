"""What a benchmark task has to prove of itself before a run may be judged by it.

1. The reference passes every acceptance test.
2. An empty tree passes none, and what the task starts from (`start/`) does not pass all: there is something to do.
3. Of small wrong versions of the reference, in lines that the tests run, at least 90 % fail some test.

Mutants that change nothing are among them, which is why not all need fail. Lines that run in a process of their own
are not seen: a file of which no function was seen to run is mutated everywhere.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from benchmarks.acceptance import LIMITS, BoxFor, failures_of, judged
from benchmarks.tasks import BenchmarkTask
from nightshift.domain import Sandbox, TestReport, Tree
from nightshift.source.mutants import Mutant, mutants

SAMPLE = 60
"""Mutants of one task."""
SHARE_KILLED = 0.9


@dataclass(frozen=True, slots=True)
class Proof:
    task: str
    tests: int
    broken: tuple[str, ...]
    """What the reference fails, and what else forbids to go on."""
    hollow: tuple[str, ...]
    """Tests that an empty tree passes."""
    started: int
    """Tests that the start passes."""
    mutants: int
    survivors: tuple[str, ...]

    @property
    def killed(self) -> float:
        return 1 - len(self.survivors) / self.mutants if self.mutants else 1.0

    @property
    def problems(self) -> tuple[str, ...]:
        found = [f"the reference fails {each}" for each in self.broken]
        found += [f"an empty tree passes {each}" for each in self.hollow]
        if self.tests and self.started == self.tests:
            found.append("the start passes every acceptance test: nothing is left to do")
        if self.killed < SHARE_KILLED:
            shares = f"{100 * self.killed:.0f} % of {self.mutants} mutants fail, {100 * SHARE_KILLED:.0f} % must"
            found.append(f"only {shares}")
        return tuple(found)

    def __str__(self) -> str:
        word = "PROVED" if not self.problems else "FAILED"
        killed = f"mutants killed {self.mutants - len(self.survivors)}/{self.mutants}"
        started = f", start passes {self.started}" if self.started else ""
        return f"{word}  {self.task}: {self.tests} acceptance tests{started}, {killed}"


def prove(task: BenchmarkTask, box_for: BoxFor, sample: int = SAMPLE, say: Callable[[str], None] = print) -> Proof:
    """All three proofs of one task; the mutants only when the first two hold."""
    box = box_for(task.requires)
    sources = [path for path in task.solution if path.endswith(".py") and not _is_test(path)]
    report = judged(task, task.reference, box, confirm=True, lines_of=sources)
    broken = failures_of(report)
    empty = _passed(judged(task, Tree({}), box))
    started = _passed(judged(task, Tree({}, task.start), box)) if task.start else ()
    proof = Proof(task.name, report.collected, broken, empty, len(started), 0, ())
    if broken or empty:
        return proof
    tried = list(_mutants(task.solution, sources, _lines(report), sample))
    survivors = [f"{path}:{each.line}  {each.what}" for path, each in tried if _survives(task, path, each, report, box)]
    for survivor in survivors:
        say(f"        survives  {survivor}")
    return replace(proof, mutants=len(tried), survivors=tuple(survivors))


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("test_") or name == "conftest.py" or path.startswith("tests/")


def _passed(report: TestReport) -> tuple[str, ...]:
    return tuple(result.node for result in report.results if result.outcome == "passed")


def _lines(report: TestReport) -> Mapping[str, frozenset[int]]:
    paths = {path for seen in report.lines.values() for path in seen}
    return {path: frozenset(chain(*(seen.get(path, ()) for seen in report.lines.values()))) for path in paths}


def _mutants(
    solution: Mapping[str, str], sources: Sequence[str], lines: Mapping[str, frozenset[int]], sample: int
) -> Iterator[tuple[str, Mutant]]:
    """Of all files by turns."""
    seen = {path: _seen(solution[path], lines.get(path, ())) for path in sources}
    rows = [[(path, each) for each in mutants(solution[path], lines=seen[path], limit=sample)] for path in sources]
    by_turns = [item for turn in zip_longest(*rows) for item in turn if item]
    yield from by_turns[:sample]


def _seen(text: str, lines: Collection[int]) -> Collection[int] | None:
    """The lines that ran; None, for all of them, when no function was seen to run."""
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = {line for n in functions for line in range(n.body[0].lineno, (n.end_lineno or n.lineno) + 1)}
    return lines if inner & set(lines) or not functions else None


def _survives(task: BenchmarkTask, path: str, mutant: Mutant, proved: TestReport, box: Sandbox) -> bool:
    slowest = max((result.seconds for result in proved.results), default=0.0)
    limits = replace(LIMITS, seconds=120.0, test_seconds=max(2.0, 5 * slowest))
    tree = task.reference.with_text(path, mutant.text)
    return judged(task, tree, box, limits=limits, stop_early=True).passed
