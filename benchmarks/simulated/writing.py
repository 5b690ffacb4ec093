"""A candidate as text: the units with what is wrong in them, in a style of its own, with errors on the surface.

Right and wrong code is written in the same way, so that no form tells them apart.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping, Sequence
from random import Random

from benchmarks.simulated.errors import Error, with_units
from benchmarks.simulated.knowledge import Knowledge, units

DOCSTRINGS = ("", "", "Return the result.", "See the task.", "Do what the name says.")


def written(knowledge: Knowledge, wrongs: Sequence[Error], random: Random) -> str:
    changed: dict[str, str] = {}
    for error in wrongs:
        changed |= error.units
    return styled(with_units(knowledge.reference, changed), random)


def styled(text: str, random: Random) -> str:
    """The same program as another author would write it."""
    tree = ast.parse(text)
    for function in units(tree).values():
        _Style(random).visit(function)
        _rename(function, random)
        if docstring := random.choice(DOCSTRINGS):
            function.body.insert(0, ast.Expr(ast.Constant(docstring)))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


class _Style(ast.NodeTransformer):
    """Rewrites some places into something that means the same."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        turned = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
        plain = all(isinstance(side, (ast.Name, ast.Constant)) for side in (node.left, node.comparators[0]))
        if len(node.ops) > 1 or type(node.ops[0]) not in turned or not plain or self._random.random() < 0.6:
            return node
        return ast.Compare(node.comparators[0], [turned[type(node.ops[0])]()], [node.left])

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if not isinstance(node.value, ast.Constant) or not isinstance(node.target, ast.Name):
            return node
        if self._random.random() < 0.6:
            return node
        return ast.Assign([node.target], ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value))

    def visit_Return(self, node: ast.Return) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if node.value is None or isinstance(node.value, (ast.Name, ast.Constant)) or self._random.random() < 0.7:
            return node
        if isinstance(node.value, ast.IfExp):
            chosen = node.value
            return [ast.If(chosen.test, [ast.Return(chosen.body)], []), ast.Return(chosen.orelse)]
        name = self._random.choice(["answer", "outcome", "found_value"])
        return [ast.Assign([ast.Name(name, ast.Store())], node.value), ast.Return(ast.Name(name, ast.Load()))]


def _rename(function: ast.FunctionDef, random: Random) -> None:
    """Gives some local names another name; parameters belong to the interface."""
    parameters = {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}
    stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    used = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)} | parameters
    for name in sorted(stored - parameters):
        new = f"{name}_{random.choice(['value', 'item', 'now', 'here'])}"
        if random.random() < 0.25 and new not in used:
            for node in ast.walk(function):
                if isinstance(node, ast.Name) and node.id == name:
                    node.id = new


# Errors on the surface: what a careful reader, or a mechanical fix, would see without running a test.


Flaw = Callable[[ast.Module, Random], bool]
"""Spoils a tree in place; False when it has no place for this."""


def flawed(text: str, random: Random) -> tuple[str, str]:
    """The text with one error on the surface, and its name; "" when none could be made."""
    for name in random.sample(list(FLAWS), len(FLAWS)):
        tree = ast.parse(text)
        if FLAWS[name](tree, random):
            return ast.unparse(ast.fix_missing_locations(tree)) + "\n", name
    return text, ""


def _import_missing(tree: ast.Module, random: Random) -> bool:
    found = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)) and _needed(tree, node)]
    if found:
        tree.body.remove(random.choice(found))
    return bool(found)


def _needed(tree: ast.Module, node: ast.Import | ast.ImportFrom) -> bool:
    names = {alias.asname or alias.name for alias in node.names}
    bodies = [each for function in units(tree).values() for statement in function.body for each in ast.walk(statement)]
    return bool(names & {each.id for each in bodies if isinstance(each, ast.Name)})


def _name_misspelt(tree: ast.Module, random: Random) -> bool:
    names = [
        node
        for function in units(tree).values()
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and len(node.id) > 3
    ]
    return _misspell([n for n in names if not hasattr(builtins, n.id)], "id", random)


def _attribute_misspelt(tree: ast.Module, random: Random) -> bool:
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and len(n.attr) > 4 and n.attr[0] != "_"]
    return _misspell(found, "attr", random)


def _misspell(nodes: Sequence[ast.AST], field: str, random: Random) -> bool:
    if not nodes:
        return False
    node = random.choice(nodes)
    name: str = getattr(node, field)
    place = random.randrange(1, len(name) - 1)
    wrong = random.choice([name[:place] + name[place + 1 :], name + "s", name[:place] + name[place] + name[place:]])
    setattr(node, field, wrong)
    return wrong != name


def _self_missing(tree: ast.Module, random: Random) -> bool:
    methods = [
        node
        for owner in tree.body
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("__") and node.args.args
    ]
    if methods:
        random.choice(methods).args.args.pop(0)
    return bool(methods)


def _self_left_out(tree: ast.Module, random: Random) -> bool:
    """`_find(x)` for `self._find(x)`."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "self"
    ]
    if calls:
        call = random.choice(calls)
        assert isinstance(call.func, ast.Attribute)
        call.func = ast.Name(call.func.attr, ast.Load())
    return bool(calls)


def _keyword_wrong(tree: ast.Module, random: Random) -> bool:
    known = {"key": "keys", "default": "defaults", "last": "latest", "sep": "separator", "reverse": "reversed"}
    found = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in known]
    if found:
        node = random.choice(found)
        node.arg = known[str(node.arg)]
    return bool(found)


FLAWS: Mapping[str, Flaw] = {
    "import missing": _import_missing,
    "name misspelt": _name_misspelt,
    "attribute misspelt": _attribute_misspelt,
    "self missing": _self_missing,
    "self left out": _self_left_out,
    "keyword wrong": _keyword_wrong,
}
