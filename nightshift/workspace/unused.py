"""Takes back the folder that was made for a run which never began, so that failed starts do not pile up."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nightshift.workspace.place import OWN

BEFORE_THE_WORK = frozenset({"run_started", "server", "fault", "run_finished"})
ENDING = frozenset({"trace.jsonl", "heartbeat", "result.json", "report.html", "handoff.md"})
"""What every run leaves; anything else, such as a server's log, somebody may want to read."""


def is_unused(workspace: Path, run_dir: Path, kinds: Sequence[str]) -> bool:
    """Whether a folder made for one run holds nothing but how it ended, and it ended before any work."""
    left = {path.name for path in run_dir.iterdir()}
    return left <= ENDING and BEFORE_THE_WORK.issuperset(kinds) and [p.name for p in workspace.iterdir()] == [OWN]


def remove_unused(workspace: Path, room: Path) -> None:
    """The folder and the run's tree; whatever somebody puts there meanwhile stays."""
    shutil.rmtree(room, ignore_errors=True)
    shutil.rmtree(workspace / OWN, ignore_errors=True)
    with suppress(OSError):
        workspace.rmdir()
