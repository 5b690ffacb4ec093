"""Whatever the model says and whatever the disk does, a run ends by itself, within its bounds, and says why."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import eventful_run as eventful
import pytest
from runs import run, start
from scenario import DIAGNOSIS, PLAN, RIGHT, TASK, WRONG, Scenario, fence
from servers import Asked, Reply, ScriptedServer

pytestmark = pytest.mark.slow

LEAN = "[candidates]\ntester_temperatures = [0.3]\nrepairs = 1\nwidened = 4\n[switches]\nreview = false\n"
PER_ATTEMPT = 4 + 1 + 1
"""Candidates, repairs and the diagnosis, none of which is asked for twice when its reply can be read."""
PER_PLAN = 1 + 3
"""The plan and its tests: a sample, one more for what it lacks, and one rewritten."""


def flags(base: Path) -> tuple[str, ...]:
    (base / "lean.toml").write_text(LEAN)
    return ("--config", str(base / "lean.toml"), "--no-memory")


def always_other_code() -> Scenario:
    numbers = itertools.count()

    def other(_: str) -> str:
        return fence(f"{WRONG}\n\nVERSION = {next(numbers)}\n")

    def new_diagnosis(_: str) -> str:
        return json.dumps({**DIAGNOSIS, "whys": [f"cause {next(numbers)}"], "advice": f"Try way {next(numbers)}."})

    def new_plan(_: str) -> str:
        return json.dumps({**PLAN, "summary": f"Plan {next(numbers)}"})

    return Scenario({"builder": other, "repairer": other, "analyst": new_diagnosis, "planner": new_plan})


def back_and_forth() -> Scenario:
    other = RIGHT.replace("return a + b", "return a - b").replace("return a * b", "return a - b")
    turns = itertools.cycle([WRONG, other])
    return Scenario({"builder": lambda _: fence(next(turns)), "repairer": lambda _: fence(next(turns))})


def always_the_tests() -> Scenario:
    """The source is wrong for ever, and the analyst blames the tests for ever, each time for another reason."""
    numbers = itertools.count()

    def blame(_: str) -> str:
        culprit = {"path": "tests/test_calculator.py", "blame": "test", "why": f"reason {next(numbers)}"}
        return json.dumps({"whys": ["they are wrong"], "culprits": [culprit], "advice": f"Way {next(numbers)}."})

    return Scenario({"builder": fence(WRONG), "repairer": fence(WRONG), "analyst": blame})


@pytest.mark.parametrize("hostile", [always_other_code, back_and_forth, always_the_tests])
def test_a_run_with_a_hostile_model_ends_by_itself(tmp_path: Path, hostile: Callable[[], Scenario]) -> None:
    told = hostile()
    with ScriptedServer("ollama", lambda asked: told.reply(asked.system, asked.prompt)) as server:
        done = run("--endpoint", server.url, *flags(tmp_path), "--attempts", "3", TASK,
                   workspace=tmp_path / "w", home=tmp_path / "home", timeout=400)  # fmt: skip
    print(f"{hostile.__name__}: {len(server.requests)} calls, {done.result['exit_reason']}")
    assert done.code == 1, done.stderr
    assert done.result["exit_reason"] in ("no_progress", "attempts_exhausted")
    attempts, plans = done.result["attempts"], 1 + sum(r["action"] == "another plan" for r in done.kinds("guard"))
    assert attempts <= 3 + 3 // 2, "one half refill, however many plans"
    assert plans <= 3
    assert len(server.requests) <= plans * PER_PLAN + attempts * PER_ATTEMPT
    spans = [(record["span"], record["key"]) for record in done.kinds("call")]
    assert len(set(spans)) == len(spans)


def test_the_server_never_counts_more_requests_than_allowed_with_faults_races_and_kills(tmp_path: Path) -> None:
    """Every third request fails and is sent again, candidates race, and each part of the run is killed."""
    allowed, told, numbers = 11, eventful.scenario(), itertools.count(1)

    def reply(asked: Asked) -> Reply:
        failing = next(numbers) % 3 == 0
        text = told.reply(asked.system, asked.prompt)
        return Reply(status=503, error="busy") if failing else Reply(text, delay=0.05)

    workspace, home, codes = tmp_path / "w", tmp_path / "home", list[int]()
    with ScriptedServer("ollama", reply, models=eventful.MODELS) as server:
        words = ("--workspace", str(workspace), "--endpoint", server.url, *eventful.settings(tmp_path))
        caps = ("--max-calls", str(allowed))
        while len(codes) < 12 and (not codes or codes[-1] == -signal.SIGKILL):
            task = "--resume" if codes else eventful.TASK
            process = start("whole", "12", *words, *caps, task, cwd=tmp_path, home=home, program="tests/run_killed.py")
            _, err = process.communicate(timeout=120)
            codes.append(process.returncode)
            assert len(server.requests) <= allowed
        assert codes[-1] == 4, err
        assert len(codes) > 2, "killed at least twice"
        again = run(*words[2:], *caps, "--resume", workspace=workspace, home=home)
        assert again.code == 4, "resuming refills nothing"
        assert len(server.requests) <= allowed
        assert len(again.kinds("asked")) == allowed


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_half_way_is_said_and_once_there_is_room_the_run_goes_on(tmp_path: Path) -> None:
    told, home = eventful.scenario(), tmp_path / "home"
    with (
        mounted(tmp_path / "small", "size=120k") as disk,
        ScriptedServer(
            "ollama", lambda asked: told.reply(asked.system, asked.prompt), models=eventful.MODELS
        ) as server,
    ):
        workspace, words = disk / "w", ("--endpoint", server.url, *eventful.settings(tmp_path))
        full = run(*words, eventful.TASK, workspace=workspace, home=home)
        assert full.code == 5, full.stderr
        assert "Free space on that disk" in full.stderr
        assert "Traceback" not in full.stderr
        before = len(server.requests)
        assert before > 0, "it had begun"
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        done = run(*words, "--resume", workspace=workspace, home=home)
        assert done.code == 0, done.stderr
        calls = [(record["span"], record["key"]) for record in done.kinds("call")]
        assert len(set(calls)) == len(calls)
        assert len(server.requests) - len(calls) <= server.slots


def test_a_workspace_that_cannot_be_written_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with mounted(tmp_path / "ro", "size=64k") as disk, ScriptedServer() as server:
        (disk / "w").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        process = start(
            "--workspace", str(disk / "w"), "--endpoint", server.url, TASK, cwd=tmp_path, home=tmp_path / "h"
        )
        _, err = process.communicate(timeout=60)
        assert process.returncode == 5, err
        assert "Read-only file system" in err
        assert "Traceback" not in err
        assert not server.requests
