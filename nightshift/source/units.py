"""The functions, methods and classes of a module by qualified name, and their exact text.

A unit is all that its name stands for in its scope: a property with its setter, overloads with what implements
them. What is defined under `if` or `try`, or in two places, is module-level code and no unit.
"""

from __future__ import annotations

import ast
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from nightshift.source.renaming import bound_names
from nightshift.source.syntax import DefNode, parse_or_none, too_deep

Definition = DefNode | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Unit:
    name: str
    """Qualified: `Class.method`."""
    first: int
    """Its first line, decorators included, counted from one."""
    last: int
    nodes: tuple[Definition, ...] = field(repr=False, compare=False)
    """Its definitions; a class has one."""

    @property
    def owner(self) -> str:
        """The class it stands in; empty for the module."""
        return self.name.rpartition(".")[0]

    @property
    def short(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def is_class(self) -> bool:
        return isinstance(self.nodes[0], ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Change:
    """Lines [start, end) of a text, counted from zero, and what takes their place."""

    start: int
    end: int
    lines: Sequence[str]


def units(text: str) -> Mapping[str, Unit]:
    """In the order of the text; none when it does not parse."""
    tree = parse_or_none(text)
    return {} if tree is None or too_deep(tree) else units_of(tree)


def units_of(tree: ast.Module) -> Mapping[str, Unit]:
    return {unit.name: unit for unit in _units(tree.body, "")}


def is_private(name: str) -> bool:
    """By its last part: `_x` and `__x`, but not `__x__`."""
    short = name.rpartition(".")[2]
    return short.startswith("_") and not short.endswith("__")


def split_lines(text: str) -> list[str]:
    """With their ends, and only where Python too begins a new line."""
    return io.StringIO(text, newline="").readlines()


def lines_of(lines: Sequence[str], unit: Unit, indent: str | None = None) -> list[str]:
    """The unit's own lines, moved to an indentation; what is inside of a string stays where it is."""
    own = lines[unit.first - 1 : unit.last]
    return moved(own, unit.nodes, unit.first, indent_of(own[0]) if indent is None else indent)


def moved(own: Sequence[str], nodes: Sequence[ast.stmt], first: int, indent: str) -> list[str]:
    old = indent_of(own[0])
    strings = (inner for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Constant | ast.JoinedStr))
    inside = {line for string in strings for line in range(string.lineno + 1, (string.end_lineno or 0) + 1)}
    return [
        indent + line.removeprefix(old) if line.startswith(old) and line.strip() and number not in inside else line
        for number, line in enumerate(own, first)
    ]


def indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t\f"))]


def first_line(node: ast.stmt) -> int:
    """Where a statement begins, decorators included."""
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def newline_of(lines: Sequence[str]) -> str:
    return "\r\n" if lines and lines[0].endswith("\r\n") else "\n"


def ended(lines: Iterable[str], newline: str) -> list[str]:
    """The lines, each with that end."""
    return [line.rstrip("\r\n") + newline for line in lines]


def changed(lines: Sequence[str], changes: Sequence[Change]) -> str:
    """The text with the changes made; of several at one line an insertion comes first, and the earlier of two."""
    result = [*lines]
    if result and changes and not result[-1].endswith(("\n", "\r")) and max(c.end for c in changes) == len(result):
        result[-1] += newline_of(lines)
    for change in sorted(changes, key=lambda change: (change.start, change.end))[::-1]:
        result[change.start : change.end] = change.lines
    return "".join(result)


def above_comments(lines: Sequence[str], start: int) -> int:
    """The line to insert something before what begins at `start`, and before the comments that belong to it."""
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return start


def body_indent(lines: Sequence[str], node: ast.ClassDef) -> str | None:
    """How the body of a class is indented; None when it stands on the line of its header."""
    line = lines[first_line(node.body[0]) - 1]
    return indent_of(line) if len(indent_of(line)) == node.body[0].col_offset else None


def _units(body: Sequence[ast.stmt], prefix: str) -> Iterator[Unit]:
    groups = [[*group] for _, group in groupby(body, key=_key)]
    places = Counter(name for group in groups for name in {n for node in group for n in bound_names(node)})
    for group in groups:
        nodes = [node for node in group if isinstance(node, Definition)]
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        if not nodes or places[nodes[0].name] > 1 or (classes and len(nodes) > 1):
            continue
        name = prefix + nodes[0].name
        yield Unit(name, first_line(nodes[0]), nodes[-1].end_lineno or nodes[-1].lineno, tuple(nodes))
        for node in classes:
            yield from _units(node.body, f"{name}.")


def _key(node: ast.stmt) -> object:
    """The same for neighbours that define one name."""
    return node.name if isinstance(node, Definition) else id(node)
