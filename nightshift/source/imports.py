"""Import statements, resolved against the files of a project. graph.py puts the answers together."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from nightshift.source.syntax import bound_name, dotted, parse_or_none

_GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
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


@dataclass(frozen=True, slots=True)
class Project:
    paths: tuple[str, ...]
    trees: Mapping[str, ast.Module]
    """Of the files that parse."""
    modules: Mapping[str, str]
    """Dotted name -> path; files under src/ by both their names."""
    packages: frozenset[str]
    """Dotted names of folders with Python in them."""

    @staticmethod
    def of(texts: Mapping[str, str]) -> Project:
        paths = tuple(path for path in texts if path.endswith(".py"))
        parsed = {path: parse_or_none(texts[path]) for path in paths}
        names = [(_literal_name(path), path) for path in paths] + [(module_name(path), path) for path in paths]
        modules = {name: path for name, path in names if name}
        return Project(
            paths,
            {path: tree for path, tree in parsed.items() if tree is not None},
            modules,
            frozenset(parent for name in modules for parent in _parents(name)),
        )

    def has(self, name: str) -> bool:
        return name in self.modules or name in self.packages

    def absolute(self, name: str, importer: str) -> str | None:
        """The project's dotted name for an absolute import: from the root, else beside the importing file."""
        top = name.partition(".")[0]
        if self.has(top):
            return name
        folder = ".".join(PurePosixPath(importer).parent.parts)
        beside = folder and top not in sys.stdlib_module_names and self.has(f"{folder}.{top}")
        return f"{folder}.{name}" if beside else None

    def source(self, node: ast.ImportFrom, importer: str) -> str | None:
        """The project's dotted name for what stands between `from` and `import`."""
        if not node.level:
            return self.absolute(node.module or "", importer)
        folder = PurePosixPath(importer).parent.parts
        parts = [*folder[: len(folder) - node.level + 1], *(node.module or "").split(".")]
        return ".".join(filter(None, parts)) if node.level <= len(folder) + 1 else None


@dataclass(slots=True)
class ModuleImports:
    """What the import statements of one file say."""

    loads: set[str] = field(default_factory=set)
    """Project paths, packages on the way included."""
    taken: list[Use] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    """Local name -> dotted name of the project module it stands for."""
    origins: dict[str, Use] = field(default_factory=dict)
    """Local name -> where a from-import has it from."""


def module_name(path: str) -> str:
    """`src/pkg/mod.py` is `pkg.mod`, `pkg/__init__.py` is `pkg`."""
    name = _literal_name(path)
    return name.removeprefix("src.")


def read_imports(path: str, project: Project) -> ModuleImports:
    read = ModuleImports()
    for node in _walk(project, path):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    _read_import(alias, path, project, read)
            case ast.ImportFrom(names=names):
                source = project.source(node, path)
                for alias in names if source is not None else []:
                    _read_from(source or "", alias, project, read)
            case ast.Call(args=[ast.Constant(value=str(name)), *_]) if _imports_by_call(node):
                _take_all(project.absolute(name, path), project, read)
    read.loads.discard(path)
    return read


def attributes_used(path: str, read: ModuleImports, project: Project) -> Iterator[Use]:
    """Names used as attributes of imported modules: `a.b.name` uses `name` of module `a.b`."""
    if not read.aliases:
        return
    inner = {id(node.value) for node in _walk(project, path) if isinstance(node, ast.Attribute)}
    for node in _walk(project, path):
        chain = _chain(node)
        if not chain or chain[0] not in read.aliases or not isinstance(getattr(node, "ctx", None), ast.Load):
            continue
        *owner, name = [*read.aliases[chain[0]].split("."), *chain[1:]]
        whole = ".".join([*owner, name])
        if project.has(whole) and id(node) not in inner:
            yield from ((project.modules[m], None) for m in [whole] if m in project.modules)
        elif not project.has(whole) and ".".join(owner) in project.modules:
            yield project.modules[".".join(owner)], name


