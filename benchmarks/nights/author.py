"""A pretended model for tiny number tasks: it knows how to plan, test and write them, and how often it is wrong.

Nothing is learned about models here: it gives a night something to do. Its seconds are told, never spent.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from benchmarks.simulated.model import Said
from benchmarks.simulated.server import SimulatedServer, role_of
from nightshift.domain import Role, Sandbox

READING, WRITING = 80.0, 5.0
"""Tokens a second, as of a large model in ordinary memory: what makes hours of a night."""
WORDS = re.compile(r"named (?P<name>\w+)\.py with a function \w+\(x: int\) -> int that returns x times (?P<times>\d+)")


@dataclass(frozen=True, slots=True)
class Job:
    """`name.py` has a function `name` that multiplies. A hopeless one is never written rightly."""

    name: str
    times: int

    @property
    def text(self) -> str:
        function = f"a function {self.name}(x: int) -> int that returns x times {self.times}"
        return f"Write a module named {self.name}.py with {function}."

    @property
    def hopeless(self) -> bool:
        return self.name.startswith("hopeless")

    @property
    def check(self) -> str:
        """The hidden one: the judge of the night runs it, no prompt has it."""
        values = [self.times * x for x in (-3, 0, 11)]
        return f"from {self.name} import {self.name} as f\nassert [f(x) for x in (-3, 0, 11)] == {values}"


def job_in(prompt: str) -> Job | None:
    found = WORDS.search(" ".join(prompt.split()))
    return Job(found["name"], int(found["times"])) if found else None


class Author(SimulatedServer):
    """The model behind HTTP; `wrong` is the share of files that come out wrong at first."""

    def __init__(self, sandbox: Sandbox, *, wrong: float = 0.4, seed: int = 0) -> None:
        super().__init__(lambda prompt: None, sandbox, name="pretended")
        self._wrong = wrong
        self._seed = seed
        self.model_seconds = 0.0

    def said(self, messages: Sequence[dict[str, str]], *, seed: int, temperature: float, max_tokens: int) -> Said:
        prompt = "\n".join(message["content"] for message in messages)
        job, role = job_in(prompt), role_of(messages[0]["content"])
        key = f"{self._seed} {seed if temperature else 0} {sha256(prompt.encode()).hexdigest()}"
        text = ANSWERS[role](job, random.Random(key).random() < self._wrong) if job and role in ANSWERS else "Nothing."
        read, written = len(prompt) // 4, len(text) // 4
        told = Said(text, "stop", read, written, read / READING, written / WRITING)
        self.calls += 1
        self.model_seconds += told.prefill_seconds + told.decode_seconds
        return told


def _plan(job: Job, wrong: bool) -> str:
    test = f"tests/test_{job.name}.py"
    stub = f"def {job.name}(x: int) -> int: ..."
    nothing: dict[str, Any] = {"depends_on": [], "approaches": []}
    source = {"path": f"{job.name}.py", "kind": "source", "purpose": job.text, "interface": stub, **nothing}
    proof = {"path": test, "kind": "test", "purpose": "Proves it.", "interface": "", **nothing}
    criterion = {"id": "c1", "description": f"it multiplies by {job.times}", "check": {"type": "tests", "path": test}}
    return json.dumps({"summary": job.text, "requires": [], "steps": [source, proof], "criteria": [criterion]})


def _tests(job: Job, wrong: bool) -> str:
    cases = [(2, 2 * job.times), (-1, -job.times), (10, 10 * job.times + (1 if wrong else 0))]
    tests = [
        f"def test_c1_of_{number}():\n    assert {job.name}({x}) == {value}\n"
        for number, (x, value) in enumerate(cases)
    ]
    return _fenced(f"from {job.name} import {job.name}\n\n\n" + "\n\n".join(tests))


def _file(job: Job, wrong: bool) -> str:
    value = f"x + {job.times}" if wrong or job.hopeless else f"x * {job.times}"
    return _fenced(f"def {job.name}(x: int) -> int:\n    return {value}\n")


def _diagnosis(job: Job, wrong: bool) -> str:
    culprit = {"path": f"{job.name}.py", "blame": "source", "why": "it adds"}
    return json.dumps(
        {"whys": ["a test fails", "it adds"], "culprits": [culprit], "advice": f"Multiply by {job.times}."}
    )


def _fenced(code: str) -> str:
    return f"```python\n{code}```\n"


ANSWERS: Mapping[Role, Callable[[Job, bool], str]] = {
    "planner": _plan,
    "tester": _tests,
    "builder": _file,
    "repairer": _file,
    "analyst": _diagnosis,
    "explorer": lambda job, wrong: "A small project.",
    "librarian": lambda job, wrong: json.dumps({"lessons": []}),
}
