"""The other programs, started as processes of their own: the package imports no script.

What they may do is theirs to decide; nothing here interprets more than their JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

HOME = Path(__file__).resolve().parents[3]
ORCHESTRATOR = HOME / "orchestrator.py"
NIGHTLY = HOME / "nightly.py"
STATUS_SECONDS = 30.0
Process = subprocess.Popen[bytes]
GRACE_SECONDS = 60.0
"""A run that is told to end closes its requests, sandboxes and servers, and writes its result."""


def queue_status(queue: Path) -> dict[str, Any]:
    """What `nightly.py --status` says; with `error` when it cannot say anything."""
    command = [sys.executable, str(NIGHTLY), str(queue), "--status", "--json"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STATUS_SECONDS, check=False
        )
        told = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"error": f"nightly.py --status gave no answer within {STATUS_SECONDS:g} s"}
    except ValueError:
        return {"error": done.stderr.strip()[-2000:] or "nightly.py --status said nothing"}
    return told if isinstance(told, dict) else {"error": "nightly.py --status said something else"}


@contextmanager
def run(flags: Sequence[str], task: str, result: IO[bytes]) -> Iterator[Process]:
    """A run of orchestrator.py, with its lines on `stderr` and its JSON in `result`; told to end with the block."""
    command = [sys.executable, str(ORCHESTRATOR), *flags, "--json", "--task-file", "-"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=result, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdin, "it was asked for"
        with suppress(BrokenPipeError), process.stdin as inlet:  # it refused its options before it read the task
            inlet.write(task.encode("utf-8", "replace"))
        yield process
    finally:
        _end(process)


def _end(process: Process) -> None:
    if process.poll() is None:
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        # Its pipe is still held, so that its last words do not end it.
        process.wait(GRACE_SECONDS)
    if process.poll() is None:
        # Not reaped yet, so the number of the group is still its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stderr:
        process.stderr.close()
