"""Parsing Python without surprises: every failure is a SyntaxError and no warning escapes."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence

MAX_DEPTH = 150
"""Deeper trees make the recursive tools of `ast` fail; no sane source comes near."""

DefNode = ast.FunctionDef | ast.AsyncFunctionDef


def parse(text: str) -> ast.Module:
    """The tree of `text`; SyntaxError for all that cannot be parsed, null bytes and absurd nesting too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(f"not Python source: {error}") from error


def parse_or_none(text: str) -> ast.Module | None:
    try:
        return parse(text)
    except SyntaxError:
        return None


def parses(text: str) -> bool:
    return parse_or_none(text) is not None


def too_deep(tree: ast.AST) -> bool:
    level, depth = [tree], 0
    while level and depth <= MAX_DEPTH:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return bool(level)


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def without_docstring(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    return list(body[1:]) if body and is_docstring(body[0]) else list(body)


def is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def dotted(node: ast.AST) -> str:
    """`a.b.c` for such an expression (calls looked through: `a.b(1)` is `a.b`), else the empty string."""
    parts: list[str] = []
    while True:
        match node:
            case ast.Call(func=node):
                pass
            case ast.Attribute(value=node, attr=attr):
                parts.append(attr)
            case ast.Name(id=name):
                return ".".join([name, *reversed(parts)])
            case _:
                return ""


def statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of one scope, under if, try, with and for too; of two branches the main one comes last."""
    pending = [*reversed(body)]
    while pending:
        node = pending.pop()
        inner = _inner(node)
        if inner is None:
            yield node
        else:
            pending += reversed(inner)


def _inner(node: ast.stmt) -> list[ast.stmt] | None:
    """The statements that a compound one of the same scope holds."""
    match node:
        case ast.If() | ast.For() | ast.AsyncFor() | ast.While():
            return [*node.orelse, *node.body]
        case ast.With() | ast.AsyncWith():
            return node.body
        case ast.Try() | ast.TryStar():
            handled = [statement for handler in node.handlers for statement in handler.body]
            return [*handled, *node.body, *node.orelse, *node.finalbody]
        case ast.Match():
            return [statement for case in node.cases for statement in case.body]
    return None


def target_names(target: ast.AST) -> Iterator[str]:
    """Names an assignment target binds."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def bound_name(alias: ast.alias) -> str:
    """The name an import binds: `a` for `import a.b`."""
    return alias.asname or alias.name.partition(".")[0]
