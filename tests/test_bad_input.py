"""Bad input: the contract's exit code, one plain sentence with the way out, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import Done, run, serving, start
from scenario import PLAN, TASK, Scenario
from servers import Reply, ScriptedServer, refused_url

pytestmark = pytest.mark.slow

Prepare = Callable[[Path], list[str]]


def git(folder: Path, *args: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgSign=false"]
    return subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True, text=True).stdout


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "notes.txt").write_text("mine\n")
    git(folder, "add", "notes.txt")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def not_a_folder(base: Path) -> list[str]:
    (base / "file").write_text("x")
    return ["--workspace", str(base / "file"), TASK]


def bad_config(base: Path) -> list[str]:
    (base / "bad.toml").write_text("attempts = 2\n\n[limits]\nminuts = 3\n")
    return ["--workspace", str(base / "w"), "--config", str(base / "bad.toml"), TASK]


def blank_proof(base: Path) -> list[str]:
    (base / "w").mkdir()
    (base / "w" / "nightshift.toml").write_text('[verify]\ncommands = [""]\n')
    return ["--workspace", str(base / "w"), TASK]


def plan_file(base: Path, text: str) -> str:
    (base / "plan.json").write_text(text)
    return str(base / "plan.json")


CASES: dict[str, tuple[Prepare, int, str]] = {
    "no task": (lambda base: ["--workspace", str(base / "w")], 2, "there is no task"),
    "an empty task": (lambda base: ["--workspace", str(base / "w"), "   "], 2, "there is no task"),
    "an enormous task": (lambda base: ["--workspace", str(base / "w"), "build " * 15_000], 2, "at most 60000"),
    "a task file that is not there": (lambda base: ["--workspace", str(base / "w"), "--task-file", str(base / "none.md")], 2, "cannot be read"),
    "a workspace without a parent": (lambda base: ["--workspace", str(base / "a" / "b" / "c"), TASK], 2, "parent folder does not exist"),
    "the root folder": (lambda base: ["--workspace", "/", TASK], 5, "root of the file system"),
    "the home folder": (lambda base: ["--workspace", str(base / "home"), TASK], 5, "home folder"),
    "a file as workspace": (not_a_folder, 5, "is not a folder"),
    "an unknown key": (bad_config, 2, "line 4"),
    "an impossible number": (lambda base: ["--workspace", str(base / "w"), "--attempts", "0", TASK], 2, "attempts"),
    "an unknown role": (lambda base: ["--workspace", str(base / "w"), "--role", "poet=x", TASK], 2, "poet"),
    "a role without model": (lambda base: ["--workspace", str(base / "w"), "--role", "builder", TASK], 2, "ROLE=MODEL"),
    "a public server": (lambda base: ["--workspace", str(base / "w"), "--endpoint", "https://models.example.com", TASK], 2, "--allow-remote"),
    "a blank proof": (lambda base: ["--workspace", str(base / "w"), "--demo", "--verify", ""], 2, "--verify '' runs nothing"),
    "a proof of spaces": (lambda base: ["--workspace", str(base / "w"), "--verify", " \n", TASK], 2, "runs nothing"),
    "a comment as proof": (lambda base: ["--workspace", str(base / "w"), "--verify", "# later", TASK], 2, "runs nothing"),
    "a blank proof in a file": (blank_proof, 2, "[verify] commands '' runs nothing"),
    "a task for the tape": (lambda base: ["--workspace", str(base / "w"), "--demo", TASK], 2, "its own task"),
    "a task file for the tape": (lambda base: ["--workspace", str(base / "w"), "--demo", "--task-file", "x.md"], 2, "its own task"),
    "a task without quotes": (lambda base: ["Build", "a", "calculator"], 2, "put the task in quotes: 'Build a calculator'"),
    "a plan file that is not there": (lambda base: ["--workspace", str(base / "w"), "--plan", "/nope", TASK], 2, "--plan /nope cannot be read: No such file or directory; check the path"),
    "a plan that is no JSON": (lambda base: ["--workspace", str(base / "w"), "--plan", plan_file(base, "{"), TASK], 2, "not a plan as --dry-run prints it"),
    "a plan without a task": (lambda base: ["--workspace", str(base / "w"), "--plan", plan_file(base, json.dumps(PLAN))], 2, "give the task too"),
    "a plan with a strange key": (lambda base: ["--workspace", str(base / "w"), "--plan", plan_file(base, json.dumps({**PLAN, "note": ""})), TASK], 2, "unknown key 'note'; known ones: summary, steps"),
    "a branch without git": (lambda base: ["--workspace", str(base / "w"), "--branch", "mine", TASK], 2, "--branch needs a git checkout"),
    "a merge without git": (lambda base: ["--workspace", str(base), "--merge", TASK], 2, "--merge needs a git checkout"),
    "a merge in place": (lambda base: ["--workspace", str(repository(base / "w")), "--in-place", "--merge", TASK], 2, "does not go with --in-place"),
    "a server without a name": (lambda base: ["--workspace", str(base / "w"), "--endpoint", "no-such-host.invalid", "--allow-remote", TASK], 3, "Is that the right name?"),
    "no server": (lambda base: ["--workspace", str(base / "w"), "--endpoint", refused_url(), TASK], 3, "no model server answers"),
    "nothing to resume": (lambda base: ["--workspace", str(base / "w"), "--resume"], 2, "no run"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_ends_with_its_code_and_a_sentence(tmp_path: Path, case: str) -> None:
    prepare, code, words = CASES[case]
    process = start(*prepare(tmp_path), cwd=tmp_path, home=tmp_path / "home")
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert words in err
    assert "Traceback" not in err


def test_a_wrong_model_name_lists_the_names_there_are(tmp_path: Path) -> None:
    with serving(Scenario(), models=("coder:7b", "other:3b")) as server:
        done = run(
            "--endpoint",
            server.url,
            "--model",
            "codr:7b",
            TASK,
            workspace=tmp_path / "w",
            home=tmp_path / "home",
        )
    assert done.code == 3
    assert "coder:7b" in done.stderr
    assert "other:3b" in done.stderr
    assert done.result["exit_reason"] == "model_missing"
    assert not server.requests


def test_a_server_that_stops_half_way_leaves_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    scenario = Scenario()

    def reply(asked: object) -> str | Reply:
        if len(server.requests) > 3:
            return Reply(status=500, error="the runner has stopped")
        return scenario.reply(asked.system, asked.prompt)  # type: ignore[attr-defined]

    with ScriptedServer("ollama", reply) as server:
        done = run("--endpoint", server.url, TASK, workspace=tmp_path / "w", home=tmp_path / "home")
    assert done.code == 3, done.stderr
    assert done.result["exit_reason"] == "endpoint_unreachable"
    command = next(line for line in done.stderr.splitlines() if line.startswith("continue  "))
    assert command.endswith(f"--workspace {tmp_path / 'w'} --resume {done.run_dir.name}")
    assert command.removeprefix("continue  ") in (done.run_dir / "handoff.md").read_text()
    asked_before = len(done.kinds("call"))
    with serving(Scenario()) as server:
        again = run("--endpoint", server.url, "--resume", workspace=tmp_path / "w", home=tmp_path / "home")
        assert again.code == 0, again.stderr
        assert len(again.kinds("call")) - asked_before == len(server.requests), "no completed call is asked again"
    assert (tmp_path / "w" / "calculator.py").exists()


@pytest.mark.parametrize(
    "number, code, reason", [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_the_run_with_everything_saved(tmp_path: Path, number: int, code: int, reason: str) -> None:
    scenario = Scenario()
    with ScriptedServer("ollama", lambda a: Reply(scenario.reply(a.system, a.prompt), delay=0.4)) as server:
        process = start(
            "--workspace",
            str(tmp_path / "w"),
            "--endpoint",
            server.url,
            TASK,
            cwd=tmp_path,
            home=tmp_path / "home",
        )
        while len(server.requests) < 3 and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=20)
    done = Done(process.returncode, out, err, tmp_path / "w")
    assert done.code == code, err
    assert done.result["exit_reason"] == reason
    with serving(Scenario()) as server:
        again = run("--endpoint", server.url, "--resume", workspace=tmp_path / "w", home=tmp_path / "home")
    assert again.code == 0, again.stderr
    assert not (again.run_dir / "handoff.md").exists()


@pytest.mark.parametrize(
    "flags, reason",
    [
        (("--max-calls", "3"), "budget_calls"),
        (("--max-tokens", "200"), "budget_tokens"),
        (("--max-minutes", "0.01"), "budget_minutes"),
    ],
)
def test_a_used_up_budget_is_said_and_kept_to(tmp_path: Path, flags: tuple[str, str], reason: str) -> None:
    scenario = Scenario()
    with ScriptedServer("ollama", lambda a: Reply(scenario.reply(a.system, a.prompt), delay=0.3)) as server:
        done = run("--endpoint", server.url, *flags, TASK, workspace=tmp_path / "w", home=tmp_path / "home")
    assert done.code == 4, done.stderr
    assert done.result["exit_reason"] == reason
    if reason == "budget_calls":
        assert len(server.requests) == 3, "the server's own count never exceeds --max-calls"


def test_a_second_run_in_the_same_workspace_is_refused(tmp_path: Path) -> None:
    scenario = Scenario()
    with ScriptedServer("ollama", lambda a: Reply(scenario.reply(a.system, a.prompt), delay=0.5)) as server:
        first = start(
            "--workspace",
            str(tmp_path / "w"),
            "--endpoint",
            server.url,
            TASK,
            cwd=tmp_path,
            home=tmp_path / "home",
        )
        while not server.requests and first.poll() is None:
            time.sleep(0.02)
        second = run("--endpoint", server.url, TASK, workspace=tmp_path / "w", home=tmp_path / "home")
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
    assert second.code == 5
    assert str(first.pid) in second.stderr


def test_a_dirty_repository_is_worked_on_in_a_branch_and_left_alone(tmp_path: Path) -> None:
    workspace = repository(tmp_path / "w")
    (workspace / "notes.txt").write_text("mine, changed\n")
    (workspace / "untracked.txt").write_text("also mine\n")
    before = git(workspace, "status", "--porcelain"), git(workspace, "rev-parse", "HEAD")
    with serving(Scenario()) as server:
        done = run("--endpoint", server.url, TASK, workspace=workspace, home=tmp_path / "home")
    assert done.code == 0, done.stderr
    after = git(workspace, "status", "--porcelain"), git(workspace, "rev-parse", "HEAD")
    assert before == after
    assert not (workspace / "calculator.py").exists()
    branch = done.result["branch"]
    assert "calculator.py" in git(workspace, "ls-tree", "-r", "--name-only", branch)
    assert git(workspace, "show", f"{branch}:notes.txt") == "mine, changed\n"
    assert len(git(workspace, "log", "--oneline", f"main..{branch}").splitlines()) >= 3, "one commit for each step"


def test_a_detached_head_is_worked_on_too(tmp_path: Path) -> None:
    workspace = repository(tmp_path / "w")
    git(workspace, "checkout", "-q", "--detach")
    with serving(Scenario()) as server:
        done = run("--endpoint", server.url, TASK, workspace=workspace, home=tmp_path / "home")
    assert done.code == 0, done.stderr
    assert done.result["branch"]


def test_merge_fast_forwards_a_clean_checkout(tmp_path: Path) -> None:
    workspace = repository(tmp_path / "w")
    with serving(Scenario()) as server:
        done = run("--endpoint", server.url, "--merge", TASK, workspace=workspace, home=tmp_path / "home")
    assert done.code == 0, done.stderr
    assert (workspace / "calculator.py").exists()
    assert git(workspace, "status", "--porcelain") == ""


def test_a_file_that_the_user_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    (workspace / "calculator.py").write_text("# my own notes\n")
    scenario = Scenario()

    def builder(prompt: str) -> str:
        (workspace / "calculator.py").write_text("# my own notes, longer now\n")
        return scenario.answers.get("builder") or Scenario().reply("You write one complete file", prompt)  # type: ignore[return-value]

    with serving(Scenario({"builder": builder})) as server:
        done = run("--endpoint", server.url, TASK, workspace=workspace, home=tmp_path / "home")
    assert done.code == 5, done.stderr
    assert (workspace / "calculator.py").read_text() == "# my own notes, longer now\n"
    assert done.result["exit_reason"] == "workspace_unsafe"


def test_a_full_disk_is_said_plainly(tmp_path: Path) -> None:
    """The trace's folder lies on a tiny file system of its own."""
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(mount)], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        with serving(Scenario()) as server:
            done = run("--endpoint", server.url, TASK, workspace=mount / "w", home=tmp_path / "home")
        assert done.code == 5, done.stderr
        assert "no space" in done.stderr.lower() or "full" in done.stderr.lower()
        assert "Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_everything_already_green_costs_no_call(tmp_path: Path) -> None:
    with serving(Scenario()) as server:
        done = run(
            "--endpoint",
            server.url,
            "--verify",
            "true",
            TASK,
            workspace=tmp_path / "w",
            home=tmp_path / "home",
        )
    assert done.code == 0, done.stderr
    assert done.result["exit_reason"] == "already_green"
    assert "nothing was built: every --verify command succeeded at the start" in done.stderr
    assert not server.requests


