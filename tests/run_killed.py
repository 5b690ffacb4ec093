"""orchestrator.py that is killed with a piece of news: python run_killed.py HOW WHICH [its arguments].

WHICH is a number, or the kind of record whose first one it is. News is what no earlier part of the run has recorded: what a resumed run tells again does not count. HOW is `whole` (the
record is written, and nobody was told of it) or `torn` (half of its line is).
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import orchestrator
import session
from nightshift.bootstrap import run_program
from nightshift.records import Record, record_of
from trace_collector import Trace

PER_PART = ("resumed", "run_started")
"""Kinds that every resumed part begins with."""


class MortalTrace(Trace):
    which = ""
    number = 0
    torn = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._resumed = bool(earlier := self.records())
        self._known = told_at_most(earlier)

    def _append(self, line: bytes, *, synced: bool) -> None:
        record = record_of(line)
        self._known[told(record)] -= 1
        news = not (self._resumed and record.kind in PER_PART) and self._known[told(record)] < 0
        MortalTrace.number += news
        due = news and self.which in (record.kind, str(self.number))
        if due and self.torn:
            os.write(self._fd, line[: len(line) // 2])
        else:
            super()._append(line, synced=synced)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)


def told(record: Record) -> str:
    ending = record.kind == "run_finished"  # tells how long the run took
    return repr((record.kind, record.span, "" if ending else record.fields))


def told_at_most(records: list[Record]) -> Counter[str]:
    """What was told -> how often one part of the run told it."""
    most, part = Counter[str](), Counter[str]()
    for record in records:
        part = Counter() if record.kind == "resumed" else part
        part[told(record)] += 1
        most |= part
    return most


if __name__ == "__main__":
    how, MortalTrace.which, *argv = sys.argv[1:]
    MortalTrace.torn = how == "torn"
    session.Trace = MortalTrace  # type: ignore[misc]
    run_program(orchestrator.main, argv)
