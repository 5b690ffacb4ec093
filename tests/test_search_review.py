"""The reviewer: objections that running bears out lead to a better program, all others to nothing at all."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import Agents, Settings
from nightshift.acceptance import Accepted
from nightshift.domain import (
    ROLES,
    ChatModel,
    Completion,
    Criterion,
    Environment,
    ExecLimits,
    Limits,
    Plan,
    Recorder,
    Request,
    SamplingParams,
    Sandbox,
    Step,
    Task,
    TestsCheck,
    Tree,
    Verdict,
)
from nightshift.errors import BudgetExceeded
from nightshift.judge import UserTests, judge
from nightshift.limits import Budget
from nightshift.recorded import Meter, RecordedModel, RecordedSandbox
from nightshift.sandbox.box import open_sandbox
from nightshift.search.brief import Effort
from nightshift.search.review import Reviewed, _against_tests, reviewed
from nightshift.search.work import Work, Workshop
from trace_collector import Trace

pytestmark = pytest.mark.slow

TASK = Task(
    "clamp(value, low, high) gives value, but low when value is below low, and high when value is above high. "
    "It raises ValueError when low is above high."
)
STEP = Step("clamp.py", "source", "one function", "def clamp(value: int, low: int, high: int) -> int: ...")
TESTS = """from clamp import clamp


def test_c1_below():
    assert clamp(1, 2, 5) == 2


def test_c1_inside():
    assert clamp(3, 2, 5) == 3
"""
FILE = "tests/test_clamp.py"
NODES = frozenset({f"{FILE}::test_c1_below", f"{FILE}::test_c1_inside"})
PLAN = Plan(
    "clamp",
    (STEP, Step(FILE, "test", "prove it", depends_on=("clamp.py",))),
    (Criterion("c1", "values are clamped", TestsCheck(FILE, tuple(sorted(NODES)))),),
)
START = "def clamp(value: int, low: int, high: int) -> int:\n"
PASSING = f"{START}    if high == 0:\n        return limit\n    return max(low, value)\n"
BETTER = f"{START}    return max(low, min(value, high))\n"
RIGHT = f"{START}    if low > high:\n        raise ValueError(low)\n    return max(low, min(value, high))\n"
OTHER = f"{START}    return value if value > low else low\n"
BREAKING = f"{START}    return min(value, high)\n"

ABOVE = "from clamp import clamp\nassert clamp(9, 2, 5) == 5"
SWAPPED = "from clamp import clamp\ntry:\n    clamp(1, 5, 2)\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError(1)"
LIMITS = ExecLimits(seconds=20)


def objection(check: str, why: str = "MARKER-WHY: 9 is above 5") -> str:
    return json.dumps({"why": why, "objection": True, "path": "clamp.py", "check": check})


CONTENT = json.dumps({"why": "all branches were traced", "objection": False, "path": "", "check": ""})
Answer = str | Callable[[str], str]


class Model:
    """Answers by role; the reviewer's answers in turn, the last one for ever."""

    def __init__(self, *reviews: str, builder: Answer = BETTER, voter: str = "demanded") -> None:
        self.reviews = list(reviews)
        self.builder, self.voter = builder, voter
        self.asked: list[tuple[str, str]] = []

    async def complete(self, request: Request) -> Completion:
        prompt = request.messages[-1].content
        self.asked.append((request.role, prompt))
        if request.role == "reviewer":
            return Completion(self.reviews.pop(0) if len(self.reviews) > 1 else self.reviews[0], "stop")
        if request.role == "voter":
            return Completion(json.dumps({"why": "", "answer": self._letter(prompt)}), "stop")
        text = self.builder if isinstance(self.builder, str) else self.builder(prompt)
        return Completion(f"```python\n{text}```\n", "stop")

    def _letter(self, prompt: str) -> str:
        yes = {"demanded": "Yes:", "not demanded": "No:"}[self.voter]
        return next(line[0] for line in prompt.splitlines() if line[1:].startswith(f": {yes}"))

    def prompts(self, role: str) -> list[str]:
        return [prompt for asked, prompt in self.asked if asked == role]


