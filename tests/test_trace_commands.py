"""python3 trace_collector.py: what each command prints, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sample_run as sample

from nightshift.domain import ExecResult
from trace_collector import Trace

ROOT = Path(__file__).resolve().parent.parent
PASSED = sample.RUN
FAILED = "20260102-030405-cd34"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    sample.passed_run(sample.run_dir(folder))
    sample.failed_run(sample.run_dir(folder, FAILED))
    return folder


def run(workspace: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "trace_collector.py", "--workspace", str(workspace), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def test_list_shows_the_newest_run_first_with_its_ending_and_task(workspace: Path) -> None:
    first, second = run(workspace, "list").stdout.splitlines()
    assert first.split()[:3] == [FAILED, "failed", "attempts_exhausted"]
    assert second.split()[:3] == [PASSED, "passed", "passed"]
    assert second.endswith("Build a task tracker CLI with JSON persistence")
    rows = json.loads(run(workspace, "list", "--json").stdout)
    assert [row["run"] for row in rows] == [FAILED, PASSED]


def test_list_tells_runs_without_an_end_and_damaged_ones_apart(tmp_path: Path) -> None:
    with Trace.create(sample.run_dir(tmp_path, "1-open"), "1-open") as trace:
        sample.start(trace)
    damaged = sample.run_dir(tmp_path, "2-damaged")
    damaged.mkdir()
    (damaged / "trace.jsonl").write_text("{}\n{}\n", encoding="utf-8")
    sample.failed_run(sample.run_dir(tmp_path, "3-resumed"))
    Trace.resume(sample.run_dir(tmp_path, "3-resumed")).close()
    rows = json.loads(run(tmp_path, "list", "--json").stdout)
    assert {row["run"]: row["status"] for row in rows} == {
        "1-open": "unfinished", "2-damaged": "damaged", "3-resumed": "unfinished",
    }  # fmt: skip


def test_no_run_at_all_is_no_error(tmp_path: Path) -> None:
    done = run(tmp_path, "list")
    assert done.stdout == ""
    assert "no run yet" in done.stderr
    assert json.loads(run(tmp_path, "list", "--json").stdout) == []


def test_show_can_be_narrowed_to_a_span_and_a_kind(workspace: Path) -> None:
    shown = run(workspace, "show", PASSED, "--span", "attempt-2/", "--kind", "evaluation", "--json").stdout
    assert [json.loads(line)["span"] for line in shown.splitlines()] == ["attempt-2/build/storage.py/candidate-1"]
    assert "advice: Write the JSON file" in run(workspace, "show", PASSED).stdout
    assert "Do attempt-1/diagnose." not in run(workspace, "show", PASSED).stdout
    assert "Do attempt-1/diagnose." in run(workspace, "show", PASSED, "--full").stdout


DETAILS: list[tuple[str, dict[str, Any], str]] = [
    ("executed", {"what": "run", "result": ExecResult(("python3", "-c", "x y"), 2, "", "", 0.5)}, "ran python3 -c 'x y': exit code 2 after 0.5 s"),
    ("executed", {"what": "run", "result": ExecResult(("a",), 137, "", "", 61, timed_out=True)}, "ran a: timed out after 1m01s"),
    ("executed", {"what": "test", "result": sample.report(test_a="passed", test_b="failed")}, "ran 2 tests: 1 passed, 1 failed: exit code 0 after 0.5 s"),
    ("effort", {"path": "a.py", "move": "candidate-1", "taken": True, "reason": "it is better"}, "a.py: candidate-1: it is better"),
    ("effort", {"path": "a.py", "move": "repair-1", "taken": False, "reason": "settled"}, "not asked  a.py: repair-1: settled"),
    ("splice", {"path": "a.py", "base": "candidate-1", "donor": "candidate-2", "names": ["f"], "kept": False}, "a.py: candidate-1 with f of candidate-2: no better"),
    ("splice", {"path": "a.py", "base": "candidate-1", "donor": "candidate-2", "names": ["f"], "kept": True}, "splice  a.py: candidate-1 with f of candidate-2"),
    ("trust", {"key": "trials", "tests": [{"node": "t", "doubts": []}]}, "1 test tried, none in doubt"),
    ("trust", {"key": "trials", "tests": [{"node": "t", "doubts": ["flaky"]}]}, "! 1 test in doubt; the report says why"),
    ("selected", {"key": "race", "path": "a.py", "chosen": None, "considered": ["candidate-2"], "reason": "all came"}, "race for a.py: came candidate-2; all came"),
    ("asked", {"role": "builder", "endpoint": "http://h", "model": "m", "attempt": 2}, "builder at http://h (m), try 2"),
    ("server", {"event": "started", "model": "m", "url": "http://h", "restarts": 0}, "started m at http://h, restarts: 0"),
    ("policy", {"path": "a.py", "allowed": True, "reason": "planned"}, "may touch a.py: planned"),
    ("learned", {"lessons": []}, "no lesson"),
]  # fmt: skip


def test_every_kind_of_record_is_shown_in_words_and_never_as_raw_json(tmp_path: Path) -> None:
    with Trace.create(sample.run_dir(tmp_path), "r") as trace:
        for kind, fields, _ in DETAILS:
            trace.record(kind, "", **fields)
    lines = run(tmp_path, "show").stdout.splitlines()
    assert [line.strip() for line in lines[1::2]] == [words for _, _, words in DETAILS]
    assert run(tmp_path, "tail", "-n", str(len(DETAILS))).stdout.splitlines() == lines


def test_a_span_or_kind_without_records_says_so_and_an_unknown_kind_names_the_known_ones(workspace: Path) -> None:
    none = run(workspace, "show", PASSED, "--span", "attempt-9", "--kind", "verdict")
    assert (none.stdout, none.stderr) == ("", "no records of kind 'verdict' and span 'attempt-9' in this run\n")
    unknown = run(workspace, "show", PASSED, "--kind", "verdicts", code=2).stderr
    assert "--kind verdicts: there is no such kind; known ones: accepted, asked" in unknown


def test_stats_count_calls_tokens_candidates_repairs_and_faults(workspace: Path) -> None:
    figures = json.loads(run(workspace, "stats", PASSED, "--json").stdout)
    assert figures["roles"]["builder"]["calls"] == 3
    assert figures["usage"]["prompt_tokens"] == 500
    assert (figures["candidates"], figures["selections"], figures["first_candidate_chosen"]) == (3, 2, 1)
    assert figures["repairs"] == {"candidate": 1}
    assert json.loads(run(workspace, "stats", FAILED, "--json").stdout)["faults"] == {"stall": 1}
    assert "faults: stall 1" in run(workspace, "stats", FAILED).stdout


def test_export_writes_proved_work_only_and_a_manifest(workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "train.jsonl"
    manifest = json.loads(run(workspace, "export", "--out", str(out), "--json").stdout)
    examples = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert manifest["runs"] == [PASSED]
    assert len(examples) == manifest["examples"] == 3
    assert json.loads((tmp_path / "train.jsonl.manifest.json").read_text(encoding="utf-8")) == manifest


def test_without_an_out_file_export_stays_inside_our_folder(workspace: Path) -> None:
    run(workspace, "export")
    assert (workspace / ".nightshift" / "export" / "messages.jsonl").is_file()
    assert [path.name for path in workspace.iterdir()] == [".nightshift"]


def test_validate_accepts_good_traces_and_names_what_is_wrong(workspace: Path, tmp_path: Path) -> None:
    run(workspace, "validate", PASSED)
    with Trace.create(sample.run_dir(tmp_path), "r") as trace:
        trace.record("planned", "plan", plan={"steps": 3}, accepted=True)
        trace.record("telemetry", "")
        trace.record("verdict", "attempt-1/judge", attempt=1)
    found = json.loads(run(tmp_path, "validate", "--json", code=1).stdout)["problems"]
    assert [problem.split(":")[0] for problem in found] == [
        "the first record is not run_started", "record 2", "record 1", "record 3",
    ]  # fmt: skip


def test_a_record_that_does_not_decode_is_named_and_no_defect_of_ours(tmp_path: Path) -> None:
    with Trace.create(sample.run_dir(tmp_path), "r") as trace:
        trace.record("verdict", "attempt-1/judge", attempt=1, verdict={"results": 3})
        trace.record("diagnosis", "attempt-1/diagnose", attempt=1)
    for command in ("show", "stats"):
        assert "record 1 of run r: Verdict" in run(tmp_path, command, code=5).stderr


def test_validate_catches_a_claim_of_success_without_a_verdict(tmp_path: Path) -> None:
    with Trace.create(sample.run_dir(tmp_path), "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, sample.verdict(False))
        sample.finish(trace, "passed", "passed", 0)
    assert "claims passed" in run(tmp_path, "validate", code=1).stdout


def test_a_damaged_trace_is_refused_by_readers_and_reported_by_validate(tmp_path: Path) -> None:
    folder = sample.run_dir(tmp_path)
    sample.failed_run(folder)
    trace = folder / "trace.jsonl"
    trace.write_bytes(trace.read_bytes().replace(b'"seq": 3', b'"seq": x', 1))
    assert "line 3" in run(tmp_path, "show", code=5).stderr
    assert "line 3" in run(tmp_path, "validate", code=1).stdout


def test_grep_finds_texts_anywhere_in_records(workspace: Path) -> None:
    found = run(workspace, "grep", "never sav", "--run", "all").stdout.splitlines()
    assert [line.split()[:2] for line in found] == [
        [f"{FAILED}:16", "diagnosis"],
        [f"{PASSED}:16", "diagnosis"],
    ]
    run(workspace, "grep", "no such text", code=1)
    assert "regular expression" in run(workspace, "grep", "(", code=2).stderr


def test_tail_shows_the_end_and_follows_a_live_run(tmp_path: Path) -> None:
    folder = sample.run_dir(tmp_path)
    with Trace.create(folder, "r") as trace:
        for number in range(5):
            trace.record("guard", "", rule="old", reason=str(number))

        command = [sys.executable, "trace_collector.py", "tail", str(folder), "-f", "-n", "2", "--json"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as following:
            assert following.stdout
            lines = [following.stdout.readline() for _ in range(2)]
            trace.record("guard", "", rule="new", reason="live")
            sample.finish(trace, "failed", "no_progress", 1)
            told = [json.loads(line) for line in [*lines, *following.stdout]]
    assert [record.get("reason") for record in told[:3]] == ["3", "4", "live"]
    assert told[-1]["kind"] == "run_finished"
    assert len(run(tmp_path, "tail", "--json", "-n", "1").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nothing"], "no run 'nothing'"),
        (["export", "--format", "preference"], "not available yet"),
        (["diff", "a", "b"], "not available yet"),
        (["merge"], "not available yet"),
        (["prune"], "not available yet"),
        (["magic"], "invalid choice"),
        ([], "COMMAND"),
    ],
)
def test_wrong_usage_is_exit_2_with_a_sentence(workspace: Path, arguments: list[str], message: str) -> None:
    assert message in run(workspace, *arguments, code=2).stderr


def test_a_reader_that_leaves_is_no_error_message(workspace: Path) -> None:
    command = f"{sys.executable} trace_collector.py --workspace {workspace} show {PASSED} --full | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_what_a_model_wrote_cannot_steer_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\x9b31m"
    with Trace.create(sample.run_dir(tmp_path), "r") as trace:
        trace.record("guard", evil, rule=evil, action=evil, reason=evil)
        sample.ask(trace, evil, evil, evil + "\nsecond line")
        trace.record("telemetry", evil, **{evil: evil})
        sample.finish(trace, evil, evil, 1, evil)
    environ = {**os.environ, "PYTHONUTF8": "1"}
    for command in (
        ["list"],
        ["show"],
        ["show", "--full"],
        ["stats"],
        ["tail"],
        ["grep", "owned"],
        ["validate"],
    ):
        done = subprocess.run(
            [sys.executable, "trace_collector.py", "--workspace", str(tmp_path), *command],
            cwd=ROOT, capture_output=True, timeout=60, env=environ, check=False,
        )  # fmt: skip
        shown = (done.stdout + done.stderr).decode()
        assert not set(shown) & set("\x1b\x07\x9b\u202e"), command
