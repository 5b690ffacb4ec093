"""What need not be run to be known, and what to run first: files that are no Python, tests that often fail.

Only saves time. A file that does not parse gets the error that importing it would have given; the order of tests is
changed where the run ends at the first failure, and nowhere else.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache

from nightshift.domain import TestReport
from nightshift.sandbox.isolation.layout import Place
from nightshift.source.syntax import parse

MOST_NODES = 50
"""Of known failing tests that a run is told of."""
AT_ONCE = 32


def unparsable(place: Place, path: str, python: str) -> str:
    """The error of a file that the interpreter cannot parse; empty where only running it shows."""
    if not path.endswith(".py") or not is_ours(python):
        return ""  # another version reads another language
    try:
        return error_in(text_of(place, path), path)
    except (OSError, UnicodeDecodeError):
        return ""


@cache
def is_ours(python: str) -> bool:
    return os.path.realpath(python) == os.path.realpath(sys.executable)


@lru_cache(AT_ONCE)
def error_in(text: str, path: str) -> str:
    """Remembered: candidates differ less than the files that test them."""
    try:
        parse(text)
    except SyntaxError as error:
        if error.lineno is None:
            return ""
        error.filename = path
        return "".join(f"E   {line}\n" for text in traceback.format_exception_only(error) for line in text.splitlines())
    return ""


def text_of(place: Place, path: str) -> str:
    files = (layer / path for layer in place.layers or (place.tree,))
    return next((file.read_text(encoding="utf-8") for file in files if file.is_file()), "")


class Failing:
    """Which tests have failed, and how often; safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: Counter[str] = Counter()

    def learn(self, report: TestReport) -> None:
        with self._lock:
            self._times.update(result.node for result in report.failures)

    def among(self, files: Iterable[str]) -> list[str]:
        """Those that failed most often first."""
        wanted = set(files)
        with self._lock:
            known = [node for node, _ in self._times.most_common() if node.partition("::")[0] in wanted]
        return known[:MOST_NODES]
