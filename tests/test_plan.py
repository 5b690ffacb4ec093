"""Reading a plan, and every reason to refuse one."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from scenario import PLAN

from nightshift.domain import CommandCheck, ScriptCheck, ShellCheck, Task, TestsCheck
from nightshift.errors import ReplyRejected
from nightshift.plan import degraded_plan, given_plan, problems, read_plan, user_criteria
from nightshift.records import as_json

Change = Callable[[dict[str, Any]], None]


def changed(change: Change) -> dict[str, Any]:
    data = copy.deepcopy(PLAN)
    change(data)
    return data


def step(data: dict[str, Any], **values: Any) -> None:
    data["steps"][0].update(values)


def check(data: dict[str, Any], **values: Any) -> None:
    data["criteria"][1]["check"] = values


def test_the_scenario_plan_has_no_problem() -> None:
    assert problems(read_plan(PLAN)) == ()


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda d: d.update(steps=[]), "has 0 steps"),
        (lambda d: d.update(steps=[{**d["steps"][0], "path": f"m{i}.py"} for i in range(41)]), "has 41 steps"),
        (lambda d: d["steps"].pop(), 'no step of kind "test"'),
        (lambda d: d.update(criteria=[]), "has no criteria"),
        (lambda d: step(d, path="../calculator.py"), "../calculator.py"),
        (lambda d: step(d, path="/etc/calculator.py"), "/etc/calculator.py"),
        (lambda d: step(d, path=".git/hooks.py"), ".git/hooks.py"),
        (lambda d: step(d, path=".env.py/../.env"), "'.env.py/../.env'"),
        (lambda d: step(d, path="queue.py"), "shadows a module of the standard library"),
        (lambda d: step(d, path="index.html"), 'has kind "other"'),
        (lambda d: d["steps"][1].update(path="tests/calculator_checks.py"), "test_<something>.py"),
        (lambda d: d["steps"].append({**d["steps"][0], "path": "Calculator.py"}), "stands twice"),
        (lambda d: d["criteria"].append(d["criteria"][0]), "criterion id 'c1' stands twice"),
        (lambda d: step(d, depends_on=["store.py"]), "depends on 'store.py', which is not a step"),
        (lambda d: step(d, depends_on=["tests/test_calculator.py"]), "calculator.py"),
        (lambda d: step(d, interface=""), "has no interface"),
        (lambda d: step(d, interface="a class that calculates"), "cannot be read"),
        (lambda d: d["criteria"][0]["check"].update(path="tests/test_other.py"), "not a planned test file"),
        (lambda d: check(d, type="script", code="assert ("), "its script is not Python"),
        (lambda d: check(d, type="script", code="import calculator"), "cannot fail"),
        (lambda d: check(d, type="script"), "cannot fail"),
        (lambda d: check(d, type="script", code="import calculator\nassert True"), "cannot fail"),
        (lambda d: check(d, type="script", code="import sys, calculator\nassert calculator.X\nsys.exit(0)"), "ends the process itself"),
        (lambda d: check(d, type="command", argv=[]), "its command is empty"),
        (lambda d: d["criteria"][0].update(id="the first criterion"), "not a short word"),
        (lambda d: d["criteria"][0].update(id="user-tests"), "kept for the user's own"),
    ],
)  # fmt: skip
def test_a_bad_plan_is_refused_with_a_reason_the_planner_can_act_on(change: Change, words: str) -> None:
    found = problems(read_plan(changed(change)))
    assert any(words in reason for reason in found), found


def test_a_plan_may_not_rewrite_the_users_tests() -> None:
    found = problems(read_plan(PLAN), frozenset({"tests/test_calculator.py"}))
    assert found == (
        "step 'tests/test_calculator.py': it judges the result or cannot be shown, is the user's and must stay as it is",
    )


@pytest.mark.parametrize(
    "data",
    [None, [], "plan", {}, {"summary": "x"}, {**PLAN, "steps": [1]}, {**PLAN, "criteria": [{"id": "c1"}]}],
)
def test_json_of_another_shape_is_asked_for_again(data: Any) -> None:
    with pytest.raises(ReplyRejected):
        read_plan(data)


def given(change: Change) -> dict[str, Any]:
    data: dict[str, Any] = as_json(read_plan(PLAN))
    change(data)
    return data


def test_a_plan_of_the_users_may_leave_out_what_has_a_default_and_is_read_as_printed() -> None:
    assert given_plan(given(lambda d: None)) == read_plan(PLAN)
    assert given_plan(given(lambda d: d.pop("degraded"))) == read_plan(PLAN)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda d: d.update(requirements=[]), "Plan: unknown key 'requirements'; known ones: summary, steps"),
        (lambda d: step(d, depends=[]), "Plan.steps[0]: unknown key 'depends'; known ones: path, kind"),
        (lambda d: d["criteria"][1].update(note=""), "Plan.criteria[1]: unknown key 'note'"),
        (lambda d: check(d, type="command", argv=["true"], exitcode=1), "check: unknown key 'exitcode'; known ones: type, argv"),
        (lambda d: d.pop("steps"), "steps missing"),
    ],
)  # fmt: skip
def test_a_key_that_a_plan_of_the_users_cannot_have_is_named_and_not_dropped(change: Change, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        given_plan(given(change))
    if "unknown" in words:
        assert read_plan(given(change)), "a model's plan is read all the same"


def test_each_kind_of_check_is_read() -> None:
    data = changed(lambda d: check(d, type="command", argv=["python3", "x.py"], exit_code=2, output="bad"))
    plan = read_plan(data)
    assert plan.criteria[0].check == TestsCheck("tests/test_calculator.py")
    assert plan.criteria[1].check == CommandCheck(("python3", "x.py"), 2, ("bad",))
    assert isinstance(read_plan(PLAN).criteria[1].check, ScriptCheck)


def test_user_commands_become_trusted_criteria() -> None:
    (criterion,) = user_criteria(Task("x", ("pytest -q",)))
    assert criterion.trusted
    assert criterion.check == ShellCheck("pytest -q")


def test_the_degraded_plan_says_what_it_is() -> None:
    plan = degraded_plan(Task("do it"))
    assert plan.degraded
    assert [s.kind for s in plan.steps] == ["source", "test"]
