"""Which lines of some files each test runs: a hint for those who look for mistakes, and never part of a verdict.

Runs beside code that nobody trusts, which could forge it or make it stop. Lines that modules and classes run when
they are imported belong to no test. Before Python 3.12 all Python runs slower while it is watched, a test can see it
(`sys.gettrace`), one that traces for itself is not watched, and of threads only those that `threading` starts are.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

MOST_NUMBERS = 1 << 18
"""Told in one session; the tests after that have no lines."""

IN_FUNCTION = 1
"""CO_OPTIMIZED among a code's flags: neither a module's nor a class's own."""
COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})

Seen = dict[str, set[int]]


def lines_asked(orders: dict[str, Any]) -> Lines | None:
    return Lines(orders["root"], orders["lines_of"]) if orders.get("lines_of") else None


class Lines:
    """Gathers the lines of one test after another."""

    def __init__(self, root: str, paths: list[str]) -> None:
        self.left = MOST_NUMBERS
        self.files = Files(root, paths)
        self.watch = Watch(self.files)
        self.seen: Seen = {}

    def begin(self) -> None:
        self.seen = {path: set() for path in self.files.paths.values()}

    @contextmanager
    def around(self) -> Iterator[None]:
        self.watch.start(self.seen)
        try:
            yield
        finally:
            self.watch.stop()

    def ran(self) -> dict[str, list[int]] | None:
        """Path -> lines in order; None when there are too many to tell."""
        found = {path: sorted(lines) for path, lines in self.seen.items() if lines}
        self.left -= sum(map(len, found.values()))
        return found if self.left >= 0 else None


class Files(dict[str, str]):
    """A file as code names it -> its path in the tree; empty for files that nobody asked for."""

    def __init__(self, root: str, paths: list[str]) -> None:
        self.root = root
        roots = (root, os.path.realpath(root))
        self.paths = {os.path.normpath(os.path.join(each, path)): path for each in roots for path in paths}

    def __missing__(self, name: str) -> str:
        found = self[name] = self.paths.get(os.path.normpath(os.path.join(self.root, name)), "")
        return found


def belongs(code: CodeType) -> bool:
    """It runs for whoever calls it, not because its module is imported."""
    own = code.co_flags & IN_FUNCTION and code.co_name not in COMPREHENSIONS
    return bool(own) or "<locals>" in code.co_qualname


if sys.version_info >= (3, 12):
    from sys import monitoring

    class Watch:
        """Hears each line once between two starts, in every thread."""

        def __init__(self, files: Files) -> None:
            self.files, self.seen = files, Seen()
            self.tool = next(tool for tool in (4, 3, 5, 2, 1, 0) if monitoring.get_tool(tool) is None)
            monitoring.use_tool_id(self.tool, "lines of tests")
            events = monitoring.events
            monitoring.register_callback(self.tool, events.LINE, self.line)
            for entry in (events.PY_START, events.PY_RESUME):
                monitoring.register_callback(self.tool, entry, self.enter)
            monitoring.set_events(self.tool, events.PY_START | events.PY_RESUME)

        def start(self, seen: Seen) -> None:
            self.seen = seen
            monitoring.restart_events()

        def stop(self) -> None:
            self.seen = {}

        def enter(self, code: CodeType, offset: int) -> object:
            if self.files[code.co_filename] and belongs(code):
                monitoring.set_local_events(self.tool, code, monitoring.events.LINE)
            return monitoring.DISABLE

        def line(self, code: CodeType, number: int) -> object:
            lines = self.seen.get(self.files[code.co_filename])
            if lines is not None:
                lines.add(number)
            return monitoring.DISABLE

else:

    class Watch:
        """Traces this thread and those that it starts, line by line in the files that were asked for."""

        def __init__(self, files: Files) -> None:
            self.files = files
            self.hook: Any = None

        def start(self, seen: Seen) -> None:
            if sys.gettrace() or threading.gettrace():
                return  # a test's own
            self.hook = tracer(self.files, {path: adder(lines) for path, lines in seen.items()})
            threading.settrace(self.hook)
            sys.settrace(self.hook)

        def stop(self) -> None:
            if sys.gettrace() is self.hook:
                sys.settrace(None)
            if threading.gettrace() is self.hook:
                threading.settrace(None)


Trace = Callable[[FrameType, str, Any], Any]


def tracer(files: Files, adders: dict[str, Trace]) -> Trace:
    def enter(frame: FrameType, event: str, arg: Any) -> Trace | None:
        path = files[frame.f_code.co_filename]
        return adders[path] if path and belongs(frame.f_code) else None

    return enter


def adder(lines: set[int]) -> Trace:
    def trace(frame: FrameType, event: str, arg: Any) -> Trace:
        if event == "line":
            lines.add(frame.f_lineno)
        return trace

    return trace
