"""The simulated model behind HTTP, as an Ollama or as an OpenAI-compatible server.

    python3 -m benchmarks.simulated.server --profile 7B --protocol ollama --port 11435

It answers for the tasks in benchmarks/selection/tasks and finds out by the prompt which one is meant. The same seed,
prompt and temperature give the same reply. `speed` 1 takes as long as the profile says, 0 does not wait at all.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self, get_args

from benchmarks.simulated.errors import errors_of
from benchmarks.simulated.knowledge import Knowledge, names, read
from benchmarks.simulated.model import Said, SimulatedModel
from benchmarks.simulated.profiles import CALIBRATED, PROFILES, Profile
from benchmarks.simulated.worlds import World, world
from nightshift.domain import Role, Sandbox
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.environment import prepare

Protocol = Literal["ollama", "openai"]
CONTEXT = 32_768
PIECE = 64
"""Characters sent at once."""
PROMPTS = Path(__file__).resolve().parents[2] / "prompts"


class Worlds:
    """The world of the task that a prompt is about; its errors are tried in the sandbox when it is first asked for."""

    def __init__(self, profile: Profile, sandbox: Sandbox, seed: int = 0) -> None:
        self._profile, self._sandbox, self._seed = profile, sandbox, seed
        self._tasks = {_flat(knowledge.prompt): knowledge for knowledge in map(read, names())}
        self._known: dict[str, World] = {}

    def of(self, prompt: str) -> World | None:
        text = _flat(prompt)
        known = next((knowledge for words, knowledge in self._tasks.items() if words in text), None)
        return self._world(known) if known else None

    def _world(self, knowledge: Knowledge) -> World:
        if knowledge.name not in self._known:
            errors, number = errors_of(knowledge, self._sandbox), names().index(knowledge.name)
            self._known[knowledge.name] = world(errors, number, self._seed, self._profile)
        return self._known[knowledge.name]


def _flat(text: str) -> str:
    return " ".join(text.split())


class SimulatedServer:
    """Serves on a port of 127.0.0.1 while the `with` block lasts."""

    def __init__(
        self, world_of: Callable[[str], World | None], sandbox: Sandbox, protocol: Protocol = "ollama", *,
        name: str = "simulated", speed: float = 0.0, port: int = 0,
    ) -> None:  # fmt: skip
        self.name = name
        self.protocol: Protocol = protocol
        self.speed = speed
        self.calls = 0
        self._model = SimulatedModel(world_of, sandbox, name)
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def said(self, messages: Sequence[dict[str, str]], *, seed: int, temperature: float, max_tokens: int) -> Said:
        prompt = "\n".join(message["content"] for message in messages)
        key = f"seed {seed}" if temperature else sha256(prompt.encode()).hexdigest()
        with self._lock:
            self.calls += 1
            return self._model.answer(role_of(messages[0]["content"]), prompt, key, max_tokens)

    def get(self, path: str) -> dict[str, Any] | None:
        common = {"name": self.name, "model": self.name}
        ollama: dict[str, dict[str, Any]] = {
            "/": {"status": "Ollama is running"},
            "/api/version": {"version": "0.33.0"},
            "/api/tags": {"models": [{**common, "size": 1, "digest": "0" * 64, "capabilities": ["completion"]}]},
            "/api/ps": {"models": [{**common, "context_length": CONTEXT}]},
        }
        listed = {"id": self.name, "object": "model", "max_model_len": CONTEXT}
        openai: dict[str, dict[str, Any]] = {"/v1/models": {"object": "list", "data": [listed]}}
        return (ollama if self.protocol == "ollama" else openai).get(path)


def role_of(system: str) -> Role:
    """By the constant text of prompts/."""
    for path in sorted(PROMPTS.glob("*.md")):
        if path.read_text(encoding="utf-8").partition("\n---\n")[0].strip() == system.strip():
            name = path.stem.partition("_")[0]
            return next((role for role in get_args(Role) if role == name), "explorer")
    return "explorer"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: SimulatedServer, *args: Any) -> None:
        self._simulated = server
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        found = self._simulated.get(self.path)
        self._json(200, found) if found else self._refuse()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ollama = self._simulated.protocol == "ollama"
        if self.path == "/api/show" and ollama:
            self._json(200, {"model_info": {"general.architecture": "sim", "sim.context_length": CONTEXT},
                             "capabilities": ["completion"]})  # fmt: skip
        elif self.path != ("/api/chat" if ollama else "/v1/chat/completions"):
            self._refuse()
        elif not asked.get("messages"):
            self._json(200, {"model": self._simulated.name, "done": True, "done_reason": "load"})
        else:
            self._chat(asked, ollama=ollama)

    def _chat(self, asked: dict[str, Any], *, ollama: bool) -> None:
        options = asked.get("options", {}) if ollama else asked
        said = self._simulated.said(
            asked["messages"],
            seed=int(options.get("seed") or 0),
            temperature=float(options.get("temperature") or 0.0),
            max_tokens=int(options.get("num_predict" if ollama else "max_tokens") or CONTEXT),
        )
        lines = (_ollama_lines if ollama else _openai_lines)(said, self._simulated.name)
        if asked.get("stream", ollama):
            self._stream(lines, said, "application/x-ndjson" if ollama else "text/event-stream")
        else:
            self._json(200, (_ollama_whole if ollama else _openai_whole)(said, self._simulated.name))

    def _stream(self, lines: Iterator[bytes], said: Said, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        time.sleep(said.prefill_seconds * self._simulated.speed)
        pause = said.decode_seconds * self._simulated.speed * PIECE / max(PIECE, len(said.text))
        try:
            for line in lines:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                time.sleep(pause)
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            return  # the client has enough

    def _refuse(self) -> None:
        error = "not found"
        self._json(404, {"error": error if self._simulated.protocol == "ollama" else {"message": error, "code": 404}})

    def _json(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))


def _ollama_lines(said: Said, name: str) -> Iterator[bytes]:
    for piece in _pieces(said.text):
        yield _line({"model": name, "message": {"role": "assistant", "content": piece}, "done": False})
    yield _line({**_ollama_whole(said, name), "message": {"role": "assistant", "content": ""}})


def _ollama_whole(said: Said, name: str) -> dict[str, Any]:
    return {
        "model": name, "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": said.text}, "done": True, "done_reason": said.stop,
        "prompt_eval_count": said.prompt_tokens, "prompt_eval_duration": int(said.prefill_seconds * 1e9),
        "eval_count": said.completion_tokens, "eval_duration": int(said.decode_seconds * 1e9),
    }  # fmt: skip


def _openai_lines(said: Said, name: str) -> Iterator[bytes]:
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": name}
    for piece in _pieces(said.text):
        yield _event({**common, "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
    yield _event({**common, "choices": [{"index": 0, "delta": {}, "finish_reason": said.stop}]})
    yield _event({**common, "choices": [], "usage": _usage(said)})
    yield b"data: [DONE]\n\n"


def _openai_whole(said: Said, name: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": said.text}
    choice = {"index": 0, "message": message, "finish_reason": said.stop}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": name, "choices": [choice], "usage": _usage(said)}


def _usage(said: Said) -> dict[str, int]:
    return {"prompt_tokens": said.prompt_tokens, "completion_tokens": said.completion_tokens}


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.simulated.server", description=__doc__)
    parser.add_argument("--profile", choices=sorted(PROFILES), default=CALIBRATED.name)
    parser.add_argument("--protocol", choices=get_args(Protocol), default="ollama")
    parser.add_argument("--port", type=int, default=11435)
    parser.add_argument("--seed", type=int, default=0, help="another world: other difficulties and errors")
    parser.add_argument("--speed", type=float, default=0.0, help="1: as slow as the profile says; 0: no waiting")
    options = parser.parse_args(argv)
    cache = Path.home() / ".cache" / "nightshift-simulated"
    with closing(open_sandbox(prepare((), cache=cache, allow=()))) as sandbox:
        worlds = Worlds(PROFILES[options.profile], sandbox, options.seed)
        name = f"simulated-{options.profile.lower()}"
        server = SimulatedServer(
            worlds.of, sandbox, options.protocol, name=name, speed=options.speed, port=options.port
        )
        with server:
            print(f"{server.name} (a simulation, no model) at {server.url}", flush=True)
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
