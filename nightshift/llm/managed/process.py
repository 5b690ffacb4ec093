"""A server's process as Nightshift holds it: started behind its keeper, asked how it is, let go.

Never waits while it is asked, so that an event loop may ask it often. Does not know what the server does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEEPER = Path(__file__).with_name("keeper.py")


@dataclass(frozen=True, slots=True)
class Ending:
    code: int | None
    """As subprocess gives it; None when not even its keeper could tell."""
    said: str = ""
    """The line of its log that speaks of trouble."""

    def __str__(self) -> str:
        if self.code is None:
            how = "was killed together with its keeper"
        elif self.code < 0:
            how = f"was ended by signal {-self.code}"
        else:
            how = f"ended with exit code {self.code}"
        return f"{how}: {self.said}" if self.said else how


class ServerProcess:
    """Ends when this object lets go of it, and when this process ends; `grace` is how long it may take, in seconds."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], log: Path, grace: float) -> None:
        self._grace = grace
        self._news = b""
        held = [sys.executable, "-I", "-S", str(KEEPER), str(log), str(grace), *argv]
        with log.open("ab") as keepers_own:
            # A session of its own: neither Ctrl-C at the terminal nor the end of our group is meant for it.
            self._keeper = subprocess.Popen(
                held,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=keepers_own,
                env=dict(environ),
                start_new_session=True,
            )
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._leash, self._told = self._keeper.stdin, self._keeper.stdout
        os.set_blocking(self._told.fileno(), False)

    @property
    def pid(self) -> int | None:
        """Of the server itself; None until it is known."""
        pid: int | None = self._heard().get("pid")
        return pid

    def ending(self) -> Ending | None:
        """How it ended; None while it goes on."""
        gone = self._keeper.poll() is not None
        heard = self._heard()
        if "exit" in heard:
            return Ending(heard["exit"], heard["said"])
        return Ending(None) if gone else None

    def let_go(self) -> None:
        """From now on it has its time of grace; `wait` sees to it that it is used."""
        self._leash.close()

    def wait(self) -> None:
        """Returns when the server and all that it started in its group are gone."""
        self.let_go()
        try:
            self._keeper.wait(self._grace + 2.0)
        except subprocess.TimeoutExpired:
            # Not reaped yet, so the group is still the keeper's.
            os.killpg(self._keeper.pid, signal.SIGKILL)
            self._keeper.wait()
        self._heard()
        self._told.close()

    def _heard(self) -> dict[str, Any]:
        if not self._told.closed:
            self._news += self._told.read() or b""
        told: dict[str, Any] = {}
        for line in self._news.splitlines(keepends=True):
            told |= json.loads(line) if line.endswith(b"\n") else {}
        return told
