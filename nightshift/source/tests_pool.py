"""Several sampled versions of one test file, merged into one that holds each distinct test once.

Two tests are the same when their trees are, docstrings, comments and their own names aside, and what they use
of their module is the same too. An autouse fixture of one sample comes to act on the tests of all.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from nightshift.source.renaming import bound_names, renamed, uses
from nightshift.source.syntax import bound_name, dotted, is_docstring, parse, without_docstring
from nightshift.source.tests_facts import Fact, facts_by_test, is_outvoted
from nightshift.source.tests_safety import unsafe_test_reason
from nightshift.source.tests_units import (
    TestUnit,
    drop_tests,
    is_test_class,
    is_test_function,
    line_span,
    normal_form,
    normalised,
    outermost_empty,
    test_names,
    units_of,
)

__all__ = [
    "PooledTests", "contradicted", "drop_tests", "normalised", "pool_tests",
    "test_names", "unsafe_test_reason",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PooledTests:
    text: str
    origin: Mapping[str, tuple[int, ...]]
    """Test, as in a pytest node id -> indices of the samples that hold it, whatever they call it."""


def pool_tests(samples: Sequence[str]) -> PooledTests:
    """One module of all the samples' tests. Raises SyntaxError when a sample does not parse."""
    pool = _Pool()
    for index, text in enumerate(samples):
        _add(pool, index, _Sample.of(text))
    return PooledTests(_laid_out(pool), {name: tuple(sorted(found)) for name, found in pool.origin.items()})


def contradicted(samples: Sequence[str]) -> tuple[str, ...]:
    """Pooled names of tests whose claims of some call most other samples deny, agreeing on another value."""
    votes = [[fact for facts in facts_by_test(parse(text)).values() for fact in facts] for text in samples]
    pooled = pool_tests(samples)
    claims = facts_by_test(parse(pooled.text))
    return tuple(name for name, facts in claims.items() if _is_denied(facts, votes))


def _is_denied(facts: Sequence[Fact], votes: Sequence[Sequence[Fact]]) -> bool:
    """All that the test claims of some call is outvoted."""
    denied = {fact.call for fact in facts if is_outvoted(fact, votes)}
    upheld = {fact.call for fact in facts if not is_outvoted(fact, votes)}
    return bool(denied - upheld)


