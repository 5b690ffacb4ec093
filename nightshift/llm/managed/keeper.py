"""Stands between Nightshift and a server it started, so that the server never outlives it.

    python -I -S keeper.py LOG GRACE COMMAND...     # a program of its own, never imported; leads its own process group

It keeps the server's log bounded and tells on standard output, a JSON object a line, what becomes of it. Standard
input is the leash: once its other end is closed, on purpose or because Nightshift was killed, the whole process group
is asked to end and GRACE seconds later made to. On Linux a keeper that is itself killed takes the server along; on
macOS, which knows no such signal, a server whose keeper is killed with -9 goes on.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LOG_BYTES = 4 << 20
"""Of a log; one older part of that size is kept beside it."""
LINE_BYTES = 8192
RECENT_LINES = 200
QUOTE = 240
"""Characters."""
TROUBLE = re.compile(r"\berror\b|\bfail(ed|ure)?\b|out of memory|\boom\b|could ?n[o']t|cannot|unable to|abort", re.I)


def main(argv: list[str]) -> None:
    log, grace, command = Path(argv[0]), float(argv[1]), argv[2:]
    assert os.getpgrp() == os.getpid(), "the keeper ends its whole process group, so it must lead one"
    # Handled, not ignored: the server would inherit that it is ignored.
    signal.signal(signal.SIGTERM, lambda *_: None)
    if sys.platform == "linux":  # who leaves the group, as a daemon does, then still comes back to here
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=_leash()
        )
    except (OSError, subprocess.SubprocessError) as error:
        tell(exit=127, said=str(error)[:QUOTE])
        return
    assert server.stdout is not None
    tell(pid=server.pid)
    recent: deque[bytes] = deque(maxlen=RECENT_LINES)
    pump = threading.Thread(target=_copy, args=(server.stdout, log, recent), daemon=True)
    pump.start()
    threading.Thread(target=_end_when_let_go, args=(grace,), daemon=True).start()
    code = server.wait()
    pump.join(0.5)  # for its last words; who was left behind may hold the pipe for ever
    tell(exit=code, said=quote([line.decode(errors="replace") for line in list(recent)]))
    _end_orphans()
    os.killpg(0, signal.SIGKILL)  # whatever the server has left behind, and this process


def tell(**news: Any) -> None:
    with suppress(BrokenPipeError):  # Nightshift is gone
        print(json.dumps(news), flush=True)


def quote(lines: list[str]) -> str:
    """The first line that speaks of trouble, else the last one, cut to what fits a message."""
    clean = ["".join(c if c.isprintable() else " " for c in line).strip() for line in lines]
    said = [line for line in clean if line]
    return next((line for line in said if TROUBLE.search(line)), said[-1] if said else "")[:QUOTE]


def _leash() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc, keeper = ctypes.CDLL(None), os.getpid()

    def die_with_keeper() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != keeper:  # it died before it could be said
            os._exit(1)

    return die_with_keeper


def _copy(output: IO[bytes], log: Path, recent: deque[bytes]) -> None:
    """The server would stand still if nobody read what it says, so reading goes on where writing fails."""
    for line in iter(lambda: output.readline(LINE_BYTES), b""):
        recent.append(line)
        with suppress(OSError):
            if log.exists() and log.stat().st_size + len(line) > LOG_BYTES:
                log.replace(log.with_name(log.name + ".1"))
            with log.open("ab") as file:
                file.write(line)


def _end_when_let_go(grace: float) -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(grace)
    _end_orphans()
    os.killpg(0, signal.SIGKILL)


def _end_orphans() -> None:
    """Every process whose parent is this one; those below them come here as they become orphans."""
    while children := [pid for pid in _numbers("/proc") if _parent(pid) == os.getpid()]:
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):  # the other thread may wait for it
                os.waitpid(pid, 0)


def _numbers(folder: str) -> list[int]:
    return [int(name) for name in os.listdir(folder) if name.isdigit()] if os.path.isdir(folder) else []


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0  # it has ended


if __name__ == "__main__":
    main(sys.argv[1:])
