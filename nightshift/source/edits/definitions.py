"""Whole definitions put in the place of their namesakes: `def f` for f, `class C` with some methods for these.

It is a splice whose donor is the reply, and refuses what a splice refuses. A name that the file lacks comes only
with something that uses it; one that may mean two things is refused.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Mapping, Sequence
from itertools import combinations

from nightshift.errors import EditRejected
from nightshift.source.edits.reading import Definitions
from nightshift.source.needs import binding
from nightshift.source.splice import SpliceRefused, spliced
from nightshift.source.syntax import DefNode, dotted, is_docstring, parse, parses, without_docstring
from nightshift.source.units import Definition, Unit, ended, first_line, lines_of, moved, split_lines, units


def replaced(text: str, edits: Sequence[Definitions]) -> str:
    """The text with every definition in its place. Raises EditRejected."""
    if not parses(text):
        raise EditRejected("The file does not parse, so whole functions cannot be placed; use SEARCH and REPLACE.")
    donors = [_in_classes(edit.code, text) for edit in edits]
    names = [_taken(text, donor) for donor in donors]
    _check_once([name for found in names for name in found])
    _check_known(text, donors, names)
    result = text
    for donor, found in zip(donors, names, strict=True):
        try:
            result = spliced(result, donor, found)
        except SpliceRefused as refused:
            raise EditRejected(f"{', '.join(found)} cannot take the place of the old: {refused}") from refused
        _check_all_used(text, donor, result)
    return result


# Methods without their class


def _in_classes(code: str, text: str) -> str:
    """The definitions, with methods that stand alone put into the class that they can only belong to."""
    mine, lines = units(text), split_lines(code if code.endswith("\n") else code + "\n")
    body = parse(code).body
    owners = {node: owner for node in body if isinstance(node, DefNode) and (owner := _owner(node, body, mine))}
    wrapped: dict[str, list[str]] = {}
    kept: list[str] = []
    for node in body:
        first, last = first_line(node), node.end_lineno or node.lineno
        owner = owners.get(node, "") if isinstance(node, DefNode) else ""
        indent = "    " * len(owner.split(".")) if owner else ""
        target = wrapped.setdefault(owner, []) if owner else kept
        target += moved(lines[first - 1 : last], [node], first, indent)
    for owner, methods in wrapped.items():
        kept += [f"{'    ' * depth}class {name}:\n" for depth, name in enumerate(owner.split("."))] + methods
    return "".join(kept) if wrapped else code


def _owner(node: DefNode, body: Sequence[ast.stmt], mine: Mapping[str, Unit]) -> str:
    if not _is_method(node):
        return ""
    owners = _owners(node, mine)
    if not owners and node.name not in mine:  # new: it goes where the others of its block go
        owners = {owner for other in body if isinstance(other, DefNode) for owner in _owners(other, mine)}
        owners = owners or {unit.name for unit in mine.values() if unit.is_class}
    if len(owners) + (node.name in mine) != 1:
        raise EditRejected(f"Which {node.name} is meant? Write the method inside its `class Name:`.")
    return next(iter(owners), "")


def _owners(node: DefNode, mine: Mapping[str, Unit]) -> set[str]:
    return {unit.owner for unit in mine.values() if unit.short == node.name and unit.owner and not unit.is_class}


def _is_method(node: DefNode) -> bool:
    first = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args][:1]]
    bound = {dotted(decorator) for decorator in node.decorator_list} & {"staticmethod", "classmethod", "property"}
    return first in (["self"], ["cls"]) or bool(bound)


# What takes the place of what


def _taken(text: str, donor: str) -> list[str]:
    """The units of a block that differ from the file's, each to take the place of its namesake."""
    mine, theirs, tree = units(text), units(donor), parse(donor)
    for node in tree.body:
        if isinstance(node, Definition) and node.name not in theirs:
            raise EditRejected(f"{node.name} is defined twice in one block; give it once.")
    names = [name for name, unit in theirs.items() if not unit.owner for name in _names(unit, mine, theirs)]
    old, new = split_lines(text), split_lines(donor)
    changed = [n for n in names if n not in mine or _code(old, mine[n]) != _code(new, theirs[n])]
    for name in changed:
        if name in mine and _is_empty(theirs[name]) and not _is_empty(mine[name]):
            raise EditRejected(f"{name} has no body in the reply; give the whole of it, or leave it out.")
    return changed


