"""The benchmark believes hidden tests, not claims; it goes on where it stopped, and does nothing without a server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from runs import ROOT, environment, serving
from scenario import RIGHT, TESTS, Scenario, fence
from servers import ScriptedServer, refused_url
from test_nightly_cluster import a_cluster, needs_dask

pytestmark = pytest.mark.slow
ONE = ("--suite", "quick", "--task", "01-calculator")


def benchmark(tmp_path: Path, *args: str, code: int = 0) -> dict[str, Any]:
    (tmp_path / "home").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmark.py"), *args, "--json", "--out", str(tmp_path / "results")],
        cwd=tmp_path, env=environment(tmp_path / "home"), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    told: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"said": done.stderr}
    return told


def served(server: ScriptedServer, tmp_path: Path, *args: str, code: int = 0) -> dict[str, Any]:
    return benchmark(tmp_path, *ONE, "--endpoint", server.url, *args, code=code)


def test_right_code_is_accepted_by_hidden_tests_and_not_run_again(tmp_path: Path) -> None:
    with serving(Scenario()) as server:
        told = served(server, tmp_path)
        asked = len(server.requests)
        again = served(server, tmp_path)
        assert len(server.requests) == asked
    assert (told["runs"], told["claimed"], told["accepted"], told["false_green"]) == (1, 1, 1, 0)
    assert again["outcomes"] == told["outcomes"]
    assert again == json.loads((tmp_path / "results" / "quick.json").read_text())
    (outcome,) = told["outcomes"]
    assert outcome["served"] == ["coder:7b"]
    assert outcome["setting"]["model"] == "coder:7b"
    assert not told["simulated"]
    assert "simulat" not in (tmp_path / "results" / "quick.md").read_text()


def test_a_shared_misunderstanding_is_counted_as_a_false_green(tmp_path: Path) -> None:
    """Tests and code agree on a wrong multiplication: the run passes its own checks, the hidden tests deny it."""
    tests = TESTS.replace("multiply(4, 2.5) == 10", "multiply(4, 2.5) == 6.5")
    code = RIGHT.replace("return a * b", "return a + b")
    with serving(Scenario({"tester": fence(tests), "builder": fence(code)})) as server:
        told = served(server, tmp_path, code=1)
    assert (told["claimed"], told["accepted"], told["false_green"]) == (1, 0, 1)


def test_two_models_take_turns_and_one_task_decides_nothing(tmp_path: Path) -> None:
    with serving(Scenario(), models=["a:7b", "b:7b"]) as server:
        told = served(server, tmp_path, "--compare", "a:7b", "b:7b", "--repeats", "2")
    order = [outcome["setting"]["model"] for outcome in told["outcomes"]]
    assert order == ["a:7b", "b:7b", "a:7b", "b:7b"]
    assert told["comparison"]["result"] == "undecided"


def test_without_a_server_nothing_is_run_and_the_exit_code_is_3(tmp_path: Path) -> None:
    benchmark(tmp_path, *ONE, "--endpoint", refused_url(), code=3)
    assert not (tmp_path / "results" / "quick.jsonl").exists()


@pytest.mark.parametrize(
    "args, reason",
    [
        (("--suite", "quick", "--soak", "3"), "--soak means nothing"),
        (("--suite", "judge", "--task", "x"), "--task means nothing"),
        (("--suite", "simulated", "--model", "coder:7b"), "simulated models only"),
        (("--suite", "quick", "--model", "simulated-9T"), "no such simulation"),
        (("--suite", "quick", "--task", "no-such-task"), "no such task"),
        (("--suite", "quick", "--repeats", "0"), "at least 1"),
    ],
)
def test_a_meaningless_order_is_refused(tmp_path: Path, args: tuple[str, ...], reason: str) -> None:
    assert reason in benchmark(tmp_path, *args, code=2)["said"]


def test_a_simulation_drives_whole_runs_and_says_so(tmp_path: Path) -> None:
    """Whether it passes is the affair of its error model."""
    args = ("--suite", "simulated", "--task", "01-calculator", "--model", "simulated-80B")
    told = benchmark(tmp_path, *args)
    (outcome,) = told["outcomes"]
    assert told["simulated"]
    assert outcome["calls"] >= 5
    assert outcome["acceptance"]["total"] == 13
    assert outcome["exit_reason"] in ("passed", "attempts_exhausted", "no_progress", "budget_calls")
    assert "Benchmark with simulated models" in (tmp_path / "results" / "simulated.html").read_text()


@needs_dask
def test_the_runs_may_be_carried_out_by_workers_of_a_cluster(tmp_path: Path) -> None:
    with serving(Scenario()) as server, a_cluster(tmp_path, 2) as cluster:
        told = served(server, tmp_path, "--repeats", "2", "--cluster", cluster.address)
    assert (told["runs"], told["accepted"]) == (2, 2)
