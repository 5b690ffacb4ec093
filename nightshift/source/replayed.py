"""What tests do with a module, their expectations left out, and the same with one literal changed.

Straight tests only, of names that the module has: no fixtures, no loops, no names from elsewhere.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import zip_longest

from nightshift.source.arguments import neighbours
from nightshift.source.behaviours import HELPERS
from nightshift.source.syntax import dotted, is_docstring, is_literal
from nightshift.source.tests_units import TestUnit, units_of

MAX_ROWS = 6
"""Of a parametrized test."""
_KNOWN = {*dir(builtins), *HELPERS} - {"input", "open", "exit", "quit", "breakpoint"}


def replayed(trees: Iterable[ast.Module], names: Collection[str]) -> tuple[str, ...]:
    """Probes, as probes.py has them: what the tests do, by turns with its variations."""
    bodies = [body for tree in trees for unit in units_of(tree) for body in _bodies(unit, names)]
    plain = [_text(body) for body in bodies]
    varied = [[*_varied(body)] for body in bodies]
    turns = (text for texts in zip_longest(*varied) for text in texts if text is not None)
    pairs = zip_longest(dict.fromkeys(turns), dict.fromkeys(plain))
    return tuple(dict.fromkeys(text for pair in pairs for text in pair if text is not None))


def _bodies(unit: TestUnit, names: Collection[str]) -> Iterator[list[ast.stmt]]:
    steps = [step for statement in unit.node.body for step in _steps(statement, names)]
    taken = [arg.arg for arg in unit.node.args.args if arg.arg != "self"]
    for row in _rows(unit) if taken else [[]]:
        body = [*row, *steps]
        if body and _is_closed(body, names):
            yield body


def _steps(statement: ast.stmt, names: Collection[str]) -> Iterator[ast.stmt]:
    """What a statement of a test does to the module, without what the test expects."""
    statement = _Plain(names).visit(copy.deepcopy(statement))
    match statement:
        case ast.Assert(test=test):
            yield from (ast.Expr(call) for call in _asked(test, names))
        case ast.With(items=[ast.withitem(context_expr=ast.Call(func=func))], body=body):
            yield from body if dotted(func).endswith("raises") else [statement]
        case _ if not is_docstring(statement):
            yield statement


def _asked(test: ast.expr, names: Collection[str]) -> list[ast.expr]:
    """The sides of an assertion that are no literals: `f(1)` of `f(1) == 2`."""
    match test:
        case ast.Compare(left=left, comparators=others):
            return [side for side in (left, *others) if not is_literal(side) and not isinstance(side, ast.Name)] or [
                left
            ]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _asked(operand, names)
        case ast.BoolOp(values=values):
            return [side for value in values for side in _asked(value, names)]
        case ast.Call(func=ast.Name(id="isinstance"), args=[value, _]):
            return [value]
    return [test]


class _Plain(ast.NodeTransformer):
    """`module.f` is `f`; `approx(x)` is `x`."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        inner = isinstance(node.value, ast.Name) and node.value.id not in self._names and node.value.id.islower()
        return ast.Name(node.attr, ast.Load()) if inner and node.attr in self._names else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return node.args[0] if node.args and dotted(node.func).endswith("approx") else node


def _rows(unit: TestUnit) -> Iterator[list[ast.stmt]]:
    """Assignments of a parametrized test's values, a list for each of the first rows."""
    for decorator in unit.node.decorator_list:
        match decorator:
            case ast.Call(args=[names, ast.List(elts=rows) | ast.Tuple(elts=rows)]) if is_literal(names):
                given = ast.literal_eval(names)
                target = given if isinstance(given, str) else ", ".join(given)
                for row in rows[:MAX_ROWS]:
                    if is_literal(row):
                        yield ast.parse(f"{target} = {ast.unparse(row)}").body


def _is_closed(body: Sequence[ast.stmt], names: Collection[str]) -> bool:
    """Straight, and nothing in it comes from elsewhere."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    if not all(isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.Delete) for statement in body):
        return False
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return bool(used & set(names)) and used <= {*names, *bound, *_KNOWN}


def _varied(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The same with one literal of an argument moved to a neighbour, the nearest of each literal first."""
    tree = ast.Module([*body], [])
    places = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    options = [neighbours(ast.unparse(node)) for node in places]
    for row in zip_longest(*options):
        for node, text in zip(places, row, strict=True):
            if text is not None:
                kept, node.value = node.value, ast.literal_eval(text)
                yield _text(tree.body)
                node.value = kept


def _text(body: Sequence[ast.stmt]) -> str:
    return "; ".join(ast.unparse(ast.fix_missing_locations(statement)) for statement in body)
