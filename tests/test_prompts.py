"""What each role is really sent, word for word: a changed prompt is seen in review, a broken one fails here.

After a prompt was changed on purpose: UPDATE_GOLDEN=1 make fast, then read the diff.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from scenario import DIAGNOSIS, PLAN, RIGHT, TESTS, WRONG, fence

from agents import Agents, Settings
from nightshift.domain import ROLES, Candidate, Completion, Request, SamplingParams, Task
from nightshift.errors import ReplyRejected
from nightshift.plan import read_plan
from nightshift.prompting import PromptError, fenced, render, tail
from nightshift.search.brief import Brief
from nightshift.search.voting import Ballot

GOLDEN = Path(__file__).parent / "golden"
TASK = Task("Build a calculator.", ("python3 check.py",))
CONTENT = {"why": "all is well", "objection": False, "path": "", "check": ""}
BALLOT = Ballot(
    "Which results are right?", "calculator.py: adds", {"one": "add(1, 2)  ->  3", "two": "add(1, 2)  ->  4"}
)


class Listening:
    """A ChatModel that answers what it is told to and keeps the requests."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        return Completion(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0], "stop")


class Silent:
    def record(self, kind: str, span: str, **fields: Any) -> None: ...

    def recall(self, kind: str, span: str, key: str) -> None: ...


def agents(model: Listening) -> Agents:
    return Agents(model, Silent(), Settings(dict.fromkeys(ROLES, SamplingParams()), 3, reviewer=True))


def brief(**changed: Any) -> Brief:
    plan = read_plan(PLAN)
    told = {"modules": "(none)", "current": "", "evidence": "", "advice": "", **changed}
    return Brief(TASK, plan, plan.steps[0], "attempt-1/build/calculator.py", **told)


def ask(name: str) -> Listening:
    plan = read_plan(PLAN)
    long = Candidate("calculator.py", WRONG + "\n# a comment\n" * 150)
    paths = {"calculator.py": "source", "tests/test_calculator.py": "test", "criterion c2": "criterion"}
    model = Listening(
        {"planner": json.dumps(PLAN), "analyst": json.dumps(DIAGNOSIS), "explorer": "A project.", "tester": fence(TESTS),
         "reviewer": json.dumps(CONTENT), "librarian": '{"lessons": []}', "voter": '{"why": "it says so", "answer": "B"}',
         "repairer_edit": "<<<<<<< SEARCH\n        return b - a\n=======\n        return a - b\n>>>>>>> REPLACE\n"}.get(name, fence(RIGHT))
    )  # fmt: skip
    role = agents(model)
    asked = {
        "explorer": lambda: role.explore(TASK, "Files: a.py"),
        "planner": lambda: role.plan(TASK, "plan/ask-1", context="An empty directory.", importable="pytest", lessons="(none)", refusals=("too long",)),
        "tester": lambda: role.write_tests(TASK, plan, plan.steps[1], "tests/x", temperature=0.3),
        "builder": lambda: role.build(brief(), "candidate-2", temperature=0.4, hint="plainly"),
        "builder_again": lambda: role.build(brief(current=WRONG, evidence="assert 1 == -1", advice="Swap."), "candidate-1", temperature=0.0),
        "repairer": lambda: role.repair(brief(), Candidate("calculator.py", WRONG), "assert 1 == -1", "repair-1", temperature=0.0),
        "repairer_edit": lambda: role.repair(brief(advice="Swap."), long, "assert 1 == -1", "repair-1", temperature=0.0),
        "analyst": lambda: role.diagnose(TASK, "diagnose", evidence="c1 fails", sources=fenced(WRONG), paths=paths),
        "reviewer": lambda: role.review(TASK, plan, "review-1", sources=fenced(WRONG), notes="- calculator.py: an earlier one"),
        "librarian": lambda: role.curate(TASK, "librarian", story="## 1\nFailed: calculator.py"),
        "voter": lambda: role.vote(TASK, BALLOT, ("two", "one"), "vote-1", temperature=0.0),
    }  # fmt: skip
    asyncio.run(asked[name]())  # type: ignore[arg-type]
    return model


NAMES = (
    "explorer", "planner", "tester", "builder", "builder_again", "repairer", "repairer_edit", "analyst", "reviewer", "voter",
    "librarian",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_sent_as_it_stands_in_its_golden_file(name: str) -> None:
    (request,) = ask(name).requests
    text = "\n".join(f"<<{message.role}>>\n{message.content}" for message in request.messages)
    file = GOLDEN / f"{name}.md"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_varies_stands_before_what_is_constant(name: str) -> None:
    """A server can reuse a prefix only when the system message never changes and the task comes first."""
    (request,) = ask(name).requests
    system, user = request.messages
    assert "calculator" not in system.content.lower()
    assert user.content.startswith("# Task\n") or name == "librarian"


@pytest.mark.parametrize(
    "variables, words",
    [
        ({"task": "x"}, r"missing variables \['overview'\]"),
        ({"task": "x", "overview": "y", "more": "z"}, r"surplus variables \['more'\]"),
    ],
)
def test_rendering_is_strict_both_ways(variables: dict[str, str], words: str) -> None:
    with pytest.raises(PromptError, match=words):
        render("explorer", **variables)


def test_a_dollar_in_a_value_is_left_alone() -> None:
    assert "costs $5 and $task" in render("explorer", task="costs $5 and $task", overview="")[1].content


def test_an_unusable_reply_is_asked_again_at_most_three_times_with_the_reason_alone() -> None:
    model = Listening("I am sorry, I cannot help with that.")
    with pytest.raises(ReplyRejected):
        asyncio.run(agents(model).build(brief(), "candidate-1", temperature=0.0))
    assert len(model.requests) == 4
    assert len({request.sampling.seed for request in model.requests}) == 4
    assert [request.sampling.temperature for request in model.requests] == [0.0, 0.5, 0.5, 0.5]
    assert "could not be used" in model.requests[1].messages[-1].content
    assert "I am sorry" not in "".join(message.content for request in model.requests for message in request.messages)


def test_a_culprit_that_is_not_in_the_tree_is_refused() -> None:
    elsewhere = {**DIAGNOSIS, "culprits": [{"path": "imaginary.py", "why": "x"}]}
    model = Listening(json.dumps(elsewhere), json.dumps(DIAGNOSIS))
    found = asyncio.run(agents(model).diagnose(TASK, "d", evidence="", sources="", paths={"calculator.py": "source"}))
    assert [culprit.path for culprit in found.culprits] == ["calculator.py"]
    assert len(model.requests) == 2


@pytest.mark.parametrize("text, limit, wanted", [("abc", 5, "abc"), ("one\ntwo\nthree", 8, "[...]\nthree")])
def test_the_tail_of_a_traceback_is_what_tells_the_cause(text: str, limit: int, wanted: str) -> None:
    assert tail(text, limit) == wanted


def test_a_fence_is_longer_than_any_inside() -> None:
    assert fenced("a\n```\nb").startswith("````python\n")