def project_imports_missing(texts: Mapping[str, str], path: str) -> tuple[str, ...]:
    """Names that `path` imports from project modules that do not have them, as `module.name`."""
    project = Project.of(texts)
    nodes = _unguarded(project.trees[path]) if path in project.trees else []
    return tuple(dict.fromkeys(name for node in nodes for name in _missing(node, path, project)))


def third_party(texts: Mapping[str, str]) -> frozenset[str]:
    """Top-level packages imported that are neither Python's own nor the project's.

    An import that a try guards is optional and not among them.
    """
    project = Project.of(texts)
    names = {
        name.partition(".")[0]
        for path, tree in project.trees.items()
        for node in _unguarded(tree)
        for name in _absolute_names(node)
        if project.absolute(name, path) is None
    }
    return frozenset(names - set(sys.stdlib_module_names) - {"__main__"})


def _literal_name(path: str) -> str:
    return ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _walk(project: Project, path: str) -> Iterable[ast.AST]:
    return ast.walk(project.trees[path]) if path in project.trees else ()


# What one statement loads


def _load(name: str, project: Project, read: ModuleImports) -> None:
    """A module is loaded together with the packages it lies in."""
    read.loads.update(project.modules[m] for m in [*_parents(name), name] if m in project.modules)


def _read_import(alias: ast.alias, path: str, project: Project, read: ModuleImports) -> None:
    name = project.absolute(alias.name, path)
    if name is None:
        return
    _load(name, project, read)
    top = name.removesuffix(alias.name) + alias.name.partition(".")[0]
    read.aliases[bound_name(alias)] = name if alias.asname else top


def _read_from(source: str, alias: ast.alias, project: Project, read: ModuleImports) -> None:
    local, inner = alias.asname or alias.name, f"{source}.{alias.name}".lstrip(".")
    if alias.name == "*":
        _take_all(source, project, read)
    elif project.has(inner):
        _load(inner, project, read)
        read.aliases[local] = inner
    else:
        _load(source, project, read)
        if source in project.modules:
            read.taken.append((project.modules[source], alias.name))
            read.origins[local] = (project.modules[source], alias.name)


def _take_all(name: str | None, project: Project, read: ModuleImports) -> None:
    if name is not None:
        _load(name, project, read)
        read.taken += [(project.modules[name], None)] if name in project.modules else []


def _imports_by_call(node: ast.Call) -> bool:
    return dotted(node.func).rpartition(".")[2] in ("import_module", "__import__")


def _chain(node: ast.AST) -> list[str]:
    """["a", "b", "c"] for the expression a.b.c, else nothing."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return [node.id, *reversed(attributes)] if isinstance(node, ast.Name) else []


# What is missing


def _unguarded(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and any(_catches_import_errors(handler) for handler in node.handlers)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return [node for node in nodes if id(node) not in guarded]


def _catches_import_errors(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(node is None or dotted(node) in _GUARDS for node in caught)


def _absolute_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if node.module and not node.level else []


def _missing(node: ast.Import | ast.ImportFrom, path: str, project: Project) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [project.absolute(alias.name, path) for alias in node.names]
        yield from (name for name in names if name is not None and not project.has(name))
        return
    source = project.source(node, path)
    if source is None:
        return
    if source and not project.has(source):
        yield source
        return
    known = _names_of(source, project)
    for alias in node.names:
        inner = f"{source}.{alias.name}".lstrip(".")
        if known is not None and alias.name not in known | {"*"} and not project.has(inner):
            yield inner


def _names_of(module: str, project: Project) -> set[str] | None:
    """Names bound at module level; None when there is no telling."""
    path = project.modules.get(module)
    if path is None:
        return set()
    if path not in project.trees:
        return None
    names = {*_EVERY_MODULE_HAS}
    for node in _module_scope(project.trees[path]):
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
