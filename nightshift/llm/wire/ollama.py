"""Ollama's native /api/chat: request body and stream lines. Pure: client/ask.py does the talking.

The native API, because its OpenAI-compatible one takes no num_ctx and loses errors in mid-stream.
"""

from __future__ import annotations

from typing import Any

from nightshift.domain import Request
from nightshift.llm.calls import FIXED_SAMPLING, messages_as_dicts
from nightshift.llm.wire.common import STOP_REASONS, Counts, Delta
from nightshift.llm.wire.fields import as_count, as_dict, as_seconds, as_text, error_message, parse_object

PATH = "/api/chat"


def request_body(
    request: Request, model: str, context: int, *, thinks: bool | None = None, thinking: bool = True
) -> dict[str, Any]:
    """`context` must stay the same for a model during a run: a change makes the server load it again.

    Says nothing about thinking to a model that refuses to be told (`thinking` is False).
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": messages_as_dicts(request.messages),
        "stream": True,
        # Without these two the server silently drops what does not fit.
        "truncate": False,
        "shift": False,
        "options": {
            "num_ctx": context,
            "num_predict": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "repeat_penalty": sampling.repeat_penalty,
            "seed": sampling.seed,
            **FIXED_SAMPLING,
        },
    }
    # Unset means "think" to a model that can, and "true" is refused by one that cannot. While a model thinks,
    # its reply is not held to the format.
    think = request.think > 0 and request.schema is None
    if thinking and (thinks or (thinks is None and not think)):
        body["think"] = think
    if request.schema is not None:
        body["format"] = dict(request.schema)
    return body


def parse_line(line: str) -> Delta | None:
    """None for a blank line. Raises ValueError for what is not Ollama's."""
    if not line.strip():
        return None
    chunk = parse_object(line)
    if chunk.get("error"):
        return Delta(error=error_message(chunk["error"]))
    message = as_dict(chunk.get("message"))
    done = chunk.get("done") is True
    reason = as_text(chunk.get("done_reason")) or "stop"
    return Delta(
        text=as_text(message.get("content")),
        reasoning=as_text(message.get("thinking")),
        stop_reason=STOP_REASONS.get(reason) if done else None,
        counts=_counts(chunk) if done else None,
        model=as_text(chunk.get("model")),
        error=f"the server ended the reply with {reason!r}" if done and reason not in STOP_REASONS else "",
        end=done,
    )


def _counts(chunk: dict[str, Any]) -> Counts:
    return Counts(
        prompt_tokens=as_count(chunk.get("prompt_eval_count")),
        completion_tokens=as_count(chunk.get("eval_count")),
        prefill_seconds=as_seconds(chunk.get("prompt_eval_duration"), 1e-9),
        decode_seconds=as_seconds(chunk.get("eval_duration"), 1e-9),
    )
