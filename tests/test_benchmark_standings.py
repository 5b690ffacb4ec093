"""Figures of a benchmark: intervals that widen with luck, comparisons that are refused when they would mislead."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from benchmark_results import SETTING, outcome, results
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.acceptance import Acceptance
from benchmarks.outcomes import append, read_outcomes
from benchmarks.pages_of_results import report, write
from benchmarks.standings import bootstrap, by_chance, by_setting, compared, standing
from nightshift.errors import ConfigError

OTHER = replace(SETTING, model="coder:14b")
TEN = [f"01-task{number}" for number in range(10)]
groups = st.dictionaries(
    st.text(min_size=1, max_size=3),
    st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=4),
    min_size=1,
    max_size=6,
)


@given(groups)
def test_an_interval_holds_its_value_and_stays_a_share(found: dict[str, list[float]]) -> None:
    interval = bootstrap(found, draws=60)
    assert 0 <= interval.low <= interval.value + 1e-9
    assert interval.value <= interval.high + 1e-9 <= 1 + 2e-9


@pytest.mark.parametrize("value, low, high", [(0.0, 0, 0.52), (1.0, 0.48, 1)])
def test_five_tasks_that_all_end_alike_are_no_certainty(value: float, low: float, high: float) -> None:
    found = bootstrap({str(number): [value] for number in range(5)})
    assert (round(found.low, 2), round(found.high, 2)) == (low, high)


def test_every_task_weighs_the_same_however_often_it_was_run() -> None:
    found = standing(results({"01-a": [True] * 6, "01-b": [False]}))
    assert found.accepted.value == 0.5


def test_a_run_that_claims_what_the_hidden_tests_deny_is_a_false_green_and_not_accepted() -> None:
    denied = outcome(claimed=True, acceptance=Acceptance(4, 5))
    assert (denied.accepted, denied.false_green, denied.false_red) == (False, True, False)


def test_a_run_that_gives_up_on_a_tree_that_would_be_accepted_is_a_false_red() -> None:
    modest = outcome(claimed=False)
    assert (modest.accepted, modest.false_green, modest.false_red) == (False, False, True)


def test_a_run_that_refuses_to_special_case_is_no_false_red() -> None:
    assert not outcome(claimed=False, kind="cheat").false_red


def test_a_claim_where_only_tampering_can_pass_is_never_accepted() -> None:
    assert not outcome(unsolvable=True).accepted
    assert outcome(unsolvable=True).false_green


@pytest.mark.parametrize(
    "before, after, result",
    [
        ([False, False], [True, True], "better"),
        ([True, True], [False, False], "worse"),
        ([True, False], [False, True], "undecided"),
    ],
)
def test_a_comparison_says_better_worse_or_undecided(before: list[bool], after: list[bool], result: str) -> None:
    first = results(dict.fromkeys(TEN, before))
    assert compared(first, results(dict.fromkeys(TEN, after), OTHER)).result == result


def test_one_task_never_decides_however_often_it_is_repeated() -> None:
    found = compared(results({"01-a": [False] * 9}), results({"01-a": [True] * 9}, OTHER))
    assert found.difference.low > 0
    assert found.result == "undecided"


def test_regressions_are_named_worst_first() -> None:
    before = results({"01-a": [True, True], "01-b": [True, True], "01-c": [False, False]})
    after = results({"01-a": [True, False], "01-b": [False, False], "01-c": [True, True]}, OTHER)
    found = compared(before, after)
    assert (found.regressions, found.gains) == (("01-b", "01-a"), ("01-c",))


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=8))
def test_chance_does_not_care_for_the_direction(changes: list[float]) -> None:
    assert 0 < by_chance(changes, 50) <= 1
    assert by_chance(changes, 50) == by_chance([-change for change in changes], 50)


SIMULATED = replace(SETTING, model="simulated-7B")


@pytest.mark.parametrize(
    "second, reason",
    [
        (results({"01-a": [True]}, replace(OTHER, code="new")), "differ in model and code"),
        (results({"01-a": [True]}, replace(OTHER, machine="big")), "differ in model and machine"),
        (results({"01-a": [True]}, SIMULATED), "simulation"),
        (results({"01-b": [True]}, OTHER), "no task in common"),
        (results({"01-a": [True]}, OTHER, digest="changed"), "01-a is not the same"),
        ([], "no results"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_sentence(second: list[object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        compared(results({"01-a": [True]}), second)  # type: ignore[arg-type]


def test_outcomes_survive_their_file_and_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    written = [outcome(), outcome(repeat=2, passed=False, repaired={"tests": {"model": 2}}, first_candidate_rate=0.5)]
    for each in written:
        append(file, each)
    with file.open("a") as out:
        out.write('{"task": "01-')
    assert read_outcomes([file]) == written


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    append(file, outcome())
    file.write_text(file.read_text() + json.dumps({"task": 1}) + "\n")
    with pytest.raises(ConfigError, match=r"all\.jsonl, line 2"):
        read_outcomes([file])


def test_results_of_a_simulation_say_so_in_their_title(tmp_path: Path) -> None:
    for name, setting in (("real", SETTING), ("simulated", SIMULATED)):
        append(tmp_path / f"{name}.jsonl", outcome(setting=setting))
        write([tmp_path / f"{name}.jsonl"], tmp_path / name)
    assert "simulat" not in (tmp_path / "real.md").read_text().lower()
    for page in ("simulated.md", "simulated.html"):
        text = (tmp_path / page).read_text()
        assert "Benchmark with simulated models" in text
        assert "simulated-7B (a simulation, no model)" in text


def test_a_report_escapes_what_models_are_called(tmp_path: Path) -> None:
    append(tmp_path / "all.jsonl", outcome(setting=replace(SETTING, model="<b>|x")))
    assert report([str(tmp_path)]) == 0
    assert "<b>" not in (tmp_path / "report.html").read_text()
    assert "<b>|x" not in (tmp_path / "report.md").read_text()


def test_settings_are_told_apart_in_the_order_of_their_results() -> None:
    assert list(by_setting([outcome(), outcome(setting=OTHER), outcome()])) == [SETTING, OTHER]
