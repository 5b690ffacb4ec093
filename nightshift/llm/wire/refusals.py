"""What a model server means by an HTTP status and the words that come with it, and by the model it names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from nightshift.errors import (
    BadRequest,
    ContextExceeded,
    ModelMissing,
    ModelServerError,
    ServerLoading,
    ServerOverloaded,
)
from nightshift.llm.wire.fields import error_message

CONTEXT_WORDS = (
    "exceed_context",
    "context_length_exceeded",
    "context size",
    "context length",
    "maximum context",
)
MISSING_WORDS = ("not found", "does not exist", "no such model")
SCHEMA_WORDS = ("schema", "response_format", "grammar")
THINK_WORDS = ("think", "reasoning", "chat_template_kwargs")


def refusal(
    status: int,
    body: str,
    *,
    url: str,
    model: str = "",
    names: Sequence[str] = (),
    schema: bool = False,
    thinking: bool = False,
) -> ModelServerError:
    """The exception for an answer that is no reply; `names` are the models the server is known to have.

    `schema` and `thinking` tell whether the request had a schema, and said anything about thinking.
    """
    said = _said(body)
    words = f"{body} {said}".lower()
    where = f"{url} answers {status}: {said or 'nothing more'}"
    if status == 404 and "model" in words and any(word in words for word in MISSING_WORDS):
        return model_missing(model, url, names)
    if status in (400, 413, 422) and any(word in words for word in CONTEXT_WORDS):
        return ContextExceeded(f"the prompt does not fit: {where}. Give the server a larger context.", fault="context")
    # The model itself may be called "thinking".
    about = said.lower().replace(model.lower(), "") if model else said.lower()
    if fault := _refused_part(status, about, schema=schema, thinking=thinking):
        return BadRequest(f"{where}. The request is sent again without.", fault=fault)
    if status == 503 and "loading" in words:
        return ServerLoading(f"{where}. It is loading its model; try again in a minute.", fault="loading")
    fault = f"http_{status}"
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


def wrong_model(requested: str, served: str, url: str) -> ModelMissing:
    return ModelMissing(
        f"{url} was asked for the model {requested!r} and answered with {served!r}: its reply is not used. Name the "
        "model it serves with --model, or start the server with the name that is asked for (--alias)",
        fault="wrong_model",
    )


@lru_cache
def same_model(requested: str, served: str) -> bool:
    """Whether two names mean one model: servers add or leave out a tag, a path or an ending.

    >>> same_model("qwen3:latest", "Qwen3"), same_model("/models/qwen3.gguf", "qwen3"), same_model("qwen3", "qwen2")
    (True, True, False)
    """
    return _plain(requested) == _plain(served)


def _plain(name: str) -> str:
    return re.split(r"[/\\]", name.strip().lower())[-1].removesuffix(":latest").removesuffix(".gguf")


def _refused_part(status: int, words: str, *, schema: bool, thinking: bool) -> str:
    """The fault when it is the schema or the word on thinking that the server does not take; else nothing."""
    if status not in (400, 404, 422, 500, 501):
        return ""
    if schema and any(word in words for word in SCHEMA_WORDS):
        return "schema_refused"
    if thinking and status < 500 and any(word in words for word in THINK_WORDS):
        return "think_refused"
    return "schema_refused" if schema and status < 500 and "format" in words else ""


def _said(body: str) -> str:
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = body
    return error_message(value)
