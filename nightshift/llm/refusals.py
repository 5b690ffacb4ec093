"""What a model server means by an HTTP status and the words that come with it: one function, no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nightshift.errors import (
    BadRequest,
    ContextExceeded,
    ModelMissing,
    ModelServerError,
    ServerLoading,
    ServerOverloaded,
)
from nightshift.llm.wire import error_message

CONTEXT_WORDS = (
    "exceed_context",
    "context_length_exceeded",
    "context size",
    "context length",
    "maximum context",
)
MISSING_WORDS = ("not found", "does not exist", "no such model")


def refusal(status: int, body: str, *, url: str, model: str = "", names: Sequence[str] = ()) -> ModelServerError:
    """The exception for an answer that is no reply; `names` are the models the server is known to have."""
    said = _said(body)
    words = f"{body} {said}".lower()
    fault = f"http_{status}"
    where = f"{url} answers {status}: {said or 'nothing more'}"
    if status == 404 and "model" in words and any(word in words for word in MISSING_WORDS):
        return model_missing(model, url, names)
    if status in (400, 413, 422) and any(word in words for word in CONTEXT_WORDS):
        return ContextExceeded(f"the prompt does not fit: {where}. Give the server a larger context.", fault="context")
    if status == 503 and "loading" in words:
        return ServerLoading(f"{where}. It is loading its model; try again in a minute.", fault="loading")
    if status == 429 or status >= 500:
        return ServerOverloaded(f"{where}. Look at the server's own log.", fault=fault)
    if status in (401, 403):
        return BadRequest(f"{where}. It wants an API key: set OPENAI_API_KEY.", fault=fault)
    return BadRequest(f"{where}. The request as such is refused, so it is not repeated.", fault=fault)


def model_missing(model: str, url: str, names: Sequence[str]) -> ModelMissing:
    there = ", ".join(sorted(names)) or "none"
    return ModelMissing(
        f"no model {model!r} at {url}; the models there: {there}. Choose one with --model.",
        fault="model_missing",
    )


def _said(body: str) -> str:
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = body
    return error_message(value)
