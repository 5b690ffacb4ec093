"""Import statements put into a module's text, and taken out of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from nightshift.source.fixes.reading import Edit, Source
from nightshift.source.syntax import DefNode, is_docstring


def added(source: Source, statement: str, *, first: bool = False) -> Edit:
    """The import as a line of its own after the module's first imports (or before), never inside a try."""
    head = _head(source.tree, imports=not first)
    data, newline = source.text.encode(), "\r\n" if "\r\n" in source.text else "\n"
    if not head:
        body = source.tree.body
        at = source.offset(_first_line(body[0]), 0) if body else len(data)
        return Edit(at, at, f"{statement}{newline}")
    rest = re.compile(rb"[ \t]*(?:#[^\r\n]*)?(?:\r?\n|\Z)").match(data, source.end(head))
    if rest is None:  # another statement on the line
        at = source.end(head)
        return Edit(at, at, f"; {statement}")
    at = rest.end()
    return Edit(at, at, f"{statement}{newline}" if rest[0].endswith(b"\n") else f"{newline}{statement}{newline}")


def rewritten(source: Source, node: ast.Import | ast.ImportFrom, statements: Sequence[str]) -> tuple[Edit, ...]:
    """Other statements in the place of one."""
    newline = "\r\n" if "\r\n" in source.text else "\n"
    indent = source.text.encode()[source.offset(node.lineno, 0) : source.start(node)].decode()
    return (Edit(source.start(node), source.end(node), f"{newline}{indent}".join(statements)),)


def instead(source: Source, node: ast.ImportFrom, alias: ast.alias, statement: str) -> tuple[Edit, ...]:
    """The from-import without one of its names, and the statement that brings it."""
    others = [other for other in node.names if other is not alias]
    rest = [ast.unparse(ast.ImportFrom(node.module, others, node.level))] if others else []
    return rewritten(source, node, [*rest, statement])


def _head(tree: ast.Module, *, imports: bool) -> ast.stmt | None:
    """The last statement of docstring and (so wanted) imports that the module begins with."""
    head = None
    for i, node in enumerate(tree.body):
        if not ((imports and isinstance(node, ast.Import | ast.ImportFrom)) or (i == 0 and is_docstring(node))):
            break
        head = node
    return head


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, DefNode | ast.ClassDef) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
