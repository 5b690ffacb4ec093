"""A pretended model for tiny number tasks: it knows how to plan, test and write them, and how often it is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.pretended import PretendedServer, diagnosis_of_one, plan_of_one, tests_of_one
from nightshift.domain import Role, Sandbox
from nightshift.prompting import fenced

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


class Author(PretendedServer):
    """The model behind HTTP; `wrong` is the share of files that come out wrong at first."""

    reading, writing = 80.0, 5.0
    """As of a large model in ordinary memory: what makes hours of a night."""

    def __init__(self, sandbox: Sandbox, *, wrong: float = 0.4, seed: int = 0) -> None:
        super().__init__(sandbox, seed)
        self._wrong = wrong

    def reply(self, role: Role, prompt: str, drawn: float) -> str:
        job = job_in(prompt)
        return ANSWERS[role](job, drawn < self._wrong) if job and role in ANSWERS else "Nothing."


def _plan(job: Job, wrong: bool) -> str:
    return plan_of_one(job.name, f"def {job.name}(x: int) -> int: ...", job.text, f"it multiplies by {job.times}")


def _tests(job: Job, wrong: bool) -> str:
    cases = [(2, 2 * job.times), (-1, -job.times), (10, 10 * job.times + (1 if wrong else 0))]
    return tests_of_one(job.name, [f"{job.name}({x}) == {value}" for x, value in cases])


def _file(job: Job, wrong: bool) -> str:
    value = f"x + {job.times}" if wrong or job.hopeless else f"x * {job.times}"
    return fenced(f"def {job.name}(x: int) -> int:\n    return {value}\n")


def _diagnosis(job: Job, wrong: bool) -> str:
    return diagnosis_of_one(job.name, "it adds", f"Multiply by {job.times}.")


ANSWERS: Mapping[Role, Callable[[Job, bool], str]] = {
    "planner": _plan,
    "tester": _tests,
    "builder": _file,
    "repairer": _file,
    "analyst": _diagnosis,
    "explorer": lambda job, wrong: "A small project.",
    "librarian": lambda job, wrong: json.dumps({"lessons": []}),
}
