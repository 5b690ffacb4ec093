"""A calculator task as a model would answer it, for scripted and real servers alike: one function from prompt to reply."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

TASK = (
    "Build calculator.py with a class Calculator that has add, subtract, multiply and divide for two numbers. "
    "divide raises ValueError when the divisor is zero."
)

PLAN = {
    "summary": "A calculator class with its tests.",
    "requires": [],
    "steps": [
        {
            "path": "calculator.py",
            "kind": "source",
            "purpose": "Calculator with the four operations; divide raises ValueError for zero.",
            "interface": "class Calculator:\n"
            "    def add(self, a: float, b: float) -> float: ...\n"
            "    def subtract(self, a: float, b: float) -> float: ...\n"
            "    def multiply(self, a: float, b: float) -> float: ...\n"
            "    def divide(self, a: float, b: float) -> float: ...",
            "depends_on": [],
        },
        {
            "path": "tests/test_calculator.py",
            "kind": "test",
            "purpose": "Prove the four operations.",
            "interface": "",
            "depends_on": ["calculator.py"],
        },
    ],
    "criteria": [
        {
            "id": "c1",
            "description": "add, subtract, multiply and divide give the right results",
            "check": {"type": "tests", "path": "tests/test_calculator.py"},
        },
        {
            "id": "c2",
            "description": "dividing by zero raises ValueError",
            "check": {
                "type": "script",
                "code": "from calculator import Calculator\ntry:\n    Calculator().divide(1, 0)\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError('no ValueError')",
            },
        },
    ],
}

TESTS = """import pytest

from calculator import Calculator


def test_c1_adds():
    assert Calculator().add(2, 3) == 5


def test_c1_subtracts():
    assert Calculator().subtract(2, 3) == -1


def test_c1_multiplies():
    assert Calculator().multiply(4, 2.5) == 10


def test_c1_divides():
    assert Calculator().divide(7, 2) == 3.5


def test_c2_division_by_zero():
    with pytest.raises(ValueError):
        Calculator().divide(1, 0)
"""

RIGHT = '''class Calculator:
    """Four operations on two numbers."""

    def add(self, a: float, b: float) -> float:
        return a + b

    def subtract(self, a: float, b: float) -> float:
        return a - b

    def multiply(self, a: float, b: float) -> float:
        return a * b

    def divide(self, a: float, b: float) -> float:
        if b == 0:
            raise ValueError("the divisor is zero")
        return a / b
'''

WRONG = RIGHT.replace("return a - b", "return b - a").replace("return a * b", "return a + b")

DIAGNOSIS = {
    "whys": ["test_c1_subtracts fails", "subtract gives 1 for 2 - 3", "the operands are swapped in subtract"],
    "culprits": [{"path": "calculator.py", "blame": "source", "why": "subtract computes b - a"}],
    "advice": "MARKER-ADVICE: subtract must compute a - b and multiply must compute a * b.",
}

ROLES = {
    "You plan": "planner",
    "You write pytest": "tester",
    "You write one complete file": "builder",
    "You change one file": "builder",
    "You repair": "repairer",
    "You find the root cause": "analyst",
    "You are a scout": "explorer",
    "You decide one question": "voter",
    "You review": "reviewer",
    "You keep": "librarian",
}


def role_of(system: str) -> str:
    return next(role for start, role in ROLES.items() if system.startswith(start))


def fence(code: str) -> str:
    return f"Here is the file:\n\n```python\n{code}```\n"


Answer = str | Callable[[str], str]


@dataclass
class Scenario:
    """Replies by role; each may be a text or a function of the user prompt. Keeps what was asked."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def reply(self, system: str, prompt: str) -> str:
        role = role_of(system)
        self.asked.append((role, prompt))
        answer = {**DEFAULTS, **self.answers}[role]
        return answer if isinstance(answer, str) else answer(prompt)

    def prompts(self, role: str) -> list[str]:
        return [prompt for asked, prompt in self.asked if asked == role]


DEFAULTS: dict[str, Answer] = {
    "planner": json.dumps(PLAN),
    "tester": fence(TESTS),
    "builder": fence(RIGHT),
    "repairer": fence(RIGHT),
    "analyst": json.dumps(DIAGNOSIS),
    "explorer": "A small project.",
    "voter": json.dumps({"why": "the task does not say", "answer": "none"}),
    "librarian": json.dumps({"lessons": []}),
    "reviewer": json.dumps({"why": "nothing to object", "objection": False, "path": "", "check": ""}),
}
