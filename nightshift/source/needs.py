"""What a piece of Python needs from around it: names of its module, members of its class.

It reads; it knows neither what inherited members exist nor what `getattr` and `globals` reach.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightshift.source.renaming import bound_names
from nightshift.source.syntax import DefNode, dotted
from nightshift.source.units import Definition


@dataclass(frozen=True, slots=True)
class Needs:
    early: frozenset[str]
    """Names used where the piece is defined: decorators, defaults, annotations."""
    late: frozenset[str]
    """Names of the module used inside it."""


def needs(code: str) -> Needs:
    """Of a definition or statement without indentation. Raises SyntaxError for what cannot be compiled."""
    table = symtable.symtable(code, "piece", "exec")
    early = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    late = {symbol.get_name() for inner in _below(table) for symbol in inner.get_symbols() if symbol.is_global()}
    return Needs(frozenset(early), frozenset(late))


def binding(body: Sequence[ast.stmt]) -> Mapping[str, tuple[ast.stmt, ...]]:
    """Name -> the statements of one scope that bind it."""
    found: dict[str, tuple[ast.stmt, ...]] = {}
    for statement in body:
        for name in bound_names(statement):
            found[name] = (*found.get(name, ()), statement)
    return found


def members_used(node: ast.stmt, owner: str) -> Iterator[str]:
    """Attributes that a method reads of its own object or class, once for each use."""
    selves = {*_first_parameter(node), owner.rpartition(".")[2]} - {""}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Load) and dotted(inner.value) in selves:
            yield inner.attr


def members_set(node: ast.stmt) -> Iterator[str]:
    """Attributes that a method sets on its own object."""
    selves = {*_first_parameter(node)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and dotted(inner.value) in selves:
            yield inner.attr


def used_too_early(tree: ast.Module) -> frozenset[str]:
    """Names of the module used, while it is imported, above what binds them."""
    late_annotations = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    unbound = set(binding(tree.body))
    wrong: set[str] = set()
    for statement in tree.body:
        if not isinstance(statement, Definition):
            unbound -= {*bound_names(statement)}
        wrong |= unbound & {*_run_at_once(statement, late_annotations)}
        unbound -= {*bound_names(statement)}
    return frozenset(wrong)


def _below(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _below(child)


def _first_parameter(node: ast.stmt) -> list[str]:
    if not isinstance(node, DefNode) or any(dotted(d) == "staticmethod" for d in node.decorator_list):
        return []
    return [parameter.arg for parameter in [*node.args.posonlyargs, *node.args.args][:1]]


def _run_at_once(node: ast.AST, late_annotations: bool) -> Iterator[str]:
    """Names read when a statement runs, those in the bodies of functions left out."""
    below: list[ast.AST | None]
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            arguments = [inner for inner in ast.walk(node.args) if isinstance(inner, ast.arg)]
            types = [] if late_annotations else [node.returns, *(argument.annotation for argument in arguments)]
            below = [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults, *types]
        case ast.AnnAssign() if late_annotations:
            below = [node.value]
        case ast.Lambda() | ast.GeneratorExp():
            below = []
        case _:
            below = [*ast.iter_child_nodes(node)]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    for inner in below:
        if inner is not None:
            yield from _run_at_once(inner, late_annotations)
