"""One task: the orchestrator as a process, and what it left.

An order may be carried out again, here or on another machine that sees the same folders, after a kill at any
moment: who works on it already is waited for, what is finished is read, what was begun is resumed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from nightshift.domain import EXIT_CODES
from nightshift.errors import NightshiftError
from nightshift.llm.addresses import base_url, host_of
from nightshift.nightly.budget import Amount
from nightshift.nightly.folder import held, is_held, owner_here, sign
from nightshift.nightly.processes import GRACE_SECONDS, run_until
from nightshift.prompting import tail
from nightshift.records import read_trace, runs_in, stream_trace
from nightshift.report.result import result_of

ORCHESTRATOR = Path(__file__).resolve().parents[2] / "orchestrator.py"
ANYWHERE = ""
"""Instead of a URL: whatever server is found on the machine."""
MESSAGE_CHARS = 600
STOP_CODES = (130, 143)
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


@dataclass(frozen=True, slots=True)
class Order:
    name: str
    workspace: str
    prompt_file: str
    """The task's text; a pipe would give a killed reader's half."""
    flags: tuple[str, ...]
    totals: Amount
    used: Amount
    """What the run to be resumed had used already."""
    log: str
    lock: str
    """Held by whoever works on the task."""
    go: str
    """A file; the run is ended when it is gone."""
    slots: str
    """The folder of the endpoints' locks."""
    endpoints: tuple[str, ...] = (ANYWHERE,)
    deadline: float | None = None
    """Unix time at which a run that does not end by itself is ended."""
    run: str = ""
    """The run to resume."""
    known: tuple[str, ...] = ()
    """Runs of the workspace that are not this order's."""
    stamp: str = ""
    """Of the result that the run to be resumed had left."""
    program: tuple[str, ...] = field(default=())
    """Empty: this checkout's orchestrator.py, wherever that is on the machine."""


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    reason: str
    run: str = ""
    run_dir: str = ""
    used: Amount = Amount()
    """By the run, since its beginning."""
    message: str = ""
    killed: bool = False
    """From outside, neither by us nor by itself."""


def carry_out(order: Order) -> Outcome:
    """Runs the task, or goes on with it, or reads what another process finished meanwhile."""
    with ExitStack() as locks:
        taken = [locks.enter_context(held(Path(order.lock), lambda: _over(order), lambda: _end_orphan(order)))]
        if taken[0] is not None and (finished := _finished(order)):
            return finished
        for slot in slots_of(order.endpoints, socket.gethostname()):
            taken.append(locks.enter_context(held(Path(order.slots) / slot, lambda: _over(order))))
        descriptors = [descriptor for descriptor in taken if descriptor is not None]
        if len(descriptors) < len(taken):
            return _finished(order) or _left_behind(order, "it was not begun: the night was stopped")
        run_dir = run_dir_of(order)
        code = run_until(
            _command(order, run_dir.name if run_dir else ""),
            Path(order.log),
            stop=lambda: _over(order),
            keep=descriptors,
            began=lambda pid: sign(descriptors[0], pid),
        )
        return _outcome(order, code)


def slots_of(endpoints: Sequence[str], host: str) -> list[str]:
    """The names of the locks, in an order that cannot deadlock. A server of one machine is none of another's."""
    keys = {_server_of(endpoint, host) for endpoint in endpoints}
    return sorted(f"{sha256(key.encode()).hexdigest()[:24]}.lock" for key in keys)


def is_local(endpoint: str) -> bool:
    return endpoint == ANYWHERE or host_of(endpoint) in LOOPBACK


def _server_of(endpoint: str, host: str) -> str:
    if not is_local(endpoint):
        return base_url(endpoint).lower()
    return f"{host}{base_url(endpoint).rpartition(':')[2] if endpoint else ''}"


def run_dir_of(order: Order) -> Path | None:
    """The run that this order began or resumes."""
    runs = runs_in(Path(order.workspace))
    if order.run:
        return next((run for run in runs if run.name == order.run), None)
    prompt = Path(order.prompt_file).read_text(encoding="utf-8").strip()
    return next((run for run in runs if run.name not in order.known and prompt_of(run) == prompt), None)


def prompt_of(run_dir: Path) -> str | None:
    """None when the run ended before it began."""
    with suppress(NightshiftError):
        first = next(stream_trace(run_dir / "trace.jsonl"), None)
        return str(first.fields.get("task", {}).get("prompt", "")).strip() if first else None
    return None


