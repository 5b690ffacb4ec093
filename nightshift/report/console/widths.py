"""How many columns of a terminal a text takes, and cutting it to so many.

Counts as terminals do: two columns for wide characters, none for marks that stand on the one before. Where terminals
differ it counts the larger number, so that a line never becomes longer than it should.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

MARKS = frozenset({"Mn", "Me"})
MOST_MARKS = 3
"""On one character; more of them only grow into the lines above."""
SELECTORS = frozenset("\ufe0e\ufe0f")
"""Variation selectors widen a character in some terminals only."""


def columns(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """The text as it fits so many columns, its end marked where something is missing."""
    if columns(text) <= width:
        return text
    room = width - columns(ellipsis)
    if room < 0:
        return ellipsis[: max(0, width)]
    kept = used = 0
    for char in text:
        used += _columns_of(char)
        if used > room:
            break
        kept += 1
    return text[:kept] + ellipsis


def cut_front(text: str, width: int, ellipsis: str = "…") -> str:
    """Like cut, but keeps the end: of a path it tells the most."""
    return cut(text[::-1], width, ellipsis)[::-1]


def padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def plain(text: str) -> str:
    """Without variation selectors, and with no more marks on a character than can be read."""
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if _columns_of(char) == 0 else 0
        if marks <= MOST_MARKS and char not in SELECTORS:
            kept.append(char)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _columns_of(char: str) -> int:
    if unicodedata.category(char) in MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
