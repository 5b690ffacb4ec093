"""The edits in a model's reply: blocks of search and replace, or else whole definitions in fenced blocks.

A reply that holds both is read for its search/replace blocks alone: the rest illustrates them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from nightshift.errors import EditRejected
from nightshift.source.blocks import Block, after_thinking, clean, fenced, is_fence
from nightshift.source.syntax import parse, parse_or_none
from nightshift.source.units import Definition, first_line, moved, split_lines

FORMAT = "Write each edit as\n<<<<<<< SEARCH\nlines as they are\n=======\nlines as they should be\n>>>>>>> REPLACE"
_SEARCH = re.compile(r"^\s*[<-]{5,9} ?SEARCH\b.*$", re.I)
_DIVIDER = re.compile(r"^\s*={5,9}\s*$")
_REPLACE = re.compile(r"^\s*[>+]{5,9} ?REPLACE\b.*$", re.I)
_PLAIN_DIVIDER = "======="
_LINE_TAG = re.compile(r"^\s*(\d+)(?::[0-9a-f]{2})?\| ?")
_LINE_NUMBER = re.compile(r"^\s*(\d+)\t")
_FILE_LINE = re.compile(
    r"^[\s#*`]*(?:file\s*:?\s*)?[`*]*([\w./-]*\w\.(?:py|md|txt|toml|json|html|css|js|cfg|ini|ya?ml))[`*:\s]*$", re.I
)
_PYTHON = re.compile(r"py(?:thon)?-?3?\b", re.I)


@dataclass(frozen=True, slots=True)
class Edit:
    """Both texts are whole lines; an empty replacement deletes."""

    search: str
    replace: str


@dataclass(frozen=True, slots=True)
class Definitions:
    """Whole functions, methods in their class, perhaps with imports: each takes the place of its namesake."""

    code: str


def parse_edits(reply: str, path: str = "") -> tuple[Edit | Definitions, ...]:
    """The edits of a reply. Raises EditRejected when there is none, one is malformed or is for another file.

    `path`, when known, is the one file that may be edited.
    """
    text = after_thinking(clean(reply))[0]
    edits = _search_replace(text.split("\n"), path) or _definitions(text, path)
    if not edits:
        raise EditRejected(f"The reply holds no edit. {FORMAT}")
    return tuple(dict.fromkeys(edits))


# Search and replace


def _search_replace(lines: Sequence[str], path: str) -> list[Edit | Definitions]:
    edits: list[Edit | Definitions] = []
    files: list[str] = []
    at = 0
    while at < len(lines):
        if _REPLACE.match(lines[at]):
            raise _incomplete(len(edits) or 1)
        if not _SEARCH.match(lines[at]):
            at += 1
            continue
        end = _next(lines, at, _REPLACE)
        divider = _divider(lines, at, end, len(edits) + 1)
        files.append(_file_above(lines[:at]))
        edits.append(_edit(lines[at + 1 : divider], lines[divider + 1 : end]))
        at = end + 1
    _check_files(files, path)
    return edits


def _next(lines: Sequence[str], at: int, pattern: re.Pattern[str]) -> int:
    return next((i for i in range(at + 1, len(lines)) if pattern.match(lines[i])), len(lines))


def _divider(lines: Sequence[str], start: int, end: int, number: int) -> int:
    """Where SEARCH ends. A heading of the text may be underlined like it: then the plainest line is meant."""
    found = [i for i in range(start + 1, end) if _DIVIDER.match(lines[i])]
    plain = [i for i in found if lines[i].rstrip() == _PLAIN_DIVIDER]
    if not found or end == len(lines) or any(_SEARCH.match(line) for line in lines[start + 1 : end]):
        raise _incomplete(number)
    if len(found) > 1 and len(plain) != 1:
        raise EditRejected(f"Edit {number} has {len(found)} lines of `=======`; one must part SEARCH from REPLACE.")
    return found[0] if len(found) == 1 else plain[0]


def _incomplete(number: int) -> EditRejected:
    return EditRejected(f"Edit {number} is not complete. {FORMAT}")


def _file_above(lines: Sequence[str]) -> str:
    """The file that the last line of text above a block names."""
    line = next((line for line in reversed(lines) if line.strip() and not is_fence(line)), "")
    named = _FILE_LINE.match(line)
    return named[1] if named else ""


def _check_files(files: Sequence[str], path: str) -> None:
    named = {PurePosixPath(file).parts for file in files if file}
    foreign = [parts for parts in named if path and PurePosixPath(path).parts[-len(parts) :] != parts]
    if foreign:
        raise EditRejected(f"An edit is for {'/'.join(min(foreign))}; only {path} can be edited here.")
    if len(named) > 1 and not path:
        raise EditRejected(f"The edits are for several files: {', '.join(sorted(map('/'.join, named)))}.")


def _edit(search: Sequence[str], replace: Sequence[str]) -> Edit:
    if _is_fenced(search) and (_is_fenced(replace) or not replace):
        search, replace = search[1:-1], replace[1:-1]
    for tag in (_LINE_TAG, _LINE_NUMBER):
        if _is_tagged(search, tag):
            search = [tag.sub("", line) for line in search]
            replace = [tag.sub("", line) for line in replace]
            break
    return Edit(*("".join(line + "\n" for line in part) for part in (search, replace)))


def _is_fenced(lines: Sequence[str]) -> bool:
    return len(lines) >= 2 and is_fence(lines[0]) and is_fence(lines[-1])


def _is_tagged(lines: Sequence[str], tag: re.Pattern[str]) -> bool:
    """Every line carries its number, one after the other: copied from a listing, not part of the code."""
    numbers = [tag.match(line) for line in lines if line.strip()]
    found = [int(match[1]) for match in numbers if match]
    return bool(found) and len(found) == len(numbers) and found == [*range(found[0], found[0] + len(found))]


# Whole definitions


def _definitions(text: str, path: str) -> list[Edit | Definitions]:
    blocks = fenced(text, lambda code: bool(_unindented(code))) or [Block(text)]
    found: list[Edit | Definitions] = []
    files: list[str] = []
    for block in blocks:
        named = re.split(r"[\s:=]", block.info)[-1]
        python = not block.info or bool(_PYTHON.match(block.info)) or named.endswith(".py")
        code = _unindented(block.text) if python else ""
        if code:
            found.append(Definitions(code))
            files.append(_file_above([named]) or _file_above([block.before]))
        elif python and block.info:
            _check_block(block)
    _check_files(files, path)
    return found


def _check_block(block: Block) -> None:
    """A block that says it is Python, but is none, was meant: nothing of the reply is used."""
    try:
        parse(block.text)
    except SyntaxError as error:
        where = f"line {error.lineno} of it" if block.closed else "its end, which is missing"
        raise EditRejected(f"A block of the reply does not parse: {error.msg} at {where}.") from error


def _unindented(code: str) -> str:
    """Python with a definition in it, moved to the left; else nothing."""
    for opening in ("", "if 1:\n"):
        tree = parse_or_none(opening + code)
        if tree is None:
            continue
        body = tree.body[0].body if opening and isinstance(tree.body[0], ast.If) else tree.body
        if any(isinstance(node, Definition) for node in body):
            return code if not opening else "".join(_to_the_left(split_lines(opening + code), body))
    return ""


def _to_the_left(lines: Sequence[str], body: Sequence[ast.stmt]) -> Iterator[str]:
    for node in body:
        first, last = first_line(node), node.end_lineno or node.lineno
        yield from moved(lines[first - 1 : last], [node], first, "")
        yield "\n"
