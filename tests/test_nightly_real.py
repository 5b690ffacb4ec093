"""A night of the real orchestrator at a scripted model server: killed, resumed, stopped, and told in the morning."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from nights import Queue, wait_until
from scenario import RIGHT, TASK, WRONG, Scenario, fence
from servers import Asked, Reply, ScriptedServer

pytestmark = pytest.mark.slow


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine\n")
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=me", "-c", "user.email=me@x", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    (folder / "notes.txt").write_text("mine, not committed\n")
    return folder


def answer(asked: Asked) -> Reply:
    """Right code, except for the task that asks for the wrong one."""
    code = WRONG if "WRONGLY" in asked.prompt else RIGHT
    scenario = Scenario({"builder": fence(code), "repairer": fence(code)})
    return Reply(scenario.reply(asked.system, asked.prompt), delay=0.05)


def test_a_real_night_killed_and_gone_on_with_ends_with_an_honest_report(tmp_path: Path) -> None:
    queue = Queue(tmp_path, pretend=False)
    code = repository(tmp_path / "code")
    queue.add("good", TASK, 'workspace = "../code"\nverify = "python3 -c \'import calculator\'"')
    queue.add("bad", f"{TASK} Do it WRONGLY, please.", 'after = ["good"]\n[limits]\ncalls = 60')
    with ScriptedServer("ollama", answer) as server:
        flags = ("--endpoint", server.url, "--attempts", "1", "--max-minutes", "30")
        first = queue.start(*flags)
        wait_until(lambda: len(server.requests) >= 2)
        pid = queue.pid_of("good")
        first.kill()
        first.communicate()
        os.killpg(pid, signal.SIGKILL)
        told = queue.run(*flags, "--json")
        usage = [
            json.loads((queue.folder / file).read_text())["usage"]["calls"]
            for file in ("done/good.result.json", "failed/bad.result.json")
        ]
        assert sum(usage) == len(server.requests), "counters go on after the kill"
    assert told.code == 1, told.stderr
    assert queue.files() == {"": [], "done": ["good"], "failed": ["bad"]}
    good = told.by_name["good"]
    assert (good["outcome"], good["proof"]) == ("passed", "mixed")
    branches = subprocess.run(["git", "branch"], cwd=code, capture_output=True, text=True, check=True).stdout
    assert branches.count("nightshift/") == 1
    assert (code / "notes.txt").read_text() == "mine, not committed\n"
    report = Path(told.night["report"]).with_suffix(".md").read_text()
    assert report.startswith("# 1 of 2 tasks passed; 1 failed.\n")
    for words in (
        "dividing by zero raises ValueError",
        f"merge {good['branch']}",
        "attempt 1: ",
        "Tried:",
        "added `calculator.py`",
    ):
        assert words in report, words


def test_a_stopped_night_resumes_its_run_and_leaves_no_process(tmp_path: Path) -> None:
    queue = Queue(tmp_path, pretend=False)
    queue.add("good", TASK)
    with ScriptedServer("ollama", lambda asked: Reply(answer(asked).text, delay=0.3)) as server:
        first = queue.start("--endpoint", server.url)
        wait_until(lambda: len(server.requests) >= 2)
        pid = queue.pid_of("good")
        first.terminate()
        _, err = first.communicate(timeout=60)
        assert first.returncode == 143, err
        assert not Path(f"/proc/{pid}").exists()
        told = queue.run("--endpoint", server.url, "--json")
        assert told.code == 0, told.stderr
    assert len(queue.runs_of("good")) == 1
    assert told.night["headline"] == "The only task passed. 1 passed its own checks only."


def test_without_a_server_the_tasks_stay_for_another_night(tmp_path: Path) -> None:
    queue = Queue(tmp_path, pretend=False)
    queue.add("good", TASK)
    told = queue.run("--endpoint", "http://127.0.0.1:9", "--retries", "0", "--json")
    assert told.code == 3, told.stderr
    assert queue.files()[""] == ["good"]
    assert "127.0.0.1:9" in told.by_name["good"]["message"]
