"""Servers that Nightshift starts itself: the flags they get, how they fail, and that none outlives the run."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_llama_server import fake_llama_server
from hypothesis import given, settings
from hypothesis import strategies as st
from real_llama import require_llama
from runs import ROOT, run, start
from scenario import TASK
from servers import ScriptedServer

from benchmarks.tiny_model import tiny_gguf
from config import load, public
from nightshift.domain import ROLES
from nightshift.errors import ConfigError, ModelServerError
from nightshift.llm.managed.flags import (
    ServerSettings,
    check,
    command_line,
    device,
    environment_of,
    named,
    without_secrets,
)
from nightshift.llm.managed.keeper import LOG_BYTES, QUOTE, quote
from nightshift.llm.managed.process import ServerProcess
from nightshift.llm.managed.servers import ManagedServers
from nightshift.llm.routing import RoleTarget

PATIENCE = 15.0


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file that looks like a model."""
    file = tmp_path / "coder-7b.gguf"
    file.write_bytes(b"GGUF" + bytes(60))
    return file


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run_it(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run_it


class Notes:
    """A recorder that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def record(self, kind: str, span: str, **fields: Any) -> None:
        self.records.append({"kind": kind, "span": span, **fields})

    def recall(self, kind: str, span: str, key: str) -> None:
        return None

    def of(self, kind: str, name: str) -> list[Any]:
        return [record[name] for record in self.records if record["kind"] == kind]


def servers_of(wanted: Sequence[ServerSettings], folder: Path, **options: Any) -> tuple[ManagedServers, Notes]:
    servers = ManagedServers(wanted, logs=folder, context=4096, environ=os.environ, **options)
    notes = Notes()
    servers.record_to(notes)
    return servers, notes


@asynccontextmanager
async def serving(
    wanted: Sequence[ServerSettings], folder: Path, **options: Any
) -> AsyncIterator[tuple[ManagedServers, Notes]]:
    servers, notes = servers_of(wanted, folder, **options)
    try:
        await servers.start()
        yield servers, notes
    finally:
        servers.stop()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.02)


def running(words: str) -> list[str]:
    """The processes whose command line has these words, dead ones that nobody collected aside."""
    listed = subprocess.run(["ps", "-axww", "-o", "stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if words in line and not line.startswith("Z")]


def crash(url: str) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{url}/crash", trust_env=False)


# What a table may say, and the command it stands for.


@pytest.mark.parametrize(
    "changes, flags",
    [
        ({}, "-m FILE --alias coder --host 127.0.0.1 --port 9 -c 8192 -np 2 --offline"),
        ({"context": 1000, "parallel": 4}, "-c 4000 -np 4"),
        ({"kv": "q8_0"}, "-ctk q8_0 -ctv q8_0"),
        ({"draft": "/d.gguf"}, "--spec-type draft-simple --spec-draft-model /d.gguf"),
        ({"draft": "/d.gguf", "draft_tokens": 8}, "--spec-draft-n-max 8"),
        ({"draft": "/d.gguf", "speculation": "draft-eagle3"}, "--spec-type draft-eagle3 --spec-draft-model /d.gguf"),
        ({"speculation": "draft-mtp", "draft_tokens": 2}, "--spec-type draft-mtp --spec-draft-n-max 2"),
        ({"speculation": "ngram-map-k"}, "--spec-type ngram-map-k"),
        ({"speculation": "none"}, "--spec-type none"),
        ({"extra_args": ("-ngl", "99", "--chat-template-kwargs", '{"a":1}')}, '-ngl 99 --chat-template-kwargs {"a":1}'),
    ],
)
def test_settings_become_flags_by_their_current_names(changes: dict[str, Any], flags: str) -> None:
    """The context given is each slot's, since llama-server divides -c among its slots; extra_args come last."""
    server = replace(ServerSettings("FILE", name="coder"), **changes)
    argv = command_line(server, command="llama-server", port=9, context=server.context or 4096)
    assert flags in " ".join(argv)
    assert not [flag for flag in argv if re.match(r"--(draft|tools|agent|mcp)", flag)]
    assert argv[len(argv) - len(server.extra_args) :] == list(server.extra_args)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"file": "relative.gguf"}, "whole path"),
        ({"file": ""}, "whole path"),
        ({"file": "/no/such.gguf"}, "/no/such.gguf cannot be read: No such file"),
        ({"file": "/"}, "Is a directory"),
        ({"file": __file__}, "is no GGUF model"),
        ({"draft": __file__}, "is no GGUF model"),
        ({"speculation": "draft-simple"}, "set draft = FILE"),
        ({"extra_args": ("--tools", "all")}, "--tools lets whoever"),
        ({"extra_args": ("--agent",)}, "--agent lets whoever"),
        ({"extra_args": ("--mcp-servers-config=x",)}, "--mcp-servers-config=x lets whoever"),
        ({"environment": {"LLAMA_ARG_TOOLS": "all"}}, "LLAMA_ARG_TOOLS lets whoever"),
        ({"extra_args": ("--host", "0.0.0.0")}, "--host is set by Nightshift"),
        ({"extra_args": ("--port=1",)}, "use the key port"),
        ({"extra_args": ("-hf", "someone/model")}, "-hf would download"),
        ({"extra_args": ("--path", "/etc")}, "--path lets whoever"),
        ({"environment": {"LLAMA_ARG_MODEL": "x"}}, "use the key file"),
    ],
)
def test_what_cannot_or_must_not_be_served_is_refused(model: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as refusal:
        check([replace(ServerSettings(str(model)), **changes)])
    assert refusal.value.exit_code == 2


def test_a_port_is_given_to_one_server_only(model: Path) -> None:
    check([ServerSettings(str(model)), ServerSettings(str(model))])
    with pytest.raises(ConfigError, match="port 9 is given to more than one"):
        check([ServerSettings(str(model), port=9), ServerSettings(str(model), port=9)])


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=4), st.sampled_from(["", "a", "a~2", "b/c"])), max_size=6))
def test_names_are_distinct_and_fit_a_file_name(drawn: list[tuple[str, str]]) -> None:
    names = [one.name for one in named([ServerSettings(f"/m/{stem}.gguf", name=name) for stem, name in drawn])]
    assert len(set(names)) == len(drawn)
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]+", name) for name in names)