def test_a_folder_made_for_a_run_that_never_began_is_gone_again(tmp_path: Path) -> None:
    """Ten starts without a server shall not leave ten folders and ten trees."""
    root, home = Path(__file__).resolve().parent.parent, tmp_path / "home"
    process = start("--endpoint", refused_url(), TASK, cwd=root, home=home)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "where nothing was begun" in err
    assert "continue  " not in err
    assert not list((home / "nightshift-work").iterdir())
    assert not list((home / "state" / "nightshift" / "trees").iterdir())


def test_a_folder_of_the_users_keeps_the_record_of_a_failed_start(tmp_path: Path) -> None:
    done = run("--endpoint", refused_url(), TASK, workspace=tmp_path / "w", home=tmp_path / "home")
    assert done.result["exit_reason"] == "endpoint_unreachable"


def test_a_server_killed_in_mid_run_is_waited_for_aloud_and_the_wait_is_counted(tmp_path: Path) -> None:
    """The time told at the end, in the trace and in the result is the time that went by."""
    scenario = Scenario()
    server = ScriptedServer("ollama", lambda asked: Reply(scenario.reply(asked.system, asked.prompt), delay=0.5))
    with server:
        url = server.url
        flags = ("--workspace", str(tmp_path / "w"), "--endpoint", url, "--max-minutes", "0.25", TASK)
        process, began = start(*flags, cwd=tmp_path, home=tmp_path / "home"), time.monotonic()
        while len(server.requests) < 2 and process.poll() is None:
            time.sleep(0.02)
    out, err = process.communicate(timeout=60)
    passed, done = time.monotonic() - began, Done(process.returncode, out, err, tmp_path / "w")
    assert f"waiting up to 120 s for {url} to answer again" in err
    assert done.result["exit_reason"] == "budget_minutes", "the wait counts for --max-minutes too"
    (finished,) = done.kinds("run_finished")
    assert 14 < finished["seconds"] <= passed
    assert 10 < done.result["usage"]["wall_seconds"] <= passed, "it begins with the first record"


def test_a_run_from_the_checkout_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parent.parent
    with serving(Scenario()) as server:
        process = start("--endpoint", server.url, "--json", TASK, cwd=root, home=tmp_path / "home")
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["status"] == "passed"
    (folder,) = (tmp_path / "home" / "nightshift-work").iterdir()
    assert str(folder) in err
    assert (folder / "calculator.py").exists()
