"""Small wrong versions of a source file, to see which tests notice.

A mutant that survives says that a test is weak or that the change is none: some mutants are equivalent, so no
suite need kill all of them. Left alone is what tests rarely see (docstrings, messages of exceptions, logging,
`__repr__`, annotations, decorators, `__main__` guards) and, inside `while`, what would most likely never end.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, zip_longest
from typing import TypeVar

from nightshift.source.mentions import is_main_guard
from nightshift.source.mutations import MAY_HANG, RULES, Place, bounds_of, number_of
from nightshift.source.normal import checks_types_only, is_absurd
from nightshift.source.syntax import dotted, is_docstring, parse_or_none, parses

_Item = TypeVar("_Item")

KINDS = tuple(RULES)


@dataclass(frozen=True, slots=True)
class Mutant:
    text: str
    """The whole file, one thing changed."""
    line: int
    """Of what was changed, in the original, from 1."""
    kind: str
    """One of KINDS."""
    what: str
    """`a < b -> a <= b`."""


def mutants(text: str, *, lines: Collection[int] | None = None, limit: int = 40) -> tuple[Mutant, ...]:
    """At most `limit` mutants of the lines, none with the text's own fingerprint; none of a text that does not parse.

    Any beginning of them is spread over the functions and kinds, so that a caller short of time can stop early.
    """
    tree = parse_or_none(text)
    if tree is None or is_absurd(tree) or "\r" in text.replace("\r\n", "\n"):
        return ()
    edits = [edit for edit in _edits(tree) if lines is None or edit.node.lineno in lines]
    found: dict[str, Mutant] = {}
    for edit in _spread(edits):
        if len(found) >= limit:
            break
        changed = _applied(text, edit)
        if parses(changed):
            found.setdefault(changed, Mutant(changed, edit.node.lineno, edit.kind, edit.what))
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class _Edit:
    node: ast.expr | ast.stmt
    new: str
    kind: str
    place: Place
    rank: int
    """Of several edits of one node by one rule, the more telling first."""

    @property
    def what(self) -> str:
        return f"{_short(ast.unparse(self.node))} -> {_short(self.new)}"


_ATOM = re.compile(r"\w+|''|b''|\[\]|\{\}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _applied(text: str, edit: _Edit) -> str:
    """The text with the node's own characters replaced; columns of the tree count bytes."""
    node, lines = edit.node, text.split("\n")
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    head = lines[first].encode()[: node.col_offset].decode()
    tail = lines[last].encode()[node.end_col_offset :].decode()
    enclosed = head.endswith("(") and tail.startswith(")")
    bare = enclosed or not edit.place.nested or _ATOM.fullmatch(edit.new)
    new = edit.new if bare else f"({edit.new})"
    return "\n".join([*lines[:first], head + new + tail, *lines[last + 1 :]])


# Spreading: the first few are of many functions and kinds.


def _spread(edits: Sequence[_Edit]) -> Iterator[_Edit]:
    functions = _grouped(edits, lambda edit: edit.place.function)
    return _by_turns(_kinds_by_turns(group, first=i) for i, group in enumerate(functions))


def _kinds_by_turns(edits: Sequence[_Edit], *, first: int) -> Iterator[_Edit]:
    """Each function begins with another kind; the first rank of all nodes comes before the second of any."""
    kinds = KINDS[first % len(KINDS) :] + KINDS[: first % len(KINDS)]
    ranked = sorted(edits, key=lambda edit: (kinds.index(edit.kind), edit.rank))
    return _by_turns(_grouped(ranked, lambda edit: edit.kind))


def _grouped(items: Sequence[_Item], key: Callable[[_Item], Hashable]) -> list[list[_Item]]:
    order = {value: i for i, value in enumerate(dict.fromkeys(map(key, items)))}
    return [list(group) for _, group in groupby(sorted(items, key=lambda i: order[key(i)]), key=key)]


def _by_turns(groups: Iterable[Iterable[_Item]]) -> Iterator[_Item]:
    missing = object()
    return (item for item in chain(*zip_longest(*groups, fillvalue=missing)) if item is not missing)  # type: ignore[misc]


# Finding: every node once, with the rules below.


def _edits(tree: ast.Module) -> list[_Edit]:
    bounds = frozenset(node for parent in ast.walk(tree) for node in bounds_of(parent))
    return [*_edits_in(tree, Place(), bounds)]


def _edits_in(node: ast.AST, place: Place, bounds: frozenset[ast.expr]) -> Iterator[_Edit]:
    for kind, rule in RULES.items():
        if not (place.in_while and kind in MAY_HANG):
            found = ((target, new) for target, new in rule(node, place, bounds) if ast.unparse(target) != new)
            for rank, (target, new) in enumerate(found):
                yield _Edit(target, new, kind, place if target is node else replace(place, nested=False), rank)
    for field, child in _children(node):
        if not _is_left_alone(child):
            yield from _edits_in(child, _inside(place, node, field), bounds)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    number = isinstance(node, ast.UnaryOp) and number_of(node) is not None
    if isinstance(node, ast.Raise) or number:
        return
    for field, value in ast.iter_fields(node):
        skip = field in _UNSEEN or (field == "test" and isinstance(node, ast.While))
        if not skip:
            children = value if isinstance(value, list) else [value]
            yield from ((field, child) for child in children if isinstance(child, ast.AST))


_UNSEEN = ("annotation", "returns", "decorator_list", "msg", "type_params", "bases")


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr():  # the columns of what is in it are wrong before Python 3.12
            return True
        case ast.FunctionDef(name="__repr__"):
            return True
        case ast.If(test=test):
            return is_main_guard(test) or checks_types_only(test)
        case ast.Assign(targets=[ast.Name(id=name), *_]):
            return name.startswith("__")
        case ast.Call(func=func):
            return _is_talk(dotted(func))
        case ast.Expr(value=ast.Call(func=func)):
            return _is_talk(dotted(func))
        case ast.Subscript(value=value):
            return dotted(value).rpartition(".")[2] in ("Literal", "Annotated")
    return isinstance(node, ast.stmt) and is_docstring(node)


def _is_talk(name: str) -> bool:
    """A call that only tells people something, or names a type."""
    parts = name.lower().lstrip("_").split(".")
    logs = any(part.strip("_") in ("logging", "logger", "log", "warnings") for part in parts[:-1])
    return logs or name in ("TypeVar", "NewType", "ParamSpec", "namedtuple", "getLogger", "cast", "warn")


def _inside(place: Place, node: ast.AST, field: str) -> Place:
    match node:
        case ast.FunctionDef(name=name, returns=returns) | ast.AsyncFunctionDef(name=name, returns=returns):
            return Place(f"{place.function}.{name}", ast.unparse(returns) if returns else "")
        case ast.ClassDef(name=name):
            return Place(f"{place.function}.{name}")
        case ast.While() if field == "body":
            return replace(place, in_while=True, nested=False)
    operand = isinstance(node, _OPERANDS) or (field in ("func", "value") and isinstance(node, ast.Call | ast.Subscript))
    return replace(place, nested=operand)


_OPERANDS = ast.BinOp | ast.UnaryOp | ast.BoolOp | ast.Compare | ast.Attribute | ast.Starred | ast.Await
