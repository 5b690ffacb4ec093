"""nightly.py that is killed right after the N-th record of its journal: python nightly_killed.py N [its arguments].

With `torn` before N, the last line is cut in half as well, as by a machine that lost power.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nightly
from nightshift.bootstrap import run_program
from nightshift.nightly.journal import Journal


class MortalJournal(Journal):
    last = 0
    torn = False

    def append(self, kind: str, **fields: Any) -> None:
        before = os.fstat(self._fd).st_size
        super().append(kind, **fields)
        if len(self.entries) == self.last:
            if self.torn:
                os.ftruncate(self._fd, (before + os.fstat(self._fd).st_size) // 2)
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    how, number, *argv = sys.argv[1:]
    MortalJournal.last, MortalJournal.torn = int(number), how == "torn"
    nightly.Journal = MortalJournal  # type: ignore[misc]
    run_program(nightly.main, argv)
