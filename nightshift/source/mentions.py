"""Names in a module by the module they were imported from, and what runs when it is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.source.syntax import bound_name, dotted


def origins_of(tree: ast.AST) -> dict[str, str]:
    """Local name -> dotted name it was imported as, in any scope; relative imports are the project's own."""
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origins.update({bound_name(a): a.name if a.asname else bound_name(a) for a in node.names})
        elif isinstance(node, ast.ImportFrom) and not node.level:
            origins.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return origins


def real_name(node: ast.AST, origins: dict[str, str]) -> str:
    name = dotted(node)
    head, dot, rest = name.partition(".")
    return origins.get(head, head) + dot + rest


def mentions(tree: ast.AST, origins: dict[str, str]) -> Iterator[tuple[ast.expr, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node, real_name(node, origins)


def run_at_import(tree: ast.Module) -> Iterator[ast.expr | ast.stmt]:
    """Nodes that run when the module is imported; those under `if __name__ == "__main__"` do not."""
    queue: list[ast.AST] = [*tree.body]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            queue += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.If) and is_main_guard(node.test):
            queue += node.orelse
        elif not isinstance(node, ast.Lambda):
            if isinstance(node, ast.expr | ast.stmt):
                yield node
            queue += ast.iter_child_nodes(node)


def is_main_guard(test: ast.expr) -> bool:
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return any(map(is_main_guard, values))
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return {ast.unparse(left), ast.unparse(right)} == {"__name__", "'__main__'"}
    return False
