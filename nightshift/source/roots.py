"""The names by which the files of a project can be imported, in whatever folders its roots lie.

A root is a folder whose modules are imported by their bare names: the top, `src` folders, the folder of each project
in a repository of several. What a program adds to its path while it runs is not seen.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from nightshift.source.facts import Statement

_PROJECT_FILES = frozenset({"pyproject.toml", "setup.py", "setup.cfg"})
"""In the folder of each project of a repository that holds several."""


@dataclass(frozen=True, eq=False)
class Project:
    """The files of a project by the names they are imported by. What is in them does not matter."""

    folders: Mapping[str, tuple[str, ...]]
    """Path -> the folders it lies in."""
    places: Mapping[str, tuple[str, ...]]
    """Path -> dotted names of folders whose modules it may import by their bare names."""
    modules: Mapping[str, str]
    """Dotted name -> path; files under src/ by both their names."""
    loads: Mapping[str, frozenset[str]]
    """Dotted name of a module or a folder with Python in it -> paths loaded with it, packages on the way included."""
    tops: Mapping[str, tuple[str, ...]]
    """First part of a name -> dotted names of the roots below the top that hold it (see `roots_of`)."""

    def has(self, name: str) -> bool:
        return name in self.loads

    def absolute(self, name: str, importer: str) -> str | None:
        """The project's dotted name for an absolute import: from the top, else as seen from the importing file.

        A name that lies in several roots, as a namespace package does, is the one whose whole name is there.
        """
        if self.has(name):
            return name
        top = name.partition(".")[0]
        near = [] if top in sys.stdlib_module_names else self._near(top, importer)
        whole = next((f"{place}.{name}" for place in near if self.has(f"{place}.{name}")), None)
        if whole or self.has(top):
            return whole or name
        return f"{near[0]}.{name}" if near else None

    def _near(self, top: str, importer: str) -> list[str]:
        """The places from which that name can be imported: the importing file's own, then the nearest roots."""
        own = [place for place in self.places[importer] if self.has(f"{place}.{top}")]
        folder = self.folders[importer]
        far = sorted(self.tops.get(top, ()), key=lambda root: -_shared(root.split("."), folder))
        return [*own, *far]

    def source(self, statement: Statement, importer: str) -> str | None:
        """The project's dotted name for what stands between `from` and `import`."""
        if not statement.level:
            return self.absolute(statement.module, importer)
        folder = self.folders[importer]
        if statement.level > len(folder) + 1:
            return None
        return ".".join(filter(None, [*folder[: len(folder) - statement.level + 1], statement.module]))

    def loaded(self, name: str) -> frozenset[str]:
        """A module is loaded together with the packages it lies in, those of a missing one too."""
        while name and not self.has(name):
            name = name.rpartition(".")[0]
        return self.loads.get(name, frozenset())


@lru_cache(maxsize=8)
def project_of(paths: tuple[str, ...]) -> Project:
    """Of the Python files among `paths`."""
    files = sorted((path for path in paths if path.endswith(".py")), key=lambda path: path.endswith("/__init__.py"))
    names = [(_literal_name(path), path) for path in files] + [(module_name(path), path) for path in files]
    modules = {name: path for name, path in names if name}  # a package hides a module of its name: it comes last
    loads: dict[str, frozenset[str]] = {}
    packages = {parent for name in modules for parent in _parents(name)}
    for name in sorted(packages | modules.keys()):
        above = loads.get(name.rpartition(".")[0], frozenset())
        loads[name] = above | {modules[name]} if name in modules else above
    folders = {path: PurePosixPath(path).parent.parts for path in paths if path.endswith(".py")}
    places = {path: _places(folder, modules) for path, folder in folders.items()}
    return Project(folders, places, modules, loads, _tops(loads, roots_of(paths)))


def roots_of(paths: Iterable[str]) -> frozenset[str]:
    """Folders below the top from which modules are imported by their bare names: `src`, and each project of several.

    A package is none, whatever else lies in it.
    """
    folders = {PurePosixPath(path).parent for path in paths if path.endswith(".py")}
    above = {parent for folder in folders for parent in (folder, *folder.parents)}
    found = {str(folder) for folder in above if folder.name == "src"}
    found |= {str(PurePosixPath(path).parent) for path in paths if path.rpartition("/")[2] in _PROJECT_FILES}
    packages = {str(PurePosixPath(path).parent) for path in paths if path.endswith("/__init__.py")}
    return frozenset(found - packages - {"."})


def importable(path: str, paths: Collection[str]) -> tuple[str, str]:
    """(folder to be put on the path, name to be imported) of a module: of several such folders the innermost."""
    inside = [root for root in roots_of((*paths, path)) if path.startswith(f"{root}/")]
    root = max(inside, key=len, default="")
    return root, _literal_name(path.removeprefix(f"{root}/"))


def module_name(path: str) -> str:
    """`src/pkg/mod.py` is `pkg.mod`, `pkg/__init__.py` is `pkg`."""
    name = _literal_name(path)
    return name.removeprefix("src.")


def names_above(path: str) -> set[str]:
    """Dotted names of the packages a module lies in, through which others may get at it."""
    return {*_parents(module_name(path)), *_parents(_literal_name(path))}


def _tops(loads: Iterable[str], roots: Collection[str]) -> dict[str, tuple[str, ...]]:
    dotted = {root.replace("/", ".") for root in roots}
    tops: dict[str, list[str]] = {}
    for name in sorted(loads):
        above, _, last = name.rpartition(".")
        if above in dotted:
            tops.setdefault(last, []).append(above)
    return {top: tuple(found) for top, found in tops.items()}


def _places(folder: tuple[str, ...], modules: Mapping[str, str]) -> tuple[str, ...]:
    """The folder of a file, as for a script; the one its outermost package lies in, as pytest puts on the path; the
    folders above, of which one may be on the path by configuration."""
    root = folder
    while ".".join(root) in modules:
        root = root[:-1]
    above = (root[:length] for length in range(len(root), 0, -1))
    return tuple(dict.fromkeys(".".join(place) for place in (folder, *above) if place))


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders two places have in common."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _literal_name(path: str) -> str:
    return ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]
