"""Records as values: the JSON form of domain values, and what a run's records add up to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sample_run as sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightshift.domain import (
    Attempt,
    Diagnosis,
    Evaluation,
    ExecResult,
    Plan,
    RunResult,
    TestReport,
    Tree,
    Verdict,
)
from nightshift.errors import ConfigError
from nightshift.records import (
    as_json,
    attempts_of,
    criteria_of,
    deciding_verdict,
    find_run,
    from_json,
    of_kind,
    outcome_of,
    plan_of,
    proof_of,
    proved,
    read_trace,
    settled,
    usage_of,
)
from nightshift.report.stats import stats_of
from trace_collector import Trace

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(Path, st.sampled_from([Path("/a"), Path("b/c.py"), Path(".")]))


@pytest.mark.parametrize(
    "cls", [Plan, Verdict, Diagnosis, Evaluation, ExecResult, TestReport, Attempt, RunResult, Tree]
)
def test_a_value_comes_back_from_json_as_it_was(cls: type) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.from_type(cls))
    def round_trip(value: Any) -> None:
        assert from_json(cls, json.loads(json.dumps(as_json(value)))) == value

    round_trip()


def test_fields_that_are_not_known_are_skipped_and_defaults_fill_in() -> None:
    data = as_json(sample.PLAN)
    data["colour"] = "blue"
    data["steps"][0]["size"] = {"lines": 3}
    del data["requires"], data["steps"][0]["depends_on"]
    assert from_json(Plan, data) == sample.PLAN


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("steps"), "Plan: steps missing"),
        (lambda d: d.update(summary=3), "Plan.summary: text wanted, found '3'"),
        (lambda d: d.update(degraded=1), "Plan.degraded: true or false wanted"),
        (lambda d: d.update(steps="all"), "Plan.steps: a list wanted"),
        (lambda d: d["steps"].append(None), r"Plan.steps\[2\]: an object wanted"),
        (lambda d: d["steps"][1].update(kind="tests"), r"steps\[1\].kind: one of source, test, other wanted"),
        (
            lambda d: d["criteria"][0]["check"].update(type="magic"),
            "check: an object whose type is one of tests",
        ),
        (lambda d: d["criteria"][0]["check"].pop("type"), "whose type is one of"),
    ],
)
def test_what_does_not_fit_is_refused_and_says_where(change: Any, message: str) -> None:
    data = as_json(sample.PLAN)
    change(data)
    with pytest.raises(ValueError, match=message):
        from_json(Plan, data)


def test_unknown_kinds_and_fields_do_no_harm(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        trace.record("telemetry", "plan", of="a later version")
        trace.record("planned", "plan", plan=sample.PLAN, refusals=[], accepted=True, mood="good")
    records = read_trace(tmp_path / "trace.jsonl")
    assert plan_of(records) == sample.PLAN
    assert len(settled(records)) == len(records)


def test_the_plan_in_force_is_the_last_accepted_one(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        assert plan_of(trace.records()) is None
        trace.record("planned", "plan", ask=1, plan=None, refusals=["a cycle"], accepted=False)
        trace.record("planned", "plan", ask=2, plan=sample.PLAN, refusals=[], accepted=True)
        trace.record("planned", "plan", ask=3, plan=replace(sample.PLAN, summary="x"), refusals=["no"], accepted=False)
        assert plan_of(trace.records()) == sample.PLAN


def test_a_run_folds_into_its_attempts_and_usage(tmp_path: Path) -> None:
    records = sample.passed_run(tmp_path)
    first, second = attempts_of(records)
    assert (first.number, first.built, first.diagnosis) == (1, ("storage.py",), sample.DIAGNOSIS)
    assert not first.verdict.passed
    assert second.verdict.passed
    assert proved(records)
    assert all(result.passed for result in criteria_of(records))
    usage = usage_of(records)
    assert (usage.calls, usage.prompt_tokens, usage.cached_tokens, usage.model_seconds) == (5, 500, 300, 7.5)


def test_a_call_that_was_sent_and_never_answered_counts_as_sent(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        trace.record("asked", "s", role="builder", key="k")
    with Trace.resume(tmp_path) as trace:
        sample.ask(trace, "builder", "s", "text")
        assert trace.usage.calls == 2


def test_before_any_verdict_each_criterion_is_not_judged(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        results = criteria_of(trace.records())
    assert [(r.criterion.id, r.passed, r.evidence) for r in results] == [
        ("c1", False, "not judged"),
        ("c2", False, "not judged"),
    ]


def test_the_deciding_verdict_is_the_one_of_the_best_tree(tmp_path: Path) -> None:
    better = sample.verdict(False)
    better = replace(better, results=(replace(better.results[0], passed=True), better.results[1]))
    with Trace.create(tmp_path, "r") as trace:
        for number, said in enumerate([sample.verdict(False), better, sample.verdict(False)], 1):
            sample.judge(trace, number, said)
        assert deciding_verdict(trace.records()) == better
        sample.judge(trace, 4, sample.verdict(True))
        assert deciding_verdict(trace.records()) == sample.verdict(True)


def test_a_resumed_run_is_told_once(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.fail_and_diagnose(trace)
    with Trace.resume(tmp_path) as trace:
        assert outcome_of(trace.records()) is None
        trace.record("planned", "plan", ask=1, plan=sample.PLAN, refusals=[], accepted=True)
        sample.build(trace, 1, ("candidate-1", "candidate-2"), "candidate-2")
        told = settled(trace.records())
        assert len(of_kind(told, "planned")) == 1
        assert len(of_kind(told, "evaluation")) == 2
        assert len(of_kind(told, "verdict")) == 1, "what the replay has not reached yet still stands"
        assert len(of_kind(told, "call")) == 6, "a call happened as often as it was made"
        sample.judge(trace, 1, sample.verdict(True))
        sample.finish(trace, "passed", "passed", 0)
        assert stats_of(trace.records())["candidates"] == 2
        assert deciding_verdict(trace.records()) == sample.verdict(True)


def test_attempts_that_a_concluded_replay_never_made_are_gone(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, sample.verdict(False))
        sample.judge(trace, 2, sample.verdict(False))
    with Trace.resume(tmp_path) as trace:
        sample.judge(trace, 1, sample.verdict(True))
        sample.finish(trace, "passed", "passed", 0)
        records = trace.records()
    assert [attempt.number for attempt in attempts_of(records)] == [1]
    assert proved(records)


def test_an_end_that_was_resumed_is_no_end(tmp_path: Path) -> None:
    sample.failed_run(tmp_path)
    with Trace.resume(tmp_path) as trace:
        assert outcome_of(trace.records()) is None
        assert stats_of(trace.records())["status"] == "unfinished"


@pytest.mark.parametrize(
    ("status", "passing", "expected"),
    [
        ("passed", True, True),
        ("passed", False, False),
        ("failed", True, False),
        (None, True, True),
        (None, False, False),
    ],
)
def test_proved_needs_a_passing_verdict_and_no_other_end(
    tmp_path: Path, status: str | None, passing: bool, expected: bool
) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.judge(trace, 1, sample.verdict(passing))
        if status:
            sample.finish(trace, status, "passed", 0)
        assert proved(trace.records()) is expected


@pytest.mark.parametrize(
    ("criteria", "grade"),
    [((sample.TESTS,), "self"), ((sample.USER,), "user"), ((sample.TESTS, sample.USER), "mixed")],
)
def test_proof_is_graded_by_whose_checks_took_part(criteria: tuple[Any, ...], grade: str) -> None:
    assert proof_of(sample.verdict(True, *criteria).results) == grade


def test_a_run_is_found_by_id_start_folder_or_as_the_latest(tmp_path: Path) -> None:
    for name in ("20260101-a", "20260102-a", "20260102-b"):
        Trace.create(sample.run_dir(tmp_path, name), name).close()
    assert find_run(tmp_path).name == find_run(tmp_path, "latest").name == "20260102-b"
    assert find_run(tmp_path, "20260101").name == "20260101-a"
    assert find_run(Path("/"), str(sample.run_dir(tmp_path, "20260102-a"))).name == "20260102-a"
    with pytest.raises(ConfigError, match="more than one"):
        find_run(tmp_path, "20260102")
    with pytest.raises(ConfigError, match="no run '2027'"):
        find_run(tmp_path, "2027")