def stamp_of(run_dir: Path | None) -> str:
    """Changes with every result that is written."""
    with suppress(OSError, AttributeError):
        stat = (run_dir / "result.json").stat() if run_dir else None
        return f"{stat.st_mtime_ns}-{stat.st_ino}" if stat else ""
    return ""


def _over(order: Order) -> bool:
    return not os.path.exists(order.go) or (order.deadline is not None and time.time() > order.deadline)


def _end_orphan(order: Order) -> None:
    """Ends a run that outlived the nightly.py which began it; it can be resumed."""
    pid, until = owner_here(Path(order.lock)), time.monotonic() + GRACE_SECONDS
    if pid is None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)
    while is_held(Path(order.lock)) and time.monotonic() < until:
        time.sleep(0.1)


def _command(order: Order, run: str) -> list[str]:
    what = ["--resume", run] if run else ["--task-file", order.prompt_file]
    totals = order.totals
    limits = ["--max-minutes", f"{totals.minutes:.4f}", "--max-calls", f"{totals.calls:.0f}"]
    limits += ["--max-tokens", f"{totals.tokens:.0f}"]
    program = order.program or (sys.executable, str(ORCHESTRATOR))
    return [*program, "--workspace", order.workspace, *what, *limits, *order.flags]


def _finished(order: Order) -> Outcome | None:
    """What another process that worked on this order left, when it came to an end of its own."""
    run_dir = run_dir_of(order)
    result = _result(run_dir) if run_dir and stamp_of(run_dir) not in ("", order.stamp) else None
    if run_dir is None or result is None or result["status"] == "interrupted":
        return None
    return _from_result(run_dir, result, int(result["exit_code"]))


def _outcome(order: Order, code: int) -> Outcome:
    run_dir = run_dir_of(order)
    fresh = run_dir is not None and stamp_of(run_dir) not in ("", order.stamp)
    if run_dir and fresh and (result := _result(run_dir)):
        return _from_result(run_dir, result, code)
    if code < 0:
        return replace(_left_behind(order, f"its process was ended by signal {-code}"), code=130, killed=True)
    if code == 0:
        return Outcome(70, "internal_error", message=f"it says passed and left no result; see {order.log}")
    reason = "workspace_locked" if code == 5 and _workspace_locked(order) else _usual_reason(code)
    return Outcome(code, reason, order.run, str(run_dir or ""), order.used, _last_words(Path(order.log)))


def _from_result(run_dir: Path, result: dict[str, Any], code: int) -> Outcome:
    """A process that was killed after it had written its result has that result; a worse exit code is believed."""
    told, reason = int(result["exit_code"]), str(result["exit_reason"])
    if code > 0 and code != told and code not in STOP_CODES:
        told, reason = code, _usual_reason(code)
    return Outcome(told, reason, run_dir.name, str(run_dir), _used(result), str(result.get("message") or ""))


def _left_behind(order: Order, message: str) -> Outcome:
    """What is to be resumed, if anything."""
    run_dir, used = run_dir_of(order), order.used
    if run_dir:
        with suppress(NightshiftError, ValueError):
            used = _used(result_of(read_trace(run_dir / "trace.jsonl")))
    name = run_dir.name if run_dir else ""
    return Outcome(EXIT_CODES["terminated"], "terminated", name, str(run_dir or ""), used, message)


def _result(run_dir: Path) -> dict[str, Any] | None:
    try:
        result = json.loads((run_dir / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and {"status", "exit_code", "exit_reason"} <= result.keys() else None


def _used(result: dict[str, Any]) -> Amount:
    usage = result.get("usage", {})
    tokens = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    return Amount(usage.get("wall_seconds", 0.0) / 60, usage.get("calls", 0), tokens)


def _workspace_locked(order: Order) -> bool:
    """The orchestrator refuses a workspace in use before it has a run to write a result to."""
    return is_held(Path(order.workspace) / ".nightshift" / "lock")


def _usual_reason(code: int) -> str:
    return next((reason for reason, usual in EXIT_CODES.items() if usual == code), "internal_error")


def _last_words(log: Path) -> str:
    with suppress(OSError):
        return tail(log.read_text(encoding="utf-8", errors="replace").strip(), MESSAGE_CHARS)
    return ""
