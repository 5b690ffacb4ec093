"""An error as one line that is the same wherever it happens: names of a task, values and places are left out.

Failed assertions have no signature: what they compare belongs to one task.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Callable

MAX_SIGNATURE = 200
_ERROR = re.compile(
    r"(?m)^[ \t]*(?:E[ \t]+)?"
    r"((?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*(?:Error|Exception|Exit|Warning|Refused)|NotFound|BadRequest))"
    r"(?::[ \t]*(.*))?$"
)
_UNTELLING = frozenset({"AssertionError", "SystemExit", "KeyboardInterrupt", "MemoryError", "Exception"})
_OWN_NAME = "…"
_KNOWN = frozenset(dir(builtins)) | sys.stdlib_module_names | {"NoneType", "function", "method", "module", "self"}


def signatures(text: str) -> tuple[str, ...]:
    """Of all errors told in tracebacks and failure reports, each once, in order.

    >>> signatures("E   TypeError: can't compare offset-naive and offset-aware datetimes")
    ("TypeError: can't compare offset-naive and offset-aware datetimes",)
    >>> signatures("AttributeError: 'NoneType' object has no attribute 'price'")
    ("AttributeError: 'NoneType' object has no attribute …",)
    >>> signatures("sqlite3.OperationalError: no such table: users")
    ('OperationalError: no such table: …',)
    """
    found = (signature(name, message or "") for name, message in _ERROR.findall(text))
    return tuple(dict.fromkeys(one for one in found if one))


def signature(name: str, message: str) -> str:
    """Empty for an error that says nothing beyond its task."""
    short = name.rpartition(".")[2]
    if short in _UNTELLING:
        return ""
    for pattern, replacement in _MASKS:
        message = pattern.sub(replacement, message)
    return f"{short}: {message.strip()}"[:MAX_SIGNATURE] if message.strip() else short


def _quoted(match: re.Match[str]) -> str:
    mark, inner = match[1], match[2]
    kept = inner.partition(".")[0] in _KNOWN or not re.search(r"\w", inner)
    return f"{mark}{inner}{mark}" if kept else _OWN_NAME


def _called(match: re.Match[str]) -> str:
    """`Cart.add()` is a name of the task, `int()` is not."""
    return match[0] if match[1].partition(".")[0] in _KNOWN else f"{_OWN_NAME}("


_MASKS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(?<!\w)(['\"`])((?:(?!\1).)*)\1"), _quoted),
    (re.compile(r"(?<![\w.])(?:/|[A-Za-z]:\\)[^\s'\"()]+"), _OWN_NAME),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "0x…"),
    (re.compile(r"(?<![\w.])((?:\w+\.)*\w+)(?:\.<locals>\.\w+)*\("), _called),
    (re.compile(r"\b((?:field|of type|attribute) )(?!for\b|is\b)\w+"), rf"\1{_OWN_NAME}"),
    (re.compile(r"(?:^|(?<=: ))[\w.]+$"), _OWN_NAME),
    (re.compile(r"-?\b\d+(?:\.\d+)?\b"), "N"),
)
