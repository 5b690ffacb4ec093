"""Search/replace edits from a model's reply, applied all or not at all.

An edit goes through a ladder of matchers, strictest first. The first rung that finds its lines decides, and
one that finds them more than once refuses: a wrong place is worse than no edit. Lines are matched whole, and
no line loses its indentation on the way.
"""

from __future__ import annotations

import difflib
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from nightshift.errors import EditRejected
from nightshift.source.blocks import after_thinking, clean, is_fence
from nightshift.source.syntax import parse, parses, too_deep

SIMILAR = 0.85
"""Least likeness of a block that is not quite the searched one."""
MARGIN = 0.1
"""By how much it must beat every other block."""
SHOWN = 0.34
"""Least likeness of a region worth showing to the model."""

_FORMAT = "Write each edit as\n<<<<<<< SEARCH\nlines as they are\n=======\nlines as they should be\n>>>>>>> REPLACE"
_SEARCH = re.compile(r"^\s*<{5,9} ?SEARCH\b.*$", re.I)
_DIVIDER = re.compile(r"^\s*={5,9}\s*$")
_REPLACE = re.compile(r"^\s*>{5,9} ?REPLACE\b.*$", re.I)
_LINE_TAG = re.compile(r"^\s*(\d+)(?::[0-9a-f]{2})?\| ?")
_LINE_NUMBER = re.compile(r"^\s*(\d+)\t")


@dataclass(frozen=True, slots=True)
class Edit:
    """Both texts are whole lines; an empty replacement deletes."""

    search: str
    replace: str


@dataclass(frozen=True, slots=True)
class _Match:
    """Lines [start, end) of the file, and what takes their place."""

    start: int
    end: int
    lines: tuple[str, ...]


Matcher = Callable[[Sequence[str], Sequence[str], Sequence[str]], list[_Match]]
"""(lines of the file, searched lines, replacing lines) -> every place that fits."""


def parse_edits(reply: str) -> tuple[Edit, ...]:
    """The edit blocks of a reply. Raises EditRejected when there is none or one is malformed."""
    lines = after_thinking(clean(reply))[0].split("\n")
    edits: list[Edit] = []
    at = 0
    while at < len(lines):
        if not _SEARCH.match(lines[at]):
            at += 1
            continue
        divider = _next(lines, at, _DIVIDER)
        end = _next(lines, at, _REPLACE)
        _check_block(lines[at + 1 : end], len(edits) + 1, found=at < divider < end < len(lines))
        edits.append(_edit(lines[at + 1 : divider], lines[divider + 1 : end]))
        at = end + 1
    if not edits:
        raise EditRejected(f"The reply holds no edit. {_FORMAT}")
    return tuple(dict.fromkeys(edits))


def apply_edits(text: str, edits: Sequence[Edit], *, language: Literal["python", "text"] = "python") -> str:
    """The text with every edit made. Raises EditRejected, for the model to read, when one cannot be."""
    crlf = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    lines = _lines(text.replace("\r\n", "\n") if crlf else text)
    matches = sorted((_match(lines, edit, i + 1) for i, edit in enumerate(edits)), key=lambda m: (m.start, m.end))
    for first, second in pairwise(matches):
        if second.start < first.end:
            raise EditRejected(f"Two edits change line {second.start + 1}; join them into one.")
    for match in reversed(matches):
        lines[match.start : match.end] = match.lines
    changed = "\n".join(lines) + ("\n" if lines and (text.endswith("\n") or not text) else "")
    result = changed.replace("\n", "\r\n") if crlf else changed
    if result == text:
        raise EditRejected("The edits change nothing: SEARCH and REPLACE say the same.")
    if language == "python" and parses(text):
        _check_parses(result)
    return result


# Reading edits


def _next(lines: Sequence[str], at: int, pattern: re.Pattern[str]) -> int:
    return next((i for i in range(at + 1, len(lines)) if pattern.match(lines[i])), len(lines))


def _check_block(block: Sequence[str], number: int, *, found: bool) -> None:
    dividers = sum(bool(_DIVIDER.match(line)) for line in block)
    if not found or any(_SEARCH.match(line) for line in block):
        raise EditRejected(f"Edit {number} is not complete. {_FORMAT}")
    if dividers > 1:
        raise EditRejected(f"Edit {number} has {dividers} lines of `=======`; one must part SEARCH from REPLACE.")


def _edit(search: Sequence[str], replace: Sequence[str]) -> Edit:
    search, replace = _without_fence(search), _without_fence(replace)
    for tag in (_LINE_TAG, _LINE_NUMBER):
        if _is_tagged(search, tag):
            search = [tag.sub("", line) for line in search]
            replace = [tag.sub("", line) for line in replace]
            break
    return Edit(*("".join(line + "\n" for line in part) for part in (search, replace)))


def _without_fence(lines: Sequence[str]) -> Sequence[str]:
    fenced = len(lines) >= 2 and is_fence(lines[0]) and is_fence(lines[-1])
    return lines[1:-1] if fenced else lines


def _is_tagged(lines: Sequence[str], tag: re.Pattern[str]) -> bool:
    """Every line carries its number, one after the other: copied from a listing, not part of the code."""
    numbers = [tag.match(line) for line in lines if line.strip()]
    found = [int(match[1]) for match in numbers if match]
    return bool(found) and len(found) == len(numbers) and found == [*range(found[0], found[0] + len(found))]


# Finding the place


