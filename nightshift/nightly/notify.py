"""Telling the user's own program how a night ended. It has a minute, and nothing it does changes the outcome."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

SECONDS = 60.0


def notify(command: str, told: Mapping[str, Any], *, seconds: float = SECONDS) -> str:
    """Runs the command with the night as JSON on its standard input; what went wrong, or nothing."""
    try:
        process = subprocess.Popen(
            ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return f"--notify {command}: {error}"
    try:
        _, said = process.communicate(json.dumps(told).encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"--notify {command}: ended after {seconds:g} s"
    finally:
        for pipe in filter(None, (process.stdin, process.stderr)):
            with suppress(OSError):
                pipe.close()
    words = said.decode(errors="replace").strip()[-300:]
    return f"--notify {command}: exit code {process.returncode}: {words}" if process.returncode else ""
