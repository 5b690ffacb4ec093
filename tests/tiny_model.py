"""A real llama.cpp server for tests, with a model of a few hundred KB written here and replies that can be dictated.

    with llama_server() as url, GrammarProxy(url, lambda asked: "def f(): ...") as proxy:
        ...                                 # talk to proxy.url; proxy.requests has what was asked

The model is a table of which byte follows which (its attention layer is zero), so its text is noise; everything
else is the real thing: tokeniser, slots, caching, sampling, grammars, HTTP. A grammar that allows one text only makes
it say exactly that text. Nothing here says anything about real models' speed.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from servers import Asked, Served

SLOTS = 2
CONTEXT = 65_536
"""Tokens of both slots together; a token is about a byte."""

SERVE = """
import json, sys, time
import xllamacpp
options = json.loads(sys.argv[1])
params = xllamacpp.CommonParams()
params.model.path = options["model"]
params.model_alias = {"tiny"}
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_gpu_layers = 0
params.n_ctx = options["context"]
params.n_parallel = options["slots"]
params.endpoint_slots = params.endpoint_metrics = True
params.verbosity = 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


def require_llama() -> None:
    """Skips the test where the server cannot be had; in CI that is a failure."""
    if importlib.util.find_spec("xllamacpp") is not None:
        probe = subprocess.run([sys.executable, "-c", "import xllamacpp"], capture_output=True, text=True)
        why = probe.stderr.strip().rpartition("\n")[2]
    else:
        why = "xllamacpp is not installed"
    if not why:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"no real llama.cpp server in CI: {why}")
    pytest.skip(f"no real llama.cpp server: {why}")


@contextmanager
def llama_server(*, context: int = CONTEXT, slots: int = SLOTS) -> Iterator[str]:
    """The URL of a server of its own. It is ended by SIGKILL: asked politely, it first finishes its streams."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.gguf"
        model.write_bytes(tiny_gguf(context))
        options = json.dumps({"model": str(model), "context": context, "slots": slots})
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().strip()
                assert url.startswith("http"), f"the llama.cpp server did not start (exit {process.poll()})"
                yield url
            finally:
                process.kill()


class GrammarProxy(Served):
    """Stands in front of a real server, records what it is asked and dictates its replies.

    `reply` is given the request's `Asked` and returns the text the server must say, or None to let it talk.
    """

    def __init__(self, upstream: str, reply: Callable[[Asked], str | None]) -> None:
        super().__init__(partial(_Proxy, self))
        self.upstream = urlsplit(upstream).netloc
        self.reply = reply
        self.requests: list[Asked] = []
        self.lock = threading.Lock()

    def dictate(self, body: bytes, headers: dict[str, str]) -> bytes:
        asked = Asked(json.loads(body))
        asked.headers = headers
        with self.lock:
            self.requests.append(asked)
            text = self.reply(asked)
        return json.dumps(asked if text is None else dictated(asked, text)).encode()


def dictated(asked: Asked, text: str) -> dict[str, Any]:
    """The request with a grammar that allows `text` alone; a schema beside a grammar would be an error."""
    room = len(text.encode()) + 16
    rest = {key: value for key, value in asked.items() if key != "response_format"}
    return rest | {
        "grammar": f"root ::= {gbnf_literal(text)}",
        "max_tokens": max(room, asked.get("max_tokens", 0)),
    }


def gbnf_literal(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\U{ord(c):08X}") for c in text) + '"'


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, proxy: GrammarProxy, *args: Any) -> None:
        self.proxy = proxy
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._forward(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/v1/chat/completions":
            body = self.proxy.dictate(body, dict(self.headers))
        self._forward(body)

    def _forward(self, body: bytes | None) -> None:
        upstream = http.client.HTTPConnection(self.proxy.upstream)
        try:
            upstream.request(self.command, self.path, body, {"Content-Type": "application/json", "Connection": "close"})
            self._pass_on(upstream.getresponse())
        except OSError:
            self.close_connection = True
        finally:
            upstream.close()

    def _pass_on(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        while data := answer.read1(65_536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")


# The model file: GGUF version 3, written by hand so that no numpy is needed.

UINT32, FLOAT32, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5
F32, F16 = 0, 1
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
WIDTH = 32
MERGES = ("Ġ Ġ", "ĠĠ ĠĠ", "e r", "s e", "t h", "i n", "r e", "o n")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TAGS = ("<think>", "</think>")
SAMPLE = "the plan names a file and the test reads it. a short answer ends here.\n"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)


def tiny_gguf(context: int) -> bytes:
    """The same bytes for the same context."""
    tokens, kinds = _vocabulary()
    size = len(tokens)
    index = {token: number for number, token in enumerate(tokens)}
    metadata = [
        _string("general.architecture", "llama"),
        _string("general.name", "tiny"),
        *(_uint32(f"llama.{name}", value) for name, value in _shape(context, size).items()),
        _pair("llama.attention.layer_norm_rms_epsilon", FLOAT32, struct.pack("<f", 1e-5)),
        _string("tokenizer.ggml.model", "gpt2"),
        _string("tokenizer.ggml.pre", "gpt-2"),
        _array("tokenizer.ggml.tokens", STRING, [_text(token) for token in tokens]),
        _array("tokenizer.ggml.token_type", INT32, [struct.pack("<i", kind) for kind in kinds]),
        _array("tokenizer.ggml.merges", STRING, [_text(merge) for merge in MERGES]),
        _uint32("tokenizer.ggml.bos_token_id", index["<|endoftext|>"]),
        _uint32("tokenizer.ggml.eos_token_id", index["<|im_end|>"]),
        _pair("tokenizer.ggml.add_bos_token", BOOL, b"\0"),
        _string("tokenizer.chat_template", TEMPLATE),
    ]
    return _file(metadata, _tensors(index))


def _shape(context: int, size: int) -> dict[str, int]:
    return {
        "context_length": context, "embedding_length": size, "block_count": 1, "feed_forward_length": WIDTH,
        "attention.head_count": 1, "attention.head_count_kv": 1, "attention.key_length": WIDTH,
        "attention.value_length": WIDTH, "rope.dimension_count": WIDTH, "vocab_size": size,
    }  # fmt: skip


def _byte_characters() -> list[str]:
    """GPT-2's way to write each byte as a printable character."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _vocabulary() -> tuple[list[str], list[int]]:
    plain = _byte_characters() + [merge.replace(" ", "") for merge in MERGES]
    tokens = [*plain, *SPECIAL, *TAGS]
    kinds = [NORMAL] * len(plain) + [CONTROL] * len(SPECIAL) + [USER_DEFINED] * len(TAGS)
    unused = -len(tokens) % 32
    return tokens + [f"<|unused{i}|>" for i in range(unused)], kinds + [UNUSED] * unused


