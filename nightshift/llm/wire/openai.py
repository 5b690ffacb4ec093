"""OpenAI-compatible /v1/chat/completions as llama.cpp, vLLM and LM Studio speak it: request and events.

Pure: client/ask.py does the talking. What only llama.cpp understands is sent to llama.cpp only.
"""

from __future__ import annotations

from typing import Any

from nightshift.domain import Request
from nightshift.llm.calls import FIXED_SAMPLING, messages_as_dicts
from nightshift.llm.endpoint import Flavour
from nightshift.llm.wire.common import STOP_REASONS, Counts, Delta
from nightshift.llm.wire.fields import as_count, as_dict, as_seconds, as_text, error_message, parse_object

PATH = "/v1/chat/completions"
PENALTIES = {name: FIXED_SAMPLING[name] for name in ("presence_penalty", "frequency_penalty")}
"""The part of the fixed sampling that every server of this protocol takes."""


def request_body(
    request: Request, model: str, *, flavour: Flavour = "generic", thinking: bool = True
) -> dict[str, Any]:
    """Says nothing about thinking to a model that refuses to be told (`thinking` is False)."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": messages_as_dicts(request.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        **PENALTIES,
    }
    if request.schema is not None:
        # The flat form that llama.cpp documents is accepted and then ignored.
        schema = {"name": request.role, "strict": True, "schema": dict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if flavour == "llama.cpp":
        own = {"repeat_penalty": sampling.repeat_penalty, "cache_prompt": True, "return_progress": True}
        body |= {**FIXED_SAMPLING, **own}
    return body | (_thinking(request, flavour) if thinking else {})


def parse_line(line: str) -> Delta | None:
    """None for blank lines, comments and fields other than data. Raises ValueError for what is no event."""
    field, _, data = line.rstrip("\r").partition(":")
    if field == "error":
        return Delta(error=error_message(data))
    if field != "data":
        return None
    if data.strip() == "[DONE]":
        return Delta(end=True)
    event = parse_object(data)
    if event.get("error"):
        return Delta(error=error_message(event["error"]))
    choices = event.get("choices")
    choice = as_dict(choices[0]) if isinstance(choices, list) and choices else {}
    delta = as_dict(choice.get("delta"))
    reason = as_text(choice.get("finish_reason"))
    progress = as_dict(event.get("prompt_progress"))
    return Delta(
        text=as_text(delta.get("content")),
        reasoning=as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning")),
        stop_reason=STOP_REASONS.get(reason),
        counts=_counts(event) if event.get("usage") or event.get("timings") else None,
        model=as_text(event.get("model")),
        error=f"the server ended the reply with {reason!r}" if reason and reason not in STOP_REASONS else "",
        read=as_count(progress.get("processed")),
        prompt=as_count(progress.get("total")),
    )


def _thinking(request: Request, flavour: Flavour) -> dict[str, Any]:
    # With a schema on, a thinking model may spend the whole reply before the JSON begins.
    think = request.think if request.schema is None else 0
    body: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": think > 0}}
    if flavour == "llama.cpp":
        body["reasoning_format"] = "deepseek"
    if flavour == "llama.cpp" and think:
        body["thinking_budget_tokens"] = think
    return body


def _counts(event: dict[str, Any]) -> Counts:
    usage, timings = as_dict(event.get("usage")), as_dict(event.get("timings"))
    details = as_dict(usage.get("prompt_tokens_details"))
    cached = as_count(timings.get("cache_n"))
    return Counts(
        as_count(usage.get("prompt_tokens")) or cached + as_count(timings.get("prompt_n")),
        as_count(details.get("cached_tokens")) or cached,
        as_count(usage.get("completion_tokens")) or as_count(timings.get("predicted_n")),
        as_seconds(timings.get("prompt_ms"), 1e-3),
        as_seconds(timings.get("predicted_ms"), 1e-3),
    )
