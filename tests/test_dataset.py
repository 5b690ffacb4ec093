"""Training data: only replies that survived in a proved run, in the very form they were sent and came."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import sample_run as sample

from nightshift.dataset import GATES, export_messages, manifest_path, surviving_calls
from trace_collector import Trace


def spans(folder: Path) -> list[str]:
    with Trace.resume(folder) as trace:
        records = trace.records()[:-1]
    return [call.span for call in surviving_calls(records)]


def test_the_plan_the_right_diagnosis_and_the_final_choice_survive(tmp_path: Path) -> None:
    sample.passed_run(tmp_path)
    assert spans(tmp_path) == ["plan/ask-1", "attempt-1/diagnose", "attempt-2/build/storage.py/candidate-1"]


def test_nothing_of_a_run_that_did_not_pass_is_used(tmp_path: Path) -> None:
    sample.failed_run(tmp_path)
    assert spans(tmp_path) == []


def test_a_claim_of_success_without_a_passing_verdict_is_not_believed(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, sample.verdict(False))
        sample.finish(trace, "passed", "passed", 0)
    assert spans(tmp_path) == []


def test_a_text_kept_from_an_earlier_attempt_counts_for_the_reply_that_wrote_it(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.build(trace, 1, ("candidate-1",), "candidate-1", text="# the one\n")
        kept: dict[str, Any] = {"path": "storage.py", "label": "kept", "text": "# the one\n"}
        trace.record(
            "evaluation",
            "attempt-2/build/storage.py/kept",
            path="storage.py",
            candidate=kept,
            rungs=[],
            outcomes={},
        )
        trace.record(
            "selected",
            "attempt-2/build/storage.py",
            path="storage.py",
            chosen="kept",
            considered=["kept"],
            scores={},
            reason="r",
        )
        sample.judge(trace, 2, sample.verdict(True))
        sample.finish(trace, "passed", "passed", 0)
    assert spans(tmp_path) == ["plan/ask-1", "attempt-1/build/storage.py/candidate-1"]


@pytest.mark.parametrize(
    ("fields", "used"),
    [({}, True), ({"fault": "stall"}, False), ({"stop_reason": "length"}, False)],
)
def test_of_several_askings_the_one_that_was_used_survives(tmp_path: Path, fields: dict[str, Any], used: bool) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        span = "attempt-1/build/storage.py"
        sample.build(trace, 1, ("candidate-1",), "candidate-1")
        sample.ask(trace, "builder", f"{span}/candidate-1/retry-1", "good", **fields)
        sample.ask(trace, "builder", f"{span}/candidate-10", "other")
        sample.judge(trace, 1, sample.verdict(True))
        sample.finish(trace, "passed", "passed", 0)
    assert spans(tmp_path)[1:] == [f"{span}/candidate-1" + ("/retry-1" if used else "")]


def test_a_plan_made_without_the_planner_and_a_diagnosis_without_the_analyst_teach_nothing(
    tmp_path: Path,
) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.ask(trace, "planner", "plan/ask-1", "refused")
        trace.record("planned", "plan", ask=4, plan=sample.PLAN, refusals=[], accepted=True)
        sample.judge(trace, 1, sample.verdict(False))
        sample.ask(trace, "analyst", "attempt-1/diagnose", "I cannot say.")
        trace.record("diagnosis", "attempt-1/diagnose", attempt=1, diagnosis=sample.DIAGNOSIS)
        sample.judge(trace, 2, sample.verdict(True))
        sample.finish(trace, "passed", "passed", 0)
    assert spans(tmp_path) == []


def export(tmp_path: Path, *runs: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    out = tmp_path / "out" / "messages.jsonl"
    manifest = export_messages([tmp_path / run / "trace.jsonl" for run in runs], out)
    return manifest, [json.loads(line) for line in out.read_bytes().splitlines()]


def test_an_example_is_what_was_sent_and_what_came_and_nothing_else(tmp_path: Path) -> None:
    records = sample.passed_run(tmp_path / "a")
    manifest, examples = export(tmp_path, "a")
    calls = {call.span: call.fields for call in records if call.kind == "call"}
    for example, source in zip(examples, manifest["sources"], strict=True):
        call = calls[source["span"]]
        assert example == {"messages": [*call["messages"], {"role": "assistant", "content": call["text"]}]}


def test_the_manifest_says_what_is_in_the_file_and_exporting_again_changes_nothing(tmp_path: Path) -> None:
    sample.passed_run(tmp_path / "a")
    sample.failed_run(tmp_path / "b")
    manifest, examples = export(tmp_path, "a", "b")
    data = (tmp_path / "out" / "messages.jsonl").read_bytes()
    assert manifest["sha256"] == hashlib.sha256(data).hexdigest()
    assert manifest["roles"] == {"planner": 1, "analyst": 1, "builder": 1}
    assert manifest["left_out"] == {"output did not survive": 2, "run not passed": 4}
    assert json.loads(manifest_path(tmp_path / "out" / "messages.jsonl").read_bytes()) == manifest
    assert export(tmp_path, "a", "b") == (manifest, examples)
    assert (tmp_path / "out" / "messages.jsonl").read_bytes() == data


def test_an_example_is_used_once(tmp_path: Path) -> None:
    sample.passed_run(tmp_path / "a")
    sample.passed_run(tmp_path / "b")
    manifest, examples = export(tmp_path, "a", "b")
    assert len(examples) == 3
    assert manifest["left_out"]["duplicate"] == 3


GOOD = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "u"},
    {"role": "assistant", "content": "a"},
]


def test_a_good_conversation_passes_every_gate() -> None:
    for messages in (GOOD, GOOD[1:], [*GOOD, *GOOD[1:]]):
        assert not [name for name, refuses in GATES.items() if refuses(messages)]


@pytest.mark.parametrize(
    ("messages", "gate"),
    [
        ([], "odd roles"),
        (GOOD[:2], "odd roles"),
        (GOOD[:1] + GOOD[2:], "odd roles"),
        ([*GOOD, GOOD[2]], "odd roles"),
        ([GOOD[1], GOOD[0], GOOD[2]], "odd roles"),
        ([GOOD[1], {"role": "tool", "content": "t"}], "odd roles"),
        ([*GOOD[:2], {"role": "assistant", "content": " \n"}], "blank"),
        ([*GOOD[:2], {"role": "assistant", "content": "a", "name": "x"}], "odd keys"),
    ],
)
def test_each_gate_refuses_what_it_is_for(messages: list[dict[str, str]], gate: str) -> None:
    assert GATES[gate](messages)


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----", "AKIA" + "A1B2C3D4E5F6G7H8",
        "ghp_" + "a1" * 18, "github_pat_" + "a1" * 20, "sk-" + "proj-" + "x1" * 12, "xoxb-" + "1234567890-abc",
        "AIza" + "Sy" * 18, "glpat-" + "a1" * 10, "hf_" + "aB" * 17,
        "eyJ" + "hbGciOiJIUzI1" + ".eyJ" + "zdWIiOiIxMjM0" + ".sig",
    ],
)  # fmt: skip
def test_no_planted_secret_gets_out(tmp_path: Path, secret: str) -> None:
    with Trace.create(tmp_path / "a", "a") as trace:
        sample.start(trace)
        span = "attempt-1/build/storage.py"
        sample.build(trace, 1, ("candidate-1",), "candidate-1")
        sample.ask(trace, "builder", f"{span}/candidate-1/retry-1", f"KEY = '{secret}'")
        sample.judge(trace, 1, sample.verdict(True))
        sample.finish(trace, "passed", "passed", 0)
    manifest, examples = export(tmp_path, "a")
    assert manifest["left_out"] == {"output did not survive": 1, "secret": 1}
    assert secret not in json.dumps(examples)


def test_words_that_only_look_like_secrets_are_no_reason_to_refuse() -> None:
    text = "risk-assessment, task-list-of-many-items, password = 'x', Bearer token, ask-me-anything-about-python"
    assert not GATES["secret"]([*GOOD[:2], {"role": "assistant", "content": text}])
