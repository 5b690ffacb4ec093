"""What the classes of a project have: looked up by name, with what they inherit, as far as the text tells."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator

from nightshift.source.fixes.reading import Source
from nightshift.source.syntax import DefNode, dotted, parse_or_none, statements, target_names

PLAIN_DECORATORS = {"property", "cached_property", "abstractmethod", "override", "cache", "lru_cache", "contextmanager"}


def class_named(name: str, source: Source) -> ast.ClassDef | None:
    """The class of this file, else the only one in the project."""
    own = _classes(source.nodes, name)
    trees = [] if own else [parse_or_none(text) for text in source.clues.texts.values() if f"class {name}" in text]
    found = own or [cls for tree in trees if tree for cls in _classes(ast.walk(tree), name)]
    return found[0] if len(found) == 1 else None


def attributes_in(cls: ast.ClassDef, source: Source) -> frozenset[str]:
    """Names that instances have; those from unknown base classes are not among them."""
    return frozenset(name for one in lineage(cls, source) for name in _own(one)) | _from_builtins(cls)


def lineage(cls: ast.ClassDef, source: Source) -> list[ast.ClassDef]:
    """The class and the bases that are found, nearest first."""
    found, queue = [], [cls]
    while queue:
        one = queue.pop(0)
        if one not in found:
            found.append(one)
            bases = [class_named(dotted(base).rpartition(".")[2], source) for base in one.bases]
            queue += [base for base in bases if base]
    return found


def methods(cls: ast.ClassDef) -> Iterator[DefNode]:
    yield from (node for node in statements(cls.body) if isinstance(node, DefNode))


def receiver(method: DefNode) -> str | None:
    """What a method calls its object or class; None when it gets neither."""
    arguments = [*method.args.posonlyargs, *method.args.args]
    static = any(dotted(decorator) == "staticmethod" for decorator in method.decorator_list)
    return arguments[0].arg if arguments and not static and arguments[0].arg in ("self", "cls") else None


def enclosing_method(source: Source, node: ast.AST) -> tuple[ast.ClassDef, DefNode] | None:
    """The class and its method that the node is inside of, functions within the method looked through."""
    method: DefNode | None = None
    for outer in source.above(node):
        if isinstance(outer, ast.ClassDef):
            return (outer, method) if method else None
        method = outer if isinstance(outer, DefNode) else method
    return None


def _classes(nodes: Iterable[ast.AST], name: str) -> list[ast.ClassDef]:
    return [node for node in nodes if isinstance(node, ast.ClassDef) and node.name == name]


def _own(cls: ast.ClassDef) -> Iterator[str]:
    for node in statements(cls.body):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (name for target in targets for name in target_names(target))
            case ast.AnnAssign(target=target):
                yield from target_names(target)
    for inner in ast.walk(cls):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and dotted(inner.value) == "self":
            yield inner.attr


def _from_builtins(cls: ast.ClassDef) -> frozenset[str]:
    kinds = [getattr(builtins, dotted(base), None) for base in cls.bases]
    return frozenset(name for kind in kinds if isinstance(kind, type) for name in dir(kind) if not name.startswith("_"))
