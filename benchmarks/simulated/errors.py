"""The errors that candidates and tests of one task draw from: slips in one unit, and misreadings of the task.

Only what was seen to be wrong in the sandbox is an error; a change that makes no difference is none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.simulated.behaviour import Behaviour, behaviours
from benchmarks.simulated.knowledge import Knowledge, units
from benchmarks.simulated.slips import slips
from nightshift.domain import Sandbox


@dataclass(frozen=True, slots=True)
class Error:
    units: Mapping[str, str]
    """Qualified name -> text of the function as it is wrong."""
    kind: str
    values: tuple[str, ...]
    """What each call gives."""
    altered: frozenset[int]
    """The calls whose value it changes."""


@dataclass(frozen=True, slots=True)
class Errors:
    """All that can go wrong in one task."""

    knowledge: Knowledge
    right: Mapping[str, str]
    """Qualified name -> text of the function as it should be."""
    expected: tuple[str, ...]
    slips: Mapping[str, tuple[Error, ...]]
    misreadings: tuple[Error, ...]
    shown: Mapping[str, str]
    """How a value is written in a test."""


def errors_of(knowledge: Knowledge, sandbox: Sandbox) -> Errors:
    right = {name: ast.unparse(node) for name, node in knowledge.units.items()}
    slipped = [({name: slip.text}, slip.kind) for name, node in knowledge.units.items() for slip in slips(node)]
    misread = [(_differing(text, right), letter) for letter, text in knowledge.misreadings.items()]
    versions = [with_units(knowledge.reference, changed) for changed, _ in (*slipped, *misread)]
    (reference, *found), shown = behaviours(knowledge, versions, sandbox)
    assert reference.right, f"{knowledge.name}: the reference fails its hidden tests"
    made = [
        _error(changed, kind, each, reference)
        for (changed, kind), each in zip((*slipped, *misread), found, strict=True)
    ]
    # Versions that hang are left out: they cost seconds each and are rare in what a model writes.
    ends = [error for error, each in zip(made, found, strict=True) if not each.right]
    wrong = [error for error in ends if "!slow" not in error.values]
    return Errors(
        knowledge,
        right,
        reference.values,
        {name: tuple(e for e in wrong if set(e.units) == {name} and len(e.kind) > 1) for name in right},
        tuple(e for e in wrong if len(e.kind) == 1),
        shown,
    )


def _error(changed: Mapping[str, str], kind: str, found: Behaviour, reference: Behaviour) -> Error:
    pairs = zip(found.values, reference.values, strict=True)
    return Error(changed, kind, found.values, frozenset(i for i, (is_, should) in enumerate(pairs) if is_ != should))


def _differing(text: str, right: Mapping[str, str]) -> dict[str, str]:
    texts = {name: ast.unparse(node) for name, node in units(ast.parse(text)).items()}
    return {name: each for name, each in texts.items() if each != right[name]}


def with_units(reference: str, changed: Mapping[str, str]) -> str:
    """The file with some functions and methods in another version."""
    tree = ast.parse(reference)
    for prefix, owner in _owners(tree):
        owner.body = [
            ast.parse(changed[prefix + node.name]).body[0]
            if isinstance(node, ast.FunctionDef) and prefix + node.name in changed
            else node
            for node in owner.body
        ]
    return ast.unparse(tree)


def _owners(tree: ast.Module) -> Iterable[tuple[str, ast.Module | ast.ClassDef]]:
    yield "", tree
    yield from ((f"{node.name}.", node) for node in tree.body if isinstance(node, ast.ClassDef))
