"""The report of a long run: how large it is, how long it takes to write, and how long a browser takes to show it.

    python3 benchmark.py --suite pages

The run is made up: two hundred calls, whose prompts are as long as real ones and share as much with each other. The
browser is Chromium without a window; each opening is a fresh page from disk. Without it, only the first two are told.
"""

from __future__ import annotations

import importlib.util
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, figure_of
from nightshift.domain import Criterion, CriterionResult, Culprit, Diagnosis, Plan, Step, Task, TestsCheck, Verdict
from nightshift.domain import TestReport as Report
from nightshift.domain import TestResult as Result
from nightshift.records import Record
from nightshift.report.html import report_of
from trace_collector import Trace

CALLS = 200
FILES = 10
CANDIDATES = 5
ATTEMPTS = 4
TESTS = 20
CHROMIUM = Path("/usr/bin/chromium")
MOMENTS = """() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const [page] = performance.getEntriesByType("navigation");
  return [paint ? paint.startTime : 0, page.loadEventEnd];
}"""
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scale:
    rounds: int = 10


QUICK = Scale(rounds=2)


def measure(scale: Scale, say: Say) -> list[Figure]:
    """All figures, each told as soon as it is had."""
    told = []
    with tempfile.TemporaryDirectory(prefix="nightshift-pages-") as folder:
        for figure in figures(Path(folder), scale):
            say(str(figure))
            told.append(figure)
    return told


def figures(folder: Path, scale: Scale) -> Iterator[Figure]:
    records = long_run(folder / "run")
    seconds = [written(records, folder / "report.html") for _ in range(scale.rounds)]
    size = (folder / "report.html").stat().st_size / 1e6
    trace = (folder / "run" / "trace.jsonl").stat().st_size / 1e6
    yield Figure("report", size, "MB", at_most=5.0, how=f"{CALLS} calls, a trace of {trace:.1f} MB")
    yield figure_of("writing the report", seconds, "s")
    if not CHROMIUM.exists() or not importlib.util.find_spec("playwright"):
        return
    moments = shown(folder / "report.html", scale.rounds)
    yield figure_of(
        "first paint", [paint / 1000 for paint, _, _ in moments], "s", at_most=1.0, how="Chromium, from disk"
    )
    yield figure_of("loaded", [load / 1000 for _, load, _ in moments], "s", at_most=1.0)
    yield figure_of(
        "one call unfolded", [1000 * unfold for _, _, unfold in moments], "ms", how="the first, which reads the texts"
    )


def written(records: list[Record], file: Path) -> float:
    began = time.perf_counter()
    file.write_text(report_of(records), encoding="utf-8")
    return time.perf_counter() - began


