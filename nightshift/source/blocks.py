"""The parts of a model's reply that may hold a file: after the thinking, in fences, between markers.

Nothing here decides which part is the file; replies.py does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

MAX_CLOSERS = 40
"""Closing fences tried for one opening fence."""

_TAGS = r"(?:think|thinking|thought|reasoning|seed:think)"
_THINK_OPEN = re.compile(rf"(?i)\s*(?:<{_TAGS}>|\[THINK\]|<\|START_THINKING\|>)")
_THINK_END = re.compile(rf"(?i:</{_TAGS}>|\[/THINK\]|<\|END_THINKING\|>)")
_CHANNEL = re.compile(r"<\|channel\|>(\w+)[^<]*<\|message\|>")
"""gpt-oss marks what it thinks (analysis) and what it answers (final) so, where a server leaves the marks in."""
# Without an opening tag, a closing one counts at an edge of its line only: elsewhere it is in a string.
_THINK_LINE = re.compile(rf"(?m)^[ \t]*(?:{_THINK_END.pattern})|(?:{_THINK_END.pattern})[ \t]*$")
_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([^`]*?)[ \t]*$")
_MARKER = re.compile(r"^[ \t]*<<<+ ?(/?[A-Z][^<>\n]*?) ?>>>+[ \t]*$")


@dataclass(frozen=True, slots=True)
class Block:
    text: str
    info: str = ""
    """The info string of its fence, or the words of its marker."""
    before: str = ""
    """The last line with text above it."""
    closed: bool = True


def clean(text: str) -> str:
    """Without byte order marks, and with one kind of line end."""
    return re.sub("(?m)^[\ufeff\u200b]+", "", text.replace("\r\n", "\n").replace("\r", "\n"))


def after_thinking(text: str) -> list[str]:
    """The reply without its thinking, however its tags are opened and closed; likeliest reading first.

    Empty when it opens and never closes: what it thought is no answer.
    """
    text = _final_channel(text)
    closes = {close.end() for close in _THINK_LINE.finditer(text)}
    start, opened = 0, False
    while opening := _THINK_OPEN.match(text, start):
        opened = True
        close = _THINK_END.search(text, opening.end())
        if close is None:
            return [""]
        start = close.end()
    if opened:
        closes.add(start)
    rests = [text[end:] for end in sorted(closes, reverse=True) if end >= start and text[end:].strip()]
    if closes:
        return rests or ["" if opened else _THINK_END.sub("", text)]
    return [text]


def _final_channel(text: str) -> str:
    channels = list(_CHANNEL.finditer(text))
    if not channels or channels[0].start() > len(text) - len(text.lstrip()) + len("<|start|>assistant"):
        return text
    final = [channel for channel in channels if channel[1] == "final"]
    return re.sub(r"<\|(?:end|return)\|>\s*$", "", text[final[-1].end() :]) if final else ""


def holds_thinking_tag(text: str) -> bool:
    return bool(_THINK_END.search(text))


def fenced(text: str, good: Callable[[str], bool]) -> list[Block]:
    """Outermost fenced blocks; of several possible closing fences the first that makes the block good.

    A docstring may hold fences of its own; that is why the first closing fence need not be the right one.
    """
    lines = text.split("\n")
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
        blocks.append(Block(body, opening[3], _above(lines, at), end < len(lines)))
        at = end + 1
    return blocks


def marked(text: str, good: Callable[[str], bool]) -> list[Block]:
    """Regions between lines such as <<<CONTENT>>> and <<<END>>>, also where one of the two is missing."""
    lines = text.split("\n")
    marks = {i: match[1] for i, line in enumerate(lines) if (match := _MARKER.match(line))}
    blocks: list[Block] = []
    done = 0
    for start, words in marks.items():
        if start < done or _is_end(words):
            continue
        ends = [i for i in marks if i > start] or [len(lines)]
        bodies = {end: "\n".join(lines[start + 1 : end]) for end in ends[:MAX_CLOSERS]}
        done = next((end for end, body in bodies.items() if good(body)), ends[0])
        blocks.append(Block(bodies[done], words, _above(lines, start)))
    ends = [i for i, words in marks.items() if _is_end(words)]
    unopened = ends[-1:] if 2 * len(ends) > len(marks) else []
    return [*blocks, *(Block("\n".join(lines[:end])) for end in unopened)]


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


def _closes(line: str, opening: re.Match[str]) -> bool:
    closing = _FENCE.match(line)
    return bool(
        closing and not closing[3] and closing[2].startswith(opening[2]) and len(closing[1]) <= len(opening[1]) + 3
    )


def _body(lines: Sequence[str], indent: str) -> str:
    return "\n".join(line.removeprefix(indent) for line in lines)


def _above(lines: Sequence[str], at: int) -> str:
    return next((line.strip() for line in reversed(lines[:at]) if line.strip()), "")


def _is_end(words: str) -> bool:
    return words.startswith(("/", "END"))
