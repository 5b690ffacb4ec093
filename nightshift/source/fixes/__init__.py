"""Repair without a model: small fixers, each for one common mistake, each sure of what it changes.

A proposal is only a proposal: whoever asks runs each one and keeps it if the score rises. A fixer acts on names
that Python itself calls undefined, by its compiler or in a traceback, and never touches a string or a comment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nightshift.source.fixes.attributes import member_for_module, misspelt_attribute, module_for_member
from nightshift.source.fixes.calls import missing_self_parameter, wrong_keyword
from nightshift.source.fixes.contract import planned_method, planned_name, planned_parameter
from nightshift.source.fixes.faults import Clues, Fix
from nightshift.source.fixes.imports import (
    import_as_elsewhere,
    missing_project_import,
    missing_standard_import,
    missing_submodule,
    misspelt_import,
    moved_import,
    wrong_module,
)
from nightshift.source.fixes.layout import layout_fixes
from nightshift.source.fixes.names import annotation_before_definition, attribute_without_self, misspelt_name
from nightshift.source.fixes.packages import missing_packages
from nightshift.source.fixes.reading import (
    Change,
    Source,
    applied,
    keeps_strings_and_comments,
    read_source,
)
from nightshift.source.syntax import parses

__all__ = ["FIXERS", "MAX_PROPOSALS", "Clues", "Fix", "missing_packages", "proposals"]

MAX_PROPOSALS = 8

Fixer = Callable[[Source], Iterator[Change]]

FIXERS: tuple[Fixer, ...] = (
    annotation_before_definition,
    missing_self_parameter,
    attribute_without_self,
    missing_project_import,
    missing_standard_import,
    import_as_elsewhere,
    missing_submodule,
    moved_import,
    misspelt_import,
    wrong_module,
    module_for_member,
    member_for_module,
    wrong_keyword,
    misspelt_attribute,
    planned_name,
    planned_method,
    planned_parameter,
    misspelt_name,
)
"""The surest first."""


def proposals(text: str, clues: Clues) -> tuple[Fix, ...]:
    """Whole new texts, most likely first; where several places are wrong, first the one that mends them all."""
    if not clues.path.endswith(".py"):
        return ()
    layouts = [Fix(*fix) for fix in layout_fixes(text)]
    found = (fix for base in layouts or [Fix("", "", text)] for fix in _mended(base, clues))
    different: dict[str, Fix] = {text: Fix("", "", text)}
    for fix in found:
        different.setdefault(fix.text, fix)
    return tuple(different.values())[1 : MAX_PROPOSALS + 1]


def _mended(base: Fix, clues: Clues) -> Iterator[Fix]:
    """The base with all changes, then alone (when it changed something), then with each."""
    changes = _changes(base.text, clues)
    together = _compatible(base.text, changes)
    yield from filter(None, [_made(base, together)] if len(together) > 1 or base.name else [])
    yield from [base] if base.name else []
    yield from filter(None, (_made(base, [change]) for change in changes))


def _changes(text: str, clues: Clues) -> list[Change]:
    """What the failure speaks of first."""
    try:
        source = read_source(text, clues)
    except SyntaxError:  # nothing can be said about names
        return []
    changes: list[Change] = []
    for fixer in FIXERS:
        explained = {change.about for change in changes}
        changes += [change for change in fixer(source) if fixer is not misspelt_name or change.about not in explained]
    return sorted(changes, key=lambda change: not source.mentions(change.about))


def _compatible(text: str, changes: Sequence[Change]) -> list[Change]:
    """As many as fit together, the likelier of two about the same name."""
    kept: list[Change] = []
    for change in changes:
        if change.about not in {other.about for other in kept} and _new_text(text, [*kept, change]):
            kept.append(change)
    return kept


def _made(base: Fix, changes: Sequence[Change]) -> Fix | None:
    new = _new_text(base.text, changes)
    names = dict.fromkeys(filter(None, [base.name, *(change.name for change in changes)]))
    what = filter(None, [base.what, *(change.what for change in changes)])
    return Fix("+".join(names), "; ".join(what), new) if new else None


def _new_text(text: str, changes: Sequence[Change]) -> str | None:
    new = applied(text, [edit for change in changes for edit in change.edits])
    return new if new and parses(new) and keeps_strings_and_comments(text, new) else None
