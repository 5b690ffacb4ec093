"""Which runs this user started on this machine.

A run's trace lies in its workspace, and a checkout may bring one along: what a stranger's trace says of programs to
start or hosts to ask must not be believed. So each run leaves a mark of how it was started outside the workspace.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nightshift.disk import write_atomically


def remember(marks: Path, run: str, started: Mapping[str, Any]) -> None:
    """`started` is the run's first record, as its trace has it."""
    write_atomically(marks / run, _digest(started))


def is_ours(marks: Path, run: str, started: Mapping[str, Any]) -> bool:
    try:
        return (marks / run).read_text() == _digest(started)
    except OSError:
        return False


def _digest(started: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(started, sort_keys=True).encode()).hexdigest()
