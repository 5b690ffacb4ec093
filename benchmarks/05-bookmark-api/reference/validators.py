"""Checks what a client sends; what is wrong raises ValueError."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def bookmark_fields(body: Any, *, complete: bool) -> dict[str, Any]:
    """The clean fields; a complete bookmark needs URL and title."""
    if not isinstance(body, dict) or not body or set(body) - set(CHECKS):
        raise ValueError("a JSON object with url, title and tags is needed")
    if complete and not {"url", "title"} <= set(body):
        raise ValueError("url and title are needed")
    return {name: CHECKS[name](value) for name, value in body.items()}


def whole_number(parameters: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = parameters.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= highest):
        raise ValueError(f"{name} must be a number from 1")
    return int(text)


def _url(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 2000 or not value.startswith(("http://", "https://")):
        raise ValueError("url must be a URL of http or https")
    if not urlsplit(value).hostname:
        raise ValueError("url needs a host")
    return value


def _title(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= 200:
        raise ValueError("title must have 1 to 200 characters")
    return value.strip()


def _tags(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise ValueError("tags must be a list of strings")
    tags = sorted({tag.strip().lower() for tag in value})
    if len(tags) > 10 or not all(1 <= len(tag) <= 30 for tag in tags):
        raise ValueError("at most 10 tags of 1 to 30 characters")
    return tags


CHECKS = {"url": _url, "title": _title, "tags": _tags}
