"""How much memory there is for a model, and which well-known coding models fit into it. Pure; nothing is downloaded.

Sizes are those of the usual 4-bit files, rounded, noted in November 2026 from public model pages and not from the
registries themselves; the bytes a token of context takes follow from each model's layers and heads, at 16 bits.
Real needs differ by a tenth and more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SOURCE = "about that size in 4 bits, noted in November 2026 from public model pages: look there before you pull"
GB = 10**9
USABLE_RAM = 0.7
"""Share of main memory a model may have: the system, an editor and the tests want theirs."""
USABLE_VRAM = 0.9
OVERHEAD = 0.6 * GB
"""Buffers for computing."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes."""

    ram: int = 0
    vram: int = 0
    """Of all GPUs together; 0 when none can be asked."""

    @property
    def usable(self) -> int:
        return int(self.vram * USABLE_VRAM) if self.vram else int(self.ram * USABLE_RAM)

    def __str__(self) -> str:
        gpu = f"{self.vram / GB:.0f} GB of GPU memory, " if self.vram else ""
        return f"{gpu}{self.ram / GB:.0f} GB of main memory"


@dataclass(frozen=True, slots=True)
class Known:
    """A model that is known to write code."""

    ollama: str
    huggingface: str
    gigabytes: float
    """Of the file."""
    token_bytes: int
    """Of the KV cache, for each token of context."""

    def needs(self, context: int) -> int:
        return int(self.gigabytes * GB + context * self.token_bytes + OVERHEAD)

    @property
    def commands(self) -> str:
        return f"`ollama pull {self.ollama}`, or `llama-server -hf {self.huggingface}`"


KNOWN = (
    Known("qwen2.5-coder:32b", "Qwen/Qwen2.5-Coder-32B-Instruct-GGUF:Q4_K_M", 20.0, 64 * 8 * 128 * 4),
    Known("qwen3-coder:30b", "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q4_K_M", 19.0, 48 * 4 * 128 * 4),
    Known("gpt-oss:20b", "ggml-org/gpt-oss-20b-GGUF", 14.0, 24 * 8 * 64 * 4),
    Known("qwen2.5-coder:14b", "Qwen/Qwen2.5-Coder-14B-Instruct-GGUF:Q4_K_M", 9.0, 48 * 8 * 128 * 4),
    Known("qwen2.5-coder:7b", "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M", 4.7, 28 * 4 * 128 * 4),
    Known("qwen2.5-coder:3b", "Qwen/Qwen2.5-Coder-3B-Instruct-GGUF:Q4_K_M", 1.9, 36 * 2 * 128 * 4),
    Known("qwen2.5-coder:1.5b", "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:Q4_K_M", 1.0, 28 * 2 * 128 * 4),
)
"""Largest first: layers x KV heads x head size x 4 bytes (key and value) for each token."""


def fitting(usable: int, context: int) -> list[Known]:
    """Largest first."""
    return [model for model in KNOWN if model.needs(context) <= usable]


def ram_of_meminfo(text: str) -> int:
    """Bytes, from /proc/meminfo; 0 when it does not say."""
    found = re.search(r"^MemTotal:\s*(\d+)\s*kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def vram_of_nvidia(lines: Iterable[str]) -> int:
    """Bytes, from `nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits`: MiB, a line for each GPU."""
    return sum(int(line) << 20 for line in map(str.strip, lines) if line.isdigit())