def test_a_model_is_called_as_its_file_without_the_number_of_its_part() -> None:
    assert named([ServerSettings("/m/Qwen3-30B-Q4_K_M-00001-of-00003.gguf")])[0].name == "Qwen3-30B-Q4_K_M"


def test_the_users_own_flags_for_other_servers_do_not_reach_this_one() -> None:
    environ = {"PATH": "/bin", "LLAMA_ARG_HOST": "0.0.0.0", "LLAMA_ARG_TOOLS": "all", "CUDA_VISIBLE_DEVICES": "0"}
    server = ServerSettings(environment={"CUDA_VISIBLE_DEVICES": "1"})
    assert environment_of(server, environ) == {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1"}


@pytest.mark.parametrize(
    "environment, environ, text",
    [
        ({"CUDA_VISIBLE_DEVICES": "1"}, {"CUDA_VISIBLE_DEVICES": "0"}, "CUDA_VISIBLE_DEVICES=1"),
        ({}, {"CUDA_VISIBLE_DEVICES": "0"}, "CUDA_VISIBLE_DEVICES=0"),
        ({"OMP_NUM_THREADS": "4"}, {}, "all devices"),
    ],
)
def test_servers_of_one_gpu_have_the_same_device(
    environment: dict[str, str], environ: dict[str, str], text: str
) -> None:
    assert device(ServerSettings(environment=environment), environ) == text


# The configuration.


def toml(tmp_path: Path, text: str, name: str = "c.toml") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_server_tables_are_read_whole(tmp_path: Path) -> None:
    file = toml(tmp_path, """
        [[server]]
        file = "/m/big.gguf"
        port = 8081
        roles = ["planner", "analyst"]
        environment = { CUDA_VISIBLE_DEVICES = 0, A = "b" }
        [[server]]
        file = "/m/small.gguf"
        context = 16384
        parallel = 4
        kv = "q8_0"
        speculation = "ngram-mod"
        extra_args = ["-ngl", "99"]
        command = "~/llama/llama-server"
    """)  # fmt: skip
    big, small = load({}, {"HOME": str(tmp_path)}, None, file).server
    assert (big.port, big.roles, big.environment) == (
        8081,
        ("planner", "analyst"),
        {"CUDA_VISIBLE_DEVICES": "0", "A": "b"},
    )
    assert small == ServerSettings(
        "/m/small.gguf", context=16384, parallel=4, kv="q8_0", speculation="ngram-mod", extra_args=("-ngl", "99"),
        command="~/llama/llama-server",
    )  # fmt: skip


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("[server]\nfile = '/m'", 1, "each begun by a line [[server]]"),
        ("server = [1]", 1, "each begun by a line [[server]]"),
        ("[[server]]\nfile = '/m'\ngpu = 1", 3, "gpu is unknown; known keys: file, name, port"),
        ("[[server]]\n[[server]]\nport = 70000", 3, "port must be between"),
        ("[[server]]\nroles = ['boss']", 2, "must be 'explorer'"),
        ("[[server]]\nkv = 'q9'", 2, "'q8_0'"),
        ("[[server]]\nspeculation = 'draft'", 2, "'ngram-map-k'"),
        ("[[server]]\n\nenvironment = ['A=b']", 3, "environment must be a table"),
        ("[[server]]\n[server.environment]\nA = true", 2, "environment must be a table"),
    ],
)
def test_a_wrong_server_is_named_with_its_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = toml(tmp_path, text)
    with pytest.raises(ConfigError) as refusal:
        load({}, {"HOME": str(tmp_path)}, None, file)
    assert str(refusal.value).startswith(f"{file} line {line}: ")
    assert words in str(refusal.value)


