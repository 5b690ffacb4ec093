"""What a module promises to others: read from a plan's stub text or from real source, compared, rendered.

Public names only. Types are not understood: annotations that differ in text differ.
"""

from __future__ import annotations

from nightshift.source.compatibility import changed_names, missing_from
from nightshift.source.facts import facts
from nightshift.source.shapes import (
    Class,
    Function,
    Import,
    Interface,
    Kind,
    Parameter,
    Variable,
    render,
    render_parameters,
)
from nightshift.source.signatures import read_interface
from nightshift.source.stubtext import repaired_stub

__all__ = [
    "Class", "Function", "Import", "Interface", "Kind", "Parameter", "Variable",
    "changed_names", "interface_of", "missing_from", "parse_interface",
    "render", "render_parameters", "signatures",
]  # fmt: skip


def parse_interface(text: str) -> Interface:
    """Reads a plan's interface, forgiving what models leave out: colons, bodies, fences.

    Raises ValueError with a sentence a small model can act on.
    """
    return read_interface(repaired_stub(text))


def interface_of(source: str) -> Interface:
    """The interface of a module's source. Raises SyntaxError."""
    return facts(source).interface


def signatures(source: str) -> str:
    """The interface of a module's source as text for a prompt. Raises SyntaxError."""
    return render(interface_of(source))
