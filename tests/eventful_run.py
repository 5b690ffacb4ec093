"""A run in which everything happens that a resumed run must replay: a race, a fix, a splice, a repair, tests on trial,
a wrong attempt with its diagnosis, another plan, and an objection of another model that is voted on. It ends well, and
always with the same files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenario import Scenario, fence

TASK = "Build shapes.py with area, perimeter, diagonal, double, kind and corners of a rectangle."
SETTINGS = """model = "coder:7b"
[candidates]
tester_temperatures = [0.3]
repairs = 1
widened = 4
[roles]
reviewer = "critic:7b"

[switches]
voting = true
"""
MODELS = ("coder:7b", "critic:7b")

RIGHT = """import math


def area(a: float, b: float) -> float:
    return a * b


def perimeter(a: float, b: float) -> float:
    return 2 * (a + b)


def diagonal(a: float, b: float) -> float:
    return math.sqrt(a * a + b * b)


def double(a: float, b: float) -> tuple[float, float]:
    return 2 * a, 2 * b


def kind(a: float, b: float) -> str:
    return "square" if a == b else "rectangle"


def corners() -> int:
    return 4
"""


def _with_factor(factor: int) -> str:
    """`double` depends on a constant, which no splice carries over."""
    top = f"import math\n\nFACTOR = {factor}\n"
    return RIGHT.replace("import math\n", top).replace("return 2 * a, 2 * b", "return FACTOR * a, FACTOR * b")


WRONG_DOUBLE = _with_factor(1)
WITHOUT_IMPORT = (
    WRONG_DOUBLE.replace("import math\n\n", "")
    .replace("return a * b", "return a + b")
    .replace("return 2 * (a + b)", "return (1 + FACTOR) * (a + b)")
    .replace("math.sqrt(a * a + b * b)", "math.sqrt(FACTOR * (a * a + b * b))")
)
"""Lacks an import, which is mended, and computes area and double wrongly. Its constant keeps the rest from a splice."""
WRONG_PERIMETER = (
    _with_factor(2)
    .replace("return 2 * (a + b)", "return a + b")
    .replace("math.sqrt(", "math.fabs(")
    .replace("return 4", "return 3")
)
"""Its area goes into the first one's place."""
RIGHT_DOUBLE = (
    _with_factor(2)
    .replace("return a * b", "return a - b")
    .replace("if a == b else", "if a != b else")
    .replace("return 4", "return 3")
)
"""That half of the samples pass the test of double makes a repair towards it worth asking for."""

TESTS = """from shapes import area, corners, diagonal, double, kind, perimeter


def test_c1_area():
    assert area(3, 4) == 12


def test_c1_perimeter():
    assert perimeter(3, 4) == 14


def test_c1_diagonal():
    assert diagonal(3, 4) == 5


def test_c1_double():
    assert double(3, 4) == (6, 8)


def test_c1_kind():
    assert kind(3, 4) == "rectangle"


def test_c1_corners():
    assert corners() == 4
"""
ANOTHER_WAY = "Rectangles, in another way."


def plan(purpose: str) -> str:
    interface = "\n".join(line + " ..." for line in RIGHT.splitlines() if line.startswith("def "))
    steps = [
        {"path": "shapes.py", "kind": "source", "purpose": purpose, "interface": interface, "depends_on": []},
        {"path": "tests/test_shapes.py", "kind": "test", "purpose": "Prove them.", "interface": "", "depends_on": ["shapes.py"]},
    ]  # fmt: skip
    check = {"type": "tests", "path": "tests/test_shapes.py"}
    criteria = [{"id": "c1", "description": "all of them are right", "check": check}]
    return json.dumps({"summary": "Rectangles.", "requires": [], "steps": steps, "criteria": criteria})


DIAGNOSIS = json.dumps({
    "whys": ["test_c1_double fails", "double gives (3, 4)"],
    "culprits": [{"path": "shapes.py", "blame": "source", "why": "double does not multiply"}],
    "advice": "MARKER-ADVICE: multiply both sides by 2.",
})  # fmt: skip


OBJECTION = {"objection": True, "path": "shapes.py", "why": "double gives no list", "check": "from shapes import double\nassert double(1, 1) == [2, 2]"}  # fmt: skip
NO_OBJECTION = {"objection": False, "path": "", "why": "All four were looked at.", "check": ""}


class Eventful(Scenario):
    def reply(self, system: str, prompt: str) -> str:
        if system.startswith("You review"):
            return json.dumps(NO_OBJECTION if "does not count" in prompt else OBJECTION)
        if system.startswith("You decide"):
            no = re.search(r"^([A-Z]): No: the task", prompt, re.M)
            assert no, prompt
            return json.dumps({"why": "It says nothing of lists.", "answer": no[1]})
        return super().reply(system, prompt)


def scenario() -> Scenario:
    return Eventful({
        "planner": lambda prompt: plan(ANOTHER_WAY if "An earlier plan" in prompt else "Rectangles."),
        "tester": fence(TESTS),
        "builder": _builder,
        "repairer": fence(WRONG_DOUBLE),
        "analyst": DIAGNOSIS,
    })  # fmt: skip


def _builder(prompt: str) -> str:
    if ANOTHER_WAY in prompt:
        return fence(RIGHT)
    if "MARKER-ADVICE" in prompt:
        return fence(WRONG_DOUBLE + "\n\nTRIED = True\n")
    approach = prompt.partition("# Approach")[2]
    return fence(WITHOUT_IMPORT if not approach else WRONG_PERIMETER if "edge cases" in approach else RIGHT_DOUBLE)


def settings(folder: Path) -> tuple[str, ...]:
    """Flags of the run."""
    file = folder / "eventful.toml"
    file.write_text(SETTINGS)
    return ("--config", str(file), "--attempts", "2", "--no-memory")


def everything_happened(trace: list[dict[str, Any]]) -> Mapping[str, bool]:
    def some(kind: str, **fields: Any) -> bool:
        return any(r["kind"] == kind and all(r.get(k) == v for k, v in fields.items()) for r in trace)

    return {
        "race": some("selected", key="race"),
        "fix": any(r["kind"] == "repair" and r.get("kept") for r in trace),
        "splice": some("splice", kept=True),
        "repair": any(r["kind"] == "repair" and "made from" in r["outcome"] for r in trace),
        "trial": some("trust", key="trials"),
        "wrong attempt": some("verdict", passed=False),
        "diagnosis": some("diagnosis"),
        "another plan": some("guard", action="another plan"),
        "objection": some("guard", rule="review"),
        "vote": some("guard", rule="vote"),
        "passed": some("run_finished", status="passed"),
    }