def _match(lines: Sequence[str], edit: Edit, number: int) -> _Match:
    search, replace = _lines(edit.search), _lines(edit.replace)
    if not any(line.strip() for line in search):
        if any(line.strip() for line in lines):
            raise EditRejected(f"Edit {number} searches for nothing; name the lines it should replace.")
        return _Match(0, len(lines), tuple(replace))
    for matcher in _LADDER:
        found = matcher(lines, search, replace)
        if len(found) > 1:
            places = ", ".join(str(match.start + 1) for match in found[:8])
            raise EditRejected(
                f"Edit {number} fits {len(found)} places (lines {places}); "
                f"add neighbouring lines to its SEARCH.\n{_listing(search)}"
            )
        if found:
            return found[0]
    raise EditRejected(f"Edit {number} fits nowhere.\n{_listing(search)}\n{_nearest(lines, search)}")


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else lines


def _exact(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> list[_Match]:
    size = len(search)
    return [_Match(i, i + size, tuple(replace)) for i in _windows(lines, size) if [*lines[i : i + size]] == [*search]]


def _trailing_space(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> list[_Match]:
    """Ignores space at line ends and blank lines around the searched ones."""
    search, replace = _without_blank_edges(search, replace)
    return _exact([line.rstrip() for line in lines], [line.rstrip() for line in search], replace)


def _shifted(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> list[_Match]:
    """The same lines, all indented by the same amount more or less."""
    search, replace = _without_blank_edges(search, replace)
    wanted = _dedented(search)
    found = [i for i in _windows(lines, len(search)) if _dedented(lines[i : i + len(search)]) == wanted]
    return [_Match(i, i + len(search), _moved(replace, search[0], lines[i])) for i in found]


def _similar(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> list[_Match]:
    """The block most like the searched one, if its first and last line agree and it clearly stands out."""
    search, replace = _without_blank_edges(search, replace)
    if len(search) < 3:
        return []
    sizes = [size for size in range(len(search) - 2, len(search) + 3) if size >= 3]
    spans = [(i, i + size) for size in sizes for i in _windows(lines, size) if _anchored(lines, i, i + size, search)]
    ranked = sorted(((_likeness(lines[a:b], search), a, b) for a, b in spans), reverse=True)
    if not ranked or ranked[0][0] < SIMILAR:
        return []
    near = sorted((a, b) for likeness, a, b in ranked if likeness > ranked[0][0] - MARGIN)
    return [_Match(a, b, _moved(replace, search[0], lines[a])) for a, b in near]


_LADDER: tuple[Matcher, ...] = (_exact, _trailing_space, _shifted, _similar)


def _windows(lines: Sequence[str], size: int) -> range:
    return range(len(lines) - size + 1)


def _without_blank_edges(search: Sequence[str], replace: Sequence[str]) -> tuple[list[str], list[str]]:
    """Blank lines at the edges of the search go, and as many at the same edge of the replacement."""
    search, replace = [*search], [*replace]
    for edge in (0, -1):
        while search and not search[edge].strip():
            search.pop(edge)
            if replace and not replace[edge].strip():
                replace.pop(edge)
    return search, replace


def _dedented(lines: Sequence[str]) -> str:
    return textwrap.dedent("\n".join(line.rstrip() for line in lines))


def _moved(replace: Sequence[str], searched: str, found: str) -> tuple[str, ...]:
    """The replacement, indented as the found line is where the model's was not."""
    old, new = _indent(searched), _indent(found)
    return tuple(_reindented(line, old, new) if line.strip() else line for line in replace)


def _reindented(line: str, old: str, new: str) -> str:
    if line.startswith(old):
        return new + line.removeprefix(old)
    if new.endswith(old):  # this line stands left of the first one, and moves right as far as that does
        return new.removesuffix(old) + line
    return line.removeprefix(old.removesuffix(new))


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _anchored(lines: Sequence[str], start: int, end: int, search: Sequence[str]) -> bool:
    return lines[start].strip() == search[0].strip() and lines[end - 1].strip() == search[-1].strip()


def _likeness(lines: Sequence[str], search: Sequence[str]) -> float:
    mine, theirs = ("\n".join(line.strip() for line in part) for part in (lines, search))
    return difflib.SequenceMatcher(None, mine, theirs, autojunk=False).ratio()


# Telling the model


def _nearest(lines: Sequence[str], search: Sequence[str]) -> str:
    """The region most like the search, numbered; a count of shared lines picks the few worth comparing."""
    size = min(len(search), len(lines))
    wanted = Counter(line.strip() for line in search if line.strip())
    shared = [(sum((wanted & Counter(map(str.strip, lines[i : i + size]))).values()), i) for i in _windows(lines, size)]
    few = sorted(shared, key=lambda pair: (-pair[0], pair[1]))[:200]
    likeness, start = max((_likeness(lines[i : i + size], search), -i) for _, i in few)
    if likeness < SHOWN:
        return "Nothing in the file is like it."
    begin, end = max(0, -start - 2), min(len(lines), -start + size + 2)
    region = "\n".join(f"{i + 1:>4}| {lines[i]}" for i in range(begin, min(end, begin + 24)))
    return f"The nearest lines of the file are:\n{region}"


def _listing(search: Sequence[str]) -> str:
    shown = "\n".join(search[:8])
    return f"Its SEARCH was:\n{shown}" + ("\n..." if len(search) > 8 else "")


def _check_parses(text: str) -> None:
    try:
        tree = parse(text)
    except SyntaxError as error:
        lines = text.split("\n")
        at = min(max(error.lineno or 1, 1), len(lines))
        region = "\n".join(f"{i:>4}| {lines[i - 1]}" for i in range(max(1, at - 3), min(len(lines), at + 2) + 1))
        raise EditRejected(f"After the edits the file does not parse: {error.msg} at line {at}.\n{region}") from error
    if too_deep(tree):
        raise EditRejected("After the edits the file is nested far too deeply.")
