"""OpenAI's JSON: models, completions, chunks, errors. Values in, plain data out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.report.dashboard.server import HttpError


class ApiError(HttpError):
    """An error as OpenAI's clients expect it."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(status, message)
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class Reply:
    """What is the same in every piece of one answer."""

    id: str
    model: str
    created: int
    """Unix time."""

    def chunk(self, text: str | None = None, *, first: bool = False, finish: str | None = None) -> bytes:
        delta = ({"role": "assistant"} if first else {}) | ({} if text is None else {"content": text})
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**self._head("chat.completion.chunk"), "choices": [choice]})

    def usage_chunk(self, usage: Mapping[str, int]) -> bytes:
        return event({**self._head("chat.completion.chunk"), "choices": [], "usage": usage})

    def completion(self, text: str, usage: Mapping[str, int]) -> bytes:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return json.dumps({**self._head("chat.completion"), "choices": [choice], "usage": usage}).encode()

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


END = b"data: [DONE]\n\n"
BEAT = b": working\n\n"
"""A comment of the event stream: no client shows it."""


def event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def usage_of(told: Mapping[str, Any]) -> dict[str, int]:
    """Of the run's model calls, from result.json's `usage`."""
    prompt, completion = int(told.get("prompt_tokens", 0)), int(told.get("completion_tokens", 0))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "nightshift"}


def error(problem: HttpError) -> dict[str, Any]:
    kinds = {401: "authentication_error", 429: "rate_limit_error", 503: "server_error"}
    code, param = (problem.code, problem.param) if isinstance(problem, ApiError) else (None, None)
    kind = kinds.get(problem.status, "invalid_request_error")
    return {"error": {"message": str(problem), "type": kind, "param": param, "code": code}}