class Notes:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def record(self, kind: str, span: str, **fields: Any) -> None:
        self.told.append({"kind": kind, "span": span, **fields})

    def recall(self, kind: str, span: str, key: str) -> None: ...

    @property
    def of_review(self) -> list[str]:
        return [record["action"] for record in self.told if record.get("rule") == "review"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    box = open_sandbox(Environment(sys.executable))
    yield box
    box.close()


WORK = Work(TASK, PLAN, Tree({"clamp.py": PASSING}), Accepted({FILE: TESTS}, NODES))


def review(
    model: ChatModel,
    sandbox: Sandbox,
    *,
    rounds: int = 3,
    votes: bool = False,
    reviewer: bool = True,
    recorder: Recorder | None = None,
    saved: list[dict[str, str]] | None = None,
) -> tuple[Reviewed, Verdict]:
    crew = Agents(model, recorder or Notes(), Settings(dict.fromkeys(ROLES, SamplingParams()), 0, reviewer=reviewer))
    kept = [] if saved is None else saved
    shop = Workshop(
        crew, sandbox, recorder or Notes(), Effort(1, (0.0,), 1, 0), LIMITS, LIMITS, False, (0.3,),
        lambda texts, message: kept.append(dict(texts)),
    )  # fmt: skip

    async def judged(work: Work) -> Verdict:
        return await asyncio.to_thread(
            judge, work.plan, work.accepted, work.user_tests, work.tree, sandbox, LIMITS, test_limits=LIMITS
        )

    async def whole() -> tuple[Reviewed, Verdict]:
        verdict = await judged(WORK)
        assert verdict.passed
        return await reviewed(WORK, shop, verdict, judged, "attempt-1", rounds, votes=votes), verdict

    return asyncio.run(whole())


@pytest.mark.parametrize(
    "check, reason",
    [
        ("from clamp import (", "no Python"),
        ("assert False", "imports nothing of the program"),
        ("from clamp import clamp\nassert clamp(1, 2, 5) == 3", "the tests that hold expect another value"),
        ("from clamp import clip\nassert clip(9, 2, 5) == 5", "cannot be run on the plan's own interfaces"),
        ("from clamp import clamp\nassert clamp(1, 2, 5) == 2", "the program passes its check"),
        ("from clamp import clamp\nassert clamp(9) == 5", "at fault itself: TypeError"),
        ("from clamp import clamp\nassert clamp(3, 2, 5) == 3\nassert undefined == 5", "at fault itself: NameError"),
        ("from clamp import clamp\nclamp(3, 2, 5)\nraise SystemExit(1)", "could not be run to an answer"),
    ],
)
def test_an_objection_that_running_does_not_bear_out_changes_nothing(sandbox: Sandbox, check: str, reason: str) -> None:
    model, notes = Model(objection(check), CONTENT), Notes()
    found, verdict = review(model, sandbox, recorder=notes)
    assert found == Reviewed(WORK, verdict)
    assert not model.prompts("builder")
    assert reason in notes.of_review[0]
    assert reason in model.prompts("reviewer")[1], "the reviewer is told, so as not to say it again"


def test_a_right_objection_leads_to_a_better_program(sandbox: Sandbox) -> None:
    saved: list[dict[str, str]] = []
    found, _ = review(Model(objection(ABOVE), CONTENT), sandbox, saved=saved)
    assert found.work.tree.texts["clamp.py"] == BETTER
    assert found.verdict.passed
    assert [result.criterion.id for result in found.verdict.results] == ["c1", "review-1"]
    assert found.standing == ""
    assert saved == [{"clamp.py": BETTER}]


def test_the_builder_is_told_the_objection_and_how_its_check_fails(sandbox: Sandbox) -> None:
    """Once the reviewer's words never reached the builder, which was asked the very same again."""
    model = Model(objection(ABOVE), CONTENT)
    review(model, sandbox)
    (prompt,) = model.prompts("builder")
    assert "MARKER-WHY" in prompt
    assert "assert 9 == 5" in prompt
    assert "return max(low, value)" in prompt


def test_an_objection_that_was_met_still_holds_when_the_next_one_is_met(sandbox: Sandbox) -> None:
    def builder(prompt: str) -> str:
        return RIGHT if "MARKER-SWAPPED" in prompt else BETTER

    model = Model(objection(ABOVE), objection(SWAPPED, "MARKER-SWAPPED: low above high"), CONTENT, builder=builder)
    found, _ = review(model, sandbox)
    assert found.work.tree.texts["clamp.py"] == RIGHT
    assert [result.criterion.id for result in found.verdict.results] == ["c1", "review-1", "review-2"]


def test_a_program_that_raises_where_it_must_not_is_at_fault_itself(sandbox: Sandbox) -> None:
    found, _ = review(Model(objection("from clamp import clamp\nclamp(3, 0, 0)"), CONTENT), sandbox)
    assert found.work.tree.texts["clamp.py"] == BETTER


@pytest.mark.parametrize("made", [PASSING, OTHER, BREAKING], ids=["same", "other", "breaking"])
def test_an_objection_that_is_not_met_leaves_what_passed_and_is_told(sandbox: Sandbox, made: str) -> None:
    """Nothing is worse than before, also when what was made meets the objection and breaks a test."""
    model, saved = Model(objection(ABOVE), builder=made), list[dict[str, str]]()
    found, verdict = review(model, sandbox, rounds=2, saved=saved)
    assert (found.work, found.verdict) == (WORK, verdict)
    assert "MARKER-WHY" in found.standing
    assert len(model.prompts("reviewer")) == 2
    assert "holds" in model.prompts("reviewer")[1]
    assert ({"clamp.py": OTHER} in saved) == (made == OTHER)
    assert saved[-1:] in ([], [{"clamp.py": PASSING}]), "what was tried is taken back"


def test_a_reviewer_who_gives_up_an_objection_leaves_none(sandbox: Sandbox) -> None:
    found, verdict = review(Model(objection(ABOVE), CONTENT, builder=PASSING), sandbox)
    assert found == Reviewed(WORK, verdict)


@pytest.mark.parametrize("voter, text", [("demanded", BETTER), ("not demanded", PASSING)], ids=["yes", "no"])
def test_what_the_task_does_not_demand_is_voted_down(sandbox: Sandbox, voter: str, text: str) -> None:
    model = Model(objection(ABOVE), CONTENT, voter=voter)
    found, _ = review(model, sandbox, votes=True)
    assert found.work.tree.texts["clamp.py"] == text
    assert len(model.prompts("voter")) == 2


def test_votes_are_not_asked_where_running_has_decided(sandbox: Sandbox) -> None:
    model = Model(objection("from clamp import clamp\nassert clamp(1, 2, 5) == 2"), CONTENT)
    review(model, sandbox, votes=True)
    assert not model.prompts("voter")


@pytest.mark.parametrize("reply", ["I approve.", "not approved", "", CONTENT])
def test_what_is_no_objection_ends_the_review(sandbox: Sandbox, reply: str) -> None:
    model = Model(reply)
    found, verdict = review(model, sandbox)
    assert found == Reviewed(WORK, verdict)
    assert len(model.asked) == 1


def test_a_model_does_not_review_its_own_work(sandbox: Sandbox) -> None:
    model = Model(objection(ABOVE))
    found, verdict = review(model, sandbox, reviewer=False)
    assert found == Reviewed(WORK, verdict)
    assert not model.asked


def test_a_budget_that_ends_in_the_review_leaves_what_passed(sandbox: Sandbox) -> None:
    def builder(prompt: str) -> str:
        raise BudgetExceeded("no more calls", "budget_calls")

    notes = Notes()
    found, verdict = review(Model(objection(ABOVE), builder=builder), sandbox, recorder=notes)
    assert found == Reviewed(WORK, verdict)
    assert notes.of_review == ["review ended early"]


def test_a_resumed_review_asks_and_runs_nothing_again(sandbox: Sandbox, tmp_path: Path) -> None:
    def run(trace: Trace, model: Model) -> Reviewed:
        recorded = RecordedModel(model, trace, Meter(trace, Budget(Limits())))
        return review(recorded, RecordedSandbox(sandbox, trace), votes=True, recorder=trace)[0]

    model = Model(objection(ABOVE), CONTENT)
    with Trace.create(tmp_path / "run", "run") as trace:
        first = run(trace, model)
        executed = _executed(trace)
    assert [role for role, _ in model.asked] == ["reviewer", "voter", "voter", "builder", "reviewer"]
    with Trace.resume(tmp_path / "run") as trace:
        again = Model("nobody asks this one")
        assert run(trace, again) == first
        assert not again.asked
        assert _executed(trace) == executed


def _executed(trace: Trace) -> int:
    return sum(record.kind == "executed" for record in trace.records())


def test_a_user_test_speaks_against_a_check_as_well(sandbox: Sandbox) -> None:
    theirs = "from clamp import clamp\n\n\ndef test_wide():\n    assert clamp(9, 2, 5) == 9\n"
    work = replace(WORK, user_tests=UserTests(("test_mine.py",), {"test_mine.py": theirs, "setup.cfg": "[x"}))
    assert _against_tests(ABOVE, work)
    assert not _against_tests(ABOVE, WORK)
