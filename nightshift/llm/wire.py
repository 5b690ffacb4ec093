"""What the two wire protocols share: the piece of a reply, careful JSON reading, and token estimates."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.domain import Message, StopReason

TOP_K = 40
MIN_P = 0.05
"""Sent wherever the protocol takes them: the defaults of servers differ, and a model file may change them."""

CHARACTERS_PER_TOKEN = 6
"""More than any tokeniser packs into one on average, over code or prose."""

STOP_REASONS: dict[str, StopReason] = {
    "stop": "stop", "length": "length", "eos": "stop", "tool_calls": "stop", "load": "stop",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of a streamed reply; most of its fields are empty in most pieces."""

    text: str = ""
    reasoning: str = ""
    stop_reason: StopReason | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    error: str = ""
    end: bool = False
    """The protocol's own end mark; a stream without it is broken."""


def surely_above(tokens: int, messages: Sequence[Message]) -> bool:
    """Whether these messages have more tokens than that under any tokeniser there is."""
    if sum(len(message.content) for message in messages) // CHARACTERS_PER_TOKEN <= tokens:
        return False
    return at_least(messages) > tokens


def at_least(messages: Sequence[Message]) -> int:
    """Tokens these messages have at the very least: long runs of one character may be a single token."""
    text = "".join(message.content for message in messages)
    return len(re.sub(r"(.)\1{3,}", r"\1\1\1", text, flags=re.DOTALL)) // CHARACTERS_PER_TOKEN


def probably(messages: Sequence[Message]) -> int:
    """Tokens these messages have under a usual tokeniser."""
    return sum(len(message.content.encode("utf-8", "replace")) for message in messages) * 2 // 7 + 8 * len(messages)


def parse_object(line: str) -> dict[str, Any]:
    """A JSON object; raw control characters in strings are let through. Raises ValueError for all else."""
    try:
        value = json.loads(line, strict=False)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    return as_dict(value, strict=True)


def as_dict(value: Any, *, strict: bool = False) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if strict:
        raise ValueError(f"expected a JSON object, got {str(value)[:80]!r}")
    return {}


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def error_message(value: Any) -> str:
    """The words in an error of any shape: text, {message: ...}, {error: ...}, or JSON inside the text."""
    if isinstance(value, dict):
        inner = value.get("message") or value.get("error") or value.get("detail") or value
        return error_message(inner) if inner is not value else json.dumps(value)[:500]
    text = str(value).strip()
    if text.startswith("{") and '"message"' in text:
        try:
            return error_message(json.loads(text))
        except (ValueError, RecursionError):
            return text[:500]
    return text[:500]
