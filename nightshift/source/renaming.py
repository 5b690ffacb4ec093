"""Renaming module-level names inside a statement, pytest fixtures asked for by parameter name included."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping
from typing import TypeVar

from nightshift.source.syntax import DefNode, bound_name, dotted, is_literal

_FIXTURE_CALLS = ("usefixtures", "getfixturevalue")
_Statement = TypeVar("_Statement", bound=ast.stmt)


def renamed(statement: _Statement, names: Mapping[str, str]) -> _Statement:
    """A copy of a module-level statement with old names (keys) made new wherever they mean the module's."""
    changed: _Statement = _Renaming(names).visit(copy.deepcopy(statement))
    if isinstance(changed, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        changed.name = names.get(changed.name, changed.name)
    return changed


def uses(statement: ast.stmt, names: Mapping[str, str]) -> bool:
    """Renaming would change the statement."""
    return bool(names) and ast.dump(renamed(statement, names)) != ast.dump(statement)


def bound_names(statement: ast.stmt) -> list[str]:
    """Names a module-level statement binds in the module."""
    return list(dict.fromkeys(_bound(statement)))


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
            return
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from map(bound_name, aliases)
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return
    for child in ast.iter_child_nodes(node):
        yield from _bound(child)


class _Renaming(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self.names.get(name, name) for name in node.names]
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        """Reached for imports at module level only, under a try or an if; others shadow."""
        new = self.names.get(bound_name(node))
        if new and (node.asname or "." not in node.name):
            node.asname = new
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if dotted(node.func).rpartition(".")[2] in _FIXTURE_CALLS:
            for argument in node.args:
                if isinstance(argument, ast.Constant):
                    argument.value = self.names.get(str(argument.value), argument.value)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._scope(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._scope(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        shadowed = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
        inner = _Renaming({old: new for old, new in self.names.items() if old not in shadowed})
        node.body = inner.visit(node.body)
        node.args = self.visit(node.args)
        return node

    def _scope(self, node: DefNode) -> ast.AST:
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        shadowed = {*_local_definitions(node), *_parametrized(node)}
        parameters = [arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)]
        if not _asks_for_fixtures(node):
            shadowed |= {arg.arg for arg in parameters}
        inner = _Renaming({old: new for old, new in self.names.items() if old not in shadowed})
        for arg in parameters:
            arg.arg = inner.names.get(arg.arg, arg.arg)
        node.args = self.visit(node.args)
        node.body = [inner.visit(statement) for statement in node.body]
        if node.returns:
            node.returns = self.visit(node.returns)
        return node


def _asks_for_fixtures(node: DefNode) -> bool:
    """pytest fills its parameters by name."""
    fixture = any(dotted(d).rpartition(".")[2] == "fixture" for d in node.decorator_list)
    return fixture or node.name.startswith(("test", "setup", "teardown"))


def _local_definitions(node: DefNode) -> set[str]:
    """Names that imports, definitions and handlers inside a function bind there."""
    inside = [inner for statement in node.body for inner in ast.walk(statement)]
    imported = {bound_name(a) for i in inside if isinstance(i, ast.Import | ast.ImportFrom) for a in i.names}
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)
    return imported | {str(inner.name) for inner in inside if isinstance(inner, named)}


def _parametrized(node: DefNode) -> set[str]:
    """Parameters that `parametrize` fills."""
    found: set[str] = set()
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(args=[names, *_]) if dotted(decorator).endswith("parametrize") and is_literal(names):
                value = ast.literal_eval(names)
                found |= {str(name).strip() for name in (value.split(",") if isinstance(value, str) else value)}
    return found
