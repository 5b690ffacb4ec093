"""What is known about a failure, and the errors read out of its text: kind, message, line in the fixed file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

_FRAME = re.compile(r'^E?\s*File "(?P<file>[^"\n]+)", line (?P<at>\d+)|^(?P<short>\S+\.py):(?P<line>\d+): ')
_ERROR = re.compile(r"(?:^|^E\s+| - )(?P<kind>(?:\w+\.)*\w*(?:Error|Exception)): (?P<message>.+)$")
_RAISED = re.compile(r"^\S+\.py:\d+: \w+$")
"""How pytest's long style ends an error: its place comes after it."""


@dataclass(frozen=True, slots=True)
class Fix:
    name: str
    """Of the fixer, e.g. `missing-import`; of several that act together joined by `+`."""
    what: str
    """One line for the trace."""
    text: str
    """The whole new text."""


@dataclass(frozen=True, slots=True)
class Clues:
    path: str
    """Of the file to fix, in the project."""
    failure: str
    """Tracebacks and error text of the rung that failed."""
    texts: Mapping[str, str]
    """The other files of the project."""
    interface: str = ""
    """What the plan says the file offers."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    message: str
    line: int | None
    """Where in the fixed file it was raised; None when elsewhere or unknown."""


def faults(clues: Clues) -> tuple[Fault, ...]:
    return tuple(dict.fromkeys(_faults(clues)))


def _faults(clues: Clues) -> Iterator[Fault]:
    here: int | None = None
    last: Fault | None = None
    for line in clues.failure.splitlines():
        frame, error = _FRAME.match(line), _ERROR.search(line)
        if frame:
            here = int(frame["at"] or frame["line"]) if _is(frame["file"] or frame["short"], clues.path) else None
        if _RAISED.match(line) and last:
            last = replace(last, line=here)
        elif error:
            yield from [last] if last else []
            last, here = Fault(error["kind"].rpartition(".")[2], error["message"].strip(), here), None
    yield from [last] if last else []


def _is(shown: str, path: str) -> bool:
    """A traceback shows an absolute path, or one from the working directory."""
    parts, own = PurePosixPath(shown.replace("\\", "/")).parts, PurePosixPath(path).parts
    return parts[-len(own) :] == own
