"""A process in a group of its own that ends when it is told to. Does not isolate anything."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

POLL_SECONDS = 0.05
GRACE_SECONDS = 60.0
"""A run that is told to end closes its requests, its sandboxes and its servers, and writes its result."""


def run_until(
    command: Sequence[str],
    log: Path,
    *,
    stop: Callable[[], bool],
    keep: Sequence[int] = (),
    began: Callable[[int], object] = lambda pid: None,
    grace: float = GRACE_SECONDS,
) -> int:
    """The exit code of the command, which is asked to end as soon as `stop` says so, and made to after the grace.

    It inherits the descriptors `keep`, so locks on them last as long as it does, whatever becomes of this process.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, pass_fds=keep
        )
    try:
        began(process.pid)
        while process.poll() is None and not stop():
            time.sleep(POLL_SECONDS)
    finally:
        _end(process, grace)
    return process.returncode


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace)
        return
    # Not reaped yet, so the number of the group is still its own.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