def test_a_projects_own_file_cannot_start_programs(tmp_path: Path) -> None:
    toml(tmp_path, "[[server]]\nfile = '/m'\ncommand = '/bin/evil'", "nightshift.toml")
    with pytest.raises(ConfigError, match="server is not for a project's own file"):
        load({}, {"HOME": str(tmp_path / "home")}, tmp_path)
    with pytest.raises(ConfigError, match="NIGHTSHIFT_SERVER: unknown setting"):
        load({}, {"HOME": str(tmp_path), "NIGHTSHIFT_SERVER": "/bin/evil"})


def test_a_model_to_serve_outranks_the_model_and_the_servers_of_lower_layers(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        "model = 'm'\nendpoints = ['http://localhost:1']\n[roles]\nbuilder = 'b'\nplanner = 'p'\n[[server]]\nfile = '/m/a.gguf'",
    )
    c = load({"server": [{"file": "/m/b.gguf"}]}, {"HOME": str(tmp_path)}, None, file)
    assert ([one.file for one in c.server], c.model, c.roles.keys()) == (["/m/b.gguf"], "", {"planner"})
    c = load({"model": "flag", "server": [{"file": "/m/b.gguf"}]}, {"HOME": str(tmp_path)}, None, file)
    assert (c.model, c.endpoints) == ("flag", ()), "flags do not outrank each other"
    c = load(
        {"endpoints": ["http://localhost:2"], "server": [{"file": "/m/b.gguf"}]}, {"HOME": str(tmp_path)}, None, file
    )
    assert c.endpoints == ("http://localhost:2",)
    own = toml(tmp_path, "[[server]]\nfile = '/m/a.gguf'\nroles = ['voter']", "own.toml")
    assert load({}, {"HOME": str(tmp_path)}, None, own).model == ""


def test_secrets_of_a_server_are_shown_nowhere(tmp_path: Path) -> None:
    file = toml(tmp_path, """
        [[server]]
        file = "/m/a.gguf"
        extra_args = ["--api-key", "sk-secret", "--hf-token=sk-secret"]
        environment = { HF_TOKEN = "sk-secret", CUDA_VISIBLE_DEVICES = "0" }
    """)  # fmt: skip
    c = load({}, {"HOME": str(tmp_path)}, None, file)
    assert "secret" not in json.dumps(public(c))
    assert public(c)["server"][0]["environment"]["CUDA_VISIBLE_DEVICES"] == "0"
    assert "secret" not in repr(without_secrets(command_line(c.server[0], command="l", port=1, context=1)))


