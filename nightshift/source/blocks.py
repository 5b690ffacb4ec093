"""The parts of a model's reply that may hold a file: after the thinking, in fences, between markers.

Nothing here decides which part is the file; replies.py does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

MAX_CLOSERS = 40
"""Closing fences tried for one opening fence."""

_TAGS = r"(?:think|thinking|thought|reasoning)"
_THINK_OPEN = re.compile(rf"\s*(?:<{_TAGS}>|\[THINK\])")
# A closing tag counts at the start or end of its line only: elsewhere it is text in a string of the code.
_THINK_CLOSE = re.compile(rf"(?m)^[ \t]*(?:</{_TAGS}>|\[/THINK\])|(?:</{_TAGS}>|\[/THINK\])[ \t]*$")
_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([^`]*?)[ \t]*$")
_MARKER = re.compile(r"^[ \t]*<<<+ ?(/?[A-Z][^<>\n]*?) ?>>>+[ \t]*$")


@dataclass(frozen=True, slots=True)
class Block:
    text: str
    info: str = ""
    """The info string of its fence, or the words of its marker."""
    before: str = ""
    """The last line with text above it."""
    span: tuple[int, int] = (0, 0)
    """Offsets in the reply, fences included."""
    closed: bool = True


def clean(text: str) -> str:
    """Without byte order marks at its start, and with one kind of line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff\u200b")


def after_thinking(text: str, good: Callable[[str], bool]) -> str:
    """The reply without its thinking, whether or not its tags were opened or closed.

    A tag inside a fenced block that is `good` belongs to the code.
    """
    opened = _THINK_OPEN.match(text)
    spans = [block.span for block in fenced(text, good) if block.closed and good(block.text)]
    closes = [
        close
        for close in _THINK_CLOSE.finditer(text)
        if not any(start <= close.start() < end for start, end in spans)
    ]
    for close in reversed(closes):
        if text[close.end() :].strip():
            return text[close.end() :]
    if closes:
        return "" if opened else text[: closes[0].start()]
    return text[opened.end() :] if opened else text


def fenced(text: str, good: Callable[[str], bool]) -> list[Block]:
    """Outermost fenced blocks; of several possible closing fences the first that makes the block good.

    A docstring may hold fences of its own; that is why the first closing fence need not be the right one.
    """
    lines = text.split("\n")
    offsets = _offsets(lines)
    blocks: list[Block] = []
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if not opening:
            at += 1
            continue
        closers = [i for i in range(at + 1, len(lines)) if _closes(lines[i], opening)]
        bodies = {i: _body(lines[at + 1 : i], opening[1]) for i in closers[:MAX_CLOSERS]}
        end = next((i for i, body in bodies.items() if good(body)), closers[0] if closers else len(lines))
        body = bodies[end] if end in bodies else _body(lines[at + 1 :], opening[1])
        span = (offsets[at], offsets[min(end + 1, len(lines))])
        blocks.append(Block(body, opening[3], _above(lines, at), span, end < len(lines)))
        at = end + 1
    return blocks


def marked(text: str) -> list[Block]:
    """Regions between lines such as <<<CONTENT>>> and <<<END>>>, also where one of the two is missing."""
    lines = text.split("\n")
    marks = [(i, match[1]) for i, line in enumerate(lines) if (match := _MARKER.match(line))]
    if not marks:
        return []
    ends = [*(i for i, _ in marks), len(lines)]
    regions = [
        Block("\n".join(lines[i + 1 : end]), words, _above(lines, i))
        for (i, words), end in zip(marks, ends[1:], strict=True)
        if not _is_end(words)
    ]
    return regions or [Block("\n".join(lines[: marks[0][0]]))]


def without_markers(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not _MARKER.match(line))


def is_fence(line: str) -> bool:
    return bool(_FENCE.match(line))


def split_inline_fences(text: str) -> str:
    """Puts a fence that ends a line of text on a line of its own."""
    return re.sub(r"(?m)(?<=[^\s`])[ \t]*(```+\w*)[ \t]*$", r"\n\1", text)


def paragraphs_from_end(lines: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """(start line, lines) of the blocks between blank lines, the last one first."""
    end = len(lines)
    while end > 0:
        start = end
        while start > 0 and lines[start - 1].strip():
            start -= 1
        if start < end:
            yield start, lines[start:end]
        end = start - 1


def _offsets(lines: Sequence[str]) -> list[int]:
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    return offsets


def _closes(line: str, opening: re.Match[str]) -> bool:
    closing = _FENCE.match(line)
    return bool(
        closing
        and not closing[3]
        and closing[2].startswith(opening[2])
        and len(closing[1]) <= len(opening[1]) + 3
    )


def _body(lines: Sequence[str], indent: str) -> str:
    return "\n".join(line.removeprefix(indent) for line in lines)


def _above(lines: Sequence[str], at: int) -> str:
    return next((line.strip() for line in reversed(lines[:at]) if line.strip()), "")


def _is_end(words: str) -> bool:
    return words.startswith(("/", "END"))
