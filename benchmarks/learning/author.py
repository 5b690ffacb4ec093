"""A pretended model that heeds what it is shown: a file is right more often when its prompt has the family's word.

How much more often is assumed, not measured: what is measured is whether memory brings the word into the prompt, for
which tasks, and what that costs.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from benchmarks.learning.families import FAMILIES, Exercise, Family
from benchmarks.simulated.model import Said
from benchmarks.simulated.server import SimulatedServer, role_of
from nightshift.domain import Role, Sandbox

KNOWING, NOT_KNOWING = 0.9, 0.15
"""Shares of files that come out right; assumed."""
READING, WRITING = 400.0, 25.0
"""Tokens a second."""


class Author(SimulatedServer):
    def __init__(self, sandbox: Sandbox, seed: int = 0) -> None:
        super().__init__(lambda prompt: None, sandbox, name="pretended")
        self.seed = seed

    def said(self, messages: Sequence[dict[str, str]], *, seed: int, temperature: float, max_tokens: int) -> Said:
        prompt = "\n".join(message["content"] for message in messages)
        flat, role = " ".join(prompt.split()), role_of(messages[0]["content"])
        found = next(((f, e) for f in FAMILIES for e in f.exercises if e.text in flat), None)
        text = "Nothing."
        if found and role in ANSWERS:
            key = f"{self.seed} {seed if temperature else 0} {sha256(prompt.encode()).hexdigest()}"
            chance = KNOWING if found[0].word in prompt else NOT_KNOWING
            text = ANSWERS[role](*found, prompt, random.Random(key).random() < chance)
        read, written = len(prompt) // 4, len(text) // 4
        return Said(text, "stop", read, written, read / READING, written / WRITING)


def _plan(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    name, test = exercise.name, f"tests/test_{exercise.name}.py"
    nothing: dict[str, list[str]] = {"depends_on": [], "approaches": []}
    stub = f"def {name}({exercise.parameters}): ..."
    source = {"path": f"{name}.py", "kind": "source", "purpose": exercise.text, "interface": stub, **nothing}
    proof = {"path": test, "kind": "test", "purpose": "Proves it.", "interface": "", **nothing}
    criterion = {"id": "c1", "description": exercise.does, "check": {"type": "tests", "path": test}}
    plan = {"summary": exercise.text, "requires": [], "steps": [source, proof], "criteria": [criterion]}
    return json.dumps(plan)


def _tests(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    cases = (f"def test_c1_case_{n}():\n    assert {text}\n" for n, text in enumerate(exercise.asserts))
    return _fenced(f"from {exercise.name} import {exercise.name}\n\n\n" + "\n\n".join(cases))


def _file(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    body = (exercise.right if right else exercise.wrong).splitlines()
    imports = [line for line in body if line.startswith(("import ", "from "))]
    rest = [f"    {line}" for line in body if line not in imports]
    start = [f"def {exercise.name}({exercise.parameters}):", f'    """{exercise.does.capitalize()}."""']
    return _fenced("\n".join([*imports, "", "", *start, *rest]) + "\n")


def _diagnosis(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    culprit = {"path": f"{exercise.name}.py", "blame": "source", "why": "it gives another result"}
    whys = ["a test fails", "the result is another"]
    return json.dumps({"whys": whys, "culprits": [culprit], "advice": family.advice})


def _lesson(family: Family, exercise: Exercise, prompt: str, right: bool) -> str:
    story = prompt.rpartition("# What happened")[2].splitlines()
    quote = next((line.strip() for line in story if family.word in line), "")
    return json.dumps({"lessons": [{"trigger": family.trigger, "advice": family.advice, "quote": quote}]})


def _fenced(code: str) -> str:
    return f"```python\n{code}```\n"


ANSWERS: Mapping[Role, Callable[[Family, Exercise, str, bool], str]] = {
    "planner": _plan,
    "tester": _tests,
    "builder": _file,
    "repairer": _file,
    "analyst": _diagnosis,
    "explorer": lambda *_: "A small project.",
    "librarian": _lesson,
}
