"""What the two protocols share: the request as a model takes it, and the piece of a reply."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from nightshift.domain import Request, StopReason

STOP_REASONS: dict[str, StopReason] = {
    "stop": "stop", "length": "length", "eos": "stop", "tool_calls": "stop", "load": "stop",
}  # fmt: skip
IN_WORDS = "Answer with one JSON object that follows this JSON schema, and with nothing else: "


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
    read: int = 0
    """Tokens of the prompt read so far, of `prompt`; llama.cpp tells while it reads."""
    prompt: int = 0


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
