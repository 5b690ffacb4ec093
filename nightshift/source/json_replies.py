"""The JSON value a reply carries, amid whatever else it says."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from nightshift.domain import StopReason
from nightshift.errors import ReplyRejected
from nightshift.source.blocks import after_thinking, clean, fenced
from nightshift.source.redflags import (
    declines,
    refuse_cut_short,
    refuse_unencodable,
    repeats_inside,
    runs_away,
)


def extract_json(text: str, *, stop_reason: StopReason = "stop") -> Any:
    """The JSON object (or array, when there is no object) a reply carries. Raises ReplyRejected."""
    refuse_cut_short(stop_reason)
    text = clean(text)
    if not text.strip():
        raise ReplyRejected("empty", "The reply is empty; answer with one JSON object.")
    whole = _decoded(text)
    body = text if whole is not None else after_thinking(text)[0]
    blocks = [block.text for block in fenced(body, lambda block: _decoded(block) is not None)]
    for values in ([whole], [_decoded(body)], map(_decoded, blocks), _embedded(body)):
        found = sorted((value for value in values if value is not None), key=_json_rank)
        if found:
            refuse_unencodable(json.dumps(found[-1], ensure_ascii=False))
            return found[-1]
    raise _fault(body)


def _decoded(text: str) -> dict[str, Any] | list[Any] | None:
    try:
        value = json.loads(text, strict=False, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _embedded(text: str) -> list[dict[str, Any] | list[Any]]:
    """Outermost JSON values amid other text; never a part of a value that is broken or cut short."""
    decoder = json.JSONDecoder(strict=False, parse_constant=_no_constant)
    values: list[dict[str, Any] | list[Any]] = []
    at = 0
    while opening := re.compile(r"[{\[]").search(text, at):
        try:
            value, at = decoder.raw_decode(text, opening.start())
            values.append(value)
        except (ValueError, RecursionError):
            at = _past_brackets(text, opening.start())
    return values


def _past_brackets(text: str, start: int) -> int:
    """The offset after the bracket that closes the one at `start`; the end of the text when none does."""
    depth = 0
    for token in re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.S).finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return len(text)


def _json_rank(value: dict[str, Any] | list[Any]) -> tuple[bool, int]:
    return isinstance(value, dict), len(json.dumps(value))


def _fault(text: str) -> ReplyRejected:
    if runs_away(text, times=20, words=False) or repeats_inside(text):
        return ReplyRejected("degenerate", "The reply repeats itself without end; answer with one JSON object.")
    start = min((i for i in (text.find("{"), text.find("[")) if i >= 0), default=-1)
    if start < 0 and declines(text):
        return ReplyRejected("refused", "The reply declines the task; answer with one JSON object.")
    if start < 0:
        return ReplyRejected("no_code", "The reply holds no JSON; answer with one JSON object and nothing else.")
    try:
        json.loads(text[start:])
    except RecursionError:
        return ReplyRejected("unparsable", "The JSON is nested far too deeply.")
    except ValueError as error:
        return ReplyRejected(*_json_fault(text[start:], error))
    return ReplyRejected("unparsable", "The reply holds no JSON object.")


def _json_fault(text: str, error: ValueError) -> tuple[str, str]:
    at_end = isinstance(error, json.JSONDecodeError) and error.pos >= len(text.rstrip()) - 1
    unterminated = str(error).startswith("Unterminated string")
    if at_end or unterminated:
        return "truncated", "The JSON ends in the middle; answer with one complete JSON object."
    return "unparsable", f"The JSON does not parse: {error}."
