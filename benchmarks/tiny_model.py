"""A real llama.cpp server with a model of a few hundred KB written here: for measuring, and for tests.

    with llama_server(slots=4) as url:
        ...

The model is a table of which byte follows which (its attention layer is zero), so its text is noise; everything
else is the real thing: tokeniser, slots, caching, sampling, grammars, HTTP. Nothing here says anything about real
models' speed.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import math
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SLOTS = 2
WIDTH = 32
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


def missing() -> str:
    """Why there can be no server here; empty when there can."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "xllamacpp is not installed"
    probe = subprocess.run([sys.executable, "-c", "import xllamacpp"], capture_output=True, text=True)
    return probe.stderr.strip().rpartition("\n")[2]


def server_name() -> str:
    return f"llama.cpp as in xllamacpp {importlib.metadata.version('xllamacpp')}"


@contextmanager
def llama_server(
    *, context: int = CONTEXT, slots: int = SLOTS, ends: bool = True, hidden: int = WIDTH
) -> Iterator[str]:
    """The URL of a server of its own. It is ended by SIGKILL: asked politely, it first finishes its streams."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.gguf"
        model.write_bytes(tiny_gguf(context, ends=ends, hidden=hidden))
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


# The model file: GGUF version 3, written by hand so that no numpy is needed.

UINT32, FLOAT32, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5
F32, F16 = 0, 1
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
MERGES = ("Ġ Ġ", "ĠĠ ĠĠ", "e r", "s e", "t h", "i n", "r e", "o n")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TAGS = ("<think>", "</think>")
SAMPLE = "the plan names a file and the test reads it. a short answer ends here.\n"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)


def tiny_gguf(context: int, *, ends: bool = True, hidden: int = WIDTH) -> bytes:
    """The same bytes for the same arguments.

    Without `ends` a reply never ends by itself; more `hidden` zeros to multiply with make the model slower.
    """
    tokens, kinds = _vocabulary()
    size = len(tokens)
    index = {token: number for number, token in enumerate(tokens)}
    metadata = [
        _string("general.architecture", "llama"),
        _string("general.name", "tiny"),
        *(_uint32(f"llama.{name}", value) for name, value in _shape(context, size, hidden).items()),
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
    return _file(metadata, _tensors(index, ends, hidden))


def _shape(context: int, size: int, hidden: int) -> dict[str, int]:
    return {
        "context_length": context, "embedding_length": size, "block_count": 1, "feed_forward_length": hidden,
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


def _tensors(index: dict[str, int], ends: bool, hidden: int) -> list[tuple[str, tuple[int, ...], int, bytes]]:
    """A one-hot embedding, a layer of zeros, and an output that reads the logarithm of P(next | this) from a table."""
    size = len(index)
    one_hot = _halves([float(row == column) for row in range(size) for column in range(size)])
    table = _next_table(index, ends)
    output = _halves([math.log(table[this][after]) for after in range(size) for this in range(size)])
    layer = {
        "attn_q": (size, WIDTH), "attn_k": (size, WIDTH), "attn_v": (size, WIDTH), "attn_output": (WIDTH, size),
        "ffn_gate": (size, hidden), "ffn_up": (size, hidden), "ffn_down": (hidden, size),
    }  # fmt: skip
    return [
        ("token_embd.weight", (size, size), F16, one_hot),
        ("output_norm.weight", (size,), F32, _floats([size**-0.5] * size)),
        ("output.weight", (size, size), F16, output),
        ("blk.0.attn_norm.weight", (size,), F32, _floats([1.0] * size)),
        ("blk.0.ffn_norm.weight", (size,), F32, _floats([1.0] * size)),
        *((f"blk.0.{name}.weight", shape, F16, bytes(2 * math.prod(shape))) for name, shape in layer.items()),
    ]


def _next_table(index: dict[str, int], ends: bool) -> list[list[float]]:
    size, plain = len(index), 256 + len(MERGES)
    counts = [[1e-4 if after < plain else 1e-7 for after in range(size)] for _ in range(size)]
    sample = list(SAMPLE.encode())
    characters = _byte_characters()
    for this, after in zip(sample, sample[1:] + sample[:1], strict=True):
        counts[index[characters[this]]][index[characters[after]]] += 1
    counts[index["."]][index["<|im_end|>"]] += ends
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
