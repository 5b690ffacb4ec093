"""python3 trace_collector.py: what each command prints, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import learned_run as learned
import pytest
import sample_run as sample

from nightshift.bootstrap import run_program
from nightshift.domain import ExecResult
from nightshift.errors import NightshiftError
from nightshift.ownership import remember
from nightshift.records import KINDS, read_trace, started_with
from trace_collector import Trace, main

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
    """The program in this process, from its arguments to its exit code."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ending:
        run_program(main, ["--workspace", str(workspace), *arguments])
    assert ending.value.code == code, err.getvalue()
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def start(workspace: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
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
    ("recalled", {"ids": [3], "text": "x"}, "recalled 1 piece of earlier work"),
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


@pytest.fixture(scope="module")
def learned_from(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learned")
    for number, word in enumerate(("pear", "plum")):
        learned.passed_run(sample.run_dir(folder, f"2026010{number}-000000-ab12"), learned.Story(word))
    learned.passed_run(sample.run_dir(folder, "20260109-000000-ab12"), learned.Story("fig", passes=False))
    return folder


def test_export_writes_proved_work_only_and_a_manifest(learned_from: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    manifest = json.loads(run(learned_from, "export", "--others", "--out", str(out), "--json").stdout)
    lines = [line for split in ("train", "valid", "test") for line in (out / f"{split}.jsonl").read_text().splitlines()]
    assert (manifest["runs"], manifest["examples"], len(lines)) == (2, 10, 10)
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8")) == manifest
    shown = run(
        learned_from, "export", "--others", "--format", "preference", "--role", "builder", "--out", str(tmp_path / "p")
    ).stdout
    assert "from 2 proved runs" in shown
    assert "roles: builder 6" in shown
    assert "mind: only 6 examples" in shown


@pytest.mark.parametrize("which", ["all", "20260100"])
def test_export_takes_only_runs_that_the_user_started(
    learned_from: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    name = "20260101-000000-ab12"
    started = started_with(read_trace(sample.run_dir(learned_from, name) / "trace.jsonl"))
    remember(tmp_path / "nightshift" / "runs", name, started)
    remember(tmp_path / "nightshift" / "runs", "20260109-000000-ab12", started)  # a copied mark is of another start
    done = run(learned_from, "export", "--run", which, "--out", str(tmp_path / "data"), "--json")
    assert json.loads(done.stdout)["runs"] == (1 if which == "all" else 0)
    assert f"{2 if which == 'all' else 1} run" in done.stderr
    assert "--others takes them too" in done.stderr


ODD: list[Any] = [{"a": [1]}, ["<b>", 7], 10**30]


@pytest.mark.parametrize("value", ODD, ids=["object", "list", "number"])
def test_a_trace_of_any_shape_is_listed_shown_and_judged(tmp_path: Path, value: Any) -> None:
    """A checkout may bring it along: it is told to be damaged, never called a defect of ours."""
    names = ("task", "config", "models", "plan", "verdict", "diagnosis", "candidate", "rungs", "tests", "ids", "status",
             "exit_reason", "key", "usage", "attempt", "files", "label")  # fmt: skip
    with Trace.create(sample.run_dir(tmp_path, "odd"), "odd") as trace:
        for kind in KINDS:
            trace.record(kind, "attempt-1/build/a.py", **dict.fromkeys(names, value))
    for command in (["list"], ["show", "--full"], ["tail", "--full"], ["grep", "task"]):
        run(tmp_path, *command)
    run(tmp_path, "show", code=5)
    run(tmp_path, "tail", "-n", "99", code=5)
    assert "unknown kind" not in run(tmp_path, "validate", code=1).stdout
    with suppress(NightshiftError):
        main(["--workspace", str(tmp_path), "export", "--others", "--out", str(tmp_path / "data")])
    with suppress(NightshiftError):
        main(["--workspace", str(tmp_path), "stats"])


@pytest.mark.parametrize("line", [b'"a": ' + b"[" * 100_000, b'"a": 1' + b"0" * 9000 + b"}"], ids=["deep", "long"])
def test_a_line_that_no_reader_can_take_is_damage(tmp_path: Path, line: bytes) -> None:
    with Trace.create(sample.run_dir(tmp_path, "odd"), "odd") as trace:
        sample.start(trace)
    path = trace.path
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b'"text"', b'"b"')[:-2] + b", " + line + b"\n" + b"".join(lines[2:]))
    assert "line 2" in run(tmp_path, "validate", code=1).stdout


def test_without_an_out_folder_export_stays_inside_our_folder(learned_from: Path) -> None:
    run(learned_from, "export", "--others")
    assert (learned_from / ".nightshift" / "export" / "messages" / "manifest.json").is_file()
    assert [path.name for path in learned_from.iterdir()] == [".nightshift"]


def test_training_data_is_described_judged_joined_and_filtered(learned_from: Path, tmp_path: Path) -> None:
    one, joined, part = (str(tmp_path / name) for name in ("one", "joined", "part"))
    run(learned_from, "export", "--others", "--out", one)
    run(learned_from, "merge", one, one, "--out", joined)
    run(learned_from, "filter", joined, "--role", "tester", "--per-role", "3", "--out", part)
    assert json.loads(run(learned_from, "stats", part, "--json").stdout)["roles"] == {"tester": 3}
    assert "roles: tester 3" in run(learned_from, "stats", part).stdout
    assert "3 examples, 0 problems" in run(learned_from, "validate", part).stdout
    (tmp_path / "bad.jsonl").write_text('{"messages": 3}\n', encoding="utf-8")
    assert "bad.jsonl:1: odd keys" in run(learned_from, "validate", str(tmp_path / "bad.jsonl"), code=2).stdout


TRAINER = "cp {data}/train.jsonl {manifest} . && exit 7"


@pytest.mark.slow
def test_train_becomes_the_users_command_with_the_data_in_it(learned_from: Path, tmp_path: Path) -> None:
    """Only after every gate; its exit code is the command's own."""
    config = tmp_path / "my config.toml"
    config.write_text(f"[train]\ncommand = {json.dumps(f'cd {tmp_path} && {TRAINER}')}\n", encoding="utf-8")
    data = tmp_path / "the data"
    refused = run(learned_from, "train", str(data), "--config", str(config), code=2).stderr
    assert "no dataset in" in refused
    for number in range(30):
        word = f"word{number}"
        learned.passed_run(sample.run_dir(tmp_path / "more", f"{number:02}"), learned.Story(word))
    run(tmp_path / "more", "export", "--others", "--role", "builder", "--out", str(data))
    assert "no trainer is set" in run(learned_from, "train", str(data), code=2).stderr
    done = start(learned_from, "train", str(data), "--config", str(config), code=7)
    assert "30 examples pass every gate" in done.stderr
    assert (tmp_path / "train.jsonl").read_bytes() == (data / "train.jsonl").read_bytes()
    (data / "valid.jsonl").write_text("", encoding="utf-8")
    refused = run(learned_from, "train", str(data), "--config", str(config), code=2).stderr
    assert "valid.jsonl is not what the manifest says" in refused
    assert "nothing in valid.jsonl" in refused


def test_a_projects_own_file_cannot_name_the_trainer(tmp_path: Path) -> None:
    (tmp_path / "nightshift.toml").write_text("[train]\ncommand = 'touch owned'\n", encoding="utf-8")
    learned.passed_run(sample.run_dir(tmp_path))
    run(tmp_path, "export", "--others")
    assert "train.command is not for a project's own file" in run(tmp_path, "train", code=2).stderr


def test_diff_tells_where_two_runs_part_and_what_it_came_to(learned_from: Path, tmp_path: Path) -> None:
    first, second = "20260100-000000-ab12", "20260101-000000-ab12"
    same = run(learned_from, "diff", first, first).stdout
    assert same == f"{first} -> {first}: the same\n"
    learned.passed_run(sample.run_dir(tmp_path, "a"), learned.Story())
    learned.passed_run(sample.run_dir(tmp_path, "b"), learned.Story(extra="  # another", passes=True))
    found = json.loads(run(tmp_path, "diff", "a", "b", "--json", code=1).stdout)["differences"]
    assert found["first difference"] == {"attempt-2/build/apple.py/candidate-1": ["one reply", "another reply"]}
    assert list(found["files"]) == ["apple.py"]
    assert "task" not in found
    shown = run(tmp_path, "diff", "a", "b", "--full", code=1).stdout
    assert "+    total = 0  # another" in shown.splitlines()
    assert "task:" in run(learned_from, "diff", first, second, code=1).stdout


def test_show_prompts_tells_what_was_asked_and_answered_and_nothing_else_in_full(learned_from: Path) -> None:
    shown = run(learned_from, "show", "20260100", "--prompts", "--span", "attempt-1").stdout
    assert "You repair one file." in shown
    assert "rungs:" not in shown
    assert "rungs:" in run(learned_from, "show", "20260100", "--full", "--span", "attempt-1").stdout


def test_stats_tell_time_by_phase_and_what_repaired_what(workspace: Path, learned_from: Path) -> None:
    figures = json.loads(run(learned_from, "stats", "20260100", "--json").stdout)
    assert figures["phase_model_seconds"] == {"plan": 2.0, "tests": 3.0, "build": 4.0, "diagnose": 1.0}
    assert sum(figures["phase_wall_seconds"].values()) == pytest.approx(figures["wall_seconds"], abs=0.01)
    assert figures["chosen_origins"] == {"repair": 1, "sample": 1}
    assert figures["repaired"] == {"tests": {"model": 1}}
    assert figures["first_candidate_rate"] == 0.0
    assert "repaired: tests (model 1)" in run(learned_from, "stats", "20260100").stdout


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


@pytest.mark.slow
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
        (["export", "--format", "chatml"], "invalid choice"),
        (["export", "--out", "train.jsonl"], "name a folder"),
        (["export", "--role", "cook"], "invalid choice"),
        (["diff", "a", "b"], "no run 'a'"),
        (["merge", "nowhere", "--out", "x"], "is no dataset"),
        (["filter", "nowhere"], "--out"),
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
    shown_by = (["list"], ["show"], ["show", "--full"], ["show", "--prompts"], ["stats"], ["tail"], ["grep", "owned"])
    for command, code in (*((command, 0) for command in shown_by), (["validate"], 1)):
        done = run(tmp_path, *command, code=code)
        shown = done.stdout + done.stderr
        assert not set(shown) & set("\x1b\x07\x9b\u202e"), command
