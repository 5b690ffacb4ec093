"""doctor.py as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import ScriptedServer, refused_url

DOCTOR = Path(__file__).parents[1] / "doctor.py"


@pytest.fixture
def run(tmp_path):
    """Runs doctor.py in an empty folder with an environment of its own."""

    def doctor(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        known = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | more
        command = [sys.executable, str(DOCTOR), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=known, cwd=tmp_path, timeout=60)

    return doctor


def test_a_working_server_is_described_and_good(run):
    with ScriptedServer("llama", slots=3, models=["coder:7b"]) as server:
        done = run("--endpoint", f"{server.url}/v1")
    assert done.returncode == 0
    assert f"{server.url}: llama.cpp, openai protocol, 3 slots, 32768 tokens per slot; coder:7b" in done.stdout
    assert "builder" in done.stdout
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in done.stdout
    assert server.requests == []


def test_json_says_the_same_to_programs(run):
    with ScriptedServer("ollama", models=["coder:7b"]) as server:
        found = json.loads(run("--json", "--endpoint", server.url).stdout)
    assert found["usable"] is True
    assert found["servers"] == [
        {
            "url": server.url,
            "protocol": "ollama",
            "flavour": "ollama",
            "models": ["coder:7b"],
            "slots": 1,
            "context": None,
        }
    ]
    assert {finding["level"] for finding in found["findings"]} <= {"ok", "warning", "problem"}


def test_no_server_is_a_problem_with_a_way_out_and_exit_3(run):
    url = refused_url()
    done = run("--endpoint", url)
    assert done.returncode == 3
    assert "problem" in done.stdout
    assert url in done.stdout


def test_a_server_without_a_model_is_not_usable(run):
    with ScriptedServer("ollama", models=[]) as server:
        assert run("--endpoint", server.url).returncode == 3


def test_one_dead_server_of_two_is_a_warning(run):
    with ScriptedServer("ollama") as server:
        done = run("--endpoint", refused_url(), "--endpoint", server.url)
    assert done.returncode == 0
    assert "warning" in done.stdout


def test_a_small_context_is_a_warning(run):
    with ScriptedServer("llama", context=2048) as server:
        assert "a context of 2048 tokens is small" in run("--endpoint", server.url).stdout


def test_a_public_address_is_refused(run):
    done = run("--endpoint", "http://192.0.2.1:8080")
    assert done.returncode == 2
    assert "192.0.2.1" in done.stderr


def test_calibrating_is_not_there_yet_and_says_so(run):
    done = run("--calibrate")
    assert (done.returncode, done.stdout) == (2, "")
    assert "not available yet" in done.stderr


def test_help_has_examples(run):
    done = run("--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
