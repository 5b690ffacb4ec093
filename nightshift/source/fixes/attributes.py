"""Attributes that are not there: misspelt, or asked of a class that is named like its module."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterator, Sequence

from nightshift.source.fixes.classes import attributes_in, class_named, enclosing_method
from nightshift.source.fixes.closeness import close_match
from nightshift.source.fixes.reading import Change, Edit, Source
from nightshift.source.fixes.statements import added
from nightshift.source.fixes.stdlib import attributes_of, names_of
from nightshift.source.graph import module_name
from nightshift.source.interfaces import interface_of
from nightshift.source.syntax import parses

_OBJECT = r"'(\w+)' object has no attribute '(\w+)'"
_CLASS = r"type object '(?:\w+\.)*(\w+)' has no attribute '(\w+)'"
_MODULE = r"module '([\w.]+)' has no attribute '(\w+)'"
_MEMBER = r"()(\w+)$"
"""All that an enumeration says, up to Python 3.11."""


def misspelt_attribute(source: Source) -> Iterator[Change]:
    """The traceback names the attribute; only where it points, and where `self` is of the same class, is it changed."""
    for pattern in (_OBJECT, _CLASS, _MODULE, _MEMBER):
        for found, line in source.said(pattern):
            owner, wrong = found.groups()
            places = _places(wrong, line, source)
            meant = {_meant(node, owner, wrong, source) for node in places}
            one = meant.pop() if len(meant) == 1 else None
            if one:
                places += [node for node in _on_self(owner, wrong, source) if node not in places]
                edits = tuple(source.renamed(node, wrong, one) for node in places)
                yield Change("misspelt-attribute", f"{wrong} is {one}", wrong, edits)


def module_for_member(source: Source) -> Iterator[Change]:
    """`import datetime` and then `datetime.now()`, or `import time` and then `time()`."""
    for name in _twins(source.nodes, whole=True):
        inside = attributes_of(name, name)
        only_inside = {None, *inside} - names_of(name)
        places = [node for node, attr in _uses(name, source) if attr in only_inside]
        if places:
            edits = tuple(source.renamed(node, name, f"{name}.{name}") for node in places)
            yield Change("module-for-class", f"{name}.{name} for {name}", name, edits)


def member_for_module(source: Source) -> Iterator[Change]:
    """`from datetime import datetime` and then `datetime.timedelta()`; `from time import time` and `time.sleep()`."""
    for name in _twins(source.nodes, whole=False):
        inside, names = attributes_of(name, name), names_of(name)
        uses = [(node, attr) for node, attr in _uses(name, source) if attr and attr in names]
        uses = [(node, attr) for node, attr in uses if attr not in inside or _goes_on(node, attr, source)]
        wanted = {attr for _, attr in uses} - {name}
        if not uses or wanted & (source.bound - _imported_from(name, source.tree)):
            continue
        edits = [Edit(source.start(node), source.end(node) + 1, "", f"{name}.") for node, _ in uses]
        missing = sorted(wanted - source.bound)
        edits += [added(source, f"from {name} import {', '.join(missing)}")] if missing else []
        yield Change("class-for-module", f"{', '.join(sorted(wanted | {name}))} from {name}", name, tuple(edits))


def _places(wrong: str, line: int | None, source: Source) -> list[ast.Attribute]:
    """Uses of the attribute on the line of the traceback; without a line, the only use in the file."""
    nodes = [node for node in source.nodes if isinstance(node, ast.Attribute) and node.attr == wrong]
    found = [node for node in nodes if line is not None and node.lineno <= line <= (node.end_lineno or node.lineno)]
    return found if line is not None else nodes if len(nodes) == 1 else []


def _on_self(owner: str, wrong: str, source: Source) -> list[ast.Attribute]:
    return [
        node
        for node in source.nodes
        if isinstance(node, ast.Attribute) and node.attr == wrong and isinstance(node.ctx, ast.Load)
        if isinstance(node.value, ast.Name) and node.value.id == "self"
        if (method := enclosing_method(source, node)) and method[0].name == owner
    ]


def _meant(node: ast.Attribute, owner: str, wrong: str, source: Source) -> str | None:
    base = node.value.id if isinstance(node.value, ast.Name) else ""
    known = _known(owner or base, source)
    return close_match(wrong, known, short_forms=True) if wrong not in known else None


def _known(owner: str, source: Source) -> Collection[str]:
    """What the class, builtin type or module has."""
    if cls := class_named(owner, source):
        return attributes_in(cls, source)
    kind = getattr(builtins, owner, None)
    if isinstance(kind, type):
        return [name for name in dir(kind) if not name.startswith("_")]
    for path, text in source.clues.texts.items():
        if path.endswith(".py") and module_name(path) == owner and parses(text):
            return interface_of(text).definitions
    return names_of(owner)


# Modules with a member of their own name


def _twins(nodes: Sequence[ast.AST], *, whole: bool) -> list[str]:
    """Names that stand for such a module (or for its member) and for nothing else anywhere in the file."""
    found: dict[str, list[ast.AST]] = {}
    for node in nodes:
        for name in _binds(node):
            found.setdefault(name, []).append(node)
    names = [name for name, binders in found.items() if len(binders) == 1 and name in names_of(name)]
    return [name for name in names if _is_import(found[name][0], name, whole=whole)]


def _binds(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name.partition(".")[0] for alias in names]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return [name]
    return []


def _is_import(node: ast.AST, name: str, *, whole: bool) -> bool:
    match node:
        case ast.Import(names=aliases):
            fits = whole
        case ast.ImportFrom(module=module, names=aliases, level=0):
            fits = not whole and module == name
        case _:
            return False
    return fits and any(alias.name == name and not alias.asname for alias in aliases)


def _uses(name: str, source: Source) -> Iterator[tuple[ast.Name, str | None]]:
    """Uses of a name as `name.attribute` with the attribute, and as `name()` with None."""
    for node in source.nodes:
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            outer = source.parents[node]
            if isinstance(outer, ast.Attribute):
                yield node, outer.attr
            elif isinstance(outer, ast.Call) and outer.func is node:
                yield node, None


def _goes_on(node: ast.Name, attr: str, source: Source) -> bool:
    """`datetime.date.today` means the class `date`: the method of that name has no such attribute."""
    outer = source.parents[source.parents[node]]
    return isinstance(outer, ast.Attribute) and attr in ("date", "time")


def _imported_from(module: str, tree: ast.Module) -> set[str]:
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == module]
    return {alias.name for node in nodes for alias in node.names if not alias.asname}
