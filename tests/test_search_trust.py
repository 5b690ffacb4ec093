"""How far a generated test is believed, and what that does to the blame for a failure."""

from __future__ import annotations

import pytest

from nightshift.search.trust import DOUBTED, Trial, Trust, trust_in

UNTRIED = Trial()
NODE = "tests/test_cart.py::test_total"
TEST = "def test_total():\n    assert total([30, 12]) == 42\n"
SPEC = "The total of 30 and 12 is 42."


def trust(passed: int, tried: int, support: float = 1 / 3, *, named: bool = True, trial: Trial = UNTRIED) -> Trust:
    return Trust(NODE, passed, tried, support, named, trial)


@pytest.mark.parametrize(
    "found, doubted, trusted",
    [
        (trust(0, 3), True, False),
        (trust(0, 5, 2 / 3), False, True),
        (trust(3, 3), False, True),
        (trust(1, 3), False, False),
        (trust(0, 0, 2 / 3), False, True),
        (trust(0, 3, 1.0), False, True),
        (trust(3, 3, trial=Trial(flaky=True)), True, False),
        (trust(2, 3, trial=Trial(mutants=9, killed=0)), False, False),
    ],
    ids=lambda value: f"{value.passed} of {value.tried}, {value.support:.1f}" if isinstance(value, Trust) else "",
)
def test_each_sign_moves_the_score(found: Trust, doubted: bool, trusted: bool) -> None:
    assert (found.score < DOUBTED, found.trusted) == (doubted, trusted), found.score


@pytest.mark.parametrize(
    "better, worse",
    [
        (trust(2, 4), trust(1, 4)),
        (trust(2, 4, 2 / 3), trust(2, 4, 1 / 3)),
        (trust(2, 4), trust(2, 4, named=False)),
        (trust(2, 4, trial=Trial(mutants=6, killed=1)), trust(2, 4, trial=Trial(mutants=6, killed=0))),
    ],
)
def test_every_sign_for_a_test_raises_its_score(better: Trust, worse: Trust) -> None:
    assert better.score > worse.score


def test_doubts_are_said_in_words() -> None:
    found = trust(0, 4, named=False, trial=Trial(mutants=6, killed=0))
    assert "none of 4 candidates passes it" in found.doubts
    assert "fails on none of 6 mutants of the lines it runs" in found.doubts
    assert "uses nothing that the task says" in found.doubts


@pytest.mark.parametrize(
    "test, named",
    [(TEST, True), (TEST.replace("30, 12", "5, 2").replace("42", "7"), False), ("def test_total(:", False)],
)
def test_a_test_is_named_by_the_task_when_its_literals_are_the_tasks(test: str, named: bool) -> None:
    found = trust_in({"tests/test_cart.py": test}, [NODE], [], {}, SPEC, {})
    assert found[NODE].named is named


def test_of_a_parametrized_test_every_parameter_counts() -> None:
    heard = [{f"{NODE}[a]": True, f"{NODE}[b]": False}, {f"{NODE}[a]": True, f"{NODE}[b]": True}]
    found = trust_in({}, [NODE], heard, {}, SPEC, {})[NODE]
    assert (found.passed, found.tried) == (1, 2)
