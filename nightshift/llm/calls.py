"""Calls, which are requests and their completions, as plain JSON: for the server, the trace and the tape.

One function writes a conversation for all of them, so that a model is trained on what it was really sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nightshift.domain import Completion, Message, Request, Usage

FIXED_SAMPLING = {"top_k": 40, "min_p": 0.05, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""Sent wherever the protocol takes them: the defaults of servers differ, and a model file may change them."""


def messages_as_dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": well_formed(message.content)} for message in messages]


def request_key(request: Request) -> str:
    """What is asked, without where: two requests with one key may share a recorded answer."""
    asked = _asked(request)
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def call_fields(request: Request, completion: Completion, *, fault: str = "", attempt: int = 1) -> dict[str, Any]:
    """The fields of a `call` record; kind and span are the recorder's own. `attempt` is at the same request."""
    usage = completion.usage
    return {
        **_asked(request),
        "key": request_key(request),
        "endpoint": completion.endpoint,
        "model_requested": completion.model_requested,
        "model_served": completion.model_served,
        "text": completion.text,
        "reasoning": completion.reasoning,
        "stop_reason": completion.stop_reason,
        "fixed_sampling": FIXED_SAMPLING,
        "prompt_sent": completion.prompt_sent,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "first_token_seconds": completion.first_token_seconds,
        "prefill_seconds": completion.prefill_seconds,
        "decode_seconds": completion.decode_seconds,
        "seconds": usage.model_seconds,
        "attempt": attempt,
        "fault": fault,
    }


def completion_from_fields(fields: Mapping[str, Any]) -> Completion:
    """The completion of a `call` record; a hand-written record needs no more than `text`."""
    return Completion(
        text=fields.get("text", fields.get("reply", "")),
        stop_reason=fields.get("stop_reason", "stop"),
        usage=Usage(
            calls=1,
            prompt_tokens=fields.get("prompt_tokens", 0),
            cached_tokens=fields.get("cached_tokens", 0),
            completion_tokens=fields.get("completion_tokens", 0),
            model_seconds=fields.get("seconds", 0.0),
        ),
        reasoning=fields.get("reasoning", ""),
        endpoint=fields.get("endpoint", ""),
        model_requested=fields.get("model_requested", ""),
        model_served=fields.get("model_served", ""),
        first_token_seconds=fields.get("first_token_seconds", 0.0),
        prompt_sent=fields.get("prompt_sent", 0),
        prefill_seconds=fields.get("prefill_seconds", 0.0),
        decode_seconds=fields.get("decode_seconds", 0.0),
    )


def well_formed(text: str) -> str:
    """Joins surrogate pairs that arrived apart and replaces lone ones, which no file or server would take."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _asked(request: Request) -> dict[str, Any]:
    return {
        "role": request.role,
        "messages": messages_as_dicts(request.messages),
        "sampling": asdict(request.sampling),
        "schema": request.schema,
        "think": request.think,
    }
