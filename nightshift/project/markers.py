"""Environment markers of requirements (PEP 508), for the Python that runs us; what is not understood holds."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable

_TOKEN = re.compile(r"\s*(\(|\)|\band\b|\bor\b|'[^']*'|\"[^\"]*\"|[<>=!~]=?=?|\bnot\s+in\b|\bin\b|[\w.]+)")
_FACTS: dict[str, str] = {
    "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
    "python_full_version": platform.python_version(),
    "sys_platform": sys.platform,
    "platform_system": platform.system(),
    "platform_machine": platform.machine(),
    "platform_python_implementation": platform.python_implementation(),
    "implementation_name": sys.implementation.name,
    "os_name": os.name,
    "extra": "",
}
_ORDERED: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "~=": lambda a, b: a >= b and a[: len(b) - 1] == b[:-1],
}


def holds(marker: str) -> bool:
    """Whether a requirement with this marker is meant for this Python."""
    tokens = _TOKEN.findall(marker)
    try:
        value, rest = _any_of(tokens)
    except (IndexError, ValueError):
        return True
    return value or bool(rest)


def _any_of(tokens: list[str]) -> tuple[bool, list[str]]:
    value, rest = _all_of(tokens)
    while rest and rest[0] == "or":
        other, rest = _all_of(rest[1:])
        value = value or other
    return value, rest


def _all_of(tokens: list[str]) -> tuple[bool, list[str]]:
    value, rest = _one(tokens)
    while rest and rest[0] == "and":
        other, rest = _one(rest[1:])
        value = value and other
    return value, rest


def _one(tokens: list[str]) -> tuple[bool, list[str]]:
    if tokens[0] == "(":
        value, rest = _any_of(tokens[1:])
        if rest[0] != ")":
            raise ValueError("a bracket is not closed")
        return value, rest[1:]
    left, operator, right = tokens[:3]
    return _compared(_value(left), " ".join(operator.split()), _value(right)), tokens[3:]


def _value(token: str) -> str:
    if token[0] in "'\"":
        return token[1:-1]
    return _FACTS[token] if token in _FACTS else _unknown(token)


def _unknown(token: str) -> str:
    raise ValueError(f"{token} is no marker")


def _compared(left: str, operator: str, right: str) -> bool:
    if operator in ("in", "not in"):
        return (left in right) is (operator == "in")
    versions = [re.fullmatch(r"\d+(?:\.\d+)*(?:\.\*)?", side) for side in (left, right)]
    if all(versions):
        return _ORDERED[operator](_numbers(left), _numbers(right))
    return (left == right) is (operator == "==")


def _numbers(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.removesuffix(".*").split(".")]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()  # 3.0 is 3
    return tuple(parts)