def _tensors(index: dict[str, int]) -> list[tuple[str, tuple[int, ...], int, bytes]]:
    """A one-hot embedding, a layer of zeros, and an output that reads the logarithm of P(next | this) from a table."""
    size = len(index)
    one_hot = _halves([float(row == column) for row in range(size) for column in range(size)])
    table = _next_table(index)
    output = _halves([math.log(table[this][after]) for after in range(size) for this in range(size)])
    layer = {
        "attn_q": (size, WIDTH), "attn_k": (size, WIDTH), "attn_v": (size, WIDTH), "attn_output": (WIDTH, size),
        "ffn_gate": (size, WIDTH), "ffn_up": (size, WIDTH), "ffn_down": (WIDTH, size),
    }  # fmt: skip
    return [
        ("token_embd.weight", (size, size), F16, one_hot),
        ("output_norm.weight", (size,), F32, _floats([size**-0.5] * size)),
        ("output.weight", (size, size), F16, output),
        ("blk.0.attn_norm.weight", (size,), F32, _floats([1.0] * size)),
        ("blk.0.ffn_norm.weight", (size,), F32, _floats([1.0] * size)),
        *((f"blk.0.{name}.weight", shape, F16, bytes(2 * size * WIDTH)) for name, shape in layer.items()),
    ]


def _next_table(index: dict[str, int]) -> list[list[float]]:
    size, plain = len(index), 256 + len(MERGES)
    counts = [[1e-4 if after < plain else 1e-7 for after in range(size)] for _ in range(size)]
    sample = list(SAMPLE.encode())
    characters = _byte_characters()
    for this, after in zip(sample, sample[1:] + sample[:1], strict=True):
        counts[index[characters[this]]][index[characters[after]]] += 1
    counts[ord(".")][index["<|im_end|>"]] += 1
    return [[count / sum(row) for count in row] for row in counts]


def _file(metadata: list[bytes], tensors: list[tuple[str, tuple[int, ...], int, bytes]]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)) + b"".join(metadata)
    data = b""
    for name, shape, kind, content in tensors:
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += content + bytes(-len(content) % 32)
    return head + bytes(-len(head) % 32) + data


def _halves(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}e", *values)


def _floats(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _pair(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _string(key: str, value: str) -> bytes:
    return _pair(key, STRING, _text(value))


def _uint32(key: str, value: int) -> bytes:
    return _pair(key, UINT32, struct.pack("<I", value))


def _array(key: str, kind: int, items: list[bytes]) -> bytes:
    return _pair(key, ARRAY, struct.pack("<IQ", kind, len(items)) + b"".join(items))
