"""Which project file imports which, which names it uses, and what order that gives.

Read from import statements, with attributes of imported modules followed one alias deep. What Python finds
only at run time (computed imports, names in strings) is not seen; `import_module` with a literal is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from nightshift.source.imports import (
    ModuleImports,
    Project,
    attributes_used,
    module_name,
    project_imports_missing,
    read_imports,
    third_party,
)

__all__ = [
    "ImportGraph", "Names", "affected", "import_graph", "module_name", "project_imports_missing",
    "shadows_stdlib", "third_party", "topological",
]  # fmt: skip

_NOTHING: frozenset[str] = frozenset()

_TEST_RUNNER = {"pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments"}

Names = frozenset[str] | None
"""Names used of a module; None for all of them, or no telling which."""


@dataclass(frozen=True, slots=True)
class ImportGraph:
    uses: Mapping[str, Mapping[str, Names]]
    """path -> imported project path -> names used of it, those that come through a re-export too."""
    direct: Mapping[str, frozenset[str]]
    """path -> the project paths its own import statements load, packages on the way included."""
    importers: Mapping[str, frozenset[str]]

    def imports(self, path: str) -> frozenset[str]:
        return self.direct.get(path, _NOTHING)

    def dependents(self, path: str) -> frozenset[str]:
        return self.importers.get(path, _NOTHING)

    def reach(self, path: str) -> frozenset[str]:
        """Everything `path` imports, however indirectly; itself only when it is in a cycle."""
        return _closure(path, self.imports)

    def all_dependents(self, path: str) -> frozenset[str]:
        return _closure(path, self.dependents)

    def names_used(self, path: str, *, of: str) -> Names:
        return self.uses.get(path, {}).get(of, _NOTHING)


def import_graph(texts: Mapping[str, str]) -> ImportGraph:
    """The graph of the Python files among `texts`; a file that does not parse imports nothing."""
    project = Project.of(texts)
    reads = {path: read_imports(path, project) for path in project.paths}
    importers: dict[str, set[str]] = {path: set() for path in reads}
    for path, read in reads.items():
        for imported in read.loads:
            importers[imported].add(path)
    return ImportGraph(
        {path: _uses(path, reads, project) for path in reads},
        {path: frozenset(read.loads) for path, read in reads.items()},
        {path: frozenset(found) for path, found in importers.items()},
    )


def affected(texts: Mapping[str, str], changed: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Files that use one of the changed names (path -> names), what they depend on first."""
    graph = import_graph(texts)
    hit = {path for path in graph.uses if any(_is_hit(graph, path, of, names) for of, names in changed.items())}
    return _ordered(hit, graph)


def topological(paths: Iterable[str], edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Layers of paths, each depending on earlier layers only; `edges` says what a path depends on.

    Raises ValueError naming a cycle.
    """
    known = [*dict.fromkeys(paths)]
    sorter = TopologicalSorter({path: [d for d in edges.get(path, ()) if d in known] for path in known})
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(
            f"These files depend on each other in a circle: {' -> '.join(error.args[1][::-1])}."
        ) from error
    layers = []
    while sorter.is_active():
        ready = sorter.get_ready()
        layers.append(sorted(ready, key=known.index))
        sorter.done(*ready)
    return layers


def shadows_stdlib(path: str) -> bool:
    """A module whose import would hide one of Python's own, pytest itself or what pytest needs."""
    top = module_name(path).partition(".")[0]
    return path.endswith(".py") and top in sys.stdlib_module_names | _TEST_RUNNER


def _closure(start: str, step: Callable[[str], frozenset[str]]) -> frozenset[str]:
    seen: set[str] = set()
    queue = [*step(start)]
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            queue += step(path)
    return frozenset(seen)


def _is_hit(graph: ImportGraph, path: str, of: str, names: Collection[str]) -> bool:
    used = graph.names_used(path, of=of)
    return path != of and bool(names) and (used is None or not used.isdisjoint(names))


def _ordered(paths: Collection[str], graph: ImportGraph) -> tuple[str, ...]:
    """Dependencies first; members of one circle by name."""
    reach = {path: graph.reach(path) for path in paths}
    remaining, order = sorted(paths), []
    while remaining:
        ready = next(
            path
            for path in remaining
            if not any(other in reach[path] and path not in reach[other] for other in remaining if other != path)
        )
        remaining.remove(ready)
        order.append(ready)
    return tuple(order)


def _uses(path: str, reads: Mapping[str, ModuleImports], project: Project) -> dict[str, Names]:
    uses: dict[str, Names] = dict.fromkeys(reads[path].loads, _NOTHING)
    queue: list[tuple[str, str | None]] = [*attributes_used(path, reads[path], project), *reads[path].taken]
    seen: set[tuple[str, str | None]] = set()
    while queue:
        use = queue.pop()
        if use in seen or use[0] == path:
            continue
        seen.add(use)
        of, name = use
        known = uses.get(of, _NOTHING)
        uses[of] = None if name is None or known is None else known | {name}
        queue += _behind(reads[of], name)
    return uses


def _behind(read: ModuleImports, name: str | None) -> list[tuple[str, str | None]]:
    """Where a module has the name from, when it only passes it on."""
    stars = [(path, name) for path, taken in read.taken if taken is None]
    if name is None:
        return [*read.origins.values(), *stars]
    return [read.origins[name]] if name in read.origins else [*stars]
