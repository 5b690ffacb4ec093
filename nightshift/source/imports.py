"""Import statements, resolved against the files of a project. graph.py puts the answers together.

What a text says comes from facts.py; here is what it means in a place. Both are kept, so that only what changed is
done again: facts for as long as the text is the same, their meaning for as long as the set of files is the same too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from nightshift.source.facts import KEPT, Chain, Facts, Statement, facts_or_nothing
from nightshift.source.roots import Project, project_of
from nightshift.source.syntax import bound_name, parse_or_none

_EVERY_MODULE_HAS = {
    "__name__",
    "__file__",
    "__doc__",
    "__path__",
    "__package__",
    "__spec__",
    "__dict__",
    "__loader__",
}

Use = tuple[str, str | None]
"""(project path, name used of it); None for all its names, or no telling which."""


@dataclass(eq=False)
class ModuleImports:
    """What the import statements of one file mean in its project. Filled by `imports_of`, then left alone."""

    path: str
    facts: Facts
    project: Project
    loads: set[str] = field(default_factory=set)
    """Project paths, packages on the way included."""
    taken: list[Use] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    """Local name -> dotted name of the project module it stands for."""
    origins: dict[str, Use] = field(default_factory=dict)
    """Local name -> where a from-import has it from."""

    @cached_property
    def uses(self) -> frozenset[Use]:
        """Names taken by import, and those used as attributes of imported modules: `a.b.name` uses `name` of `a.b`."""
        chains = self.facts.chains if self.aliases else ()
        return frozenset([*self.taken, *(use for chain in chains for use in self._attribute(chain))])

    def _attribute(self, chain: Chain) -> Iterator[Use]:
        if chain[0] not in self.aliases:
            return
        owner, project = "", self.project
        for name in [*self.aliases[chain[0]].split("."), *chain[1:]]:
            if not project.has(f"{owner}.{name}".lstrip(".")):
                yield from [(project.modules[owner], name)] if name and owner in project.modules else []
                return
            owner = f"{owner}.{name}".lstrip(".")
        yield from [(project.modules[owner], None)] if owner in project.modules else []


@lru_cache(maxsize=KEPT)
def imports_of(path: str, facts: Facts, project: Project) -> ModuleImports:
    read = ModuleImports(path, facts, project)
    for statement in facts.statements:
        source = project.source(statement, path)
        if source is not None and statement.is_from:
            _read_from(source, statement, read)
        elif source is not None:
            _read_import(source, statement, read)
    for name in facts.calls:
        _take_all(project.absolute(name, path), read)
    read.loads.discard(path)
    return read


def project_imports_missing(texts: Mapping[str, str], path: str) -> tuple[str, ...]:
    """Names that `path` imports from project modules that do not have them, as `module.name`."""
    project = project_of(tuple(texts))
    statements = facts_or_nothing(texts.get(path, "")).statements
    missing = (name for each in statements if not each.guarded for name in _missing(each, path, project, texts))
    return tuple(dict.fromkeys(missing))


def third_party(texts: Mapping[str, str]) -> frozenset[str]:
    """Top-level packages imported that are neither Python's own nor the project's.

    An import that a try guards is optional and not among them.
    """
    project = project_of(tuple(texts))
    names = {
        statement.module.partition(".")[0]
        for path in project.folders
        for statement in facts_or_nothing(texts[path]).statements
        if not (statement.guarded or statement.level) and project.absolute(statement.module, path) is None
    }
    return frozenset(names - set(sys.stdlib_module_names) - {"__main__"})


# What one statement loads


def _read_import(source: str, statement: Statement, read: ModuleImports) -> None:
    read.loads |= read.project.loaded(source)
    for name, local in statement.names:
        top = source.removesuffix(name) + name.partition(".")[0]
        read.aliases[local or name.partition(".")[0]] = source if local else top


def _read_from(source: str, statement: Statement, read: ModuleImports) -> None:
    path = read.project.modules.get(source)
    for name, local in statement.names:
        inner = f"{source}.{name}" if source else name
        if name == "*":
            _take_all(source, read)
        elif read.project.has(inner):
            read.loads |= read.project.loaded(inner)
            read.aliases[local or name] = inner
        else:
            read.loads |= read.project.loaded(source)
            if path is not None:
                read.taken.append((path, name))
                read.origins[local or name] = (path, name)


def _take_all(name: str | None, read: ModuleImports) -> None:
    if name is not None:
        read.loads |= read.project.loaded(name)
        read.taken += [(read.project.modules[name], None)] if name in read.project.modules else []


# What is missing


def _missing(statement: Statement, path: str, project: Project, texts: Mapping[str, str]) -> Iterator[str]:
    source = project.source(statement, path)
    if source is None:
        return
    if source and not project.has(source):
        yield source
        return
    known = _names_of(source, project, texts) if statement.is_from else None
    for name, _ in statement.names:
        inner = f"{source}.{name}".lstrip(".")
        if known is not None and name not in known | {"*"} and not project.has(inner):
            yield inner


def _names_of(module: str, project: Project, texts: Mapping[str, str]) -> set[str] | None:
    """Names bound at module level; None when there is no telling."""
    path = project.modules.get(module)
    if path is None:
        return set()
    tree = parse_or_none(texts[path])
    if tree is None:
        return None
    names = {*_EVERY_MODULE_HAS}
    for node in _module_scope(tree):
        names |= _bound(node)
    return None if names & {"*", "__getattr__", "globals()"} else names


def _module_scope(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes whose names land in the module: of functions and classes only their `global` lines."""
    queue: list[ast.AST] = [*tree.body]
    while queue:
        node = queue.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Global))
        else:
            queue += ast.iter_child_nodes(node)


def _bound(node: ast.AST) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Name(id=name, ctx=ast.Store()):
            return {name}
        case ast.Global(names=names):
            return {*names}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {bound_name(alias) for alias in aliases}
        case ast.Call(func=ast.Name(id="globals")):
            return {"globals()"}
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return {name}
    return set()