# The log.


@pytest.mark.parametrize(
    "lines, said",
    [
        (["loading", "error: bad", "oom", "bye"], "error: bad"),
        (["cudaMalloc failed: out of memory\n", "exit"], "cudaMalloc failed: out of memory"),
        (["couldn't bind HTTP server socket"], "couldn't bind HTTP server socket"),
        (["0 errors so far", "last words", " \n"], "last words"),
        (["\x1b[31merror\x1b[0m: red"], "[31merror [0m: red"),
        ([], ""),
    ],
)
def test_the_first_line_that_speaks_of_trouble_is_quoted(lines: list[str], said: str) -> None:
    assert quote(lines) == said


@settings(deadline=None)
@given(st.lists(st.text(), max_size=5))
def test_a_quote_is_one_short_printable_line(lines: list[str]) -> None:
    said = quote([*lines, "error " * 100])
    assert said.isprintable()
    assert 0 < len(said) <= QUOTE


def test_a_log_is_bounded_however_much_is_said(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    talk = f"print(('x' * 4000 + chr(10)) * {LOG_BYTES * 5 // 2 // 4000}); print('the end')"
    process = ServerProcess([sys.executable, "-c", talk], os.environ, log, 0.3)
    asyncio.run(until(process.ending))
    process.wait()
    logs = [log, log.with_name("server.log.1")]
    assert sorted(tmp_path.iterdir()) == logs
    assert all(LOG_BYTES / 3 < path.stat().st_size <= LOG_BYTES for path in logs)
    assert log.read_text().endswith("the end\n")


# Starting, failing, crashing, ending.


@in_loop
async def test_a_server_is_started_used_recorded_and_ended(model: Path, tmp_path: Path) -> None:
    server = ServerSettings(str(model), command=str(fake_llama_server(tmp_path)), parallel=3)
    async with serving([server], tmp_path) as (servers, notes):
        (endpoint,) = servers.endpoints
        assert (endpoint.slots, endpoint.context, endpoint.names) == (3, 4096, ("coder-7b",))
        assert servers.urls == (endpoint.url,)
        assert servers.roles() == dict.fromkeys(ROLES, (RoleTarget("coder-7b", endpoint.url),))
        assert servers.roles(alone=False) == {}
        assert servers.devices == {endpoint.url: device(server, os.environ)}
        told = notes.records[0]
        assert (told["kind"], told["span"], told["event"]) == ("server", "server/coder-7b", "started")
        assert told["command"][1:3] == ["-m", str(model)]
        os.kill(told["pid"], 0)
    assert notes.of("server", "event") == ["started", "stopped"]
    assert not running(str(tmp_path))
    assert (tmp_path / "server-coder-7b.log").read_text().startswith("loading")
    servers.stop()


@in_loop
async def test_each_role_goes_to_the_server_that_names_it(model: Path, tmp_path: Path) -> None:
    """Servers without roles share the rest; some roles prefer the largest or the smallest of them."""
    command = str(fake_llama_server(tmp_path))
    large = tmp_path / "large.gguf"
    large.write_bytes(b"GGUF" + bytes(99))
    wanted = [
        ServerSettings(str(model), command=command, name="small"),
        ServerSettings(str(large), command=command),
        ServerSettings(str(model), command=command, name="own", roles=("tester",)),
    ]
    async with serving(wanted, tmp_path) as (servers, _):
        models = {role: [target.model for target in targets] for role, targets in servers.roles().items()}
        assert models["tester"] == ["own"]
        assert models["builder"] == ["small", "large"]
        assert models["planner"] == ["large", "small"]
        assert models["voter"] == ["small", "large"]
        assert len(servers.urls) == 2


@pytest.mark.parametrize(
    "behaviour, changes, fault, words",
    [
        ("oom", {}, "server_exited", ["exit code 1: ggml_cuda", "out of memory", "server-coder-7b.log", "kv ="]),
        ("well", {"extra_args": ("--draft-max", "4")}, "server_exited", ["error: invalid argument"]),
        ("stuck", {"load_seconds": 0.2}, "loading", ["within 0.2 s", "Set load_seconds"]),
        ("liar", {}, "wrong_server", ["serves /elsewhere/other.gguf, not"]),
        ("well", {"command": "no-such-llama"}, "no_llama_server", ["no-such-llama is not found", "command ="]),
        ("well", {"command": "BROKEN"}, "server_exited", ["exit code 127", "Exec format error"]),
    ],
)
@in_loop
async def test_a_server_that_does_not_come_up_says_why(
    model: Path, tmp_path: Path, behaviour: str, changes: dict[str, Any], fault: str, words: list[str]
) -> None:
    command = str(fake_llama_server(tmp_path, behaviour))
    if changes.get("command") == "BROKEN":
        (tmp_path / "llama-server").write_text("no program")
        changes = {}
    server = replace(ServerSettings(str(model), command=command), **changes)
    with pytest.raises(ModelServerError) as failure:
        async with serving([server], tmp_path):
            pass
    assert (failure.value.fault, failure.value.exit_code) == (fault, 3)
    assert not [word for word in words if word not in str(failure.value)], str(failure.value)
    assert not running(str(tmp_path))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@in_loop
async def test_a_server_that_loses_its_free_port_to_another_process_gets_the_next(model: Path, tmp_path: Path) -> None:
    server = ServerSettings(str(model), command=str(fake_llama_server(tmp_path, "robbed")))
    async with serving([server], tmp_path) as (servers, _):
        assert len(servers.urls) == 1
        assert len(running(str(model))) == 2, "keeper and server"


@in_loop
async def test_a_port_of_the_users_choice_is_never_left_for_another(model: Path, tmp_path: Path) -> None:
    server = ServerSettings(str(model), command=str(fake_llama_server(tmp_path, "robbed")), port=free_port())
    with pytest.raises(ModelServerError, match="couldn't bind"):
        async with serving([server], tmp_path):
            pass


@in_loop
async def test_a_start_that_is_called_off_leaves_nothing(model: Path, tmp_path: Path) -> None:
    server = ServerSettings(str(model), command=str(fake_llama_server(tmp_path, "stuck")))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), serving([server], tmp_path):
            pass
    assert not running(str(tmp_path))


