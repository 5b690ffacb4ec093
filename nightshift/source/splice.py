"""One file from the best functions and methods of two candidates.

The base keeps its module-level code, its order and, outside the units taken from the donor, every byte. What a
unit needs and the base lacks comes along: imports, constants, helpers, members of its class. What cannot be
taken cleanly is refused. Whether the mixture is any good only its tests can tell: two classes that keep their
state differently mix without a refusal.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import takewhile, zip_longest

from nightshift.source.mentions import is_main_guard
from nightshift.source.needs import used_too_early
from nightshift.source.splice_needs import Item, Luggage, Module, SpliceRefused, luggage, same_meaning
from nightshift.source.syntax import is_docstring, parse
from nightshift.source.units import (
    Change,
    Definition,
    Unit,
    above_comments,
    body_indent,
    changed,
    ended,
    indent_of,
    is_private,
    lines_of,
    newline_of,
    units,
)

__all__ = ["SpliceRefused", "Unit", "differing", "spliced", "units"]


def differing(base: str, donor: str) -> tuple[str, ...]:
    """Units worth taking from the donor: those that differ in meaning, then those that only the donor has.

    A class itself is among them where more than its methods differs. Of the private units that only the donor
    has, those another one mentions. Nothing when one of the two does not parse.
    """
    try:
        mine, theirs = Module.of(base, "base"), Module.of(donor, "donor")
    except SpliceRefused:
        return ()
    both = [unit for name, unit in theirs.units.items() if name in mine.units]
    other = [unit for unit in both if _differs(mine, mine.units[unit.name], theirs, unit)]
    lacked = [unit for unit in theirs.units.values() if unit.owner in mine.scopes and _is_free(mine, unit)]
    known = other + [unit for unit in lacked if not is_private(unit.name)]
    for _ in lacked:
        known += [unit for unit in lacked if unit not in known and any(_mentions(user, unit) for user in known)]
    return tuple(unit.name for unit in known)


def spliced(base: str, donor: str, names: Collection[str]) -> str:
    """The base with these units of the donor, and with what they need. Raises SpliceRefused."""
    if not names:
        return base
    mine, theirs = Module.of(base, "base"), Module.of(donor, "donor")
    taken = _taken(mine, theirs, names)
    found = luggage(mine, theirs, taken)
    known = used_too_early(mine.tree)
    for at in (_first_touched(mine, taken, found), _end(mine)):
        text = changed(mine.lines, [*_changes(mine, theirs, taken, found, at)])
        early = sorted(used_too_early(_parsed(text)) - known)
        if not early:
            return text
    raise SpliceRefused(f"{early[0]} would be used before it is defined.")


# What to take


def _differs(mine: Module, one: Unit, theirs: Module, two: Unit) -> bool:
    if one.is_class != two.is_class:
        return False
    codes = [
        module.code(unit) if not unit.is_class else _frame(module, unit)
        for module, unit in ((mine, one), (theirs, two))
    ]
    return not same_meaning(*codes)


def _frame(module: Module, unit: Unit) -> str:
    """A class without its units: header, fields, constants."""
    inner = [other for other in module.units.values() if other.owner == unit.name]
    without = {line for other in inner for line in range(other.first, other.last + 1)}
    kept = [line for number, line in enumerate(lines_of(module.lines, unit, ""), unit.first) if number not in without]
    node = unit.nodes[0]
    indent = body_indent(module.lines, node) if isinstance(node, ast.ClassDef) else None
    filler = "" if indent is None else indent.removeprefix(indent_of(module.lines[unit.first - 1])) + "pass\n"
    return "".join(ended(kept, "\n")) + filler


def _is_free(module: Module, unit: Unit) -> bool:
    return unit.short not in module.scopes[unit.owner]


def _mentions(unit: Unit, other: Unit) -> bool:
    inside = [inner for node in unit.nodes for inner in ast.walk(node)]
    names = {inner.id for inner in inside if isinstance(inner, ast.Name)}
    return other.short in names | {inner.attr for inner in inside if isinstance(inner, ast.Attribute)}


def _taken(mine: Module, theirs: Module, names: Collection[str]) -> dict[str, Unit]:
    """The units named, in the donor's order; those inside a class that is named come with it."""
    if unknown := sorted({*names} - {*theirs.units}):
        raise SpliceRefused(f"The donor has no unit {unknown[0]}.")
    taken = {name: unit for name, unit in theirs.units.items() if name in names and not _inside(name, names)}
    for name, unit in taken.items():
        if unit.owner not in mine.scopes:
            raise SpliceRefused(f"The base has no class {unit.owner}.", [unit.owner])
        if name not in mine.units and not _is_free(mine, unit):
            raise SpliceRefused(f"In the base {name} is not one definition in one place.")
        if name in mine.units and mine.units[name].is_class != unit.is_class:
            raise SpliceRefused(f"{name} is a class in one file and a function in the other.")
    return taken


