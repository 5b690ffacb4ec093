"""`llama-server` for tests: a program that takes its flags and refuses the ones it does not know, as the real one does.

    command = fake_llama_server(tmp_path, "stuck")      # a path to run; the word is how it behaves

`real` serves the model through the real llama.cpp server of xllamacpp, `scenario` does so with the scenario's replies
and ends at its third request when the file named by FAKE_LLAMA_CRASHES does not exist yet. The others answer /health,
/props and /v1/models and know how to fail: well, stuck (never loads), stubborn (cannot be asked to end), brittle
(ends with GET /crash), oom (ends while loading), liar (serves another file), robbed (finds its first port taken),
daemon (serves from a process of another group).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

SERVERS: list[Any] = []
"""Kept, since a server ends when nobody holds it."""
BEHAVIOURS = ("real", "scenario", "well", "stuck", "stubborn", "brittle", "oom", "liar", "daemon", "robbed")


def fake_llama_server(folder: Path, behaviour: str = "well", name: str = "llama-server") -> Path:
    """An executable that runs this file."""
    assert behaviour in BEHAVIOURS
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / name
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {behaviour} "$@"\n')
    command.chmod(0o755)
    return command


class Flags(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: invalid argument: {message}", flush=True)
        sys.exit(1)


def flags() -> Flags:
    parser = Flags(allow_abbrev=False)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("-a", "--alias")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("-c", "--ctx-size", type=int, default=0)
    parser.add_argument("-np", "--parallel", type=int, default=-1)
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("-ctk", "--cache-type-k", default="f16")
    parser.add_argument("-ctv", "--cache-type-v", default="f16")
    parser.add_argument("--spec-type", default="none")
    parser.add_argument("-md", "--spec-draft-model")
    parser.add_argument("--spec-draft-n-max", type=int, default=3)
    parser.add_argument("--metrics", action="store_true")
    return parser


def serve_real(options: argparse.Namespace) -> str:
    """The URL of the server, which runs in threads of this process."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames, params.port = [options.host], options.port
    params.n_gpu_layers = 0
    params.n_ctx, params.n_parallel = options.ctx_size, options.parallel
    params.endpoint_slots, params.endpoint_metrics = True, options.metrics
    params.verbosity = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    kinds, types = xllamacpp.common_speculative_type, xllamacpp.ggml_type
    params.cache_type_k = types[f"GGML_TYPE_{options.cache_type_k.upper()}"]
    params.cache_type_v = types[f"GGML_TYPE_{options.cache_type_v.upper()}"]
    kind = options.spec_type.upper().replace("-", "_")
    params.speculative.types = [getattr(kinds, f"COMMON_SPECULATIVE_TYPE_{kind}")]
    params.speculative.draft.n_max = options.spec_draft_n_max
    if options.spec_draft_model:
        params.speculative.draft.mparams.path = options.spec_draft_model
    server = xllamacpp.Server(params)
    print(f"server is listening on {server.listening_address}", flush=True)
    SERVERS.append(server)
    return str(server.listening_address)


def serve_scenario(options: argparse.Namespace) -> None:
    sys.path.append(str(Path(__file__).parents[1]))
    from real_llama import GrammarProxy, _Proxy
    from scenario import Scenario
    from servers import Asked, HttpServer

    scenario, crashes = Scenario(), Path(os.environ.get("FAKE_LLAMA_CRASHES", __file__))

    def reply(asked: Asked) -> str:
        if len(scenario.asked) == 2 and not crashes.exists():
            crashes.touch()
            print("error: the fake was told to crash", flush=True)
            os._exit(3)
        return scenario.reply(asked.system, asked.prompt)

    proxy = GrammarProxy(serve_real(argparse.Namespace(**vars(options) | {"port": 0})), reply)
    HttpServer((options.host, options.port), partial(_Proxy, proxy)).serve_forever(0.02)


class Fake(BaseHTTPRequestHandler):
    behaviour = "well"
    options = argparse.Namespace()
    well_at = 0.0

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/crash":
            print("error: the fake was told to crash\nbye", flush=True)
            os._exit(3)
        loading = time.monotonic() < self.well_at
        self._say({"error": {"message": "Loading model"}} if loading else self._answer(), 503 if loading else 200)

    def _answer(self) -> dict[str, Any]:
        path = "/elsewhere/other.gguf" if self.behaviour == "liar" else self.options.model
        slots = max(1, self.options.parallel)
        props = {
            "default_generation_settings": {"n_ctx": self.options.ctx_size // slots},
            "total_slots": slots,
            "model_path": path,
        }
        models = {"data": [{"id": self.options.alias, "meta": {}}]}
        return {"/health": {"status": "ok"}, "/props": props, "/v1/models": models}.get(self.path, {})

    def _say(self, answer: dict[str, Any], status: int) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve_fake(behaviour: str, options: argparse.Namespace) -> None:
    print(f"loading {options.model}", flush=True)
    if behaviour == "oom":
        print("ggml_cuda: allocating 9000.00 MiB on device 0: cudaMalloc failed: out of memory", flush=True)
        print("exiting due to model loading error", flush=True)
        sys.exit(1)
    if behaviour == "robbed" and not (robbed := Path(f"{options.model}.robbed")).exists():
        robbed.touch()
        print("start: couldn't bind HTTP server socket, hostname: 127.0.0.1", flush=True)
        sys.exit(1)
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "daemon":
        if os.fork():
            signal.pause()
        os.setsid()
    Fake.behaviour, Fake.options = behaviour, options
    Fake.well_at = time.monotonic() + (600.0 if behaviour == "stuck" else 0.0)
    ThreadingHTTPServer((options.host, options.port), Fake).serve_forever(0.02)


if __name__ == "__main__":
    chosen = flags().parse_args(sys.argv[2:])
    if sys.argv[1] == "real":
        serve_real(chosen)
        signal.pause()
    elif sys.argv[1] == "scenario":
        serve_scenario(chosen)
    else:
        serve_fake(sys.argv[1], chosen)