@contextmanager
def their_own(command: Path, model: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server that the user started."""
    argv = [str(command), "-m", str(model), "-a", "theirs", "--port", str(port), "-c", "512", "-np", "1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@in_loop
async def test_a_server_that_runs_already_is_used_and_not_touched(
    model: Path, tmp_path: Path, unused_port: int
) -> None:
    with their_own(fake_llama_server(tmp_path), model, unused_port) as theirs:
        await until(lambda: listens(unused_port))
        server = ServerSettings(str(model), port=unused_port, command="not needed")
        async with serving([server], tmp_path) as (servers, notes):
            assert servers.roles()["builder"] == (RoleTarget("theirs", f"http://127.0.0.1:{unused_port}"),)
        assert notes.of("server", "event") == ["attached"]
        assert theirs.poll() is None
        other = tmp_path / "other.gguf"
        other.write_bytes(b"GGUF")
        with pytest.raises(ModelServerError, match=r"is taken by something.*coder-7b.gguf, not") as failure:
            async with serving([replace(server, file=str(other))], tmp_path):
                pass
        assert failure.value.fault == "wrong_server"
        assert theirs.poll() is None


@in_loop
async def test_a_port_taken_by_another_kind_of_server_is_told(model: Path, tmp_path: Path) -> None:
    with ScriptedServer("ollama") as other:
        server = ServerSettings(str(model), port=int(other.url.rpartition(":")[2]))
        with pytest.raises(ModelServerError, match="port = 0 for a free one"):
            await servers_of([server], tmp_path)[0].start()


@pytest.fixture
def unused_port() -> int:
    with ScriptedServer() as server:
        return int(server.url.rpartition(":")[2])


def listens(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
    except httpx.HTTPError:
        return False
    return True


@in_loop
@pytest.mark.slow
async def test_a_crashed_server_is_started_again_at_the_same_address_three_times(model: Path, tmp_path: Path) -> None:
    server = ServerSettings(str(model), command=str(fake_llama_server(tmp_path, "brittle")))
    async with serving([server], tmp_path, restarts=(0.01, 0.01, 0.01)) as (servers, notes):
        for restarts in range(4):
            await until(lambda: listens(int(servers.urls[0].rpartition(":")[2])))
            crash(servers.urls[0])
            await until(lambda n=restarts: len(notes.of("fault", "fault")) > n)  # type: ignore[misc]
        await asyncio.sleep(0.3)
        assert not running(str(model)), "a fourth restart is not tried"
    assert notes.of("server", "event") == ["started", "restarted", "restarted", "restarted", "stopped"]
    assert notes.of("server", "restarts") == [0, 1, 2, 3, 3]
    assert notes.of("fault", "fault") == ["server_exited"] * 4
    assert "exit code 3: error: the fake was told to crash (restart 1 of 3)" in notes.of("fault", "message")[0]


@in_loop
async def test_a_server_that_refuses_to_end_is_made_to(model: Path, tmp_path: Path) -> None:
    server = ServerSettings(str(model), command=str(fake_llama_server(tmp_path, "stubborn")))
    async with serving([server], tmp_path, grace=0.3):
        before = time.monotonic()
    assert 0.3 <= time.monotonic() - before < 3
    assert not running(str(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="orphans go to init there")
@in_loop
async def test_a_server_that_leaves_its_process_group_is_ended_all_the_same(model: Path, tmp_path: Path) -> None:
    server = ServerSettings(str(model), command=str(fake_llama_server(tmp_path, "daemon")))
    async with serving([server], tmp_path, grace=0.3):
        assert len(running(str(model))) == 3, "keeper, the process it started, and the daemon that serves"
    await until(lambda: not running(str(model)))


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["stopped", "killed"])
@in_loop
async def test_what_a_server_leaves_behind_goes_with_it(model: Path, tmp_path: Path, ends: str) -> None:
    """Wrapper scripts that do not `exec` leave the real server behind when they are ended."""
    command = fake_llama_server(tmp_path / "bin", name="inner")
    wrapper = tmp_path / "llama-server"
    wrapper.write_text(f'#!/bin/sh\n{command} "$@"\necho done\n')
    wrapper.chmod(0o755)
    server = ServerSettings(str(model), command=str(wrapper))
    async with serving([server], tmp_path, restarts=()) as (_, notes):
        assert len(running(str(model))) == 3, "keeper, wrapper and server"
        if ends == "killed":
            os.kill(notes.of("server", "pid")[0], signal.SIGKILL)
            await until(lambda: notes.of("fault", "fault"))
            await until(lambda: not running(str(model)))
    assert not running(str(model))


OWNER = """
import asyncio, os, sys
from pathlib import Path
from nightshift.llm.managed.flags import ServerSettings
from nightshift.llm.managed.servers import ManagedServers

async def main(command, model, folder):
    wanted = [ServerSettings(model, command=command)]
    servers = ManagedServers(wanted, logs=Path(folder), context=512, environ=os.environ, grace=0.3)
    await servers.start()
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("killed, behaviour", [("nightshift", "well"), ("its group", "stubborn")])
@in_loop
async def test_no_server_outlives_a_nightshift_that_is_killed(
    model: Path, tmp_path: Path, killed: str, behaviour: str
) -> None:
    command = fake_llama_server(tmp_path, behaviour)
    argv = [sys.executable, "-c", OWNER, str(command), str(model), str(tmp_path)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        assert len(running(str(model))) == 3, "nightshift, keeper and server"
        (os.kill if killed == "nightshift" else os.killpg)(owner.pid, signal.SIGKILL)
        await until(lambda: not running(str(model)))


@pytest.mark.skipif(sys.platform != "linux", reason="no parent-death signal there")
@in_loop
async def test_a_server_whose_keeper_is_killed_ends_and_is_started_again(model: Path, tmp_path: Path) -> None:
    server = ServerSettings(str(model), command=str(fake_llama_server(tmp_path)))
    async with serving([server], tmp_path, restarts=(0.01,)) as (_, notes):
        first = notes.of("server", "pid")[0]
        os.kill(parent_of(first), signal.SIGKILL)
        await until(lambda: "restarted" in notes.of("server", "event"))
        assert len(running(str(model))) == 2, "keeper and server"
        assert "was killed together with its keeper" in notes.of("fault", "message")[0]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# The whole program.


def with_servers(tmp_path: Path, behaviour: str) -> dict[str, str]:
    """An environment whose PATH begins with such a llama-server."""
    fake_llama_server(tmp_path / "bin", behaviour)
    return {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(
    "file, path, code, words",
    [
        ("missing.gguf", "", 2, "missing.gguf cannot be read: No such file"),
        pytest.param("tiny.gguf", "/nowhere", 3, "install llama.cpp", marks=pytest.mark.slow),
    ],
)
def test_the_program_refuses_what_it_cannot_serve(tmp_path: Path, file: str, path: str, code: int, words: str) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    extra = {"PATH": path} if path else {}
    done = run("--serve-gguf", file, "x", workspace=tmp_path / "w", home=tmp_path / "home", extra=extra, cwd=tmp_path)
    assert done.code == code, done.stderr
    assert words in done.stderr


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    require_llama()
    file = tmp_path / "tiny.gguf"
    file.write_bytes(tiny_gguf(65_536))
    return file


@pytest.mark.slow
def test_a_task_is_done_with_a_server_of_our_own(tiny: Path, tmp_path: Path) -> None:
    """A real llama.cpp server is started for the run, every reply comes from it, and nothing is left of it."""
    done = run(
        "--serve-gguf", "tiny.gguf", TASK, workspace=tmp_path / "w", home=tmp_path / "home",
        extra=with_servers(tmp_path, "scenario"), cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    events = [(record["event"], record["restarts"]) for record in done.kinds("server")]
    assert events == [("started", 0), ("stopped", 0)]
    assert done.trace[0]["kind"] == "run_started"
    url = done.kinds("server")[0]["url"]
    assert {call["endpoint"] for call in done.kinds("call")} == {url}
    assert {call["model_served"] for call in done.kinds("call")} == {"tiny"}
    assert (done.run_dir / "server-tiny.log").is_file()
    assert not running(str(tiny))
    valid = [sys.executable, str(ROOT / "trace_collector.py"), "validate", str(done.run_dir)]
    assert subprocess.run(valid, cwd=tmp_path, check=False).returncode == 0


@pytest.mark.slow
def test_a_server_that_crashes_in_mid_run_is_back_for_the_next_try(tiny: Path, tmp_path: Path) -> None:
    extra = with_servers(tmp_path, "scenario") | {"FAKE_LLAMA_CRASHES": str(tmp_path / "crashes")}
    done = run(
        "--serve-gguf", str(tiny), TASK, workspace=tmp_path / "w", home=tmp_path / "home", extra=extra, timeout=300
    )
    assert done.code == 0, done.stderr
    assert [record["event"] for record in done.kinds("server")] == ["started", "restarted", "stopped"]
    assert "server_exited" in [record["fault"] for record in done.kinds("fault")]
    assert not running(str(tiny))


@pytest.mark.slow
@pytest.mark.parametrize("sent, code", [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_however_a_run_is_ended_no_server_is_left(tiny: Path, tmp_path: Path, sent: signal.Signals, code: int) -> None:
    """In mid-stream: the server then talks on and on."""
    extra = with_servers(tmp_path, "real")
    (tmp_path / "w").mkdir()
    process = start(
        "--serve-gguf", str(tiny), "--workspace", str(tmp_path / "w"), TASK,
        cwd=tmp_path, home=tmp_path / "home", extra=extra,
    )  # fmt: skip
    traces = (tmp_path / "w" / ".nightshift" / "runs").glob

    def asked() -> bool:
        return any('"asked"' in trace.read_text() for trace in traces("*/trace.jsonl"))

    with process:
        try:
            asyncio.run(until(lambda: process.poll() is not None or asked()))
            assert process.poll() is None, process.communicate()
            assert running(f"fake_llama_server.py real -m {tiny}")
            process.send_signal(sent)
            process.communicate(timeout=60)
            assert process.returncode == code
        finally:
            process.kill()
    asyncio.run(until(lambda: not running(str(tiny))))
