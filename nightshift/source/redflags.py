"""Signs that a reply is no answer: cut short, declining, running in circles, impossible to store."""

from __future__ import annotations

import re

from nightshift.domain import StopReason
from nightshift.errors import ReplyRejected

_REFUSAL = re.compile(
    r"\b(?:sorry|apologi[sz]e|as an ai"
    r"|i(?: can(?:no|['’])t| am (?:not able|unable)|['’]m (?:not able|unable)| won['’]t))\b",
    re.I,
)


def refuse_cut_short(stop_reason: StopReason) -> None:
    if stop_reason == "length":
        raise ReplyRejected(
            "truncated",
            "The reply was cut off at the token limit, so its end is missing; answer more briefly.",
        )


def refuse_unencodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ReplyRejected("unparsable", f"The reply holds a character no file can store: {error}.") from error


def declines(text: str) -> bool:
    return bool(_REFUSAL.search(text[:400]))


def runs_away(text: str, *, times: int, words: bool) -> bool:
    """The end of the text is one piece over and over. Data in code ends with its bracket or quote instead."""
    text = text.rstrip()
    for size in range(1, 601):
        count = max(times, 200 // size)
        if text.endswith(text[-size:] * count) and (not words or any(map(str.isalpha, text[-size:]))):
            return True
    return False


def repeats_inside(text: str) -> bool:
    """Something from the middle comes eight times; asked only of text that is not code."""
    middle = text[len(text) // 2 :][:40]
    return len(text) >= 200 and bool(middle.strip()) and text.count(middle) >= 8
