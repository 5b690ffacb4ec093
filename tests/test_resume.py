"""Killed anywhere, a run is resumed by replay: the same end, and no question asked twice."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from runs import Done, run, start
from scenario import RIGHT, TASK, WRONG, Scenario, fence
from servers import Asked, Reply, ScriptedServer

pytestmark = pytest.mark.slow


def two_attempts() -> Scenario:
    return Scenario(
        {
            "builder": lambda prompt: fence(RIGHT if "MARKER-ADVICE" in prompt else WRONG),
            "repairer": fence(WRONG),
        }
    )


def test_kill_9_anywhere_resumes_to_the_same_end_without_asking_twice(tmp_path: Path) -> None:
    """Several kills in one run, each at a random moment; a request may be repeated only when it was in flight."""
    chance = random.Random(7)
    scenario, kills = two_attempts(), 0
    asked: list[str] = []

    def reply(request: Asked) -> Reply:
        asked.append(request.system + request.prompt + str(request.get("options")))
        return Reply(scenario.reply(request.system, request.prompt), delay=0.15)

    workspace, home = tmp_path / "w", tmp_path / "home"
    with ScriptedServer("ollama", reply) as server:
        flags = ("--workspace", str(workspace), "--endpoint", server.url)
        process = start(*flags, TASK, cwd=tmp_path, home=home)
        while process.poll() is None and kills < 5:
            waited = len(asked) + chance.randint(1, 3)
            while len(asked) < waited and process.poll() is None:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.3))
            if process.poll() is not None:
                break
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            process = start(
                *flags,
                "--resume",
                cwd=tmp_path,
                home=home,
                extra={"PYTHONHASHSEED": str(kills), "TMPDIR": str(_folder(tmp_path, kills)), "LC_ALL": "C"},
            )
        out, err = process.communicate(timeout=120)
    done = Done(process.returncode, out, err, workspace)
    assert kills >= 3
    assert done.code == 0, err
    assert done.result["attempts"] == 2
    assert (workspace / "calculator.py").read_text() == RIGHT
    assert len(asked) - len(set(asked)) <= kills * server.slots
    assert len(done.kinds("asked")) == done.result["usage"]["calls"] == len(asked)


def _folder(tmp_path: Path, number: int) -> Path:
    folder = tmp_path / f"another-tmp-{number}"
    folder.mkdir()
    return folder


def test_a_run_killed_before_it_wrote_its_result_asks_nothing_again_and_ends_the_same(tmp_path: Path) -> None:
    scenario = two_attempts()
    workspace, home = tmp_path / "w", tmp_path / "home"
    with ScriptedServer("ollama", lambda a: scenario.reply(a.system, a.prompt)) as server:
        first = run("--endpoint", server.url, TASK, workspace=workspace, home=home)
        asked = len(server.requests)
        executed, ended = len(first.kinds("executed")), first.result
        (workspace / "calculator.py").unlink()
        (first.run_dir / "result.json").unlink()
        again = run("--endpoint", server.url, "--resume", workspace=workspace, home=home)
        assert len(server.requests) == asked
    assert len(again.kinds("executed")) == executed, "no sandbox result on record is made again"
    assert (first.code, again.code) == (0, 0), again.stderr
    same = ("status", "exit_reason", "proof", "criteria", "tests", "attempts")
    assert {k: ended[k] for k in same} == {k: again.result[k] for k in same}


def test_a_run_that_passed_and_said_so_has_nothing_to_go_on_with(tmp_path: Path) -> None:
    where = {"workspace": tmp_path / "w", "home": tmp_path / "home"}
    with ScriptedServer("ollama", lambda a: Scenario().reply(a.system, a.prompt)) as server:
        first = run("--endpoint", server.url, TASK, **where)
    trace = (first.run_dir / "trace.jsonl").read_bytes()
    again = run("--resume", "--json", **where)
    assert again.code == 0
    assert again.stderr == f"run {first.run_dir.name} has already passed; there is nothing to go on with\n"
    assert json.loads(again.stdout) == first.result
    assert (first.run_dir / "trace.jsonl").read_bytes() == trace


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(tmp_path: Path) -> None:
    scenario = two_attempts()
    workspace, home = tmp_path / "w", tmp_path / "home"
    with ScriptedServer("ollama", lambda a: scenario.reply(a.system, a.prompt)) as server:
        first = run("--endpoint", server.url, "--max-calls", "5", TASK, workspace=workspace, home=home)
        assert first.code == 4
        again = run("--endpoint", server.url, "--max-calls", "50", "--resume", workspace=workspace, home=home)
        assert again.code == 0, again.stderr
        assert len(server.requests) == again.result["usage"]["calls"]


def test_a_resumed_run_reads_its_own_configuration_file_again(tmp_path: Path) -> None:
    """Other sampling would be other questions, and everything paid for would be asked again."""
    settings = tmp_path / "night.toml"
    settings.write_text("[generation]\ntop_p = 0.7\n")
    scenario = two_attempts()
    workspace, home = tmp_path / "w", tmp_path / "home"
    with ScriptedServer("ollama", lambda a: scenario.reply(a.system, a.prompt)) as server:
        run(
            "--endpoint",
            server.url,
            "--config",
            str(settings),
            "--max-calls",
            "5",
            TASK,
            workspace=workspace,
            home=home,
        )
        again = run("--endpoint", server.url, "--max-calls", "50", "--resume", workspace=workspace, home=home)
        assert again.code == 0, again.stderr
        assert len(server.requests) == again.result["usage"]["calls"]
        assert {request["options"]["top_p"] for request in server.requests} == {0.7}


def test_a_proof_added_on_resume_counts(tmp_path: Path) -> None:
    workspace, home = tmp_path / "w", tmp_path / "home"
    with ScriptedServer("ollama", lambda a: Scenario().reply(a.system, a.prompt)) as server:
        assert run("--endpoint", server.url, TASK, workspace=workspace, home=home).code == 0
        again = run("--endpoint", server.url, "--resume", "--verify", "false", workspace=workspace, home=home)
    assert again.code == 1, again.stderr
    assert [c["passed"] for c in again.result["criteria"] if c["id"] == "verify-1"] == [False]


@pytest.mark.parametrize(
    "overrides, more, named",
    [
        ({"server": [{"file": "/m.gguf", "command": "/bin/sh"}]}, {}, "--serve-gguf"),
        ({"allow_remote": True, "endpoints": ["http://192.0.2.1"]}, {}, "--allow-remote, --endpoint"),
        ({"environment.allow": ["evil"]}, {}, "environment.allow"),
        ({}, {"config_file": "nightshift.toml"}, "--config"),
        ({}, {"unsafe": True}, "--unsafe-no-sandbox"),
    ],
)
def test_a_trace_that_came_with_a_checkout_starts_nothing_and_sends_nothing(
    tmp_path: Path, overrides: dict[str, Any], more: dict[str, Any], named: str
) -> None:
    run_dir = tmp_path / "work" / ".nightshift" / "runs" / "20260101-000000-abcd"
    run_dir.mkdir(parents=True)
    started = {"task": {"prompt": TASK, "verify": []}, "overrides": overrides, **more}
    record = {
        "seq": 1,
        "time": "2026-01-01T00:00:00.000Z",
        "run": run_dir.name,
        "kind": "run_started",
        "span": "",
        **started,
    }
    (run_dir / "trace.jsonl").write_text(json.dumps(record) + "\n")
    done = run("--resume", workspace=tmp_path / "work", home=tmp_path / "home")
    assert done.code == 2, done.stderr
    assert f"so what it says of {named} is not taken over" in done.stderr


def test_what_is_asked_otherwise_than_on_record_goes_live_and_is_said(tmp_path: Path) -> None:
    """As after an update of Nightshift; replies to questions that stayed the same still count."""
    settings, scenario = tmp_path / "night.toml", two_attempts()
    settings.write_text("[generation]\ntop_p = 0.7\n")
    where = {"workspace": tmp_path / "w", "home": tmp_path / "home"}
    with ScriptedServer("ollama", lambda a: scenario.reply(a.system, a.prompt)) as server:
        flags = ("--endpoint", server.url, "--config", str(settings))
        first = run(*flags, "--max-calls", "6", TASK, **where)
        assert first.code == 4
        settings.write_text("[sampling.builder]\ntop_p = 0.6\n[generation]\ntop_p = 0.7\n")
        again = run(*flags, "--max-calls", "60", "--resume", **where)
        assert again.code == 0, again.stderr
        asked = [record["span"] for record in again.kinds("asked")]
    changed = [record["span"] for record in again.kinds("guard") if record["rule"] == "replay"]
    assert changed == ["attempt-1/build/calculator.py/candidate-1"]
    assert "! replay: live from here on: the question is another one than on record" in again.stderr
    assert asked.count("plan/ask-1") == 1, "the planner was asked the same"
    assert asked.count(changed[0]) == 2
    assert len(server.requests) == len(asked) == again.result["usage"]["calls"]


def test_damage_in_the_middle_of_a_trace_ends_a_resumption_with_the_line_and_the_way_out(tmp_path: Path) -> None:
    where = {"workspace": tmp_path / "w", "home": tmp_path / "home"}
    with ScriptedServer("ollama", lambda a: two_attempts().reply(a.system, a.prompt)) as server:
        first = run("--endpoint", server.url, "--max-calls", "2", TASK, **where)
        trace, asked = first.run_dir / "trace.jsonl", len(server.requests)
        lines = trace.read_bytes().splitlines(keepends=True)
        trace.write_bytes(b"".join([*lines[:3], lines[3][:40] + b"\n", *lines[4:]]))
        damaged = trace.read_bytes()
        again = run("--endpoint", server.url, "--resume", **where)
        assert again.code == 5, again.stderr
        assert "line 4: " in again.stderr
        assert "head -n 3" in again.stderr
        assert "Traceback" not in again.stderr
        assert trace.read_bytes() == damaged
        assert len(server.requests) == asked
