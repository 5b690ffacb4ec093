"""Edits from a model's reply, applied all or not at all; every refusal is written for the model to read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from nightshift.errors import EditRejected
from nightshift.source.edits.definitions import replaced
from nightshift.source.edits.ladder import place_of, plain_lines
from nightshift.source.edits.reading import Definitions, Edit, parse_edits
from nightshift.source.syntax import parse, parses, too_deep
from nightshift.source.units import Change

__all__ = ["Definitions", "Edit", "apply_edits", "parse_edits"]


def apply_edits(
    text: str, edits: Sequence[Edit | Definitions], *, language: Literal["python", "text"] = "python"
) -> str:
    """The text with every edit made. Raises EditRejected when one cannot be."""
    definitions = [edit for edit in edits if isinstance(edit, Definitions)]
    if definitions and language != "python":
        raise EditRejected("The file is not Python; edit it by SEARCH and REPLACE.")
    result = _searched(text, [edit for edit in edits if isinstance(edit, Edit)])
    result = replaced(result, definitions) if definitions else result
    if result == text:
        raise EditRejected("The edits change nothing: the lines are already so.")
    if language == "python" and parses(text):
        _check_parses(result)
    return result


def _searched(text: str, edits: Sequence[Edit]) -> str:
    crlf = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    lines = plain_lines(text.replace("\r\n", "\n") if crlf else text)
    places = sorted((place_of(lines, edit, i + 1) for i, edit in enumerate(edits)), key=lambda p: (p.start, p.end))
    _check_apart(places)
    for place in reversed(places):
        lines[place.start : place.end] = place.lines
    changed = "\n".join(lines) + ("\n" if lines and (text.endswith("\n") or not text) else "")
    return changed.replace("\n", "\r\n") if crlf else changed


def _check_apart(places: Sequence[Change]) -> None:
    for first, second in pairwise(places):
        if second.start < first.end:
            raise EditRejected(f"Two edits change line {second.start + 1}; join them into one.")


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
