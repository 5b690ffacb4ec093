"""A program with the orchestrator's options that leaves a run as it does, and does what the task's text tells it to.

Words of the task: `sleep=S`, `exit=N` or `exit=3,3,0` (one for each time it is started), `tokens=N`, `hang`, `needs=N`
(minutes of work; it ends with exit code 4 when --max-minutes are fewer), `die` (kills itself with the first start).
Each delivery appends a line to delivered.txt beside the workspace; each start one to started.txt.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REASONS = {
    0: "passed", 1: "attempts_exhausted", 2: "invalid_config", 3: "endpoint_unreachable", 4: "budget_minutes",
    5: "tampered", 70: "internal_error", 143: "terminated",
}  # fmt: skip
STATUS = {0: "passed", 1: "failed", 4: "limit", 5: "refused", 143: "interrupted"}


def main() -> int:
    parser = argparse.ArgumentParser()
    for flag in ("--workspace", "--task-file", "--resume", "--verify", "--endpoint"):
        parser.add_argument(flag, default="")
    for flag in ("--max-minutes", "--max-calls", "--max-tokens"):
        parser.add_argument(flag, type=float)
    given, _ = parser.parse_known_args()
    workspace = Path(given.workspace)
    own = workspace / ".nightshift"
    own.mkdir(parents=True, exist_ok=True)
    lock = os.open(own / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{workspace} is in use by another run", file=sys.stderr)
        return 5
    run_dir = own / "runs" / (given.resume or f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}")
    text = Path(given.task_file).read_text() if given.task_file else _prompt(run_dir)
    return work(workspace, run_dir, text, given)


def work(workspace: Path, run_dir: Path, text: str, given: argparse.Namespace) -> int:
    run_dir.mkdir(parents=True, exist_ok=True)
    trace, number = run_dir / "trace.jsonl", 1
    if trace.exists():
        number = len(trace.read_text().splitlines()) + 1
        record(trace, number, "resumed")
    else:
        record(trace, 1, "run_started", task={"prompt": text, "verify": []}, workspace=str(workspace))
    note(workspace.parent / "started.txt", f"{workspace.name} {run_dir.name} {' '.join(sys.argv[1:])}")
    (run_dir / "heartbeat").write_text(f"{int(time.time())}\n")
    starts = sum(
        workspace.name == line.split()[0] for line in (workspace.parent / "started.txt").read_text().splitlines()
    )
    if "die" in text.split() and starts == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    code = wait(text, given)
    if code is None:
        codes = [int(word) for word in (value(text, "exit") or "0").split(",")]
        code = codes[min(starts, len(codes)) - 1]
    if code == 0 and not (run_dir / "delivered").exists():
        (run_dir / "delivered").touch()
        note(workspace.parent / "delivered.txt", workspace.name)
    finish(run_dir, text, code, given)
    return code


def wait(text: str, given: argparse.Namespace) -> int | None:
    terminated: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: terminated.append(1))
    needs = float(value(text, "needs") or 0)
    if given.max_minutes is not None and needs > given.max_minutes:
        return 4
    until = time.monotonic() + (60 if "hang" in text.split() else float(value(text, "sleep") or 0))
    while time.monotonic() < until:
        if terminated:
            return 143
        time.sleep(0.01)
    return None


def finish(run_dir: Path, text: str, code: int, given: argparse.Namespace) -> None:
    minutes = min(float(value(text, "needs") or 0), given.max_minutes or 1e9)
    usage = {
        "calls": int(value(text, "calls") or 2), "prompt_tokens": int(value(text, "tokens") or 100), "cached_tokens": 0,
        "completion_tokens": 10, "model_seconds": 0.1, "wall_seconds": 60 * minutes,
    }  # fmt: skip
    criteria = [
        {"id": "c1", "description": "it <works>", "check": {"type": "shell", "command": "true"}, "passed": code == 0,
         "guard": False, "channel": "user-command", "evidence": "exit code 0" if code == 0 else "AssertionError: 1 != 2"}
    ]  # fmt: skip
    reason = value(text, "reason") or REASONS.get(code, "internal_error")
    result = {
        "run": run_dir.name, "task": text, "status": STATUS.get(code, "error"), "exit_reason": reason, "exit_code": code,
        "proof": value(text, "proof") or "user", "attempts": 1, "criteria": criteria, "tests": {}, "remote": False,
        "usage": usage, "files": [{"path": "app.py", "action": "added", "lines": 12}] if code == 0 else [],
        "branch": None, "commit": None, "models": {}, "counters": {},
    }  # fmt: skip
    number = len((run_dir / "trace.jsonl").read_text().splitlines()) + 1
    record(
        run_dir / "trace.jsonl",
        number,
        "run_finished",
        **{k: result[k] for k in ("status", "exit_reason", "exit_code")},
        message="the end",
    )
    (run_dir / ".result").write_text(json.dumps(result))
    (run_dir / ".result").rename(run_dir / "result.json")


def record(trace: Path, seq: int, kind: str, **fields: Any) -> None:
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with trace.open("a") as file:
        file.write(
            json.dumps({"seq": seq, "time": stamp, "run": trace.parent.name, "kind": kind, "span": "", **fields}) + "\n"
        )


def note(file: Path, line: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def value(text: str, name: str) -> str | None:
    found = re.search(rf"\b{name}=(\S+)", text)
    return found[1] if found else None


def _prompt(run_dir: Path) -> str:
    started = json.loads((run_dir / "trace.jsonl").read_text().splitlines()[0])
    return str(started["task"]["prompt"])


if __name__ == "__main__":
    sys.exit(main())
