"""What users, cron jobs and other programs rely on: programs, flags, exit codes, and the files of a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from runs import ROOT, build, environment
from scenario import Scenario

from nightshift.domain import EXIT_CODES
from options import EXAMPLES

PROGRAMS: dict[str, str] = {
    "orchestrator.py": "task --workspace --config --task-file --verify --resume --demo --endpoint --model --role --serve-gguf "
    "--allow-remote --attempts --candidates --max-minutes --max-calls --max-tokens --in-place --branch --merge "
    "--no-memory --unsafe-no-sandbox --dry-run --plan --quiet --verbose --json",
    "nightly.py": "queue --workspace --until --max-minutes --max-calls --max-tokens --jobs --cluster --notify --status --dry-run "
    "--install-cron --yes --json",
    "benchmark.py": "--suite --repeats --json",
    "trace_collector.py": "list show stats grep diff tail export validate merge prune",
    "librarian.py": "curate watch search list add forget export import",
    "doctor.py": "--calibrate --endpoint --json",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_offers_what_the_contract_names(program: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / program), "--help"], capture_output=True, text=True, check=True, timeout=30
    )
    missing = [word for word in PROGRAMS[program].split() if word not in done.stdout]
    assert not missing
    assert f"python3 {program}" in done.stdout, "help shows an example"


def test_the_proof_in_the_help_is_a_command_that_fails_until_the_task_is_done() -> None:
    assert "pytest -q" not in EXAMPLES


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_unknown_flag_is_exit_2(program: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / program), "--no-such-flag"]
    done = subprocess.run(
        command, capture_output=True, cwd=tmp_path, env=environment(tmp_path), check=False, timeout=30
    )
    assert done.returncode == 2


def test_exit_reasons_have_the_codes_of_the_contract() -> None:
    assert EXIT_CODES == {
        "passed": 0, "already_green": 0, "planned": 0, "attempts_exhausted": 1, "no_progress": 1, "invalid_config": 2, "invalid_task": 2,
        "endpoint_unreachable": 3, "model_missing": 3, "context_too_small": 3, "budget_minutes": 4, "budget_calls": 4,
        "budget_tokens": 4, "workspace_locked": 5, "sandbox_unavailable": 5, "tampered": 5, "disk_full": 5,
        "workspace_unsafe": 5, "internal_error": 70, "interrupted": 130, "terminated": 143,
    }  # fmt: skip


@pytest.mark.slow
def test_a_run_leaves_the_files_of_the_contract_and_nothing_else(tmp_path: Path) -> None:
    done = build(Scenario(), tmp_path)
    assert {path.name for path in done.run_dir.iterdir()} == {
        "trace.jsonl", "result.json", "report.html", "selfplay.jsonl", "heartbeat", "changes.patch", "pull_request.md",
    }  # fmt: skip
    assert set(done.result) == {
        "run", "task", "status", "exit_reason", "exit_code", "proof", "attempts", "criteria", "tests", "remote", "usage",
        "files", "branch", "commit", "models", "counters", "baseline",
    }  # fmt: skip
    assert set(done.result["usage"]) == {
        "calls", "prompt_tokens", "cached_tokens", "completion_tokens", "model_seconds", "wall_seconds",
    }  # fmt: skip
    visible = {
        path.relative_to(done.workspace).as_posix()
        for path in done.workspace.rglob("*")
        if ".nightshift" not in path.parts
    }
    assert visible == {"calculator.py", "tests", "tests/test_calculator.py"}
    assert (done.workspace / ".nightshift" / ".gitignore").read_text() == "*\n"


@pytest.mark.slow
def test_the_demo_needs_nothing_and_shows_the_whole_loop(tmp_path: Path) -> None:
    """A wrong first candidate, agreement, a failing criterion, the root cause, a cascade, a green end, on a bare tape."""
    command = [sys.executable, str(ROOT / "orchestrator.py"), "--demo"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    story = (
        "replies come from the demo's tape", "money.py  candidate-1 fails: tests", "money.py: candidate-2 of 2",
        "most candidates agree on", "verdict  attempt 1: 4 of 5", "blamed: money.py (source)", "rebuild  money.py: culprit",
        "rebuild  main.py: uses the changed interface of money.py", "verdict  attempt 2: 5 of 5", "passed in",
    )  # fmt: skip
    places = [done.stderr.find(words) for words in story]
    assert -1 not in places, dict(zip(story, places, strict=True))
    assert places == sorted(places), "told in the order in which it happens"