@dataclass(slots=True)
class _Pool:
    imports: dict[tuple[str, str, str], None] = field(default_factory=dict)
    """(module, original name, local name), in order; see _import_keys."""
    bound: dict[str, str] = field(default_factory=dict)
    """Module-level name -> normal form of what it stands for."""
    early: list[str] = field(default_factory=list)
    """Text that must stand before imports of the project, because it changes sys.path."""
    parts: list[str] = field(default_factory=list)
    forms: set[str] = field(default_factory=set)
    """Normal forms of the statements in `early` and `parts`."""
    tests: dict[tuple[str, str], str] = field(default_factory=dict)
    """(form of the class around it, form of the test) -> pooled name."""
    origin: dict[str, set[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sample:
    tree: ast.Module
    lines: Sequence[str]
    imports: tuple[ast.Import | ast.ImportFrom, ...]
    tests: tuple[ast.stmt, ...]
    helpers: tuple[ast.stmt, ...]
    """Everything else, test classes that other code of the sample names included."""

    @staticmethod
    def of(text: str) -> _Sample:
        tree = parse(text)
        body = [node for node in tree.body if not is_docstring(node) and not _is_main_guard(node)]
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        tests = [n for n in body if _is_test(n) and getattr(n, "name", "") not in named]
        imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        helpers = [node for node in body if node not in tests and node not in imports]
        return _Sample(tree, text.split("\n"), tuple(imports), tuple(tests), tuple(helpers))

    def text_of(self, node: ast.stmt, without: Sequence[ast.stmt] = ()) -> str:
        """The statement as written, less some of the statements in it."""
        first, last = line_span(self.lines, self.tree, node)
        crowded = any(
            other is not node and other.lineno <= last and (other.end_lineno or 0) > first for other in self.tree.body
        )
        if crowded:
            return ast.unparse(node)
        gone = {i for inner in without for i in range(*line_span(self.lines, self.tree, inner))}
        return "\n".join(line for i, line in enumerate(self.lines[first:last], first) if i not in gone)


def _is_test(node: ast.stmt) -> bool:
    return is_test_function(node) or (is_test_class(node) and bool(units_of(ast.Module([node], []))))


def _is_main_guard(node: ast.stmt) -> bool:
    names = ast.walk(node.test) if isinstance(node, ast.If) else ()
    return any(isinstance(name, ast.Name) and name.id == "__name__" for name in names)


def _add(pool: _Pool, index: int, sample: _Sample) -> None:
    names = _renames(pool, sample)
    for key in (key for node in sample.imports for key in _import_keys(node)):
        pool.imports[(key[0], key[1], names.get(key[2], key[2]))] = None
    pool.bound.update({names.get(name, name): form for name, form in _forms(sample, names).items()})
    last_early = max((i for i, node in enumerate(sample.helpers) if _changes_path(node)), default=-1)
    for i, node in enumerate(sample.helpers):
        _add_helper(pool, index, sample, node, names, early=i <= last_early)
    for node in sample.tests:
        if isinstance(node, ast.ClassDef):
            _add_class(pool, index, sample, node, names)
        else:
            _add_function(pool, index, sample, node, names)


# Names that mean one thing here and another there


def _renames(pool: _Pool, sample: _Sample) -> dict[str, str]:
    """New names for what this sample defines differently, and for what changes its meaning by that."""
    names: dict[str, str] = {}
    taken = {node.id for node in ast.walk(sample.tree) if isinstance(node, ast.Name)}
    taken |= set(_forms(sample, names))
    while (name := _clash(pool, sample, names)) is not None:
        fresh = (new for new in _suffixed(name, after=names.get(name, name)) if new not in taken)
        names[name] = next(new for new in fresh if _fits(pool, sample, name, {**names, name: new}))
    return names


def _clash(pool: _Pool, sample: _Sample, names: Mapping[str, str]) -> str | None:
    forms = _forms(sample, names)
    return next((name for name, form in forms.items() if not _agrees(pool, name, form, names)), None)


def _fits(pool: _Pool, sample: _Sample, name: str, names: Mapping[str, str]) -> bool:
    return _agrees(pool, name, _forms(sample, names)[name], names)


def _agrees(pool: _Pool, name: str, form: str, names: Mapping[str, str]) -> bool:
    return pool.bound.get(names.get(name, name), form) == form


def _forms(sample: _Sample, names: Mapping[str, str]) -> dict[str, str]:
    """Name bound at module level -> normal form of all that binds it, after renaming."""
    forms: dict[str, list[str]] = {}
    for node in sample.imports:
        for module, original, local in _import_keys(node):
            # `import a.b` and `import a.c` agree on what `a` is.
            meaning = f"from {module} import {original}" if original else f"import {module.partition('.')[0]}"
            forms.setdefault(local, []).append(meaning)
    for statement in sample.helpers:
        for name in bound_names(statement):
            forms.setdefault(name, []).append(normal_form(renamed(statement, names)))
    return {name: "\n".join(dict.fromkeys(found)) for name, found in forms.items() if name != "*"}


def _suffixed(name: str, *, after: str) -> Iterator[str]:
    number = int(after.removeprefix(name + "_")) if after != name else 1
    while True:
        number += 1
        yield f"{name}_{number}"


def _import_keys(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str, str]]:
    if isinstance(node, ast.Import):
        return [(a.name, "", a.asname or bound_name(a)) for a in node.names]
    module = "." * node.level + (node.module or "")
    return [(module, a.name, a.asname or a.name) for a in node.names]


# Adding what is new


def _add_helper(
    pool: _Pool, index: int, sample: _Sample, node: ast.stmt, names: Mapping[str, str], *, early: bool
) -> None:
    changed = renamed(node, names)
    form = normal_form(changed)
    if form not in pool.forms:
        pool.forms.add(form)
        text = ast.unparse(changed) if uses(node, names) else sample.text_of(node)
        (pool.early if early else pool.parts).append(text)
    for unit in units_of(ast.Module([changed], [])):
        pool.origin.setdefault(unit.name, set()).add(index)


def _add_function(pool: _Pool, index: int, sample: _Sample, node: ast.stmt, names: Mapping[str, str]) -> None:
    changed = renamed(node, names)
    key = ("", normal_form(changed))
    if key not in pool.tests:
        own = getattr(node, "name", "")
        pool.tests[key] = _claimed(pool, own)
        text = ast.unparse(changed) if uses(node, names) else sample.text_of(node)
        pool.parts.append(_with_name(text, own, pool.tests[key]))
    pool.origin.setdefault(pool.tests[key], set()).add(index)


def _add_class(pool: _Pool, index: int, sample: _Sample, node: ast.ClassDef, names: Mapping[str, str]) -> None:
    """Tests that a class of the same shape holds already are left out of this one."""
    here, there = (units_of(ast.Module([cls], [])) for cls in (node, renamed(node, names)))
    live = {unit.name: i for i, unit in enumerate(here)}.values()  # of two methods with one name the last counts
    keys = {i: _key(there[i]) for i in live}
    fresh = {key: i for i, key in reversed(keys.items()) if key not in pool.tests}.values()
    if fresh:
        name = _claimed(pool, node.name)
        kept = [here[i] for i in fresh]
        pool.tests |= {keys[i]: here[i].name.replace(node.name, name, 1) for i in fresh}
        text = sample.text_of(node, without=[outermost_empty(unit, kept) for unit in here if unit not in kept])
        if uses(node, names):
            text = ast.unparse(renamed(parse(text).body[0], names))
        pool.parts.append(_with_name(text, node.name, name))
    for key in keys.values():
        pool.origin.setdefault(pool.tests[key], set()).add(index)


def _key(unit: TestUnit) -> tuple[str, str]:
    """A test method is the same only in a class with the same bases, set-up and helpers."""
    return "\n".join(normal_form(_without_tests(owner)) for owner in unit.owners), normal_form(unit.node)


def _without_tests(owner: ast.ClassDef) -> ast.ClassDef:
    body = without_docstring(owner.body)
    rest = [node for node in body if not (is_test_function(node) or is_test_class(node))]
    bare = ast.ClassDef("Test", owner.bases, owner.keywords, rest or [ast.Pass()], owner.decorator_list)
    return ast.copy_location(bare, owner)


def _claimed(pool: _Pool, name: str) -> str:
    """The name, or the first free one with a number; taken from now on."""
    free = next(new for new in chain([name], _suffixed(name, after=name)) if new not in pool.bound)
    pool.bound[free] = f"test {free}"
    return free


def _with_name(text: str, old: str, new: str) -> str:
    return re.sub(rf"(?m)^((?:async\s+)?(?:def|class)\s+){old}\b", rf"\g<1>{new}", text, count=1)


def _changes_path(node: ast.stmt) -> bool:
    return any(isinstance(inner, ast.Attribute) and dotted(inner) == "sys.path" for inner in ast.walk(node))


# Writing


def _laid_out(pool: _Pool) -> str:
    own = [key for key in pool.imports if key[0].partition(".")[0] in sys.stdlib_module_names]
    others = [key for key in pool.imports if key not in own]
    heads = "\n".join(_import_lines(own)), *pool.early, "\n".join(_import_lines(others))
    parts = [*filter(None, heads), *(part.strip("\n") for part in pool.parts)]
    return "\n\n\n".join(parts) + "\n" if parts else ""


def _import_lines(keys: Sequence[tuple[str, str, str]]) -> list[str]:
    """One line a module; `from __future__` first, where Python wants it."""
    taken: dict[str, list[str]] = {}
    lines = []
    for module, original, local in keys:
        if original == "*":
            lines.append(f"from {module} import *")
        elif original:
            taken.setdefault(module, []).append(original if local == original else f"{original} as {local}")
        else:
            lines.append(f"import {module}" + ("" if local == module.partition(".")[0] else f" as {local}"))
    lines += [f"from {module} import {', '.join(names)}" for module, names in taken.items()]
    return sorted(lines, key=lambda line: not line.startswith("from __future__"))
