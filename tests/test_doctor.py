"""doctor.py as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from servers import Reply, ScriptedServer, refused_url

from nightshift.calibrate.findings import of_memory
from nightshift.calibrate.machine import GB, KNOWN, SOURCE, Memory, fitting, ram_of_meminfo, vram_of_nvidia

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
            "build": "0.33.0",
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


GGUF = b"GGUF and no more"


def managed(folder: Path, *tables: str) -> None:
    """The user's own configuration with these [[server]] tables; MODEL stands for a file that begins as one should."""
    model = folder / "coder-7b.gguf"
    model.write_bytes(GGUF)
    settings = folder / ".config" / "nightshift" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("".join(f"[[server]]\n{table}\n" for table in tables).replace("MODEL", str(model)))


def test_a_server_that_a_run_starts_itself_is_no_missing_server(run, tmp_path):
    managed(tmp_path, 'file = "MODEL"\ncommand = "/bin/sh"', 'file = "MODEL"\ncommand = "/bin/sh"\nroles = ["planner"]')
    done = run()
    assert done.returncode in (0, 5), "5 where there is no sandbox"
    assert "no model server answers" not in done.stdout
    assert "no role has a model" not in done.stdout
    assert f"[[server]] coder-7b: a run starts /bin/sh on {tmp_path / 'coder-7b.gguf'} for every role" in done.stdout
    assert "coder-7b~2 at [[server]] coder-7b~2: planner\n" in done.stdout
    assert "ollama pull" not in done.stdout


@pytest.mark.parametrize(
    "table, words",
    [
        ('file = "/nope/m.gguf"', "the model file /nope/m.gguf cannot be read: No such file or directory"),
        ('file = "/etc/hostname"', "/etc/hostname is no GGUF model"),
        ('file = "MODEL"\ncommand = "no-such-llama"', "no-such-llama is not found"),
    ],
)
def test_a_server_that_cannot_be_started_is_a_problem_and_exit_3(run, tmp_path, table, words):
    managed(tmp_path, table)
    done = run()
    assert done.returncode == 3
    assert words in done.stdout
    assert "no model server answers" not in done.stdout


def test_roles_are_shared_out_between_servers_that_run_and_servers_to_be_started(run, tmp_path):
    managed(tmp_path, 'file = "MODEL"\ncommand = "/bin/sh"\nroles = ["planner"]')
    with ScriptedServer("llama", models=["coder:30b"]) as server:
        told = run("--endpoint", server.url).stdout
    assert "coder-7b at [[server]] coder-7b: planner, voter\n" in told
    assert f"coder:30b at {server.url}: explorer, tester, builder, repairer, analyst, reviewer\n" in told


def test_a_role_that_nobody_asks_is_not_shown(run):
    with ScriptedServer("llama", models=["coder:7b"]) as server:
        assert "librarian" not in run("--endpoint", server.url).stdout


def test_what_to_download_is_said_once_and_only_where_there_is_no_model(run):
    assert run("--endpoint", refused_url()).stdout.count(SOURCE) == 1
    with ScriptedServer("llama", models=["coder:7b"]) as server:
        assert "ollama pull" not in run("--endpoint", server.url).stdout


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


@pytest.mark.parametrize("flag", ["--apply", "--max-calls=3"])
def test_flags_of_a_calibration_go_with_it(run, flag):
    done = run(flag)
    assert (done.returncode, done.stdout) == (2, "")
    assert "goes with --calibrate" in done.stderr


def test_calibrating_nothing_is_exit_3(run):
    url = refused_url()
    done = run("--calibrate", "--endpoint", url)
    assert (done.returncode, done.stdout) == (3, "")
    assert url in done.stderr


class Telling(ScriptedServer):
    """An Ollama that tells what it has loaded."""

    loaded: dict[str, object] | None = None

    def get(self, path: str) -> dict[str, object] | None:
        return {"models": [self.loaded]} if path == "/api/ps" else super().get(path)


