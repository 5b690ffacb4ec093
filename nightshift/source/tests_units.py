"""One test file seen as its tests: their names, their normal form, and the file without some of them."""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nightshift.source.syntax import DefNode, dotted, parse, parse_or_none, without_docstring


@dataclass(frozen=True, slots=True)
class TestUnit:
    """A test function or method; `owners` are the classes it lies in, outermost first."""

    __test__ = False
    node: DefNode
    owners: tuple[ast.ClassDef, ...] = ()

    @property
    def name(self) -> str:
        """The end of its pytest node id: `test_a` or `TestX::test_b`."""
        return "::".join([*(owner.name for owner in self.owners), self.node.name])


def units_of(tree: ast.Module) -> list[TestUnit]:
    return [*_units(tree.body, ())]


def test_names(text: str) -> tuple[str, ...]:
    """Ends of the pytest node ids of a file: `test_a`, `TestX::test_b`. Raises SyntaxError."""
    return tuple(dict.fromkeys(unit.name for unit in units_of(parse(text))))


test_names.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it wherever it is imported


@lru_cache(maxsize=4096)  # asked of every failing test of every candidate
def source_of(text: str, name: str) -> str:
    """The lines of one test, decorators included; empty when the file has no such test or does not parse."""
    tree = parse_or_none(text)
    unit = next((unit for unit in units_of(tree) if unit.name == name), None) if tree else None
    if tree is None or unit is None:
        return ""
    lines = text.split("\n")
    first, last = line_span(lines, tree, unit.node)
    return "\n".join(lines[first:last])


def drop_tests(text: str, names: Collection[str]) -> str:
    """The file without the named tests, all else untouched; a class that loses all its tests goes too.

    Raises ValueError for a name that is no test of the file.
    """
    wanted = {name.partition("[")[0] for name in names}
    tree = parse(text)
    units = units_of(tree)
    unknown = wanted - {unit.name for unit in units}
    if unknown:
        raise ValueError(f"There is no test {', '.join(sorted(unknown))} to drop.")
    doomed = [unit for unit in units if unit.name in wanted]
    left = [unit for unit in units if unit.name not in wanted]
    nodes = [outermost_empty(unit, left) for unit in doomed]
    return without_nodes(text, tree, nodes)


def without_nodes(text: str, tree: ast.Module, nodes: Sequence[ast.stmt]) -> str:
    """The text without the lines of these statements, their decorators and the comments right above them."""
    lines = text.split("\n")
    gone: set[int] = set()
    for node in nodes:
        first, last = line_span(lines, tree, node)
        while last < len(lines) and not lines[last].strip():
            last += 1
        gone.update(range(first, last))
    kept = "\n".join(line for i, line in enumerate(lines) if i not in gone)
    return kept.rstrip() + "\n" if gone else text


def line_span(lines: Sequence[str], tree: ast.Module, node: ast.stmt) -> tuple[int, int]:
    """[first, last) line of a statement with its decorators and the comments right above it, from 0."""
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]) - 1
    ends = (other.end_lineno or 0 for other in ast.walk(tree) if isinstance(other, ast.stmt))
    floor = max((end for end in ends if end <= first), default=0)
    while first > floor and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return first, node.end_lineno or node.lineno


def normalised(source: str) -> str:
    """Text that is equal for two files whose tests do the same: no comments, docstrings or names of tests."""
    tree = parse(source)
    return normal_form(tree)


def normal_form(*nodes: ast.AST) -> str:
    """Dump of nodes without docstrings and names of tests."""
    bare = [_Bare().visit(copy.deepcopy(node)) for node in nodes]
    return "\n".join(ast.dump(node) for node in bare)


def is_test_class(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and (
        node.name.startswith("Test") or any(dotted(base).endswith("TestCase") for base in node.bases)
    )


def is_test_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


class _Bare(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._bare(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._bare(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._bare(node)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._bare(node)

    def _bare(self, node: DefNode | ast.ClassDef | ast.Module) -> ast.AST:
        if not isinstance(node, ast.Module) and (is_test_function(node) or is_test_class(node)):
            node.name = "test"
        node.body = without_docstring(node.body) or [ast.Pass()]
        self.generic_visit(node)
        return node


def _units(body: Sequence[ast.stmt], owners: tuple[ast.ClassDef, ...]) -> Iterator[TestUnit]:
    for node in body:
        if is_test_function(node):
            assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef), "a test function is a function"
            yield TestUnit(node, owners)
        elif is_test_class(node):
            assert isinstance(node, ast.ClassDef), "a test class is a class"
            yield from _units(node.body, (*owners, node))


def outermost_empty(unit: TestUnit, left: Sequence[TestUnit]) -> ast.stmt:
    """The outermost class that has no test left, or the test itself."""
    for owner in unit.owners:
        if not any(owner in other.owners for other in left):
            return owner
    return unit.node
