"""Text that does not parse for its layout: fences left inside, indentation that went astray.

Nothing is invented: a bracket or a body that is missing stays missing.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

from nightshift.errors import ReplyRejected
from nightshift.source.blocks import is_fence
from nightshift.source.replies import extract_code
from nightshift.source.syntax import parse, parse_or_none, parses

MAX_LINES = 60
"""Lines with wrong indentation that are put right in one text."""
_KEPT = 0.6
"""Least share of the lines that what a fence held must make up: less is another file, or half of this one."""

_STRINGS = re.compile(
    r"""(?P<quote>\"{3}|'{3})(?:\\.|(?!(?P=quote)).)*(?P=quote)|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\#[^\n]*""",
    re.S,
)


def without_fences(text: str) -> Iterator[tuple[str, str]]:
    """(what, new text) for a file with Markdown fences in it, or with words around them."""
    inside = _inside_strings(text)
    lines = text.split("\n")
    kept = [line for i, line in enumerate(lines) if i in inside or not is_fence(line)]
    if len(kept) < len(lines):
        yield f"{len(lines) - len(kept)} fence line(s) removed", "\n".join(kept)
        yield from _extracted(text)


def dedented(text: str) -> Iterator[tuple[str, str]]:
    """A file that is indented as a whole, its first line with it or not."""
    yield "the whole text was indented", textwrap.dedent(text)
    first, newline, rest = text.lstrip("\n").partition("\n")
    if not first.startswith((" ", "\t")):
        yield "all but the first line was indented", first + newline + textwrap.dedent(rest)


def one_kind_of_indentation(text: str) -> Iterator[tuple[str, str]]:
    """Tabs and spaces in one block: tabs become spaces, of the width that lets the text parse."""
    inside = _inside_strings(text)
    for width in (4, 8, 2):
        lines = [line if i in inside else _expanded(line, width) for i, line in enumerate(text.split("\n"))]
        yield f"tabs became {width} spaces", "\n".join(lines)


def aligned(text: str) -> Iterator[tuple[str, str]]:
    """Lines a space or two beside the level that was meant; one in the middle of two levels is left alone."""
    inside, lines = _inside_strings(text), text.split("\n")
    for count in range(MAX_LINES):
        wrong = _misplaced(lines)
        if wrong is None:
            yield f"{count} line(s) aligned", "\n".join(lines)
            return
        level = _level_meant(lines, wrong) if wrong not in inside else None
        if level is None:
            return
        lines[wrong] = " " * level + lines[wrong].lstrip(" ")


LAYOUT_FIXERS = (
    ("fence-debris", without_fences),
    ("indented-text", dedented),
    ("mixed-indentation", one_kind_of_indentation),
    ("misaligned-lines", aligned),
)


def layout_fixes(text: str) -> Iterator[tuple[str, str, str]]:
    """(name, what, new text) of each that makes the text parse."""
    if parses(text) or re.search(r"\r(?!\n)", text):  # a lone carriage return counts as a line here and not there
        return
    for name, fixer in LAYOUT_FIXERS:
        for what, new in fixer(text):
            if (tree := parse_or_none(new)) and any(not isinstance(node, ast.Expr) for node in tree.body):
                yield name, what, new
                break


def _extracted(text: str) -> Iterator[tuple[str, str]]:
    try:
        code = extract_code(text)
    except ReplyRejected:  # it has no file in it
        return
    if code.count("\n") >= _KEPT * len([line for line in text.split("\n") if line.strip()]):
        yield "only what the fence held is kept", code


def _inside_strings(text: str) -> set[int]:
    """Numbers, from 0, of the lines that begin inside a string."""
    found = [match for match in _STRINGS.finditer(text) if "\n" in match[0]]
    spans = ((text.count("\n", 0, match.start()), match[0].count("\n")) for match in found)
    return {line for start, count in spans for line in range(start + 1, start + count + 1)}


def _expanded(line: str, width: int) -> str:
    rest = line.lstrip(" \t")
    return line[: len(line) - len(rest)].expandtabs(width) + rest


def _misplaced(lines: list[str]) -> int | None:
    """The line, from 0, whose indentation Python rejects; -1 when the text is wrong in another way."""
    try:
        parse("\n".join(lines))
    except SyntaxError as error:
        is_indentation = "unindent does not match" in error.msg or "unexpected indent" in error.msg
        return (error.lineno or 0) - 1 if is_indentation else -1
    return None


def _level_meant(lines: list[str], wrong: int) -> int | None:
    if wrong < 0 or "\t" in lines[wrong]:
        return None
    own = _indent(lines[wrong])
    gaps = sorted((abs(own - level), level) for level in _levels(lines[:wrong]))
    near = [gap for gap in gaps if gap[0] <= 2]
    tied = len(near) > 1 and near[0][0] == near[1][0]
    return near[0][1] if near and not tied else None


def _levels(lines: list[str]) -> set[int]:
    """Indentations open at the end of the lines, the level a colon asks for too."""
    open_levels: list[int] = [0]
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            open_levels = [level for level in open_levels if level < _indent(line)] + [_indent(line)]
    last = next((line for line in reversed(lines) if line.strip()), "")
    return {*open_levels, *([_indent(last) + 4] if last.rstrip().endswith(":") else [])}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