def test_what_ollama_has_loaded_is_told_with_the_way_out(run):
    with Telling("ollama") as server:
        soon = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
        server.loaded = {
            "model": "coder:7b",
            "size": 8_000_000_000,
            "size_vram": 6_000_000_000,
            "context_length": 4096,
            "expires_at": soon,
        }
        told = run("--endpoint", server.url)
        assert server.requests == []
    assert told.returncode == 0
    for words in (
        "context asked 32768, allocated 4096",
        "loaded with 4096 tokens",
        "OLLAMA_CONTEXT_LENGTH=32768",
        "25 % on the CPU: 6.0 of 8.0 GB",
        "unloaded in 4 min",
        "OLLAMA_KEEP_ALIVE",
    ):
        assert words in told.stdout


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["ollama", "llama", "generic"])
def test_a_probe_is_one_tiny_question_to_each_model_and_only_when_asked_for(run, protocol):
    with ScriptedServer(protocol, lambda asked: '{"ready": true}', models=["coder:7b"]) as server:
        run("--endpoint", server.url)
        assert server.requests == []
        told = run("--probe", "--endpoint", server.url)
        (asked,) = server.requests
    assert "kept to a JSON schema" in told.stdout
    assert asked.get("max_tokens") or asked["options"]["num_predict"] <= 64


@pytest.mark.slow
@pytest.mark.parametrize(
    "reply, words",
    [
        ("Sure, I am ready!", "answered the probe with something else"),
        ('{"ready": "yes"}', "answered the probe with something else"),
        (Reply('{"ready": true}', reasoning="Hm."), "thinks although it is told not to"),
        (Reply(status=404, error="no"), "does not answer the probe"),
    ],
)
def test_what_a_probe_shows_is_a_warning(run, reply, words):
    with ScriptedServer("llama", lambda asked: reply) as server:
        told = run("--probe", "--endpoint", server.url)
    assert told.returncode == 0
    assert words in told.stdout


def test_a_profile_that_names_a_model_gone_is_told(run, tmp_path):
    profile = tmp_path / ".config" / "nightshift" / "profile.toml"
    profile.parent.mkdir(parents=True)
    profile.write_text('model = "gone:7b"\n')
    with ScriptedServer("ollama", models=["coder:7b"]) as server:
        told = run("--endpoint", server.url)
    assert told.returncode == 3
    assert "gone:7b" in told.stdout
    assert f"or change what {profile} says" in told.stdout


MEMINFO = "MemTotal:       16314060 kB\nMemFree:         1000 kB\n"


def test_memory_is_read_from_what_the_system_says():
    assert ram_of_meminfo(MEMINFO) == 16_314_060 * 1024
    assert ram_of_meminfo("nothing") == 0
    assert vram_of_nvidia(["24564", " 24564 ", "[N/A]", ""]) == 2 * 24_564 << 20


@pytest.mark.parametrize(
    "memory, first",
    [
        (Memory(16 * GB), "qwen2.5-coder:7b"),
        (Memory(8 * GB), "qwen2.5-coder:3b"),
        (Memory(32 * GB, 24 * GB), "gpt-oss:20b"),
        (Memory(64 * GB, 48 * GB), "qwen2.5-coder:32b"),
        (Memory(1 * GB), None),
    ],
    ids=str,
)
def test_the_largest_known_models_that_fit_are_named_with_their_commands(memory, first):
    (told,) = of_memory(memory, 32_768)
    if first is None:
        assert told.level == "warning"
        return
    assert f"here: {first} (" in told.what
    assert f"`ollama pull {first}`" in told.way_out
    assert "`llama-server -hf " in told.way_out
    assert told.way_out.count(SOURCE) == 1


def test_every_known_model_that_fits_is_smaller_than_the_memory():
    assert [model.ollama for model in fitting(10**12, 32_768)] == [model.ollama for model in KNOWN]
    assert all(model.needs(32_768) <= 10 * GB for model in fitting(10 * GB, 32_768))
    assert not fitting(0, 1024)


def test_help_has_examples(run):
    done = run("--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
