"""orchestrator.py that is killed with its N-th piece of news: python run_killed.py HOW N [its arguments].

News is what no earlier part of the run has recorded: what a resumed run tells again does not count. HOW is `whole` (the
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


class MortalTrace(Trace):
    left = 0
    torn = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known = told_at_most(self.records())

    def _append(self, line: bytes, *, synced: bool) -> None:
        record = record_of(line)
        self._known[told(record)] -= 1
        news = record.kind not in PER_PART and self._known[told(record)] < 0
        MortalTrace.left -= news
        due = news and self.left == 0
        if due and self.torn:
            os.write(self._fd, line[: len(line) // 2])
        else:
            super()._append(line, synced=synced)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)


def told(record: Record) -> str:
    return repr((record.kind, record.span, record.fields))


def told_at_most(records: list[Record]) -> Counter[str]:
    """What was told -> how often one part of the run told it."""
    most, part = Counter[str](), Counter[str]()
    for record in records:
        part = Counter() if record.kind == "resumed" else part
        part[told(record)] += 1
        most |= part
    return most


if __name__ == "__main__":
    how, number, *argv = sys.argv[1:]
    MortalTrace.left, MortalTrace.torn = int(number), how == "torn"
    session.Trace = MortalTrace  # type: ignore[misc]
    run_program(orchestrator.main, argv)
