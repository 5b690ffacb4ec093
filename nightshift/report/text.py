"""Small text tools of all reports: nothing a model wrote may steer a terminal, and durations read well."""

from __future__ import annotations

import re
import unicodedata

_STEERING = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def printable(text: str) -> str:
    """The text with every character that could move a cursor or turn the writing shown as an escape."""
    if text.isascii() and text.isprintable():  # as most is: a page has millions of characters
        return text
    return "".join(char if _harmless(char) else _escaped(char) for char in text)


def one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def fitted(text: str, columns: int) -> str:
    """The text cut to so many terminal columns; a wide character takes two."""
    widths = [2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text]
    if sum(widths) <= columns:
        return text
    used = kept = 0
    while used + widths[kept] <= columns - 1:
        used += widths[kept]
        kept += 1
    return text[:kept] + "…"


def duration(seconds: float) -> str:
    """4.2 s, 3m12s, 2h05m."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def asker(span: str) -> str:
    """Who asked the question of that span, about which file, for the how manieth time.

    >>> asker("attempt-1/build/shop/cart.py/repair-2/retry-1")
    'repairer, shop/cart.py, repair-2, retry 1'
    """
    where, _, retry = span.partition("/retry-")
    found = re.search(r"(?:^|/)(build|tests|plan|diagnose|explore)(?:/|$)(?:(.+)/)?(.*)$", where)
    step, path, label = found.groups() if found else ("", "", where)
    role = "repairer" if label.startswith("repair") else _ASKERS.get(step, "")
    return one_line(", ".join(part for part in (role, path, label, retry and f"retry {retry}") if part))


_ASKERS = {"build": "builder", "tests": "tester", "plan": "planner", "diagnose": "analyst", "explore": "explorer"}


def _harmless(char: str) -> bool:
    return char in "\n\t" or unicodedata.category(char) not in _STEERING


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
