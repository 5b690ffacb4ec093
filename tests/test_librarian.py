"""The librarian: only a proved run teaches, and what it teaches is in its trace."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sample_run as sample

from librarian import MAX_LESSONS_PER_RUN, NotProved, curate
from memory import Memory
from nightshift.domain import TestReport, TestResult
from trace_collector import Trace

ROOT = Path(__file__).resolve().parent.parent


def run(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    options = ["--workspace", str(folder), "--memory", str(folder / "memory.db")]
    done = subprocess.run(
        [sys.executable, "librarian.py", *options, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def test_advice_that_turned_a_failure_into_a_pass_is_a_lesson(tmp_path: Path) -> None:
    (lesson,) = curate(sample.passed_run(tmp_path / sample.RUN))
    assert lesson.advice == sample.DIAGNOSIS.advice
    assert lesson.run == sample.RUN
    assert {"KeyError", "storage", "tracker", "json"} <= set(lesson.trigger.split())


def test_a_proved_run_that_is_still_writing_its_end_teaches_already(tmp_path: Path) -> None:
    records = sample.passed_run(tmp_path)
    assert curate([record for record in records if record.kind != "run_finished"]) == curate(records)


def test_a_run_that_did_not_pass_teaches_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotProved, match="did not pass"):
        curate(sample.failed_run(tmp_path))
    with pytest.raises(NotProved):
        curate([])


def test_a_claim_without_a_passing_verdict_teaches_nothing(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.fail_and_diagnose(trace)
        sample.finish(trace, "passed", "passed", 0)
        with pytest.raises(NotProved):
            curate(trace.records())


def test_advice_that_did_not_help_is_no_lesson(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        for number, (passed, advice) in enumerate([(False, "wrong idea"), (False, "right idea"), (True, "")], 1):
            sample.judge(trace, number, sample.verdict(passed))
            if not passed:
                told = replace(sample.DIAGNOSIS, advice=advice)
                trace.record("diagnosis", f"attempt-{number}/diagnose", attempt=number, diagnosis=told)
        assert [lesson.advice for lesson in curate(trace.records())] == ["right idea"]


def test_a_run_that_passed_at_once_has_no_lesson(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, sample.verdict(True))
        assert curate(trace.records()) == ()


@pytest.mark.parametrize(
    "advice", ["", "  ", "use the key sk-abcdefghijklmnopqrstuvwx", "-----BEGIN RSA PRIVATE KEY-----"]
)
def test_empty_advice_and_secrets_are_no_lesson(tmp_path: Path, advice: str) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, sample.verdict(False))
        told = replace(sample.DIAGNOSIS, advice=advice)
        trace.record("diagnosis", "attempt-1/diagnose", attempt=1, diagnosis=told)
        sample.judge(trace, 2, sample.verdict(True))
        assert curate(trace.records()) == ()


def test_the_trigger_names_the_most_frequent_exceptions_of_the_evidence(tmp_path: Path) -> None:
    details = ["E ValueError: x", "E  json.JSONDecodeError: y", "E ValueError", "E OSError"]
    tests = TestReport(tuple(TestResult(f"t{n}", "failed", 0, d) for n, d in enumerate(details)), 4)
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, replace(sample.verdict(False, sample.USER), report=tests, results=()))
        trace.record("diagnosis", "attempt-1/diagnose", attempt=1, diagnosis=sample.DIAGNOSIS)
        sample.judge(trace, 2, sample.verdict(True))
        (lesson,) = curate(trace.records())
    assert lesson.trigger.split()[:3] == ["ValueError", "JSONDecodeError", "storage"]
    assert MAX_LESSONS_PER_RUN >= 1


def test_curating_learns_once_and_the_next_related_task_finds_it(tmp_path: Path) -> None:
    sample.passed_run(sample.run_dir(tmp_path))
    assert "Write the JSON file after each change." in run(tmp_path, "curate").stdout
    assert "learned nothing new" in run(tmp_path, "curate", "latest").stderr
    (found,) = json.loads(run(tmp_path, "search", "a tracker that stores tasks as JSON", "--json").stdout)
    assert found["run"] == sample.RUN
    assert "nothing fits" in run(tmp_path, "search", "play chess").stderr


def test_a_failed_run_is_refused_with_exit_5(tmp_path: Path) -> None:
    sample.failed_run(sample.run_dir(tmp_path))
    assert "did not pass" in run(tmp_path, "curate", code=5).stderr
    assert not (tmp_path / "memory.db").exists()


def test_lessons_can_be_added_listed_and_forgotten_by_hand(tmp_path: Path) -> None:
    run(tmp_path, "add", "json storage persistence", "Write to a temporary file, then replace.")
    assert "by hand" in run(tmp_path, "list").stdout
    run(tmp_path, "forget", "1")
    assert json.loads(run(tmp_path, "list", "--json").stdout) == []
    assert "no lesson 1" in run(tmp_path, "forget", "1", code=2).stderr


def test_lessons_travel_as_jsonl_and_arrive_once(tmp_path: Path) -> None:
    sample.passed_run(sample.run_dir(tmp_path))
    run(tmp_path, "curate")
    run(tmp_path, "export", str(tmp_path / "lessons.jsonl"))
    other = tmp_path / "other"
    other.mkdir()
    run(other, "import", str(tmp_path / "lessons.jsonl"))
    run(other, "import", str(tmp_path / "lessons.jsonl"))
    with Memory(tmp_path / "memory.db") as here, Memory(other / "memory.db") as there:
        assert here.lessons() == there.lessons()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"trigger": "a b"}\n', "line 1: this is no lesson"),
        (b"\n", "line 1"),
        (b"\xff\n", "line 1"),
        (None, "cannot read"),
    ],
)
def test_a_file_that_holds_no_lessons_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "in.jsonl").write_bytes(content)
    assert message in run(tmp_path, "import", str(tmp_path / "in.jsonl"), code=2).stderr


def test_what_is_not_there_yet_says_so(tmp_path: Path) -> None:
    assert "not available yet" in run(tmp_path, "watch", code=2).stderr
    assert "COMMAND" in run(tmp_path, code=2).stderr
