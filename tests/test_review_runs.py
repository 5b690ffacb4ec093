"""The reviewer and the voters in whole runs: who is asked, what changes, and that nobody is asked twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from runs import Done, run, serving
from scenario import PLAN, RIGHT, TASK, Answer, Scenario, fence

pytestmark = pytest.mark.slow

PASSING = RIGHT.replace("return a + b", "return a + b if a < 100 else a")
OBJECTION = {
    "why": "MARKER-WHY: add(100, 1) gives 100 and not 101",
    "objection": True,
    "path": "calculator.py",
    "check": "from calculator import Calculator\nassert Calculator().add(100, 1) == 101",
}
CONTENT = json.dumps({"why": "nothing to object", "objection": False, "path": "", "check": ""})
TWO = {"models": ("coder:7b", "other:7b")}
REVIEWED = ("--model", "coder:7b", "--role", "reviewer=other:7b")


def yes(prompt: str) -> str:
    letter = next(line[0] for line in prompt.splitlines() if line[1:].startswith(": Yes:"))
    return json.dumps({"why": "add adds", "answer": letter})


def reviewing(builder: Answer, **answers: Answer) -> Scenario:
    """The reviewer objects as long as the wrong line stands."""
    objects = lambda prompt: json.dumps(OBJECTION) if "if a < 100" in prompt else CONTENT  # noqa: E731
    return Scenario({"builder": builder, "reviewer": objects, "voter": yes, **answers})


VOTING = {"NIGHTSHIFT_SWITCHES_VOTING": "true"}


def do(scenario: Scenario, tmp_path: Path, *flags: str, **options: Any) -> Done:
    with serving(scenario, **options) as server:
        return run(
            "--endpoint", server.url, *flags, TASK, workspace=tmp_path / "w", home=tmp_path / "home", extra=VOTING
        )


def test_an_objection_that_holds_is_met_and_delivered(tmp_path: Path) -> None:
    scenario = reviewing(lambda prompt: fence(RIGHT if "MARKER-WHY" in prompt else PASSING))
    done = do(scenario, tmp_path, *REVIEWED, **TWO)
    assert done.code == 0, done.stderr
    assert (tmp_path / "w" / "calculator.py").read_text() == RIGHT
    assert [c["id"] for c in done.result["criteria"]][-1] == "review-1"
    assert done.result["attempts"] == 1
    assert len(scenario.prompts("reviewer")) == 2


def test_an_objection_that_is_never_met_brings_another_plan_and_at_worst_what_passed(tmp_path: Path) -> None:
    scenario = reviewing(fence(PASSING))
    done = do(scenario, tmp_path, *REVIEWED, **TWO)
    assert done.code == 0, done.stderr
    assert (tmp_path / "w" / "calculator.py").read_text() == PASSING
    assert any("MARKER-WHY" in prompt for prompt in scenario.prompts("planner")[1:])


def test_a_later_plan_that_fails_does_not_take_away_what_passed(tmp_path: Path) -> None:
    worse = {**PLAN, "summary": "another way"}
    scenario = reviewing(
        lambda prompt: fence(PASSING.replace("a * b", "a") if scenario.prompts("planner")[1:] else PASSING),
        planner=lambda prompt: json.dumps(worse if "MARKER-WHY" in prompt else PLAN),
        repairer="I would rather not.",
    )
    done = do(scenario, tmp_path, *REVIEWED, **TWO)
    assert done.code == 0, done.stderr
    assert (tmp_path / "w" / "calculator.py").read_text() == PASSING
    assert len(done.kinds("verdict")) > 1
    assert not done.kinds("verdict")[-1]["passed"]
    assert all(c["passed"] for c in done.result["criteria"])


def test_a_budget_that_ends_after_the_proof_leaves_the_proof(tmp_path: Path) -> None:
    scenario = reviewing(fence(PASSING))
    done = do(scenario, tmp_path, *REVIEWED, "--max-calls", "9", **TWO)
    assert done.code == 0, done.stderr
    assert (tmp_path / "w" / "calculator.py").read_text() == PASSING


def test_one_model_does_not_review_itself(tmp_path: Path) -> None:
    scenario = reviewing(fence(PASSING))
    assert do(scenario, tmp_path).code == 0
    assert not scenario.prompts("reviewer")


def test_a_reviewed_run_resumed_asks_nobody_again(tmp_path: Path) -> None:
    scenario = reviewing(lambda prompt: fence(RIGHT if "MARKER-WHY" in prompt else PASSING))
    with serving(scenario, **TWO) as server:
        where: dict[str, Any] = {"workspace": tmp_path / "w", "home": tmp_path / "home"}
        assert run("--endpoint", server.url, *REVIEWED, TASK, **where).code == 0
        asked = len(server.requests)
        again = run("--endpoint", server.url, "--resume", **where)
        assert again.code == 0, again.stderr
        assert len(server.requests) == asked
    assert (tmp_path / "w" / "calculator.py").read_text() == RIGHT


def test_equal_candidates_that_behave_differently_are_put_to_the_vote(tmp_path: Path) -> None:
    """No test of the plan is passed by any of them, so only the task can tell which is right."""
    texts = [
        RIGHT.replace("return a - b", "return b - a"),
        RIGHT.replace("return a - b", "return a + b"),
        RIGHT.replace("return a - b", "return 0"),
    ]
    given = iter(texts)
    scenario = Scenario({"builder": lambda prompt: fence(next(given, texts[0])), "repairer": "No.", "voter": voted})
    done = do(scenario, tmp_path, "--attempts", "1")
    votes = [record for record in done.kinds("guard") if record["rule"] == "vote"]
    assert votes, done.stderr
    assert len(scenario.prompts("voter")) == len(votes[0]["votes"]) == 3


def voted(prompt: str) -> str:
    return json.dumps({"why": "", "answer": "none"})
