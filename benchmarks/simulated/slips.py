"""The small errors of a weak programmer, as changes of one function: what a simulated candidate has wrong.

They are on purpose no product of `nightshift/source/mutants.py`: tests that are judged by the very mutants which the
simulated candidates are made of would look better than they are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

New = ast.AST | list[ast.stmt] | None
"""What stands in the place of a node: another, none at all ([]), or no change (None)."""
Change = Callable[[ast.AST, ast.FunctionDef], New]

_BOUNDARY = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In}
_ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mod, ast.Mod: ast.FloorDiv}
_CONFUSED = {
    "lower": "upper", "strip": "rstrip", "append": "extend", "partition": "rpartition", "rpartition": "partition",
    "popleft": "pop", "startswith": "endswith", "isdigit": "isalnum", "bisect_left": "bisect_right", "min": "max",
    "bisect_right": "bisect_left", "max": "min", "any": "all", "all": "any", "sorted": "list", "ljust": "rjust",
    "rjust": "ljust", "setdefault": "get", "items": "keys", "extend": "append", "abs": "int", "fullmatch": "match",
}  # fmt: skip
_RAISED = {
    "ValueError": "TypeError",
    "KeyError": "ValueError",
    "LookupError": "ValueError",
    "BufferError": "IndexError",
}


@dataclass(frozen=True, slots=True)
class Slip:
    kind: str
    text: str
    """The function as it would be written."""


def slips(function: ast.FunctionDef, limit: int = 24) -> list[Slip]:
    """Single slips in a function in a fixed order, every kind before many of one; some do not change what it does."""
    text = ast.unparse(function)
    function = _parsed(text)
    places: dict[str, list[int]] = {}
    for index, node in enumerate(ast.walk(function)):
        for kind, change in CHANGES.items():
            if node is not function and change(node, function) is not None:
                places.setdefault(kind, []).append(index)
    found: dict[str, Slip] = {}
    for kind, index in _by_turns(places):
        changed = _changed(text, index, CHANGES[kind])
        if changed != text and len(found) < limit:
            found.setdefault(changed, Slip(kind, changed))
    return list(found.values())


def _by_turns(places: dict[str, list[int]]) -> Iterator[tuple[str, int]]:
    for turn in range(max(map(len, places.values()), default=0)):
        yield from ((kind, indices[turn]) for kind, indices in places.items() if turn < len(indices))


def _parsed(text: str) -> ast.FunctionDef:
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    return function


def _changed(text: str, index: int, change: Change) -> str:
    function = _parsed(text)
    target = list(ast.walk(function))[index]
    new = change(target, function)

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return new if node is target else self.generic_visit(node)

    swapped = Swap().visit(function)
    for node in ast.walk(swapped):
        if isinstance(node, (ast.FunctionDef, ast.If, ast.For, ast.While, ast.With)) and not node.body:
            node.body = [ast.Pass()]
    return ast.unparse(ast.fix_missing_locations(swapped))


def _boundary(node: ast.AST, _: ast.FunctionDef) -> New:
    if not isinstance(node, ast.Compare) or type(node.ops[0]) not in _BOUNDARY:
        return None
    return ast.Compare(node.left, [_BOUNDARY[type(node.ops[0])](), *node.ops[1:]], node.comparators)


def _one_more(node: ast.AST, _: ast.FunctionDef) -> New:
    return ast.Constant(node.value + 1) if isinstance(node, ast.Constant) and type(node.value) is int else None


def _one_less(node: ast.AST, _: ast.FunctionDef) -> New:
    return ast.Constant(node.value - 1) if isinstance(node, ast.Constant) and type(node.value) is int else None


def _other_text(node: ast.AST, _: ast.FunctionDef) -> New:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or len(node.value) > 2:
        return None
    return ast.Constant("" if node.value else " ")


def _arithmetic(node: ast.AST, _: ast.FunctionDef) -> New:
    if not isinstance(node, ast.BinOp) or type(node.op) not in _ARITHMETIC:
        return None
    return ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)


def _and_or(node: ast.AST, _: ast.FunctionDef) -> New:
    if not isinstance(node, ast.BoolOp):
        return None
    return ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)


def _condition_dropped(node: ast.AST, _: ast.FunctionDef) -> New:
    return node.values[0] if isinstance(node, ast.BoolOp) else None


def _not_dropped(node: ast.AST, _: ast.FunctionDef) -> New:
    return node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)) else None


def _statement_dropped(node: ast.AST, _: ast.FunctionDef) -> New:
    return [] if isinstance(node, (ast.AugAssign, ast.Delete, ast.Expr)) else None


def _guard_dropped(node: ast.AST, _: ast.FunctionDef) -> New:
    if not isinstance(node, ast.If) or not isinstance(node.body[-1], (ast.Raise, ast.Return, ast.Continue)):
        return None
    return list(node.orelse)


def _else_dropped(node: ast.AST, _: ast.FunctionDef) -> New:
    if isinstance(node, ast.IfExp):
        return node.body
    return ast.If(node.test, node.body, []) if isinstance(node, ast.If) and node.orelse else None


def _confused(node: ast.AST, _: ast.FunctionDef) -> New:
    if isinstance(node, ast.Attribute) and node.attr in _CONFUSED:
        return ast.Attribute(node.value, _CONFUSED[node.attr], node.ctx)
    return ast.Name(_CONFUSED[node.id], node.ctx) if isinstance(node, ast.Name) and node.id in _CONFUSED else None


def _arguments_swapped(node: ast.AST, _: ast.FunctionDef) -> New:
    if not isinstance(node, ast.Call) or len(node.args) != 2 or isinstance(node.args[1], ast.Starred):
        return None
    return ast.Call(node.func, node.args[::-1], node.keywords)


def _last_argument_dropped(node: ast.AST, _: ast.FunctionDef) -> New:
    if not isinstance(node, ast.Call) or len(node.args) < 2:
        return None
    return ast.Call(node.func, node.args[:-1], node.keywords)


def _keyword_dropped(node: ast.AST, _: ast.FunctionDef) -> New:
    return ast.Call(node.func, node.args, node.keywords[:-1]) if isinstance(node, ast.Call) and node.keywords else None


def _slice_dropped(node: ast.AST, _: ast.FunctionDef) -> New:
    return node.value if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) else None


def _other_error(node: ast.AST, function: ast.FunctionDef) -> New:
    if not isinstance(node, ast.Name) or node.id not in _RAISED or node not in _in_raises(function):
        return None
    return ast.Name(_RAISED[node.id], node.ctx)


def _none_for_error(node: ast.AST, _: ast.FunctionDef) -> New:
    return ast.Return(ast.Constant(None)) if isinstance(node, ast.Raise) else None


def _returns_too_early(node: ast.AST, function: ast.FunctionDef) -> New:
    last = function.body[-1]
    if not isinstance(node, (ast.For, ast.While)) or not isinstance(last, ast.Return) or node not in function.body:
        return None
    body = [*node.body, last]
    if isinstance(node, ast.While):
        return ast.While(node.test, body, node.orelse)
    return ast.For(node.target, node.iter, body, node.orelse)


def _other_name(node: ast.AST, function: ast.FunctionDef) -> New:
    """The next local name in the place of this one."""
    names = _locals(function)
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load) or node.id not in names or len(names) < 2:
        return None
    return ast.Name(names[(names.index(node.id) + 1) % len(names)], node.ctx)


def _other_attribute(node: ast.AST, function: ast.FunctionDef) -> New:
    own = _attributes(function)
    if not isinstance(node, ast.Attribute) or not _is_self(node.value) or len(own) < 2:
        return None
    return ast.Attribute(node.value, own[(own.index(node.attr) + 1) % len(own)], node.ctx)


@lru_cache(maxsize=8)
def _locals(function: ast.FunctionDef) -> list[str]:
    names = sorted({n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)})
    return names + [argument.arg for argument in function.args.args if argument.arg != "self"]


@lru_cache(maxsize=8)
def _attributes(function: ast.FunctionDef) -> list[str]:
    return sorted({n.attr for n in ast.walk(function) if isinstance(n, ast.Attribute) and _is_self(n.value)})


@lru_cache(maxsize=8)
def _in_raises(function: ast.FunctionDef) -> frozenset[ast.AST]:
    return frozenset(node for each in ast.walk(function) if isinstance(each, ast.Raise) for node in ast.walk(each))


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


CHANGES: dict[str, Change] = {
    "boundary": _boundary,
    "one more": _one_more,
    "one less": _one_less,
    "other text": _other_text,
    "arithmetic": _arithmetic,
    "and for or": _and_or,
    "condition dropped": _condition_dropped,
    "not dropped": _not_dropped,
    "statement dropped": _statement_dropped,
    "guard dropped": _guard_dropped,
    "else dropped": _else_dropped,
    "confused function": _confused,
    "arguments swapped": _arguments_swapped,
    "argument dropped": _last_argument_dropped,
    "keyword dropped": _keyword_dropped,
    "slice dropped": _slice_dropped,
    "other error": _other_error,
    "none for error": _none_for_error,
    "returns too early": _returns_too_early,
    "other name": _other_name,
    "other attribute": _other_attribute,
}
