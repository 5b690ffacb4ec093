"""Imports that are missing, or that look for a name in the wrong place. Imports that work are never touched."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from nightshift.source.fixes.closeness import close_match
from nightshift.source.fixes.reading import Change, Load, Source
from nightshift.source.fixes.statements import added, instead, rewritten
from nightshift.source.fixes.stdlib import MODULES, SHORT_NAMES, attributes_of, home_of, names_of
from nightshift.source.graph import import_graph
from nightshift.source.interfaces import interface_of
from nightshift.source.roots import module_name
from nightshift.source.syntax import bound_name, dotted, parse_or_none

_FOREIGN = {"site-packages", "node_modules", "venv", "env", "build", "dist", "__pycache__"}


def missing_standard_import(source: Source) -> Iterator[Change]:
    """`json.dumps` without json is `import json`; `Path()` without Path is `from pathlib import Path`."""
    for name, loads in source.unresolved.items():
        statement = _standard(name, [_attributes(load, source) for load in loads])
        if statement:
            yield Change("missing-import", f"added `{statement}`", name, (added(source, statement),))


def missing_project_import(source: Source) -> Iterator[Change]:
    """A name that exactly one other module of the project defines, or that is such a module."""
    for name, loads in source.unresolved.items():
        uses = [_attributes(load, source) for load in loads]
        statements = {_from(module, name, source) for module in _homes(name, source)}
        if not statements and all(uses):
            statements = {*_modules_named(name, uses, source)}
        if len(statements) == 1:
            statement = statements.pop()
            yield Change("project-import", f"added `{statement}`", name, (added(source, statement),))


def import_as_elsewhere(source: Source) -> Iterator[Change]:
    """A name that the project's other files all import in the same one way, such as `import numpy as np`."""
    is_test = _is_foreign(source.clues.path)
    texts = source.clues.texts if is_test else _others(source)
    for name in source.unresolved:
        found = {*_imports_of(name, texts, module_name(source.clues.path))}
        found |= {"import pytest"} if is_test and name == "pytest" else set()
        if len(found) == 1:
            statement = found.pop()
            yield Change("same-import", f"added `{statement}`", name, (added(source, statement),))


def missing_submodule(source: Source) -> Iterator[Change]:
    """`import xml` does not load `xml.etree`."""
    for found, _ in source.said(r"module '([\w.]+)' has no attribute '(\w+)'"):
        start = f"{found[1]}.{found[2]}"
        used = [dotted(node) for node in source.nodes if isinstance(node, ast.Attribute)]
        inner = [name for name in used if f"{name}.".startswith(f"{start}.") and name in MODULES]
        whole = max(inner, key=len, default="")
        if whole:
            yield Change("missing-import", f"added `import {whole}`", whole, (added(source, f"import {whole}"),))


def moved_import(source: Source) -> Iterator[Change]:
    """`from typing import dataclass`: the module has no such name, another one has."""
    for node, alias in _from_imports(source):
        if node.level or not node.module or node.module not in MODULES or _is_in_try(node, source):
            continue
        home = home_of(alias.name)
        if home and home != node.module and alias.name not in names_of(node.module):
            statement = f"from {home} import {_written(alias)}"
            edits = instead(source, node, alias, statement)
            yield Change("moved-import", f"{alias.name} from {home}", alias.name, edits)


def misspelt_import(source: Source) -> Iterator[Change]:
    """`cannot import name`: another module of the project defines it, or the module has one close name."""
    for found, _ in source.said(r"cannot import name '(\w+)' from (?:partially initialized module )?'([\w.]+)'"):
        for node, alias in _from_imports(source):
            if alias.name == found[1] and _last(node.module or "") == _last(found[2]):
                yield from _respelt(source, node, alias, found[2])


def wrong_module(source: Source) -> Iterator[Change]:
    """`No module named`: one module of the project ends so, or has a close name."""
    for found, _ in source.said(r"No module named '([\w.]+)'"):
        missing, names = found[1], {module_name(path) for path in _others(source)}
        ends = [name for name in names if name.endswith(f".{missing}")]
        meant = (ends[0] if len(ends) == 1 else None) if ends else close_match(missing, names)
        for node in source.nodes:
            if meant and isinstance(node, ast.ImportFrom) and node.module == missing and not node.level:
                statement = ast.unparse(ast.ImportFrom(meant, node.names, 0))
                yield Change("wrong-module", f"{missing} is {meant}", missing, rewritten(source, node, [statement]))


# Python's own modules


def _standard(name: str, uses: Sequence[tuple[str, ...]]) -> str | None:
    home = home_of(name)
    firsts = {use[0] for use in uses if use}
    fits = home is not None and (not firsts or firsts <= attributes_of(home, name))
    if fits and not (all(uses) and _module_statement(name, uses)):
        return f"from {home} import {name}"
    return _module_statement(name, uses) if firsts else None


def _module_statement(name: str, uses: Sequence[tuple[str, ...]]) -> str | None:
    """`import name`, with the submodules that are used; None when the module lacks what is used of it."""
    module = SHORT_NAMES.get(name, name)
    used = [use for use in uses if use]
    if module not in MODULES or not {use[0] for use in used} <= names_of(module):
        return None
    if module != name:
        return f"import {module} as {name}"
    inner = {_longest_module((name, *use)) for use in used}
    return "import " + ", ".join(sorted(inner - {name}) or [name])


