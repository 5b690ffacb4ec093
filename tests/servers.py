"""Scripted model servers on 127.0.0.1: the wire of Ollama, llama.cpp and others, with every fault they have.

    with ScriptedServer("ollama", lambda asked: "def f(): ...") as server:
        ...                                 # server.url, server.requests

`reply` is given the parsed body of a generation request (an `Asked`: a dict with `.prompt`, `.system` and
`.headers`) and returns text or a `Reply`. It is called from server threads, one at a time.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

Kind = Literal["ollama", "llama", "generic"]
Fault = Literal[
    "",
    "silent",
    "lost",
    "hang",
    "stall",
    "drop",
    "no_end",
    "no_done",
    "no_reason",
    "error",
    "malformed",
    "drip",
    "trickle",
    "endless",
]
GENERATION = {"ollama": "/api/chat", "llama": "/v1/chat/completions", "generic": "/v1/chat/completions"}

COUNTING = {"llama": "/v1/chat/completions/input_tokens", "generic": "/tokenize"}


@dataclass(frozen=True)
class Reply:
    """One answer. Faults: `silent` accepts and says nothing, `lost` does so while none of its slots is at work,
    `hang` sends headers and no more, `stall` stops half-way, `drop` closes half-way, `no_end` leaves the end out,
    `no_done` its last line and `no_reason` its first, `error` and `malformed` put such a line half-way, `drip`
    sends pings without text, `trickle` sends a piece now and then, `endless` repeats the text for ever."""

    text: str = ""
    reasoning: str = ""
    stop: str = "stop"
    fault: Fault = ""
    status: int = 200
    error: str = ""
    """Message of the error object, for a status other than 200 and for the fault `error`."""
    error_type: str = "server_error"
    error_extra: dict[str, Any] = field(default_factory=dict)
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    model: str | None = None
    """The model the server claims to have used."""
    piece: int = 48
    """Characters sent at once."""
    delay: float = 0.0
    """Seconds before the first piece."""
    middle: bytes = b""
    """Sent as it is, half-way through the text."""
    prefill_seconds: float = 0.0
    """Reported for reading the prompt, as `decode_seconds` for writing the reply; 0: the server does not time itself."""
    decode_seconds: float = 0.0


LOADING = Reply(status=503, error="Loading model", error_type="unavailable_error")


class Asked(dict[str, Any]):
    """The body of a generation request."""

    headers: dict[str, str]

    @property
    def prompt(self) -> str:
        return self._said_by("user")

    @property
    def system(self) -> str:
        return self._said_by("system")

    def _said_by(self, role: str) -> str:
        return "\n\n".join(message["content"] for message in self["messages"] if message["role"] == role)


Answer = Callable[[Asked], "str | Reply"]


def sequence(*replies: str | Reply) -> Answer:
    """One reply after the other; the last one for ever."""
    left = list(replies)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


def refused_url() -> str:
    """A URL at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave in mid-stream are part of the tests."""


class Served:
    """Runs a handler on a free port while the `with` block lasts."""

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self._http = HttpServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.stopping = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.002,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()


class ScriptedServer(Served):
    def __init__(
        self,
        protocol: Kind = "ollama",
        reply: Answer = lambda asked: "ok",
        *,
        models: Sequence[str] = ("coder:7b",),
        slots: int = 2,
        context: int = 32_768,
        loading: int = 0,
        api_key: str = "",
        capabilities: Sequence[str] = ("completion",),
        counts: Callable[[Asked], int] | None = None,
        allocated: int = 0,
    ) -> None:
        """`loading` is the number of requests, of any kind, that are answered with 503 first.

        `counts` says how many tokens a prompt has, where the server can tell; `allocated` is the context that an
        Ollama has loaded its models with, none of them when it is 0 and nothing is asked.
        """
        super().__init__(partial(_Handler, self))
        self.protocol: Kind = protocol
        self.reply = reply
        self.models = tuple(models)
        self.slots = slots
        self.context = context
        self.loading = loading
        self.api_key = api_key
        self.capabilities = tuple(capabilities)
        self.counts = counts
        self.allocated = allocated
        self.requests: list[Asked] = []
        self.seen: list[str] = []
        """Every request as "METHOD /path"."""
        self.active = 0
        self.most_active = 0
        self.left_early = 0
        """Streams that the client closed before their end."""
        self.lock = threading.Lock()

    def get(self, path: str) -> Any:
        """JSON; None for a path there is not."""
        routes: dict[Kind, dict[str, Callable[[], Any]]] = {
            "ollama": {
                "/": lambda: {"status": "Ollama is running"},
                "/api/version": lambda: {"version": "0.33.0"},
                "/api/tags": self._tags,
                "/api/ps": self._ps,
                "/v1/models": self._openai_models,
            },
            "llama": {
                "/health": lambda: {"status": "ok"},
                "/v1/health": lambda: {"status": "ok"},
                "/props": self._props,
                "/slots": self._slots,
                "/v1/models": self._openai_models,
            },
            "generic": {"/v1/models": self._openai_models},
        }
        answer = routes[self.protocol].get(path)
        return answer() if answer else None

    def _tags(self) -> dict[str, Any]:
        common = {"size": 4_700_000_000, "digest": "0" * 64, "modified_at": "2026-01-01T00:00:00Z"}
        details = {
            "format": "gguf",
            "family": "qwen2",
            "parameter_size": "7.6B",
            "quantization_level": "Q4_K_M",
        }
        known = {"capabilities": list(self.capabilities)} if self.capabilities else {}
        return {"models": [{"name": m, "model": m, "details": details, **common, **known} for m in self.models]}

    def _props(self) -> dict[str, Any]:
        settings = {"n_ctx": self.context, "params": {"temperature": 0.8}}
        return {
            "default_generation_settings": settings,
            "total_slots": self.slots,
            "build_info": "b1-scripted",
        }

    def _slots(self) -> list[dict[str, Any]]:
        return [{"id": i, "is_processing": i < self.active} for i in range(self.slots)]

    def _ps(self) -> dict[str, Any]:
        context = {"context_length": self.allocated} if self.allocated else {}
        loaded = self.models if self.allocated or self.active else ()
        return {"models": [{"name": name, "model": name, **context} for name in loaded]}

    def _openai_models(self) -> dict[str, Any]:
        extra = {"max_model_len": self.context} if self.protocol == "generic" else {}
        return {"object": "list", "data": [{"id": m, "object": "model", **extra} for m in self.models]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, script: ScriptedServer, *args: Any) -> None:
        self.script = script
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self._turned_away():
            return
        found = self.script.get(self.path)
        self._json(200, found) if found else self._refuse(Reply(status=404, error="File Not Found"))

    def do_POST(self) -> None:
        asked = Asked(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        asked.headers = dict(self.headers)
        if self._turned_away():
            return
        count = self.script.counts
        if count and self.path == COUNTING.get(self.script.protocol):
            self._json(200, {"input_tokens" if self.script.protocol == "llama" else "count": count(asked)})
            return
        if self.path != GENERATION[self.script.protocol]:
            self._refuse(Reply(status=404, error="File Not Found"))
            return
        with self.script.lock:
            self.script.requests.append(asked)
            self.script.active += 1
            self.script.most_active = max(self.script.most_active, self.script.active)
            reply = self._reply(asked)
        self.busy = True
        try:
            self._answer(asked, reply)
        except OSError:
            self.script.left_early += 1
        finally:
            self._free()

    def _free(self) -> None:
        with self.script.lock:
            self.script.active -= self.busy
            self.busy = False

    def _turned_away(self) -> bool:
        script = self.script
        script.seen.append(f"{self.command} {self.path}")
        if script.loading > 0:
            script.loading -= 1
            self._refuse(LOADING)
        elif script.api_key and self.headers.get("Authorization") != f"Bearer {script.api_key}":
            self._refuse(Reply(status=401, error="Invalid API Key", error_type="authentication_error"))
        else:
            return False
        return True

    def _reply(self, asked: Asked) -> Reply:
        model = asked.get("model")
        if self.script.protocol != "llama" and model not in self.script.models:
            missing = {
                "ollama": f"model '{model}' not found",
                "generic": f"The model `{model}` does not exist.",
            }
            return Reply(status=404, error=missing[self.script.protocol], error_type="NotFoundError")
        reply = self.script.reply(asked)
        return Reply(text=reply) if isinstance(reply, str) else reply

    def _answer(self, asked: Asked, reply: Reply) -> None:
        self.script.stopping.wait(reply.delay)
        if reply.fault in ("silent", "lost"):
            self.script.active -= reply.fault == "lost"
            self.script.stopping.wait(60)
            self.script.active += reply.fault == "lost"
            self.close_connection = True
        elif reply.status != 200:
            self._refuse(reply)
        else:
            self._stream(asked, reply)

    def _stream(self, asked: Asked, reply: Reply) -> None:
        ollama = self.script.protocol == "ollama"
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson" if ollama else "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        wire = _ollama_stream if ollama else _openai_stream
        beginning, pieces, ending = wire(asked, reply, _prompt_tokens(asked, reply))
        if reply.fault in ("hang", "drip"):
            self._never(b": ping\n\n" if reply.fault == "drip" and not ollama else b"")
        elif reply.fault in ("", "no_done", "no_reason"):
            end = {"": ending, "no_done": ending[:-1], "no_reason": ending[1:]}[reply.fault]
            half = len(pieces) // 2
            self._chunk(b"".join([*beginning, *pieces[:half], reply.middle, *pieces[half:]]))
            self._free()  # before the client can know that it has everything, and send the next
            self._chunk(b"".join(end))
            self._finish()
        elif reply.fault == "trickle":
            for piece in beginning + 1000 * pieces:
                self._chunk(piece)
                self.script.stopping.wait(0.02)
        else:
            self._chunk(b"".join([*beginning, *pieces[: len(pieces) // 2]]))
            self._misbehave(reply, pieces)

    def _misbehave(self, reply: Reply, pieces: list[bytes]) -> None:
        error = {"code": 500, "message": reply.error, "type": reply.error_type}
        ollama = self.script.protocol == "ollama"
        lines = {
            "error": json.dumps({"error": reply.error if ollama else error}),
            "malformed": '{"half": ',
        }
        if reply.fault in lines:
            self._chunk((lines[reply.fault] + "\n" if ollama else f"data: {lines[reply.fault]}\n\n").encode())
        if reply.fault == "stall":
            self._never()
        while reply.fault == "endless":
            self._chunk(b"".join(pieces))
        if reply.fault != "drop":
            self._finish()

    def _never(self, ping: bytes = b"") -> None:
        while not self.script.stopping.wait(0.02):
            if ping:
                self._chunk(ping)

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _finish(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, reply: Reply) -> None:
        error = {"code": reply.status, "message": reply.error, "type": reply.error_type, **reply.error_extra}
        self._json(reply.status, {"error": reply.error if self.script.protocol == "ollama" else error})

    def _json(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


Stream = tuple[list[bytes], list[bytes], list[bytes]]
"""How it begins, the pieces of the reply, how it ends."""


def _ollama_stream(asked: Asked, reply: Reply, prompt_tokens: int) -> Stream:
    common = {"model": asked["model"] if reply.model is None else reply.model, "created_at": "2026-01-01T00:00:00Z"}

    def line(message: dict[str, str], **more: Any) -> bytes:
        return (
            json.dumps({**common, "message": {"role": "assistant", **message}, "done": False, **more}).encode() + b"\n"
        )

    thoughts = [line({"content": "", "thinking": piece}) for piece in _pieces(reply.reasoning, reply.piece)]
    pieces = thoughts + [line({"content": piece}) for piece in _pieces(reply.text, reply.piece)]
    counts = {
        "prompt_eval_count": prompt_tokens,
        "prompt_eval_duration": int(reply.prefill_seconds * 1e9),
        "eval_count": len(reply.text) // 4 + 1,
        "eval_duration": int(reply.decode_seconds * 1e9),
        "total_duration": 5_000_000,
    }
    return [], pieces, [line({"content": ""}, done=True, done_reason=reply.stop, **counts)]


def _openai_stream(asked: Asked, reply: Reply, prompt_tokens: int) -> Stream:
    common = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": asked["model"] if reply.model is None else reply.model,
    }

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({"choices": [choice], **common}).encode() + b"\n\n"

    role = event({"role": "assistant", "content": None})
    thoughts = [event({"reasoning_content": piece}) for piece in _pieces(reply.reasoning, reply.piece)]
    pieces = thoughts + [event({"content": piece}) for piece in _pieces(reply.text, reply.piece)]
    details = {"cached_tokens": reply.cached_tokens}
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": len(reply.text) // 4 + 1,
        "prompt_tokens_details": details,
    }
    timings = {"prompt_ms": reply.prefill_seconds * 1e3, "predicted_ms": reply.decode_seconds * 1e3}
    timed = {"timings": timings} if reply.decode_seconds else {}
    last = b"data: " + json.dumps({"choices": [], "usage": usage, **timed, **common}).encode() + b"\n\n"
    return [role, role, b": ping\n\n"], pieces, [event({}, reply.stop), last, b"data: [DONE]\n\n"]


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def _prompt_tokens(asked: Asked, reply: Reply) -> int:
    if reply.prompt_tokens is not None:
        return reply.prompt_tokens
    return sum(len(message["content"]) for message in asked["messages"]) // 4 + 10
