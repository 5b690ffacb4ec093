"""Which project file imports which, which names it uses, and what order that gives.

Read from import statements, with attributes of imported modules followed one alias deep. What Python finds
only at run time (computed imports, names in strings) is not seen; `import_module` with a literal is.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from nightshift.source.facts import facts_or_nothing
from nightshift.source.imports import (
    ModuleImports,
    Use,
    imports_of,
    project_imports_missing,
    third_party,
)
from nightshift.source.roots import importable, module_name, names_above, project_of

__all__ = [
    "ImportGraph", "Names", "affected", "import_graph", "importable", "module_name", "project_imports_missing",
    "shadows_stdlib", "third_party", "topological",
]  # fmt: skip

_NOTHING: frozenset[str] = frozenset()

_TEST_RUNNER = {"pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments"}

Names = frozenset[str] | None
"""Names used of a module; None for all of them, or no telling which."""


@dataclass(frozen=True, slots=True)
class ImportGraph:
    reads: Mapping[str, ModuleImports]
    importers: Mapping[str, frozenset[str]]

    def imports(self, path: str) -> frozenset[str]:
        """The project paths that import statements of `path` load, packages on the way included."""
        return frozenset(self.reads[path].loads) if path in self.reads else _NOTHING

    def dependents(self, path: str) -> frozenset[str]:
        return self.importers.get(path, _NOTHING)

    def reach(self, path: str) -> frozenset[str]:
        """Everything `path` imports, however indirectly; itself only when it is in a cycle."""
        return _closure(path, self.imports)

    def all_dependents(self, path: str) -> frozenset[str]:
        return _closure(path, self.dependents)

    def names_used(self, path: str, *, of: str) -> Names:
        """Those that come through a re-export too."""
        return _uses(path, self.reads).get(of, _NOTHING) if path in self.reads else _NOTHING


def import_graph(texts: Mapping[str, str]) -> ImportGraph:
    """The graph of the Python files among `texts`; a file that does not parse imports nothing."""
    project = project_of(tuple(texts))
    reads = {path: imports_of(path, facts_or_nothing(texts[path]), project) for path in project.folders}
    importers: dict[str, set[str]] = {path: set() for path in reads}
    for path, read in reads.items():
        for imported in read.loads:
            importers[imported].add(path)
    return ImportGraph(reads, {path: frozenset(found) for path, found in importers.items()})


def affected(texts: Mapping[str, str], changed: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Files that use one of the changed names (path -> names), what they depend on first."""
    graph = import_graph(texts)
    hit = {path for of, names in changed.items() if names for path in _users(of, names, graph)}
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


def _uses(path: str, reads: Mapping[str, ModuleImports]) -> dict[str, Names]:
    uses: dict[str, Names] = {}
    queue = [*reads[path].uses]
    seen: set[Use] = set()
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


def _behind(read: ModuleImports, name: str | None) -> list[Use]:
    """Where a module has the name from, when it only passes it on."""
    stars: list[Use] = [(path, name) for path, taken in read.taken if taken is None]
    if name is None:
        return [*read.origins.values(), *stars]
    return [read.origins[name]] if name in read.origins else stars


# Who uses a name


def _users(of: str, names: Collection[str], graph: ImportGraph) -> set[str]:
    """Files that use one of the names of a module, from it or from a module that passes it on."""
    known = _passed_on(of, names, graph)
    near = {path for module in known for path in graph.dependents(module)}
    above = {name for module in known for name in names_above(module)}  # `import a` and then `a.b.c` loads no b
    near |= {path for path, read in graph.reads.items() if not above.isdisjoint(read.aliases.values())}
    return {path for path in near - {of} if any(_is_one(use, known) for use in graph.reads[path].uses)}


def _is_one(use: Use, known: Mapping[str, Collection[str]]) -> bool:
    module, name = use
    return module in known and (name is None or name in known[module])


def _passed_on(of: str, names: Collection[str], graph: ImportGraph) -> dict[str, set[str]]:
    """Module -> what the names of `of` are called there; modules that pass none of them on are left out."""
    known, queue = {of: {*names}}, [of]
    while queue:
        module = queue.pop()
        for path in {module, *graph.dependents(module)}:
            passed = _passed(graph.reads[path], module, known[module]) if path in graph.reads else None
            if passed is not None and (path not in known or not passed <= known[path]):
                known.setdefault(path, set()).update(passed)
                queue.append(path)
    return known


def _passed(read: ModuleImports, module: str, names: Collection[str]) -> set[str] | None:
    """The local names of a module's names; None when it passes nothing of the module on."""
    renamed = {local for local, (path, name) in read.origins.items() if path == module and name in names}
    if (module, None) in read.taken:
        return renamed | {name for name in names if name not in read.origins}
    return renamed or None


# In what order


def _ordered(paths: Collection[str], graph: ImportGraph) -> tuple[str, ...]:
    """Dependencies first; members of one circle by name."""
    remaining = sorted(paths)
    if len(remaining) < 2:
        return tuple(remaining)
    below = _below(remaining, graph)
    left, order = (1 << len(remaining)) - 1, []
    numbers = {path: number for number, path in enumerate(remaining)}
    while remaining:
        ready = next(path for path in remaining if not below[path] & left)
        remaining.remove(ready)
        left &= ~(1 << numbers[ready])
        order.append(ready)
    return tuple(order)


def _below(paths: Sequence[str], graph: ImportGraph) -> dict[str, int]:
    """What each path reaches of the others and is not reached by, as a set of bits."""
    bits = {path: 1 << number for number, path in enumerate(paths)}
    reached = _reached(bits, graph)
    circles: dict[int, int] = {}
    for path, bit in bits.items():
        circles[reached[path]] = circles.get(reached[path], 0) | bit
    return {path: reached[path] & ~(circles[reached[path]] if reached[path] & bit else 0) for path, bit in bits.items()}


def _reached(bits: Mapping[str, int], graph: ImportGraph) -> dict[str, int]:
    """The bits of all that is reached from each path, found by passing them up the edges until nothing changes."""
    reached = dict.fromkeys(graph.reads, 0)
    queue = deque(graph.reads)
    waiting = {*queue}
    while queue:
        path = queue.popleft()
        waiting.discard(path)
        found = 0
        for imported in graph.reads[path].loads:
            found |= reached[imported] | bits.get(imported, 0)
        if found != reached[path]:
            reached[path] = found
            later = graph.importers[path] - waiting
            queue += later
            waiting |= later
    return reached
