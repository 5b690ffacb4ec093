"""Finding the lines that an edit searches for.

A ladder of matchers, strictest first. The first rung that finds its lines decides, and one that finds them more
than once refuses: a wrong place is worse than no edit. Lines are matched whole, and no line loses its
indentation on the way.
"""

from __future__ import annotations

import difflib
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence

from nightshift.errors import EditRejected
from nightshift.source.edits.reading import Edit
from nightshift.source.units import Change

SIMILAR = 0.85
"""Least likeness of a block that is not quite the searched one."""
MARGIN = 0.1
"""By how much it must beat every other block."""
SHOWN = 0.34
"""Least likeness of a region worth showing to the model."""

Matcher = Callable[[Sequence[str], Sequence[str], Sequence[str]], list[Change]]
"""(lines of the file, searched lines, replacing lines) -> every place that fits."""


def place_of(lines: Sequence[str], edit: Edit, number: int) -> Change:
    search, replace = plain_lines(edit.search), plain_lines(edit.replace)
    if not any(line.strip() for line in search):
        if any(line.strip() for line in lines):
            raise EditRejected(f"Edit {number} searches for nothing; name the lines it should replace.")
        return Change(0, len(lines), tuple(replace))
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


def plain_lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else lines


def _exact(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> list[Change]:
    size = len(search)
    return [Change(i, i + size, tuple(replace)) for i in _windows(lines, size) if [*lines[i : i + size]] == [*search]]


def _trailing_space(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> list[Change]:
    """Ignores space at line ends and blank lines around the searched ones."""
    search, replace = _without_blank_edges(search, replace)
    return _exact([line.rstrip() for line in lines], [line.rstrip() for line in search], replace)


def _shifted(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> list[Change]:
    """The same lines, all indented by the same amount more or less."""
    search, replace = _without_blank_edges(search, replace)
    wanted = _dedented(search)
    found = [i for i in _windows(lines, len(search)) if _dedented(lines[i : i + len(search)]) == wanted]
    return [Change(i, i + len(search), _moved(replace, search[0], lines[i])) for i in found]


def _in_tabs(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> list[Change]:
    """The same lines, with spaces for the tabs of the file."""
    search, replace = _without_blank_edges(search, replace)
    indents = [_indent(line) for line in (*search, *replace) if line.strip()]
    step = math.gcd(*map(len, indents))
    if not step or any("\t" in indent for indent in indents) or not any(line.startswith("\t") for line in lines):
        return []
    tabs = [[_tabbed(line, step) for line in part] for part in (search, replace)]
    return _shifted(lines, *tabs)


def _tabbed(line: str, step: int) -> str:
    return "\t" * (len(_indent(line)) // step) + line.lstrip(" ")


def _similar(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> list[Change]:
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
    merged = [(a, b, _merged(lines[a:b], search, replace)) for a, b in near]
    return [Change(a, b, after or ()) for a, b, after in merged if after is not None or len(merged) > 1]


def _merged(found: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> tuple[str, ...] | None:
    """The found lines with what the edit changes, and nothing else: a line it misquotes in passing stays.

    None when a changed part is not as long in the file as in the search: the edit would take lines it never saw.
    """
    plain = [[line.strip() for line in part] for part in (found, search)]
    where = {b + i: a + i for a, b, size in _matcher(*plain).get_matching_blocks() for i in range(size)}
    if len(found) == len(search) and all(i == j for i, j in where.items()):
        where = {i: i for i in range(len(found))}
    where |= {-1: -1, len(search): len(found)}
    result, moved = [*found], _moved(replace, search[0], found[0])
    for tag, i, j, k, m in reversed(_matcher(search, replace).get_opcodes()):
        if tag == "equal":
            continue
        start, end = where.get(i - 1), where.get(j)
        if start is None or end is None or end - start - 1 != j - i:
            return None
        result[start + 1 : end] = moved[k:m]
    return tuple(result)


def _matcher(one: Sequence[str], two: Sequence[str]) -> difflib.SequenceMatcher[str]:
    return difflib.SequenceMatcher(None, one, two, autojunk=False)


_LADDER: tuple[Matcher, ...] = (_exact, _trailing_space, _in_tabs, _shifted, _similar)


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