def shown(file: Path, rounds: int) -> list[tuple[float, float, float]]:
    """Milliseconds to the first paint and to the end of loading, seconds to unfold a call; of each opening."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        with closing(browser):
            return [_opened(browser, file) for _ in range(rounds)]


def _opened(browser: Any, file: Path) -> tuple[float, float, float]:
    with closing(browser.new_page()) as page:
        page.goto(file.as_uri(), wait_until="load")
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
        paint, load = page.evaluate(MOMENTS)
        began = time.perf_counter()
        page.evaluate("document.querySelector('.calls details').open = true")
        page.wait_for_function("document.querySelector('.calls pre').textContent !== ''")
        return paint, load, time.perf_counter() - began


def long_run(run_dir: Path) -> list[Record]:
    """Ten files with five candidates each, in four attempts; in the last all is well."""
    with Trace.create(run_dir, run_dir.name) as trace:
        trace.record(
            "run_started", "", task=Task(_prose(40, 1)), workspace="/w", models={"builder": "m"}, isolation="namespaces"
        )
        trace.record("planned", "plan", ask=1, plan=PLAN, refusals=[], accepted=True)
        for number in range(1, ATTEMPTS + 1):
            for file in range(FILES):
                _file(trace, number, file)
            _judged(trace, number)
        fields = {"status": "passed", "exit_reason": "passed", "exit_code": 0, "message": "all hold", "seconds": 1.0}
        trace.record("run_finished", "", **fields, counters={})
        return trace.records()


def _file(trace: Trace, number: int, file: int) -> None:
    path = f"shop/module_{file}.py"
    span = f"attempt-{number}/build/{path}"
    labels = [f"candidate-{n}" for n in range(1, CANDIDATES + 1)]
    for place, label in enumerate(labels):
        text = _code(file, number * 10 + place)
        _asked(trace, f"{span}/{label}", path, text)
        good = label == labels[-1]
        outcomes = {f"tests/test_{file}.py::test_{n}": good or n % (place + 2) > 0 for n in range(TESTS)}
        rungs = [{"name": name, "passed": True, "detail": ""} for name in ("parses", "interface", "imports")]
        rungs.append({"name": "tests", "passed": good, "detail": "" if good else "12 of 20 tests passed"})
        candidate = {"path": path, "text": text, "origin": "sample", "label": label, "temperature": 0.4}
        told = {"path": path, "candidate": candidate, "rungs": rungs, "outcomes": outcomes, "collected": TESTS}
        trace.record("evaluation", f"{span}/{label}", **told)
    scores = {label: [3, 0, float(place), True, -4000] for place, label in enumerate(labels)}
    told = {"path": path, "chosen": labels[-1], "considered": labels, "scores": scores, "reason": "climbs more rungs"}
    trace.record("selected", span, **told)


def _asked(trace: Trace, span: str, path: str, text: str) -> None:
    shared = (
        f"# Task\n{_prose(40, 1)}\n\n# Criteria\n{_prose(20, 2)}\n\n# Modules\n{_code(99, 0)}\n\n# File\n{path}\n\n"
    )
    messages = [
        {"role": "system", "content": _prose(12, 3)},
        {"role": "user", "content": f"{shared}{_prose(6, len(span) + int(path[-4]))}\n\n# Approach\n{span}"},
    ]
    told = {
        "role": "builder", "endpoint": "http://127.0.0.1:8080", "model_served": "m", "messages": messages, "attempt": 1,
        "text": f"```python\n{text}```", "prompt_tokens": 4000, "cached_tokens": 3000, "completion_tokens": 900,
        "seconds": 0.001, "stop_reason": "stop", "fault": "", "reasoning": "",
    }  # fmt: skip
    trace.record("call", span, **told)


def _judged(trace: Trace, number: int) -> None:
    good = number == ATTEMPTS
    results = tuple(
        CriterionResult(c, good, "oracle", "20 tests passed" if good else "KeyError") for c in PLAN.criteria
    )
    outcome: Any = "passed" if good else "failed"
    report = Report(tuple(Result(f"tests/test_0.py::test_{n}", outcome) for n in range(TESTS)), TESTS)
    trace.record("verdict", f"attempt-{number}/judge", attempt=number, passed=good, verdict=Verdict(results, report))
    if not good:
        culprits = (Culprit("shop/module_0.py", _prose(1, 5), "source"),)
        diagnosis = Diagnosis(tuple(_prose(1, n) for n in range(5)), culprits, _prose(2, 6))
        trace.record("diagnosis", f"attempt-{number}/diagnose", attempt=number, diagnosis=diagnosis)
        rebuild = [{"path": step.path, "reason": "culprit"} for step in PLAN.steps]
        trace.record("cascade", f"attempt-{number + 1}", rebuild=rebuild, retest=[])


def _prose(sentences: int, seed: int) -> str:
    """Always the same for the same seed."""
    chance = random.Random(seed)
    words = ("price", "total", "line", "returns", "raises", "each", "item", "order", "when", "empty", "with", "the")
    told = (" ".join(chance.choices(words, k=14)).capitalize() + "." for _ in range(sentences))
    return "\n".join(told)


def _code(file: int, version: int) -> str:
    """About a hundred and fifty lines, of which a candidate has few of its own."""
    functions = []
    for number in range(22):
        own = version if (number + version) % 4 == 0 else 0
        body = "\n".join(f"    total += prices[{line}] * {own + line}" for line in range(4))
        functions.append(
            f"def step_{file}_{number}(prices: list[int]) -> int:\n    total = 0\n{body}\n    return total\n"
        )
    return "\n\n".join(functions)


PLAN = Plan(
    "A shop.",
    tuple(
        Step(
            f"shop/module_{n}.py",
            "source",
            "Adds up.",
            "def f() -> int: ...",
            (f"shop/module_{n - 1}.py",) if n else (),
        )
        for n in range(FILES)
    ),
    tuple(Criterion(f"c{n}", f"file {n} is right", TestsCheck(f"tests/test_{n}.py")) for n in range(FILES)),
)
