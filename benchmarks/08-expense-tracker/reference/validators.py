"""Checks what a client sends; what is wrong raises ValueError."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

Check = Callable[[Any], Any]


def fields(body: Any, needed: Mapping[str, Check], optional: Mapping[str, Check]) -> dict[str, Any]:
    checks = {**needed, **optional}
    if not isinstance(body, dict) or set(body) - set(checks) or set(needed) - set(body):
        raise ValueError(f"a JSON object with {', '.join(checks)} is needed")
    return {name: checks[name](value) for name, value in body.items()}


def text(value: Any) -> str:
    return matching(value, r"(?s).*")


def username(value: Any) -> str:
    return matching(value, r"[A-Za-z0-9_]{3,30}")


def password(value: Any) -> str:
    return matching(value, r"(?s)[\x00-\x7f]{8,72}")


def description(value: Any) -> str:
    return matching(value, r"(?s).{0,200}")


def category_name(value: Any) -> str:
    return matching(text(value).strip(), r"(?s)[^/]{1,50}")


def month(value: Any) -> str:
    return matching(value, r"[0-9]{4}-(0[1-9]|1[0-2])")


def matching(value: Any, pattern: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError(f"{value!r} is not allowed")
    return value


def number(lowest: float) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int or not lowest <= value < 2**53:
            raise ValueError(f"a whole number from {lowest} is needed, not {value!r}")
        return value

    return check


def day(value: Any) -> str:
    return date.fromisoformat(matching(value, r"[0-9]{4}-[0-9]{2}-[0-9]{2}")).isoformat()


def past_day(value: Any) -> str:
    if day(value) > datetime.now(UTC).date().isoformat():
        raise ValueError(f"{value} is in the future")
    return value
