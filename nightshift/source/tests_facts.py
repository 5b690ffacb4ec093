"""What tests claim of single calls, `assert CALL == LITERAL`, and which claims their own author outvotes."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.source.syntax import bound_name, dotted, is_literal
from nightshift.source.tests_units import units_of


@dataclass(frozen=True, slots=True)
class Fact:
    call: str
    """The imported function by its full name, and the dump of its literal arguments."""
    value: Any


def facts_by_test(tree: ast.Module) -> dict[str, list[Fact]]:
    """Claims of each test about imported functions called with literals; objects are left out."""
    origins = _origins(tree)
    return {unit.name: [*_facts(unit.node, origins)] for unit in units_of(tree)}


def is_outvoted(claim: Fact, samples: Sequence[Sequence[Fact]]) -> bool:
    """Most of the other samples agree on one other value, and more of them than hold this one.

    A sample that says two things of one call shows that the call has state; then nothing is decided.
    """
    votes = [_distinct([fact.value for fact in sample if fact.call == claim.call]) for sample in samples]
    if any(len(values) > 1 for values in votes):
        return False
    values = [value for value, *_ in filter(None, votes)]
    support = sum(_same(value, claim.value) for value in values)
    others = [value for value in values if not _same(value, claim.value)]
    dissent = max((sum(_same(value, other) for other in others) for value in others), default=0)
    return dissent > support and dissent > (len(samples) - 1) / 2


def _origins(tree: ast.Module) -> dict[str, str]:
    """Local name -> full name of what was imported under it at module level."""
    origins: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            origins.update({bound_name(a): a.name if a.asname else bound_name(a) for a in node.names})
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            origins.update({bound_name(a): f"{source}.{a.name}" for a in node.names})
    return origins


def _facts(test: ast.AST, origins: dict[str, str]) -> Iterator[Fact]:
    local = {node.arg for node in ast.walk(test) if isinstance(node, ast.arg)}
    local |= {n.id for n in ast.walk(test) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for node in ast.walk(test):
        match node:
            case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right])):
                for call, literal in ((left, right), (right, left)):
                    key = _call_key(call, origins, local)
                    if key and is_literal(literal):
                        yield Fact(key, ast.literal_eval(literal))


def _call_key(node: ast.expr, origins: dict[str, str], local: set[str]) -> str:
    """Empty unless a plain function, no constructor or method, is called with literals, and at least one."""
    if not isinstance(node, ast.Call) or any(isinstance(inner, ast.Call) for inner in ast.walk(node.func)):
        return ""
    head, dot, rest = dotted(node.func).partition(".")
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    if head not in origins or head in local or not arguments or not all(map(is_literal, arguments)):
        return ""
    name = origins[head] + dot + rest
    if any(part[:1].isupper() for part in name.split(".")):
        return ""
    return f"{name}({', '.join(ast.dump(a) for a in [*node.args, *node.keywords])})"


def _distinct(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not any(_same(value, other) for other in found):
            found.append(value)
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        return numbers and math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-6)
    return bool(one == other)
