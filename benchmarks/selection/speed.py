"""What choosing costs beyond the test runs: candidates against tests whose outcomes are had at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random
from typing import Any

from benchmarks.figures import Figure, figure_of
from benchmarks.selection.cases import LIMITS, Log
from nightshift.domain import Candidate, ExecResult, Plan, Sandbox, Step, Task, TestReport, TestResult, Tree
from nightshift.errors import ReplyRejected
from nightshift.search.brief import Brief, Effort
from nightshift.search.build import build_step
from nightshift.search.evaluate import Bench

CANDIDATES, TESTS, REPEATS = 8, 60, 9
AT_MOST = 100.0
"""Milliseconds."""

STEP = Step("spans.py", "source", "spans", "def span(n: int) -> list[int]: ...\ndef width(n: int) -> int: ...")
TEST_FILE = "test_spans.py"
NAMES = [
    f"test_c1_case_{'abcdefghijklmnopqrst'[n % 20]}" + (f"_{n // 20 + 1}" if n >= 20 else "") for n in range(TESTS)
]
"""Twenty subjects of three samples each."""


def speed() -> Figure:
    """Every candidate parsed, compared with the others and scored, one chosen, all of it recorded."""
    how = f"{CANDIDATES} candidates, {TESTS} tests; without fixes and splicing, whose cost is test runs"
    taken = [1000 * _seconds() for _ in range(REPEATS)]
    return figure_of("choosing, beyond the test runs", taken, "ms", how=how, at_most=AT_MOST)


def _seconds() -> float:
    tests = "from spans import span, width\n\n\n" + "\n\n".join(
        f"def {name}():\n    assert span({n}) == list(range({n}))\n    assert width({n}) == {n}\n"
        for n, name in enumerate(NAMES)
    )
    bench = Bench(STEP, Tree({TEST_FILE: tests}), (TEST_FILE,), _Instant(), LIMITS, LIMITS)
    brief = Brief(Task("spans"), Plan("spans", (STEP,), ()), STEP, "build", "(none)")
    effort = Effort(CANDIDATES, (0.0,), CANDIDATES, 0, fixes=False, splice=False)
    log = Log()
    started = time.perf_counter()
    asyncio.run(build_step(brief, bench, _Shelf(), effort, log))
    taken = time.perf_counter() - started
    assert len(log.of("evaluation")) == CANDIDATES
    return taken


class _Shelf:
    """Candidates that are at hand, each of another behaviour."""

    async def build(self, brief: Brief, label: str, *, temperature: float, hint: str = "") -> Candidate:
        number = int(label.partition("-")[2])
        body = f"    return list(range(n + {number}))\n\n\ndef width(n):\n    return len(span(n)) - {number}\n"
        return Candidate(STEP.path, f"def span(n):\n{body}", "sample", label)

    async def repair(self, *_: Any, **__: Any) -> Candidate:
        raise ReplyRejected("empty", "nobody repairs here")

    async def vote(self, *_: Any, **__: Any) -> str | None:
        return None


class _Instant(Sandbox):
    """Where every test has been run already: about a third of them passes."""

    isolation = "nothing runs"

    def run(self, tree: Tree, argv: Sequence[str], **_: Any) -> ExecResult:
        return ExecResult(tuple(argv), 0, "", "", 0.0)

    def test(self, tree: Tree, nodes: Sequence[str], **_: Any) -> TestReport:
        drawn = Random(tree.texts[STEP.path])
        results = [
            TestResult(f"{TEST_FILE}::{name}", "passed" if drawn.random() < 1 / 3 else "failed", 0.0, "assert 1 == 2")
            for name in NAMES
        ]
        return TestReport(tuple(results), TESTS)

    def close(self) -> None:
        """Nothing was opened."""
