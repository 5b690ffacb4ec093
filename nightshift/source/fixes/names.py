"""Names that nothing binds and that are no import: misspelt, used without `self.`, or used before they exist."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator, Sequence

from nightshift.source.fixes.classes import attributes_in, enclosing_method, receiver
from nightshift.source.fixes.closeness import close_match
from nightshift.source.fixes.reading import Change, Load, Source
from nightshift.source.fixes.statements import added
from nightshift.source.syntax import DefNode


def attribute_without_self(source: Source) -> Iterator[Change]:
    """`total` in a method whose class has a `total` of its own."""
    for name, loads in source.unresolved.items():
        owners = {load: owner for load in loads if (owner := _owner(load, source))}
        if len(owners) == len(loads):
            edits = tuple(source.renamed(load.node, name, f"{owner}.{name}") for load, owner in owners.items())
            yield Change("missing-self", f"{edits[0].new} for {name}", name, edits)


def misspelt_name(source: Source) -> Iterator[Change]:
    """One name in scope is close to the one that nothing binds."""
    for name, loads in source.unresolved.items():
        meant = {_meant(load, source) for load in loads}
        one = meant.pop() if len(meant) == 1 else None
        if one:
            edits = tuple(source.renamed(load.node, name, one) for load in loads)
            yield Change("misspelt-name", f"{name} is {one}", name, edits)


def annotation_before_definition(source: Source) -> Iterator[Change]:
    """`def next(self) -> Node` inside of class Node runs before there is a Node."""
    statement = "from __future__ import annotations"
    has_it = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in source.tree.body)
    classes = {node.name for node in source.tree.body if isinstance(node, ast.ClassDef)}
    for found, _ in [] if has_it or sys.version_info >= (3, 14) else source.said(r"name '(\w+)' is not defined"):
        if found[1] in classes & _annotated(source.nodes):
            edit = added(source, statement, first=True)
            yield Change("late-annotations", f"added `{statement}`", found[1], (edit,))


def _owner(load: Load, source: Source) -> str | None:
    """`self`, where it sees the name."""
    method = enclosing_method(source, load.node)
    if method is None:
        return None
    me = receiver(method[1])
    return me if me and me in load.visible and load.node.id in attributes_in(method[0], source) else None


def _meant(load: Load, source: Source) -> str | None:
    in_scope = load.visible | source.bound
    return close_match(load.node.id, in_scope) or close_match(load.node.id, _ordinary_builtins())


def _ordinary_builtins() -> list[str]:
    return [name for name in dir(builtins) if not name.startswith("_")]


def _annotated(nodes: Sequence[ast.AST]) -> set[str]:
    """Names in annotations."""
    found = [node.annotation for node in nodes if isinstance(node, ast.arg | ast.AnnAssign)]
    found += [node.returns for node in nodes if isinstance(node, DefNode)]
    inner = (name for annotation in found if annotation for name in ast.walk(annotation))
    return {name.id for name in inner if isinstance(name, ast.Name)}
