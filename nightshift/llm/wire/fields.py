"""Reading JSON that a server wrote: what is not of the type expected counts as absent."""

from __future__ import annotations

import json
from typing import Any

_DECODER = json.JSONDecoder(strict=False)
"""Made once: json.loads makes a new one per call as soon as an option is set, which streams would pay per token."""


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


def entries(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The JSON objects in a list of that name."""
    value = holder.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int:
    """0 for what can be no count: a number in JSON may be larger than any float."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1e18 else 0


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
