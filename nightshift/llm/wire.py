"""What the two wire protocols share: the piece of a reply, the request as a model takes it, careful JSON reading."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from nightshift.domain import Request, StopReason

FIXED_SAMPLING = {"top_k": 40, "min_p": 0.05, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""Sent wherever the protocol takes them: the defaults of servers differ, and a model file may change them."""
PENALTIES = {name: FIXED_SAMPLING[name] for name in ("presence_penalty", "frequency_penalty")}
"""The part of it that every OpenAI-compatible server takes."""

STOP_REASONS: dict[str, StopReason] = {
    "stop": "stop", "length": "length", "eos": "stop", "tool_calls": "stop", "load": "stop",
}  # fmt: skip
IN_WORDS = "Answer with one JSON object that follows this JSON schema, and with nothing else: "

_DECODER = json.JSONDecoder(strict=False)
"""Made once: json.loads makes a new one per call as soon as an option is set, which streams would pay per token."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a server says a reply cost; 0 where it does not say."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    prefill_seconds: float = 0.0
    """For the part of the prompt that was not cached."""
    decode_seconds: float = 0.0

    def __or__(self, later: Counts) -> Counts:
        """Both together; where both say something, the later one."""
        return Counts(
            later.prompt_tokens or self.prompt_tokens,
            later.cached_tokens or self.cached_tokens,
            later.completion_tokens or self.completion_tokens,
            later.prefill_seconds or self.prefill_seconds,
            later.decode_seconds or self.decode_seconds,
        )


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of a streamed reply; most of its fields are empty in most pieces."""

    text: str = ""
    reasoning: str = ""
    stop_reason: StopReason | None = None
    counts: Counts | None = None
    model: str = ""
    error: str = ""
    end: bool = False
    """The protocol's own end mark; a stream without it is broken."""


def as_sent(request: Request, *, schemas: bool) -> Request:
    """The request as a model takes it: it does not think beside a schema, and is told the schema it does not take."""
    if request.schema is None:
        return request
    return replace(request if schemas else in_words(request), think=0)


def in_words(request: Request) -> Request:
    """The request with its schema asked for in the last user message rather than demanded of the server."""
    schema = json.dumps(request.schema, separators=(",", ":"))
    last = max((i for i, message in enumerate(request.messages) if message.role == "user"), default=-1)
    messages = list(request.messages)
    messages[last] = replace(messages[last], content=f"{messages[last].content}\n{IN_WORDS}{schema}\n")
    return replace(request, messages=tuple(messages), schema=None)


def parse_object(line: str) -> dict[str, Any]:
    """A JSON object; raw control characters in strings are let through. Raises ValueError for all else."""
    try:
        value = _DECODER.decode(line)
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


def as_seconds(value: Any, unit: float) -> float:
    """`value` in that unit, e.g. 1e-9 for nanoseconds; 0 for what is no positive number."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) * unit if number and 0 < value < 1e18 else 0.0


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
