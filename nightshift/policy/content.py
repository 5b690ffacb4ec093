"""What a file may hold: text of a sane size, real code, no key, no import that the user forbids.

What the file that it replaces already held is not held against it: the user's own habits are no fault of a candidate.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.errors import ReplyRejected
from nightshift.policy.actions import Rule, Write, first_denial
from nightshift.policy.protected import is_protected
from nightshift.source.credentials import revealed
from nightshift.source.source_safety import unsafe_source_reason
from nightshift.source.substance import check_substance
from nightshift.source.syntax import parse_or_none

MAX_BYTES = 1_000_000
TEST_CHOICE = re.compile(
    r"\b(?:addopts|python_files|python_functions|python_classes|testpaths|norecursedirs|collect_ignore|PYTEST_\w+)\b"
)


def deny_text(write: Write) -> str | None:
    """The reason why a candidate for this file is none, or None; asked of every reply, before anything is run."""
    return first_denial(TEXT_RULES, write)


def unsafe_reason(text: str, path: str, previous: str) -> str | None:
    """Why a file may not be used: it reaches for what judges it, in a way that the present one does not."""
    if not path.endswith(".py"):
        chooses = is_protected(path) and TEST_CHOICE.search(text)
        return "configuration that chooses which tests are run is not for this file; leave it out" if chooses else None
    reason, known = unsafe_source_reason(text, path), unsafe_source_reason(previous, path)
    same = reason and known and re.sub(r"\d+", "", reason) == re.sub(r"\d+", "", known)
    return None if same else reason


def imported_names(text: str) -> Iterator[str]:
    """Modules and names in modules that a Python text imports, also by a call with a plain name."""
    tree = parse_or_none(text)
    for node in ast.walk(tree) if tree else ():
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="__import__" | "import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield module


def forbidden_import(text: str, forbidden: tuple[str, ...]) -> str | None:
    """The first forbidden name that the text imports, or imports from."""
    within = (name for name in imported_names(text) if any(f"{name}.".startswith(f"{no}.") for no in forbidden))
    return next(within, None)


def _is_text_of_sane_size(write: Write) -> str | None:
    if "\0" in write.text:
        return "the text holds NUL bytes"
    size = len(write.text.encode())
    return f"the text has {size} bytes, more than {MAX_BYTES}" if size > MAX_BYTES else None


def _shows_no_secret(write: Write) -> str | None:
    known = revealed(write.previous, write.secrets)
    kind = next((kind for value, kind in revealed(write.text, write.secrets).items() if value not in known), None)
    return f"it holds {kind}; read it from the environment when the program runs" if kind else None


def _imports_nothing_forbidden(write: Write) -> str | None:
    forbidden = write.policy.forbidden_imports
    if not forbidden or not write.path.endswith((".py", ".pyi")):
        return None
    name = forbidden_import(write.text, forbidden)
    known = name is None or name in set(imported_names(write.previous))
    return None if known else f"it imports {name}, which the user forbids ([policy] forbidden_imports)"


def _is_no_stub(write: Write) -> str | None:
    if write.kind != "source" or not write.path.endswith(".py"):
        return None
    try:
        check_substance(write.text, previous=write.previous)
    except ReplyRejected as error:
        return str(error)
    return None


def _leaves_its_judge_alone(write: Write) -> str | None:
    return None if write.kind == "test" else unsafe_reason(write.text, write.path, write.previous)


CONTENT_RULES: tuple[Rule[Write], ...] = (_is_text_of_sane_size, _shows_no_secret, _imports_nothing_forbidden)
"""Asked again at every write."""
TEXT_RULES: tuple[Rule[Write], ...] = (*CONTENT_RULES, _is_no_stub, _leaves_its_judge_alone)
"""The last two compare with what the author was shown, which only the place that reads the reply knows."""