def _longest_module(parts: Sequence[str]) -> str:
    known = [".".join(parts[:i]) for i in range(1, len(parts) + 1) if ".".join(parts[:i]) in MODULES]
    return known[-1]


def _attributes(load: Load, source: Source) -> tuple[str, ...]:
    """("etree", "ElementTree") for a use such as `xml.etree.ElementTree`."""
    names = []
    for outer in source.above(load.node):
        if not isinstance(outer, ast.Attribute):
            break
        names.append(outer.attr)
    return tuple(names)


# Modules of the project


def _is_foreign(path: str) -> bool:
    """Not a module that source imports: tests, hidden folders, installed packages."""
    parts = PurePosixPath(path).parts
    name = parts[-1]
    is_test = name.startswith(("test_", "conftest")) or name.endswith("_test.py") or {"tests", "test"} & {*parts[:-1]}
    return bool(is_test) or bool(_FOREIGN & {*parts}) or any(part.startswith(".") for part in parts)


def _others(source: Source) -> dict[str, str]:
    """Modules that source may import."""
    texts = {path: text for path, text in source.clues.texts.items() if path.endswith(".py") and not _is_foreign(path)}
    return {path: text for path, text in texts.items() if module_name(path) and path != source.clues.path}


@lru_cache(maxsize=256)
def _defined(text: str) -> frozenset[str]:
    tree = parse_or_none(text)
    return frozenset(interface_of(text).definitions) if tree else frozenset()


def _homes(name: str, source: Source) -> list[str]:
    if not re.search(r"\w{3}", name):
        return []
    found = [path for path, text in _others(source).items() if name in text and name in _defined(text)]
    return [path for path in found if not _would_circle(path, source)]


def _would_circle(path: str, source: Source) -> bool:
    graph = import_graph({**source.clues.texts, source.clues.path: source.text})
    return source.clues.path in graph.reach(path)


def _from(path: str, name: str, source: Source) -> str:
    return f"from {_spelt(path, source)} import {name}"


def _spelt(path: str, source: Source) -> str:
    """The module as this file names its neighbours: relative, by its bare name, or from the root."""
    folder, own = PurePosixPath(path).parent, PurePosixPath(source.clues.path).parent
    nodes = [node for node in source.tree.body if isinstance(node, ast.ImportFrom)]
    stem = PurePosixPath(path).stem
    if folder == own and folder.parts and stem != "__init__":
        if any(node.level for node in nodes):
            return f".{stem}"
        beside = {PurePosixPath(other).stem for other in source.clues.texts if PurePosixPath(other).parent == own}
        if any(node.module in beside for node in nodes):
            return stem
    return module_name(path)


def _modules_named(name: str, uses: Sequence[tuple[str, ...]], source: Source) -> Iterator[str]:
    for path, text in _others(source).items():
        *package, last = module_name(path).split(".")
        if last == name and {use[0] for use in uses} <= _defined(text):
            yield f"from {'.'.join(package)} import {name}" if package else f"import {name}"


def _imports_of(name: str, texts: Mapping[str, str], importer: str) -> Iterator[str]:
    for tree in [parse_or_none(text) for text in texts.values() if name in text]:
        for node in tree.body if tree else []:
            match node:
                case ast.Import(names=aliases):
                    yield from (ast.unparse(ast.Import([a])) for a in aliases if bound_name(a) == name)
                case ast.ImportFrom(module=module, names=aliases, level=0) if module != importer:
                    found = [a for a in aliases if bound_name(a) == name]
                    yield from (ast.unparse(ast.ImportFrom(module, [a], 0)) for a in found)


# Imports that fail


def _from_imports(source: Source) -> Iterator[tuple[ast.ImportFrom, ast.alias]]:
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom):
            yield from ((node, alias) for alias in node.names)


def _is_in_try(node: ast.AST, source: Source) -> bool:
    return any(isinstance(outer, ast.Try | ast.If) for outer in source.above(node))


def _respelt(source: Source, node: ast.ImportFrom, alias: ast.alias, module: str) -> Iterator[Change]:
    homes = _homes(alias.name, source)
    if len(homes) == 1 and module_name(homes[0]) != module:
        statement = f"from {_spelt(homes[0], source)} import {_written(alias)}"
        edits = instead(source, node, alias, statement)
        yield Change("moved-import", f"{alias.name} from {homes[0]}", alias.name, edits)
        return
    others = _others(source)
    known = {n for path, text in others.items() if module_name(path) == module for n in _defined(text)}
    meant = close_match(alias.name, known or names_of(module), short_forms=bool(known))
    if meant:
        level = "." * node.level
        statement = f"from {level}{node.module or ''} import {meant} as {alias.asname or alias.name}"
        yield Change("misspelt-import", f"{alias.name} is {meant}", alias.name, instead(source, node, alias, statement))


def _last(module: str) -> str:
    return module.rpartition(".")[2]


def _written(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name