def _names(unit: Unit, mine: Mapping[str, Unit], theirs: Mapping[str, Unit]) -> list[str]:
    """A function as it is; of a class its methods, or all of it where it is given whole."""
    one, two = (units[unit.name].nodes[0] if unit.name in units else None for units in (mine, theirs))
    if not isinstance(one, ast.ClassDef) or not isinstance(two, ast.ClassDef):
        return [unit.name]
    inner = [other for other in theirs.values() if other.owner == unit.name]
    if _frame(two) <= _frame(one) and (_header(two) in (_header(one), ([], []))):
        return [name for other in inner for name in _names(other, mine, theirs)]
    lost = {other.name for other in mine.values() if other.owner == unit.name} - {other.name for other in inner}
    if lost or _header(one) != _header(two):
        raise EditRejected(
            f"class {unit.name} differs in more than its methods. Give only the methods that change,"
            " or all of the class with its bases and decorators, or change the other lines by SEARCH and REPLACE."
        )
    return [unit.name]


def _frame(node: ast.ClassDef) -> set[str]:
    """The statements of a class that are no definitions."""
    return {ast.dump(s) for s in without_docstring(node.body) if not isinstance(s, Definition) and not _is_filler(s)}


def _header(node: ast.ClassDef) -> tuple[list[str], list[str]]:
    return [ast.dump(part) for part in (*node.bases, *node.keywords)], [ast.dump(d) for d in node.decorator_list]


def _is_filler(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _is_empty(unit: Unit) -> bool:
    return not unit.is_class and all(map(_is_filler, unit.nodes[-1].body))


def _code(lines: Sequence[str], unit: Unit) -> list[str]:
    return ended(lines_of(lines, unit, ""), "\n")


# What is refused


def _check_once(names: Sequence[str]) -> None:
    for one, two in combinations(names, 2):
        if one == two or two.startswith(f"{one}.") or one.startswith(f"{two}."):
            raise EditRejected(f"{two} is given twice in the reply; give it once, as it should be.")


def _check_known(text: str, donors: Sequence[str], names: Sequence[Sequence[str]]) -> None:
    """A new name must be used by something of the reply: else it is a slip of the pen."""
    mine = units(text)
    codes = {
        name: _code(split_lines(d), units(d)[name]) for d, found in zip(donors, names, strict=True) for name in found
    }
    for name in codes.keys() - mine.keys():
        short = name.rpartition(".")[2]
        others = "".join("".join(code) for other, code in codes.items() if other != name)
        if not re.search(rf"\b{short}\b", others) and not (short.startswith("__") and "." in name):
            near = difflib.get_close_matches(name, mine) or [*mine][:20]
            raise EditRejected(f"The file has no {name} to replace. It has {', '.join(near)}.")


def _check_all_used(before: str, donor: str, result: str) -> None:
    """Statements beside the definitions are those of the file, or constants that came along: else one would be lost."""
    had, bound = ({ast.dump(node) for node in parse(before).body}, binding(parse(result).body))
    for node in parse(donor).body:
        if isinstance(node, Definition | ast.Import | ast.ImportFrom) or is_docstring(node) or ast.dump(node) in had:
            continue
        names = binding([node])
        if not names or names.keys() & binding(parse(before).body).keys() or names.keys() - bound.keys():
            line = ast.unparse(node).partition("\n")[0]
            raise EditRejected(f"`{line}` is no function; change such lines by SEARCH and REPLACE.")
