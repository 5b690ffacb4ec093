"""The search for one file: what is asked, what is had for free, and when it ends. The candidates run for real."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from nightshift.domain import Candidate, Environment, ExecLimits, Plan, Sandbox, Step, Task, Tree
from nightshift.errors import ReplyRejected
from nightshift.sandbox.box import open_sandbox
from nightshift.search.brief import Brief, Effort
from nightshift.search.build import Built, build_step
from nightshift.search.evaluate import Bench
from nightshift.search.moves import hint_for

STEP = Step(
    "shop.py",
    "source",
    "prices and names",
    "def total(prices: list[int]) -> int: ...\ndef label(name: str) -> str: ...",
)
TESTS = """from shop import label, total


def test_total():
    assert total([3, 4]) == 7


def test_total_of_nothing():
    assert total([]) == 0


def test_label():
    assert label("tea") == "Tea"
"""
GOOD_TOTAL = "def total(prices):\n    return sum(prices)\n"
BAD_TOTAL = "def total(prices):\n    return max(prices)\n"
GOOD_LABEL = "def label(name):\n    return name.title()\n"
BAD_LABEL = "def label(name):\n    return name.upper()\n"
RIGHT = f"{GOOD_TOTAL}\n\n{GOOD_LABEL}"
EFFORT = Effort(3, (0.0, 0.4, 0.8), 5, 2)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    box = open_sandbox(Environment(sys.executable))
    yield box
    box.close()


class Writer:
    """A model whose replies are known by label; one that is missing cannot be used. `slow` ones never come."""

    def __init__(self, slow: Sequence[str] = (), **replies: str) -> None:
        self.replies = {label.replace("_", "-"): text for label, text in replies.items()}
        self.slow = slow
        self.asked: list[str] = []
        self.called_off: list[str] = []
        self.hints: list[str] = []
        self.told: dict[str, str] = {}
        """Label -> the evidence that came with the question."""

    async def build(self, brief: Brief, label: str, *, temperature: float, hint: str = "") -> Candidate:
        self.hints.append(hint)
        self.told[label] = brief.evidence
        return await self._reply(label, "sample")

    async def repair(
        self, brief: Brief, current: Candidate, evidence: str, label: str, *, temperature: float
    ) -> Candidate:
        self.told[label] = evidence
        return await self._reply(label, "repair")

    async def _reply(self, label: str, origin: Any) -> Candidate:
        self.asked.append(label)
        try:
            await asyncio.sleep(60 if label in self.slow else 0)
        except asyncio.CancelledError:
            self.called_off.append(label)
            raise
        if label not in self.replies:
            raise ReplyRejected("empty", "nothing in it")
        return Candidate(STEP.path, self.replies[label], origin, label)


class Notes:
    """What is recorded, and what an earlier part of the run recorded."""

    def __init__(self, earlier: Sequence[dict[str, Any]] = ()) -> None:
        self.earlier = list(earlier)
        self.told: list[dict[str, Any]] = []

    def record(self, kind: str, span: str, **fields: Any) -> None:
        self.told.append({"kind": kind, "span": span, **fields})

    def recall(self, kind: str, span: str, key: str) -> Mapping[str, Any] | None:
        found = (r for r in self.earlier if (r["kind"], r["span"], r.get("key")) == (kind, span, key))
        fields = next(found, None)
        return fields and {name: value for name, value in fields.items() if name not in ("kind", "span")}

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.told if record["kind"] == kind]


def built(
    writer: Writer,
    sandbox: Sandbox,
    *,
    tests: str = TESTS,
    effort: Effort = EFFORT,
    notes: Notes | None = None,
    user_tests: frozenset[str] = frozenset(),
) -> tuple[Built, Notes]:
    notes = notes or Notes()
    tree = Tree({"test_shop.py": tests} if tests else {})
    bench = Bench(
        STEP, tree, tuple(tree.texts), sandbox, ExecLimits(seconds=20), ExecLimits(seconds=20), user_tests=user_tests
    )
    brief = Brief(Task("a shop"), Plan("a shop", (STEP,), ()), STEP, "attempt-1/build/shop.py", "")
    found = asyncio.run(build_step(brief, bench, writer, effort, notes))
    assert found is not None
    return found, notes


def skipped(notes: Notes) -> dict[str, str]:
    return {record["move"]: record["reason"] for record in notes.of("effort") if not record["taken"]}


def test_a_right_first_candidate_is_the_only_question(sandbox: Sandbox) -> None:
    writer = Writer(candidate_1=RIGHT)
    found, notes = built(writer, sandbox)
    assert found.chosen.passed
    assert writer.asked == ["candidate-1"]
    assert [record["move"] for record in notes.of("effort")] == ["first"]


@pytest.mark.slow
def test_a_mechanical_fault_is_mended_without_another_question(sandbox: Sandbox) -> None:
    writer = Writer(candidate_1=RIGHT.replace("return sum(prices)", "return functools.reduce(operator.add, prices, 0)"))
    found, notes = built(writer, sandbox)
    assert found.chosen.passed
    assert found.chosen.candidate.origin == "fix"
    assert writer.asked == ["candidate-1"]
    assert [record["kept"] for record in notes.of("repair")][-1]


def test_fixes_that_are_switched_off_are_not_tried(sandbox: Sandbox) -> None:
    writer = Writer(candidate_1=RIGHT.replace("sum(", "math.fsum("), candidate_2=RIGHT)
    found, notes = built(writer, sandbox, effort=Effort(2, (0.0,), 2, 0, fixes=False))
    assert found.chosen.candidate.label == "candidate-2"
    assert not notes.of("repair")


def test_two_half_right_candidates_make_a_right_one(sandbox: Sandbox) -> None:
    writer = Writer(candidate_1=f"{BAD_TOTAL}\n\n{GOOD_LABEL}", candidate_2=f"{GOOD_TOTAL}\n\n{BAD_LABEL}")
    found, notes = built(writer, sandbox)
    assert found.chosen.passed
    assert found.chosen.candidate.origin == "splice"
    assert not [label for label in writer.asked if label.startswith("repair")]
    assert any(record["kept"] and record["passed"] for record in notes.of("splice"))


@pytest.mark.slow
def test_splicing_that_is_switched_off_is_not_tried(sandbox: Sandbox) -> None:
    writer = Writer(
        candidate_1=f"{BAD_TOTAL}\n\n{GOOD_LABEL}", candidate_2=f"{GOOD_TOTAL}\n\n{BAD_LABEL}", repair_1=RIGHT
    )
    found, notes = built(writer, sandbox, effort=Effort(2, (0.0, 0.4), 2, 1, splice=False))
    assert found.chosen.candidate.label == "repair-1"
    assert not notes.of("splice")


def test_the_first_that_is_good_enough_calls_off_the_others(sandbox: Sandbox) -> None:
    writer = Writer(slow=["candidate-3"], candidate_1=f"{BAD_TOTAL}\n\n{GOOD_LABEL}", candidate_2=RIGHT)
    found, notes = built(writer, sandbox)
    assert found.chosen.candidate.label == "candidate-2"
    assert writer.called_off == ["candidate-3"]
    race = next(record for record in notes.of("selected") if record.get("key") == "race")
    assert race["considered"] == ["candidate-2"]


def test_a_resumed_run_considers_the_candidates_of_the_race_as_they_came(sandbox: Sandbox) -> None:
    span = "attempt-1/build/shop.py/candidates-2-3"
    earlier = {"kind": "selected", "span": span, "key": "race", "considered": ["candidate-3"]}
    writer = Writer(candidate_1=f"{BAD_TOTAL}\n\n{GOOD_LABEL}", candidate_2=RIGHT, candidate_3=RIGHT)
    found, _ = built(writer, sandbox, notes=Notes([earlier]))
    assert found.chosen.candidate.label == "candidate-3"
    assert "candidate-2" not in writer.asked


@pytest.mark.slow
def test_different_texts_that_behave_alike_are_not_asked_for_once_more(sandbox: Sandbox) -> None:
    bodies = ("return max(prices)", "return sorted(prices)[-1]", "m, = sorted(prices)[-1:]\n    return m")
    texts = [f"def total(prices):\n    {body}\n\n\n{BAD_LABEL}" for body in bodies]
    writer = Writer(candidate_1=texts[0], candidate_2=texts[1], candidate_3=texts[2])
    _, notes = built(writer, sandbox)
    assert "behave alike" in skipped(notes)["fresh"]
    assert "candidate-4" not in writer.asked


def test_two_moves_without_a_better_score_change_the_approach(sandbox: Sandbox) -> None:
    first, other = f"{GOOD_TOTAL}\n\n{BAD_LABEL}", f"{BAD_TOTAL}\n\n{GOOD_LABEL}"
    writer = Writer(candidate_1=first, candidate_2=other, repair_1=first, repair_2=RIGHT, candidate_4=RIGHT)
    found, notes = built(writer, sandbox, effort=replace(EFFORT, splice=False))
    assert "the approach has to change" in skipped(notes)["repair-2"]
    assert found.chosen.candidate.label == "candidate-4"


NEVER = "\n\ndef test_never():\n    assert label('x') == 'no candidate says so'\n"


def test_no_repair_is_asked_for_towards_tests_that_most_candidates_fail(sandbox: Sandbox) -> None:
    twin = RIGHT.replace("name.title()", "name.capitalize()")
    writer = Writer(candidate_1=RIGHT, candidate_2=twin, repair_1=RIGHT)
    _, notes = built(writer, sandbox, tests=TESTS + NEVER, effort=Effort(2, (0.0,), 2, 1))
    assert "these are in doubt" in skipped(notes)["repair-1"]
    assert "repair-1" not in writer.asked


def test_a_repair_is_told_of_the_tests_that_other_candidates_pass_alone(sandbox: Sandbox) -> None:
    writer = Writer(
        candidate_1=f"{BAD_TOTAL}\n\n{GOOD_LABEL}", candidate_2=f"{GOOD_TOTAL}\n\n{BAD_LABEL}", repair_1=RIGHT
    )
    built(writer, sandbox, tests=TESTS + NEVER, effort=Effort(2, (0.0,), 2, 1, splice=False))
    assert "test_label: failed" in writer.told["repair-1"]
    assert "test_never: failed" not in writer.told["repair-1"]


def test_a_single_candidate_is_repaired_towards_all_that_it_fails(sandbox: Sandbox) -> None:
    """Nobody else was heard who could cast doubt on a test."""
    writer = Writer(candidate_1=f"{BAD_TOTAL}\n\n{GOOD_LABEL}", repair_1=RIGHT)
    built(writer, sandbox, tests=TESTS + NEVER, effort=Effort(1, (0.0,), 1, 1))
    assert "test_never: failed" in writer.told["repair-1"]


def test_a_repair_always_follows_the_tests_of_the_user(sandbox: Sandbox) -> None:
    twin = RIGHT.replace("name.title()", "name.capitalize()")
    writer = Writer(candidate_1=RIGHT, candidate_2=twin, repair_1=RIGHT)
    built(writer, sandbox, tests=TESTS + NEVER, effort=Effort(2, (0.0,), 2, 1), user_tests=frozenset({"test_shop.py"}))
    assert "test_never: failed" in writer.told["repair-1"]


def test_a_fresh_start_is_not_told_of_tests_in_doubt(sandbox: Sandbox) -> None:
    twin = RIGHT.replace("name.title()", "name.capitalize()")
    writer = Writer(candidate_1=RIGHT, candidate_2=twin, candidate_3=RIGHT)
    built(writer, sandbox, tests=TESTS + NEVER, effort=Effort(2, (0.0,), 3, 0))
    assert "candidate-3" in writer.asked
    assert writer.told["candidate-3"] == ""


@pytest.mark.slow
def test_candidates_that_no_test_tells_apart_are_told_apart_by_what_they_do(sandbox: Sandbox) -> None:
    never = "from shop import label\n\n\ndef test_never():\n    assert label('x') == 'no candidate says so'\n"
    odd = f"def total(prices):\n    return 0\n\n\n{GOOD_LABEL}"
    twin = f"def total(prices):\n    result = 0\n    for price in prices:\n        result += price\n    return result\n\n\n{GOOD_LABEL}"
    writer = Writer(candidate_1=odd, candidate_2=RIGHT, candidate_3=twin)
    found, notes = built(writer, sandbox, tests=never, effort=Effort(3, (0.0,), 3, 0))
    assert found.chosen.candidate.label == "candidate-2"
    assert "2 of 3 behave like it" in notes.of("selected")[-1]["reason"]


def test_no_usable_reply_is_said_and_is_no_error(sandbox: Sandbox) -> None:
    notes = Notes()
    bench = Bench(STEP, Tree({}), (), sandbox, ExecLimits(), ExecLimits())
    brief = Brief(Task("a shop"), Plan("a shop", (STEP,), ()), STEP, "span", "")
    assert asyncio.run(build_step(brief, bench, Writer(), EFFORT, notes)) is None
    assert notes.of("selected")[-1]["reason"] == "no usable reply"


def test_what_each_candidate_makes_of_the_tests_is_told_once_for_each_text(sandbox: Sandbox) -> None:
    bad = f"{BAD_TOTAL}\n\n{BAD_LABEL}"
    writer = Writer(candidate_1=bad, candidate_2=bad + "\n# the same\n", candidate_3=f"{GOOD_TOTAL}\n\n{BAD_LABEL}")
    found, _ = built(writer, sandbox, effort=Effort(3, (0.0,), 3, 0))
    assert len(found.outcomes) == 2


def test_candidates_differ_by_the_approaches_of_the_plan_first() -> None:
    assert [hint_for(("a running total", "a list"), number) for number in (1, 2, 3)] == [
        "",
        "a running total",
        "a list",
    ]
    assert hint_for((), 2).startswith("think of the edge cases")
