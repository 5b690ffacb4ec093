from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain import Limits
from nightshift.errors import BudgetExceeded
from nightshift.limits import Allowance, Budget, Progress, stuck, tree_hash


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


@pytest.mark.parametrize(
    "history, reason",
    [
        ([Progress((), "A", (0, 1), 1), Progress((), "A", (5, 5), 2)], "the tree is the one of attempt 1 again"),
        ([Progress(("x",), "A", (3, 3), 1), Progress(("x",), "B", (0, 0), 2)], None),
        ([Progress((), "A", (3, 3), 1), Progress((), "B", (2, 2), 2), Progress((), "C", (1, 1), 2)], None),
        ([Progress((), "A", (1, 1), 1, "f"), Progress((), "B", (1, 1), 1, "f")], "the files made are those of attempt 1 again"),
        ([Progress((), "A", (1, 1), 1, "f"), Progress((), "B", (9, 9), 2, "f")], "the files made are those of attempt 1 again"),
        ([Progress((), "A", (1, 1), 1, "f"), Progress((), "B", (1, 2), 1, "f")], None),
        ([Progress((), "A", (1, 1), 1, ""), Progress((), "B", (1, 1), 1, "")], None),
    ],
)  # fmt: skip
def test_trees_and_files_count_for_the_whole_run_and_scores_within_a_plan(
    history: list[Progress], reason: str | None
) -> None:
    assert stuck(history) == reason


scores = st.tuples(st.integers(0, 3), st.integers(0, 9))
attempts_of_any_model = st.lists(
    st.builds(Progress, st.lists(st.sampled_from("xyz"), max_size=2).map(tuple), st.sampled_from("ABCDE"), scores),
    min_size=1,
)


@given(attempts_of_any_model, st.integers(1, 6))
def test_a_tree_that_comes_back_is_a_circle_of_any_period(attempts: list[Progress], period: int) -> None:
    again = replace(attempts[-1], plan=2, score=(9, 9), diagnosis=("new",))
    between = [replace(attempts[0], tree=f"other {n}", score=(8, n)) for n in range(period - 1)]
    assert "the tree is the one of attempt" in (stuck([*attempts, *between, again]) or "")


@given(attempts_of_any_model, st.data())
def test_what_was_no_progress_stays_so_however_long_the_run(attempts: list[Progress], data: st.DataObject) -> None:
    """More history never excuses an attempt: nothing that a model does later resets a loop breaker."""
    earlier = data.draw(st.lists(st.sampled_from(attempts)))
    if stuck(attempts) and "no better score" not in str(stuck(attempts)):
        assert stuck([*earlier, *attempts])


@dataclass
class Model:
    """Answers whatever it likes: a list of numbers, drawn by hypothesis, decides every outcome."""

    drawn: list[int]
    asked: int = 0

    def choose(self, options: int) -> int:
        self.asked += 1
        return self.drawn[self.asked % len(self.drawn)] * self.asked % options


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40), st.integers(1, 50), st.integers(0, 20))
def test_whatever_the_model_says_a_run_ends_within_its_attempts_and_plans(
    drawn: list[int], attempts: int, replans: int
) -> None:
    """The skeleton of the loop: every attempt gets another tree, diagnosis and score, as the model likes."""
    model, allowance, history = Model(drawn), Allowance(attempts, replans), list[Progress]()
    taken, fresh, number = 0, False, allowance.attempt()
    while number or (allowance.replan() and (number := allowance.attempt())):
        taken += 1
        assert number == taken, "numbers are minted once and in order"
        score = (model.choose(4), model.choose(20))
        history.append(Progress((str(model.choose(3)),), str(model.choose(10**9)), score, allowance.plans))
        ended = fresh and stuck(history)
        fresh = bool(stuck(history)) and not ended
        number = None if ended else allowance.attempt()
    assert taken <= attempts + attempts // 2, "one refill, of half, at most"
    assert allowance.plans <= 1 + replans
    assert not allowance.replan(), "what has ended stays so"


@given(st.lists(st.sampled_from(["attempt", "replan"]), max_size=200), st.integers(1, 50), st.integers(0, 20))
def test_no_order_of_asking_gives_more_than_one_half_refill(words: list[str], attempts: int, replans: int) -> None:
    allowance = Allowance(attempts, replans)
    numbers = [allowance.attempt() for word in words if word == "attempt" or not allowance.replan()]
    granted = [number for number in numbers if number]
    assert granted == list(range(1, len(granted) + 1))
    assert len(granted) <= attempts + attempts // 2
    assert allowance.plans <= 1 + replans


@given(st.integers(1, 60), st.lists(st.integers(0, 7), max_size=40), st.integers(0, 10**6))
def test_however_often_it_is_killed_a_run_sends_no_more_requests_than_it_may(
    calls: int, parts: list[int], tokens: int
) -> None:
    """Each part takes over what the trace counts; a part may be killed after any number of requests."""
    sent = 0
    for part in [*parts, calls]:
        budget = Budget(Limits(calls=calls, tokens=10**9), used_calls=sent, used_tokens=tokens)
        for _ in range(part):
            try:
                budget.charge_call()
            except BudgetExceeded:
                break
            sent += 1
    assert sent == calls
