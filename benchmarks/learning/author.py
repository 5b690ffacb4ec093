"""A pretended model that heeds what it is shown: a file is right more often when its prompt has the family's word.

How much more often is assumed, not measured: what is measured is whether memory brings the word into the prompt, for
which tasks, and what that costs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from benchmarks.learning.families import FAMILIES, Exercise, Family
from benchmarks.pretended import PretendedServer, diagnosis_of_one, plan_of_one, tests_of_one
from nightshift.domain import Role
from nightshift.prompting import fenced

KNOWING, NOT_KNOWING = 0.9, 0.15
"""Shares of files that come out right; assumed."""


class Author(PretendedServer):
    def reply(self, role: Role, prompt: str, drawn: float) -> str:
        flat = " ".join(prompt.split())
        found = next(((f, e) for f in FAMILIES for e in f.exercises if e.text in flat), None)
        if not found or role not in ANSWERS:
            return "Nothing."
        return ANSWERS[role](*found, prompt, drawn < (KNOWING if found[0].word in prompt else NOT_KNOWING))


def _plan(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    stub = f"def {exercise.name}({exercise.parameters}): ..."
    return plan_of_one(exercise.name, stub, exercise.text, exercise.does)


def _tests(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    return tests_of_one(exercise.name, exercise.asserts)


def _file(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    body = (exercise.right if right else exercise.wrong).splitlines()
    imports = [line for line in body if line.startswith(("import ", "from "))]
    rest = [f"    {line}" for line in body if line not in imports]
    start = [f"def {exercise.name}({exercise.parameters}):", f'    """{exercise.does.capitalize()}."""']
    return fenced("\n".join([*imports, "", "", *start, *rest]) + "\n")


def _diagnosis(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    return diagnosis_of_one(exercise.name, "it gives another result", family.advice)


def _lesson(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    story = prompt.rpartition("# What happened")[2].splitlines()
    quote = next((line.strip() for line in story if family.word in line), "")
    return json.dumps({"lessons": [{"trigger": family.trigger, "advice": family.advice, "quote": quote}]})


ANSWERS: Mapping[Role, Callable[[Family, Exercise, str, bool], str]] = {
    "planner": _plan,
    "tester": _tests,
    "builder": _file,
    "repairer": _file,
    "analyst": _diagnosis,
    "explorer": lambda *_: "A small project.",
    "librarian": _lesson,
}