def _inside(name: str, names: Collection[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:i]) in names for i in range(1, len(parts)))


# Where it goes


def _first_touched(mine: Module, taken: Mapping[str, Unit], found: Luggage) -> int:
    """The line of the first definition of the module that changes."""
    names = {*taken, *(item.owner for item in found.items)}
    tops = [mine.units[top] for name in names if (top := name.partition(".")[0]) in mine.units]
    return min((above_comments(mine.lines, unit.first - 1) for unit in tops), default=_end(mine))


def _end(mine: Module) -> int:
    guards = [node for node in mine.tree.body if isinstance(node, ast.If) and is_main_guard(node.test)]
    return above_comments(mine.lines, guards[0].lineno - 1) if guards else len(mine.lines)


def _changes(mine: Module, theirs: Module, taken: Mapping[str, Unit], found: Luggage, at: int) -> Iterator[Change]:
    """Of insertions at one line, the first comes first: the end of a class before what follows the class."""
    yield from _imports(mine, found)
    for owner in sorted({item.owner for item in found.items}, key=lambda owner: (not owner, -owner.count("."), owner)):
        items = [item for item in found.items if item.owner == owner]
        if items:
            yield _added(mine, theirs, items, _place_in(mine, owner, taken) if owner else at)
    for name, unit in taken.items():
        if name in mine.units:
            old = mine.units[name]
            own = lines_of(theirs.lines, unit, indent_of(mine.lines[old.first - 1]))
            yield Change(old.first - 1, old.last, ended(own, newline_of(mine.lines)))


def _imports(mine: Module, found: Luggage) -> Iterator[Change]:
    """Behind the docstring and the first imports, or else below the comments at the top."""
    head = [
        *takewhile(lambda node: is_docstring(node) or isinstance(node, ast.Import | ast.ImportFrom), mine.tree.body)
    ]
    comments = [*takewhile(lambda line: line.startswith("#"), mine.lines)]
    last = head[-1].end_lineno or 0 if head else len(comments)
    newline = newline_of(mine.lines)
    if found.late_annotations:
        first = (head[0].end_lineno or 0) if head and is_docstring(head[0]) else len(comments)
        yield Change(first, first, ended(["from __future__ import annotations"], newline))
    if found.imports:
        only_docstring = len(head) == 1 and is_docstring(head[0])
        lines = [*([""] if only_docstring else []), *found.imports, *([] if head else ["", ""])]
        yield Change(last, last, ended(lines, newline))


def _place_in(mine: Module, owner: str, taken: Mapping[str, Unit]) -> int:
    """Before the first method that changes, or else at the end of the class."""
    firsts = [mine.units[name].first - 1 for name, unit in taken.items() if unit.owner == owner and name in mine.units]
    return above_comments(mine.lines, min(firsts)) if firsts else mine.units[owner].last


def _added(mine: Module, theirs: Module, items: Sequence[Item], at: int) -> Change:
    owner = items[0].owner
    node = mine.units[owner].nodes[0] if owner else None
    indent = body_indent(mine.lines, node) if isinstance(node, ast.ClassDef) else ""
    if indent is None:
        raise SpliceRefused(f"The class {owner} of the base stands on one line.", [owner])
    gap = [""] * (1 if owner else 2)
    lines: list[str] = []
    for item, following in zip_longest(items, items[1:]):
        apart = following is None or any(isinstance(one.nodes[0], Definition) for one in (item, following))
        lines += [*theirs.item(item, indent), *(gap if apart else [])]
    if at == (mine.units[owner].last if owner else len(mine.lines)):
        lines = [*gap, *lines[: -len(gap)]]
    return Change(at, at, ended(lines, newline_of(mine.lines)))


def _parsed(text: str) -> ast.Module:
    try:
        return parse(text)
    except SyntaxError as error:
        raise SpliceRefused(f"The mixture does not parse: {error.msg} at line {error.lineno}.") from error
