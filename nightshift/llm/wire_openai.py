"""OpenAI-compatible /v1/chat/completions as llama.cpp, vLLM and LM Studio speak it: request and events.

Pure; the client does the talking. What only llama.cpp understands is sent to llama.cpp only.
"""

from __future__ import annotations

from typing import Any

from nightshift.domain import Request
from nightshift.llm.endpoint import Flavour
from nightshift.llm.keys import messages_as_dicts
from nightshift.llm.wire import (
    MIN_P,
    STOP_REASONS,
    TOP_K,
    Delta,
    as_count,
    as_dict,
    as_text,
    error_message,
    parse_object,
    probably,
)

PATH = "/v1/chat/completions"
SMALLEST_REPLY = 256


def request_body(request: Request, model: str, context: int, *, flavour: Flavour = "generic") -> dict[str, Any]:
    sampling = request.sampling
    # vLLM refuses a request whose prompt and max_tokens together exceed the context.
    room = max(SMALLEST_REPLY, context - probably(request.messages))
    body: dict[str, Any] = {
        "model": model,
        "messages": messages_as_dicts(request.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": min(sampling.max_tokens, room),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
    }
    if request.schema is not None:
        # The flat form that llama.cpp documents is accepted and then ignored.
        schema = {"name": request.role, "strict": True, "schema": dict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body | (_llama_extras(request) if flavour == "llama.cpp" else {})


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
    delta, usage, timings = (as_dict(of.get(name)) for of, name in
                             ((choice, "delta"), (event, "usage"), (event, "timings")))  # fmt: skip
    details = as_dict(usage.get("prompt_tokens_details"))
    reason = as_text(choice.get("finish_reason"))
    return Delta(
        text=as_text(delta.get("content")),
        reasoning=as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning")),
        stop_reason=STOP_REASONS.get(reason),
        prompt_tokens=as_count(usage.get("prompt_tokens")),
        cached_tokens=as_count(details.get("cached_tokens")) or as_count(timings.get("cache_n")),
        completion_tokens=as_count(usage.get("completion_tokens")),
        model=as_text(event.get("model")),
        error=f"the server ended the reply with {reason!r}" if reason and reason not in STOP_REASONS else "",
    )


def _llama_extras(request: Request) -> dict[str, Any]:
    return {
        "top_k": TOP_K,
        "min_p": MIN_P,
        "repeat_penalty": request.sampling.repeat_penalty,
        "cache_prompt": True,
        # With a schema on, a thinking model may spend the whole reply before the JSON begins.
        "chat_template_kwargs": {"enable_thinking": request.think and request.schema is None},
        "reasoning_format": "deepseek",
    }
