from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain import Limits
from nightshift.errors import BudgetExceeded
from nightshift.limits import Budget, Progress, stuck, tree_hash


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_exactly_as_many_calls_are_charged_as_are_allowed() -> None:
    budget = Budget(Limits(calls=3))
    for _ in range(3):
        budget.charge_call()
    with pytest.raises(BudgetExceeded, match=r"3 model calls.*--max-calls") as refusal:
        budget.charge_call()
    assert refusal.value.exit_reason == "budget_calls"
    assert refusal.value.exit_code == 4
    assert budget.calls == 3


def test_the_message_names_what_was_allowed_what_was_spent_and_the_way_out() -> None:
    budget = Budget(Limits(tokens=2000))
    budget.add_tokens(5312)
    said = r"budget of 2,000 tokens is used up \(5,312 spent\); --max-tokens sets"
    with pytest.raises(BudgetExceeded, match=said):
        budget.check()


def test_a_resumed_run_does_not_get_its_budget_again() -> None:
    clock = Clock()
    budget = Budget(Limits(10, 5, 100), used_calls=4, used_tokens=30, elapsed=540, clock=clock)
    clock.seconds += 30
    assert budget.elapsed_minutes == 9.5
    assert budget.remaining() == Limits(0.5, 1, 70)


@pytest.mark.parametrize(
    "limits, seconds, tokens, reason",
    [
        (Limits(minutes=1), 60, 0, "budget_minutes"),
        (Limits(tokens=100), 0, 100, "budget_tokens"),
        (Limits(tokens=100), 0, 250, "budget_tokens"),
        (Limits(minutes=1, calls=0, tokens=0), 61, 0, "budget_minutes"),
    ],
)
def test_no_request_starts_once_a_budget_is_used_up(limits: Limits, seconds: float, tokens: int, reason: str) -> None:
    clock = Clock()
    budget = Budget(limits, clock=clock)
    budget.add_tokens(tokens)
    clock.seconds += seconds
    with pytest.raises(BudgetExceeded) as refusal:
        budget.charge_call()
    assert refusal.value.exit_reason == reason
    assert budget.calls == 0


def test_what_remains_is_never_negative() -> None:
    clock = Clock()
    budget = Budget(Limits(1, 1, 1), used_calls=9, used_tokens=9, elapsed=999, clock=clock)
    assert budget.remaining() == Limits(0, 0, 0)


def attempt(tree: str, score: tuple[int, int] = (0, 0), diagnosis: str = "") -> Progress:
    return Progress((diagnosis,) if diagnosis else (), tree, score)


@pytest.mark.parametrize(
    "history, reason",
    [
        ([], None),
        ([attempt("A")], None),
        ([attempt("A"), attempt("A")], "the tree is the one of attempt 1 again"),
        ([attempt("A", (0, 1)), attempt("B", (0, 2)), attempt("A", (0, 3))], "the tree is the one of attempt 1 again"),
        ([attempt("A", (0, 1)), attempt("B", (0, 2)), attempt("C", (0, 3)), attempt("A", (0, 4))], "the tree is the one of attempt 1 again"),
        ([attempt("A", diagnosis="x"), attempt("B", (0, 0), "x")], "the diagnosis is the one of attempt 1 again"),
        ([attempt("A", diagnosis="x"), attempt("B", (1, 0), "x")], None),
        ([attempt("A", diagnosis="x"), attempt("B", (1, 0), "y")], None),
        ([attempt("A"), attempt("B")], None),
        ([attempt("A"), attempt("B"), attempt("C")], "no better score for 2 attempts"),
        ([attempt("A", (1, 5)), attempt("B", (0, 9)), attempt("C", (1, 5))], "no better score for 2 attempts"),
        ([attempt("A"), attempt("B"), attempt("C", (0, 1))], None),
        ([attempt("A"), attempt("B", (0, 1)), attempt("C")], None),
    ],
)  # fmt: skip
def test_the_loop_breakers_see_circles_of_any_length(history: list[Progress], reason: str | None) -> None:
    assert stuck(history) == reason


def test_an_attempt_without_diagnosis_repeats_none() -> None:
    assert stuck([attempt("A"), attempt("B", (1, 0))]) is None


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_the_tree_hash_ignores_order(texts: dict[str, str]) -> None:
    assert tree_hash(texts) == tree_hash(dict(reversed(texts.items())))


@pytest.mark.parametrize(
    "one, other",
    [({"a": "b"}, {"ab": ""}), ({"a": "", "b": ""}, {"a": "b"}), ({"a": "1"}, {"a": "1\n"}), ({}, {"": ""})],
)
def test_different_trees_hash_differently(one: dict[str, str], other: dict[str, str]) -> None:
    assert tree_hash(one) != tree_hash(other)
