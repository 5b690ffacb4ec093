"""Functions and classes of delivered code, each a passage to be read by itself: with its imports and docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.knowledge.entries import MAX_TEXT, Lesson
from nightshift.source.syntax import DefNode, bound_name, parse_or_none, too_deep
from nightshift.source.units import Unit, is_private, lines_of, split_lines, units_of

MIN_LINES, MAX_LINES = 5, 80
_OMITTED = frozenset({"main", "__init__", "__repr__", "__str__"})


def snippets(path: str, text: str, *, run: str = "", project: str = "") -> tuple[Lesson, ...]:
    """Of one file; nothing for a file that does not parse."""
    tree = parse_or_none(text)
    if tree is None or too_deep(tree):
        return ()
    lines, imports = split_lines(text), _imports(tree)
    found = []
    for unit in _worth_keeping(tree):
        code = "".join(lines_of(lines, unit, "")).rstrip()
        needed = _needed(unit, imports)
        whole = f"{needed}\n\n\n{code}" if needed else code
        if len(whole) <= MAX_TEXT["snippet"]:
            found.append(Lesson(_trigger(unit), whole, run, "snippet", project))
    return tuple(found)


def _worth_keeping(tree: ast.Module) -> Iterator[Unit]:
    """Top-level functions and classes; of a class that is too long, its methods."""
    every = units_of(tree)
    long = {name for name, unit in every.items() if unit.is_class and _length(unit) > MAX_LINES}
    for unit in every.values():
        if unit.owner and unit.owner not in long:
            continue
        if MIN_LINES <= _length(unit) <= MAX_LINES and not is_private(unit.name) and unit.short not in _OMITTED:
            yield unit


def _length(unit: Unit) -> int:
    return unit.last - unit.first + 1


def _trigger(unit: Unit) -> str:
    """Its name, what it takes, and the first line of its docstring."""
    node = unit.nodes[-1]
    documented = (ast.get_docstring(node) or "").split("\n")[0]
    taken = [argument.arg for argument in node.args.args if argument.arg != "self"] if isinstance(node, DefNode) else []
    methods = [inner.name for inner in node.body if isinstance(inner, DefNode) and not is_private(inner.name)]
    return " ".join(filter(None, (unit.name, *taken, *(m for m in methods if m not in _OMITTED), documented)))


def _imports(tree: ast.Module) -> dict[str, str]:
    """Name -> the import that binds it."""
    bound: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            bound |= {bound_name(alias): ast.unparse(ast.Import([alias])) for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            one = ((alias, ast.ImportFrom(node.module, [alias], node.level)) for alias in node.names)
            bound |= {bound_name(alias): ast.unparse(statement) for alias, statement in one}
    return bound


def _needed(unit: Unit, imports: dict[str, str]) -> str:
    names = {inner.id for node in unit.nodes for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return "\n".join(dict.fromkeys(line for name, line in imports.items() if name in names))
