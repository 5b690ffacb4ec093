"""Which candidate is kept, over the candidates x tests matrix."""

from __future__ import annotations

import pytest

from nightshift.domain import Candidate, Evaluation, Rung, TestReport, TestResult
from nightshift.search.select import rivals, select

RUNGS = ("parses", "interface", "imports", "tests")


def evaluation(
    label: str, passed: str = "", failed: str = "", *, height: int = 3, text: str = "", origin="sample"
) -> Evaluation:
    """`passed` and `failed` name tests by single letters; height 4 climbs every rung."""
    results = [TestResult(f"t.py::{t}", "passed") for t in passed] + [
        TestResult(f"t.py::{t}", "failed") for t in failed
    ]
    rungs = tuple(Rung(name, i < height) for i, name in enumerate(RUNGS[: height + 1]))
    report = TestReport(tuple(results), len(results)) if results else None
    return Evaluation(Candidate("a.py", text or f"x = {label!r}", origin, label), rungs, report)


@pytest.mark.parametrize(
    "pool, wanted, reason",
    [
        (
            [evaluation("a", "12", "3"), evaluation("b", "123", height=4)],
            "b",
            "climbs every rung of the ladder; most candidates agree on 2 of 3 tests",
        ),
        ([evaluation("a", height=1), evaluation("b", height=2)], "b", "climbs more rungs"),
        # Three agree on 1 and 2; the loner passes three tests that nobody else passes, perhaps wrong ones.
        (
            [
                evaluation("a", "12", "345"),
                evaluation("b", "12", "345"),
                evaluation("c", "12", "345"),
                evaluation("loner", "345", "12"),
            ],
            "a",
            "as good as the others, and shortest",
        ),
        (
            [evaluation("a", "12", "3"), evaluation("b", "13", "2"), evaluation("c", "1", "23")],
            "a",
            "equal to the others, and first",
        ),
        (
            [evaluation("long", "1", "2", text="x = 1 + 1"), evaluation("short", "1", "2", text="x = 2")],
            "short",
            "as good as the others, and shortest",
        ),
        ([evaluation("a", "1", "2")], "a", "the only candidate"),
        (
            [
                evaluation("kept", "1", "2", text="x=1", origin="kept"),
                evaluation("new", "1", "2", text="xx = 11"),
            ],
            "new",
            "new, and as good as the present file",
        ),
    ],
)
def test_agreement_beats_count_and_size_is_the_last_word(pool: list[Evaluation], wanted: str, reason: str) -> None:
    selection = select(pool)
    assert selection.chosen.candidate.label == wanted
    if wanted != "a" or len(pool) < 4:
        assert selection.reason == reason


def test_a_user_test_outweighs_any_number_of_generated_ones() -> None:
    def with_user(label: str, passed: tuple[str, ...], failed: tuple[str, ...]) -> Evaluation:
        results = tuple(TestResult(n, "passed") for n in passed) + tuple(TestResult(n, "failed") for n in failed)
        return Evaluation(
            Candidate("a.py", f"x = {label!r}", label=label),
            (Rung("tests", False),),
            TestReport(results, len(results)),
        )

    generated = tuple(f"g.py::t{i}" for i in range(9))
    pool = [with_user("many", generated, ("user.py::t",)), with_user("one", ("user.py::t",), generated)]
    assert select(pool, frozenset({"user.py"})).chosen.candidate.label == "one"


def test_candidates_that_say_the_same_vote_together() -> None:
    """Two samples that came to the same code are agreement, not noise."""
    pool = [
        evaluation("loner", "3", "12"),
        evaluation("a", "12", "3", text="x = 1\n"),
        evaluation("b", "12", "3", text="x=1\n"),
    ]
    assert select(pool).chosen.candidate.label in ("a", "b")


def test_the_order_of_candidates_does_not_change_the_scores() -> None:
    pool = [evaluation("a", "12", "3"), evaluation("b", "23", "1"), evaluation("c", "3", "12")]
    forward, backward = select(pool), select(pool[::-1])
    assert sorted(forward.scores) == sorted(backward.scores)


def with_nodes(label: str, **outcomes: bool) -> Evaluation:
    results = tuple(TestResult(f"t.py::{name}", "passed" if ok else "failed") for name, ok in outcomes.items())
    return Evaluation(
        Candidate("a.py", f"x = {label!r}", label=label), (Rung("tests", False),), TestReport(results, len(results))
    )


@pytest.mark.parametrize(
    "pool, found",
    [
        # Each is passed by somebody, and nobody passes both: they contradict each other.
        ([with_nodes("a", test_c1_x=True, test_c1_x_2=False), with_nodes("b", test_c1_x=False, test_c1_x_2=True)], 1),
        # Somebody passes both.
        ([with_nodes("a", test_c1_x=True, test_c1_x_2=False), with_nodes("b", test_c1_x=True, test_c1_x_2=True)], 0),
        # Nobody passes the second: perhaps it is right and every candidate wrong.
        ([with_nodes("a", test_c1_x=True, test_c1_x_2=False), with_nodes("b", test_c1_x=True, test_c1_x_2=False)], 0),
        # Two subjects: that no candidate got both right says nothing against the tests.
        ([with_nodes("a", test_c1_x=True, test_c1_y=False), with_nodes("b", test_c1_x=False, test_c1_y=True)], 0),
    ],
)
def test_tests_contradict_each_other_only_when_execution_shows_it(pool: list[Evaluation], found: int) -> None:
    assert len(rivals(pool)) == found
