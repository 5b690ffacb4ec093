"""What a mutation puts in the place of a node of the tree: one rule a kind, each a small function.

A rule tells what it would change of a node, the more telling first; it does not look at other nodes' changes.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nightshift.source.nonsense import empty
from nightshift.source.syntax import dotted


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the tree a node stands."""

    function: str = ""
    returns: str = ""
    """The annotation of the function."""
    in_while: bool = False
    nested: bool = False
    """Inside another expression, where a new one needs parentheses."""


_Found = Iterator[tuple[ast.expr | ast.stmt, str]]
Rule = Callable[[ast.AST, Place, frozenset[ast.expr]], _Found]


def bounds_of(node: ast.AST) -> list[ast.expr]:
    """Where being off by one is a habit."""
    match node:
        case ast.Compare(left=left, comparators=others):
            return [value for value in (left, *others) if number_of(value) is not None]
        case ast.Call(func=ast.Name(id="range"), args=args):
            return args
        case ast.Slice(lower=lower, upper=upper):
            return [bound for bound in (lower, upper) if bound]
        case ast.Subscript(slice=ast.Constant() | ast.UnaryOp() as index):
            return [index]
    return []


_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd,
}  # fmt: skip


def _comparison(node: ast.AST, place: Place, bounds: frozenset[ast.expr]) -> _Found:
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in _COMPARISONS[type(op)]:
                yield node, _with(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])


def _arithmetic(node: ast.AST, place: Place, bounds: frozenset[ast.expr]) -> _Found:
    """Not of strings, which fails in any test, nor `|` of a module, which joins types."""
    match node:
        case ast.BinOp(left=left, op=op, right=right) if not any(map(_is_text, (left, right))):
            if type(op) in _OPERATORS and (place.function or not isinstance(op, ast.BitOr)):
                yield node, _with(node, op=_OPERATORS[type(op)]())
        case ast.AugAssign(op=op, value=value) if type(op) in _OPERATORS and not _is_text(value):
            yield node, _with(node, op=_OPERATORS[type(op)]())
        case ast.UnaryOp(op=ast.USub(), operand=operand) if number_of(node) is None:
            yield node, ast.unparse(operand)


def _boundary(node: ast.AST, place: Place, bounds: frozenset[ast.expr]) -> _Found:
    if node not in bounds or not isinstance(node, ast.expr):
        return
    number = number_of(node)
    if isinstance(number, int):
        yield from ((node, str(number + step)) for step in (1, -1))
    elif isinstance(node, ast.Name | ast.BinOp | ast.Call):
        yield from ((node, f"{ast.unparse(node)} {step} 1") for step in "+-")


def _boolean(node: ast.AST, place: Place, bounds: frozenset[ast.expr]) -> _Found:
    match node:
        case ast.BoolOp(op=op):
            yield node, _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, ast.unparse(operand)
        case ast.If(test=test) | ast.IfExp(test=test):
            yield from _negated(test)
        case ast.comprehension(ifs=tests):
            for test in tests:
                yield from _negated(test)


def _negated(test: ast.expr) -> _Found:
    """Other rules turn a comparison and a `not` round."""
    if not isinstance(test, ast.Compare | ast.UnaryOp | ast.Constant):
        yield test, _not(test)


def _return(node: ast.AST, place: Place, bounds: frozenset[ast.expr]) -> _Found:
    if not isinstance(node, ast.Return) or node.value is None or _is_none(node.value):
        return
    value = node.value
    if place.returns == "bool" or isinstance(value, ast.BoolOp):
        if not isinstance(value, ast.Compare | ast.UnaryOp | ast.Constant):
            yield value, _not(value)
    elif place.returns and (empty(place.returns) != "0" or place.returns == "int"):
        yield value, empty(place.returns)
    elif type(value) in _EMPTY:
        yield value, _EMPTY[type(value)]
    yield value, "None"


_EMPTY: dict[type[ast.expr], str] = {
    ast.List: "[]", ast.ListComp: "[]", ast.Dict: "{}", ast.DictComp: "{}", ast.Tuple: "()", ast.JoinedStr: "''",
    ast.Set: "set()", ast.SetComp: "set()", ast.BinOp: "0",
}  # fmt: skip


def _exception(node: ast.AST, place: Place, bounds: frozenset[ast.expr]) -> _Found:
    if not isinstance(node, ast.Raise) or (node.exc and dotted(node.exc) == "NotImplementedError"):
        return
    yield node, "pass"
    name = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    if name and dotted(name)[:1].isupper():
        yield name, "TypeError" if dotted(name) == "RuntimeError" else "RuntimeError"


def _constant(node: ast.AST, place: Place, bounds: frozenset[ast.expr]) -> _Found:
    if not isinstance(node, ast.expr) or node in bounds:
        return
    number = number_of(node)
    if number is not None:
        yield node, repr(number + 1)
    match node:
        case ast.Constant(value=bool(value)):
            yield node, str(not value)
        case ast.Constant(value=str(text)):
            yield node, "''" if text else "'mutant'"
        case ast.Constant(value=bytes(data)):
            yield node, "b''" if data else "b'mutant'"


def _call(node: ast.AST, place: Place, bounds: frozenset[ast.expr]) -> _Found:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await(value=ast.Call())):
            yield node, "pass"


def _with(node: ast.expr | ast.stmt, **fields: object) -> str:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return ast.unparse(changed)


def _not(test: ast.expr) -> str:
    return ast.unparse(ast.UnaryOp(ast.Not(), test))


def number_of(node: ast.AST) -> int | float | None:
    """The value of a number, with its sign."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return None if isinstance(value, bool) else -value
    return None


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


RULES: Mapping[str, Rule] = {
    "comparison": _comparison,
    "boundary": _boundary,
    "boolean": _boolean,
    "return": _return,
    "arithmetic": _arithmetic,
    "exception": _exception,
    "constant": _constant,
    "call": _call,
}
MAY_HANG = ("boundary", "arithmetic", "exception", "constant", "call")
"""In the body of a `while`; its condition is left alone by all."""
