"""Tests on trial: run again, run on mutants, and what that does to the blame for a failure."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from test_search_ladder import Notes

from nightshift.acceptance import Accepted
from nightshift.domain import (
    Criterion,
    CriterionResult,
    Culprit,
    Diagnosis,
    Environment,
    ExecLimits,
    Plan,
    Sandbox,
    ScriptCheck,
    Step,
    Task,
    TestReport,
    TestResult,
    TestsCheck,
    Tree,
    Verdict,
)
from nightshift.sandbox.box import open_sandbox
from nightshift.search.blame import said_of_tests, weighed
from nightshift.search.brief import Effort
from nightshift.search.trials import put_on_trial, trust_of
from nightshift.search.work import Work, Workshop

PATH = "tests/test_shop.py"
SHOP = """def total(prices):
    result = 0
    for price in prices:
        if price < 0:
            raise ValueError("a price below zero")
        result = result + price
    return result
"""
SHARP = "def test_c1_sharp():\n    assert total([30, 12]) == 42\n"
BLUNT = "def test_c1_blunt():\n    total([30, 12])\n"
BY_SEED = "def test_c1_by_seed():\n    assert ''.join({'a', 'b', 'c', 'd', 'e'}) == 'AS_IT_WAS'\n"
IN_ORDER = "SEEN = []\n\n\ndef test_c1_before():\n    SEEN.append(1)\n\n\ndef test_c1_after():\n    assert SEEN\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    box = open_sandbox(Environment(sys.executable))
    yield box
    box.close()


def work_with(tests: str, *names: str, **changes: Any) -> Work:
    step, file = Step("shop.py", "source", "adds prices up"), Step(PATH, "test", "proves it")
    plan = Plan("a shop", (step, file), (Criterion("c1", "30 and 12 make 42", TestsCheck(PATH)),))
    text = f"from shop import total\n\n\n{tests}"
    nodes = frozenset(f"{PATH}::{name}" for name in names)
    accepted = Accepted({PATH: text}, nodes, samples={PATH: 3}, support=dict.fromkeys(nodes, 1))
    return replace(Work(Task("Add prices."), plan, Tree({"shop.py": SHOP}), accepted), **changes)


def workshop(sandbox: Sandbox, notes: Notes) -> tuple[Workshop, dict[str, str]]:
    saved: dict[str, str] = {}

    def save(texts: Mapping[str, str], _: str) -> None:
        saved.update(texts)

    limits = ExecLimits(seconds=20)
    crew: Any = None
    return Workshop(crew, sandbox, notes, Effort(1, (0.0,), 1, 0), limits, limits, False, (0.3,), save), saved


def on_trial(sandbox: Sandbox, work: Work) -> tuple[Work, Notes, dict[str, str]]:
    notes = Notes()
    shop, saved = workshop(sandbox, notes)
    return put_on_trial(work, shop, "attempt-1/trust"), notes, saved


@pytest.mark.slow
def test_a_test_that_asserts_nothing_kills_no_mutant_and_a_sharp_one_kills_most(sandbox: Sandbox) -> None:
    work, _, _ = on_trial(sandbox, work_with(f"{SHARP}\n\n{BLUNT}", "test_c1_sharp", "test_c1_blunt"))
    sharp, blunt = work.trials[f"{PATH}::test_c1_sharp"], work.trials[f"{PATH}::test_c1_blunt"]
    assert sharp.mutants >= 4
    assert sharp.killed > sharp.mutants / 2
    assert blunt.killed < sharp.killed


@pytest.mark.parametrize(
    "tests, names, flaky",
    [
        (IN_ORDER + "\n\n" + SHARP, ("test_c1_before", "test_c1_after", "test_c1_sharp"), "test_c1_after"),
        (BY_SEED + "\n\n" + SHARP, ("test_c1_by_seed", "test_c1_sharp"), "test_c1_by_seed"),
    ],
    ids=["order", "hash seed"],
)
def test_a_test_that_gives_two_answers_is_quarantined(
    sandbox: Sandbox, tests: str, names: tuple[str, ...], flaky: str
) -> None:
    tests = tests.replace("AS_IT_WAS", order_of_the_set(sandbox))
    work, notes, saved = on_trial(sandbox, work_with(tests, *names))
    assert f"{PATH}::{flaky}" not in work.accepted.nodes
    assert [q.node for q in work.accepted.quarantined] == [f"{PATH}::{flaky}"]
    assert flaky not in work.accepted.texts[PATH]
    assert saved == {PATH: work.accepted.texts[PATH]}
    assert any(record["rule"] == "flaky-test" for record in notes.of("guard"))


def order_of_the_set(sandbox: Sandbox) -> str:
    """As the usual hash seed has it."""
    result = sandbox.run(Tree({}), ("python3", "-c", "print(''.join({'a', 'b', 'c', 'd', 'e'}))"))
    return result.stdout.strip()


def test_the_only_test_of_a_criterion_stays_though_it_is_flaky(sandbox: Sandbox) -> None:
    tests = BY_SEED.replace("AS_IT_WAS", order_of_the_set(sandbox))
    work, notes, _ = on_trial(sandbox, work_with(tests, "test_c1_by_seed"))
    assert work.accepted.nodes == {f"{PATH}::test_c1_by_seed"}
    assert "stays" in notes.of("guard")[0]["action"]
    assert trust_of(work)[f"{PATH}::test_c1_by_seed"].score == 0


def test_a_resumed_run_does_not_try_the_tests_again(sandbox: Sandbox) -> None:
    work = work_with(SHARP, "test_c1_sharp")
    done, notes, _ = on_trial(sandbox, work)
    (told,) = notes.of("trust")
    broken: Any = None
    shop, _ = workshop(broken, Notes([told]))
    assert put_on_trial(work, shop, "attempt-1/trust").trials == done.trials


def test_tests_that_were_on_trial_are_not_tried_again(sandbox: Sandbox) -> None:
    work, _, _ = on_trial(sandbox, work_with(SHARP, "test_c1_sharp"))
    again, notes, _ = on_trial(sandbox, work)
    assert again is work
    assert not notes.told


NODE = f"{PATH}::test_c1_sharp"
SOURCE = Diagnosis(("it fails",), (Culprit("shop.py", "adds wrongly", "source"),), "add rightly")
TEST = Diagnosis(("it fails",), (Culprit(PATH, "asks too much", "test"),), "ask less")
ALL_FAIL = ({NODE: False},) * 4
ALL_PASS = ({NODE: True},) * 4


def failed(*, script: bool = False) -> Verdict:
    results = [CriterionResult(Criterion("c1", "adds", TestsCheck(PATH, (NODE,))), False, "cold", "")]
    if script:
        results.append(CriterionResult(Criterion("c2", "adds", ScriptCheck("assert 0")), False, "cold", ""))
    return Verdict(tuple(results), TestReport((TestResult(NODE, "failed"),), 1))


@pytest.mark.parametrize(
    "heard, told, verdict, blamed, reason",
    [
        (ALL_FAIL, SOURCE, failed(), PATH, "nothing fails but tests that are doubted"),
        (ALL_FAIL, SOURCE, failed(script=True), "shop.py", ""),
        (ALL_PASS, SOURCE, failed(), "shop.py", ""),
        (ALL_FAIL, TEST, failed(), PATH, ""),
        (ALL_PASS, TEST, failed(), "shop.py", "have earned trust"),
        ((), SOURCE, failed(), "shop.py", ""),
    ],
    ids=[
        "nobody passes the test", "a script fails too", "everybody passes it", "the analyst doubts it too",
        "the analyst blames a trusted test", "nothing was heard",
    ],
)  # fmt: skip
def test_trust_decides_the_blame(
    heard: tuple[Mapping[str, bool], ...], told: Diagnosis, verdict: Verdict, blamed: str, reason: str
) -> None:
    work = work_with(SHARP.replace("30, 12", "5, 6").replace("42", "11"), "test_c1_sharp", heard=heard)
    diagnosis, why = weighed(told, work, verdict)
    assert [culprit.path for culprit in diagnosis.culprits] == [blamed]
    assert reason in why
    assert bool(why) == bool(reason)


def test_a_test_file_is_not_blamed_for_being_doubted_twice() -> None:
    work = work_with(SHARP.replace("42", "11"), "test_c1_sharp", heard=ALL_FAIL, reopened={PATH: 1})
    assert weighed(SOURCE, work, failed()) == (SOURCE, "")


def test_the_analyst_is_told_what_candidates_make_of_the_failing_tests() -> None:
    assert "0 of 4 candidates pass it" in said_of_tests(work_with(SHARP, "test_c1_sharp", heard=ALL_FAIL), failed())
    assert said_of_tests(work_with(SHARP, "test_c1_sharp"), failed()) == ""
