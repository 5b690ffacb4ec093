"""What it costs to read large traces and to make training data of them: seconds, and memory of the process at most.

The traces are made up: real prompts filled with random words, generated Python files that the runtime's parser
accepts, and the output of test runs that makes up most of a real trace. No two tasks are alike, which is the worst
case for whatever has to be remembered. Nothing is said of the data's worth for training.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from nightshift.domain import Candidate, CommandCheck, Criterion, CriterionResult, ExecResult, Plan, Step, Task, Verdict
from nightshift.prompting import PROMPTS, fenced, render
from nightshift.records import Record, as_json, as_line

PROGRAM = Path(__file__).resolve().parent.parent / "trace_collector.py"
MOST_MEMORY = 200.0
"""Megabytes."""


@dataclass(frozen=True, slots=True)
class Scale:
    megabytes: int = 1000
    """Of traces: once as many runs, and once as a single one."""
    files: int = 4
    candidates: int = 3


QUICK = Scale(20)


@dataclass(frozen=True, slots=True)
class Cost:
    seconds: float
    cpu: float
    """Seconds of processor time, which other work on the machine hardly changes."""
    megabytes: float
    """Resident memory of the process, at most."""
    output: bytes


def measure(scale: Scale, say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []

    def told(figure: Figure) -> None:
        figures.append(figure)
        say(str(figure))

    with tempfile.TemporaryDirectory(prefix="nightshift-export-") as folder:
        many, large = Path(folder) / "many", Path(folder) / "large"
        size = write_runs(many, scale) / 1e6
        for form in ("messages", "preference"):
            _export(many, form, size, told)
        _empty(many)
        size = write_large_run(large, scale) / 1e6
        _export(large, "messages", size, told)
        for name, arguments in _READING.items():
            cost = run(large, *arguments)
            told(
                Figure(
                    f"{name} of one trace",
                    cost.cpu,
                    "s",
                    how=f"{size:.0f} MB, processor time; wall {cost.seconds:.1f} s",
                )
            )
            told(Figure(f"memory of {name}", cost.megabytes, "MB", at_most=MOST_MEMORY))
    return figures


_READING = {
    "list": ("list",),
    "tail": ("tail",),
    "show --kind verdict": ("show", "--kind", "verdict"),
    "grep for a word": ("grep", "nosuchword"),
    "grep for an expression": ("grep", "no.such.word"),
    "stats": ("stats", "--json"),
    "validate": ("validate",),
}


def _export(workspace: Path, form: str, size: float, told: Callable[[Figure], None]) -> None:
    cost = run(workspace, "export", "--format", form, "--max-share", "1", "--json")
    examples = json.loads(cost.output)["examples"]
    what = f"{form} from {'one trace' if workspace.name == 'large' else 'many traces'}"
    how = f"{size:.0f} MB, {examples} examples; {cost.cpu:.1f} s of processor time, wall {cost.seconds:.1f} s"
    told(Figure(f"export {what}", size / cost.cpu, "MB/s", how=how))
    told(Figure(f"memory of export {what}", cost.megabytes, "MB", at_most=MOST_MEMORY))


def run(workspace: Path, *arguments: str) -> Cost:
    """The real program in a process of its own."""
    output = workspace / "output"
    started = time.monotonic()
    with output.open("wb") as file:
        command = [sys.executable, str(PROGRAM), "--workspace", str(workspace), *arguments]
        actions = [(os.POSIX_SPAWN_DUP2, file.fileno(), 1)]
        pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions)
        _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    cpu = used.ru_utime + used.ru_stime
    return Cost(time.monotonic() - started, cpu, used.ru_maxrss / unit, output.read_bytes())


def write_runs(workspace: Path, scale: Scale) -> int:
    """Runs of about a megabyte; returns the bytes written."""
    total, number = 0, 0
    while total < scale.megabytes * 1e6:
        number += 1
        total += _write(workspace, f"{number:06}", _Writer(random.Random(number), scale).run())
    return total


def write_large_run(workspace: Path, scale: Scale) -> int:
    """One run with as many files as it takes."""
    one = sum(len(as_line(record)) for record in _Writer(random.Random(0), scale).run()) / scale.files
    files = max(1, round(scale.megabytes * 1e6 / one))
    return _write(workspace, "000001", _Writer(random.Random(0), replace(scale, files=files)).run())


def _write(workspace: Path, name: str, records: Iterator[Record]) -> int:
    folder = workspace / ".nightshift" / "runs" / name
    folder.mkdir(parents=True)
    with (folder / "trace.jsonl").open("wb") as file:
        return sum(file.write(as_line(replace(record, run=name))) for record in records)


def _empty(workspace: Path) -> None:
    for path in (workspace / ".nightshift" / "runs").glob("*/trace.jsonl"):
        path.unlink()


class _Writer:
    """The records of a run that passed at its first attempt."""

    def __init__(self, rng: random.Random, scale: Scale) -> None:
        self._rng = rng
        self._scale = scale
        self._seq = 0

    def run(self) -> Iterator[Record]:
        task = Task(self._words(120))
        steps = [
            Step(f"module_{n}.py", "source", self._words(20), "def a(x: int) -> int: ...") for n in self._numbers()
        ]
        criterion = Criterion("c1", self._words(8), CommandCheck(("python3", "module_0.py")))
        plan = Plan(self._words(10), tuple(steps), (criterion,))
        yield self._record("run_started", "", task=task, demo=False, models={}, config={})
        yield self._call("planner", "plan/ask-1", "planner", task, json.dumps(as_json(plan)))
        yield self._record("planned", "plan", ask=1, plan=plan, refusals=[], accepted=True)
        for step in steps:
            yield from self._file(step, task)
        verdict = Verdict((CriterionResult(criterion, True, "oracle", "exit code 0"),), None)
        yield self._record("verdict", "attempt-1/judge", attempt=1, passed=True, proof="self", verdict=verdict)
        yield self._record("run_finished", "", status="passed", exit_reason="passed", exit_code=0)

    def _numbers(self) -> range:
        return range(self._scale.files)

    def _file(self, step: Step, task: Task) -> Iterator[Record]:
        span = f"attempt-1/build/{step.path}"
        labels = [f"candidate-{n}" for n in range(1, self._scale.candidates + 1)]
        for label in labels:
            code, last = self._code(), label == labels[-1]
            yield self._call("builder", f"{span}/{label}", "builder", task, fenced(code), path=step.path)
            for _ in range(4):
                yield self._record("executed", "sandbox", key=self._words(2), what="run", result=self._output())
            rungs = [{"name": "parses", "passed": True}, {"name": "tests", "passed": last}]
            candidate = Candidate(step.path, code, "sample", label)
            outcomes = {f"tests/test_a.py::test_{n}_{self._words(2)}": last for n in range(20)}
            told = {"path": step.path, "candidate": candidate, "rungs": rungs, "outcomes": outcomes, "collected": 20}
            yield self._record("evaluation", f"{span}/{label}", **told)
        yield self._record(
            "selected", span, path=step.path, chosen=labels[-1], considered=labels, scores={}, reason="r"
        )

    def _call(self, role: str, span: str, prompt: str, task: Task, text: str, **variables: str) -> Record:
        known = {"task": task.prompt, "purpose": self._words(30), "modules": self._words(250), **variables}
        messages = [{"role": m.role, "content": m.content} for m in render(prompt, **_all_of(prompt, known))]
        return self._record(
            "call", span, role=role, messages=messages, text=text, stop_reason="stop", fault="", reasoning="",
            model_requested="m", model_served="m", key=self._words(4), prompt_tokens=1500, cached_tokens=900,
            completion_tokens=600, seconds=20.0, attempt=1,
        )  # fmt: skip

    def _output(self) -> ExecResult:
        return ExecResult(("python3", "-m", "pytest"), 1, self._words(500), "", 0.5)

    def _code(self) -> str:
        functions = (
            f"def {self._words(1)}(x: int) -> int:\n    found = [n * {self._rng.randrange(10**6)} for n in range(x)]\n"
            f"    if not found:\n        raise ValueError('{self._words(3)}')\n    return sum(found)\n"
            for _ in range(15)
        )
        return f'"""{self._words(12)}."""\n\n\n' + "\n\n".join(functions)

    def _words(self, number: int) -> str:
        return " ".join(f"w{self._rng.randrange(10**7):x}" for _ in range(number))

    def _record(self, kind: str, span: str, **fields: Any) -> Record:
        self._seq += 1
        now = time.strftime("2026-01-01T%H:%M:%S.000Z", time.gmtime(self._seq % 86_000))
        return Record(self._seq, now, "", kind, span, as_json(fields))


def _all_of(prompt: str, known: dict[str, str]) -> dict[str, str]:
    """Exactly the variables of the prompt; those that are not known are empty."""
    text = (PROMPTS / f"{prompt}.md").read_text(encoding="utf-8")
    return {name: known.get(name, "") for name in re.findall(r"\$(\w+)", text)}
