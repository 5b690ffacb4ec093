"""One run of one task: the real program in a fresh workspace and a fresh state, judged when it has ended.

An order is plain data, so that it may be carried out in a thread here or by a worker on another machine; all that it
leaves behind is its outcome. A run never reads or writes the user's memory.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.acceptance import Acceptance, accept, boxes
from benchmarks.outcomes import Outcome, outcome_of
from benchmarks.setting import CHECKOUT, Setting
from benchmarks.tasks import BenchmarkTask, read_task
from nightshift.errors import ModelServerError, NightshiftError
from nightshift.nightly.processes import run_until
from nightshift.records import Record, read_trace, runs_in

GRACE_SECONDS = 300.0
"""After the run's own limit of time: what is in hand then is still judged and written down."""
SHARED_STATE = ("environments", "profiles")
"""What a run may find of earlier ones: installed packages, and what was learned of the model servers."""

STOP = threading.Event()
"""Ends the runs of this process, and begins no other."""


@dataclass(frozen=True, slots=True)
class RunOrder:
    folder: str
    repeat: int
    setting: Setting
    flags: tuple[str, ...]
    """Those of the setting, and the addresses."""
    state: str
    """The user's folder of state."""
    environment: Mapping[str, str]
    """Set for the run, over what is there."""
    keep: str = ""
    """Where the traces are kept; nowhere when empty."""


class CannotRun(NightshiftError):
    """No model server, or a configuration that is wrong: no use to go on with other tasks."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)

    def __str__(self) -> str:
        return str(self.args[0])

    @property
    def exit_code(self) -> int:
        return int(self.args[1])


def carry_out(order: RunOrder) -> Outcome:
    """Raises CannotRun when there is no usable model server or configuration."""
    task = read_task(Path(order.folder))
    with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-", ignore_cleanup_errors=True) as place:
        workspace = _workspace(task, Path(place))
        home = _state(Path(place) / "state", Path(order.state), order.setting)
        date, code, said = _run(task, workspace, home, order)
        records = _records(workspace)
        if not records or _hopeless(records):
            raise CannotRun(said or f"the run of {task.name} ended with exit code {code} before it began", code or 70)
        with boxes(Path(order.state) / "environments") as box_for:
            found = Acceptance(0, 1) if task.unsolvable else accept(task, _delivered(records, workspace), box_for)
        outcome = outcome_of(task, order.repeat, order.setting, date, records, found)
        if order.keep:
            _keep(workspace, Path(order.keep) / order.setting.id / f"{task.name}-{order.repeat}")
    return outcome


def _workspace(task: BenchmarkTask, place: Path) -> Path:
    workspace = place / task.name
    if task.start:
        shutil.copytree(task.start, workspace, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    else:
        workspace.mkdir()
    return workspace


def _state(home: Path, user: Path, setting: Setting) -> Path:
    """A state of its own, so that trees of runs end with them; packages are not installed again."""
    own = home / "nightshift"
    own.mkdir(parents=True)
    for name in SHARED_STATE[: 1 if setting.simulated else None]:
        (user / name).mkdir(parents=True, exist_ok=True)
        (own / name).symlink_to(user / name)
    return home


def _run(task: BenchmarkTask, workspace: Path, home: Path, order: RunOrder) -> tuple[str, int, str]:
    """When it began, its exit code and the last it said."""
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    command = [
        sys.executable, str(CHECKOUT / "orchestrator.py"), "--workspace", str(workspace), "--no-memory", "--quiet",
        "--config", str(_config(task, workspace.parent)), "--task-file", str(task.folder / "prompt.md"),
        "--max-minutes", f"{task.minutes:g}", "--max-calls", str(task.calls),
        *(word for text in task.verify for word in ("--verify", text)), *order.flags,
    ]  # fmt: skip
    log, deadline = workspace.parent / "said.txt", time.monotonic() + 60 * task.minutes + GRACE_SECONDS
    surroundings = {**order.environment, "XDG_STATE_HOME": str(home)}
    prefix = ["env", *(f"{name}={value}" for name, value in surroundings.items())]
    code = run_until([*prefix, *command], log, stop=lambda: STOP.is_set() or time.monotonic() > deadline)
    return date, code, log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()


def _config(task: BenchmarkTask, place: Path) -> Path:
    """What the task needs is importable from the start, as in a project that has it installed."""
    file = place / "task-config.toml"
    needed = json.dumps(list(task.requires))
    file.write_text(f"[environment]\nrequires = {needed}\n" if task.requires else "", encoding="utf-8")
    return file


def _records(workspace: Path) -> list[Record]:
    runs = runs_in(workspace)
    return read_trace(runs[0] / "trace.jsonl") if runs else []


def _hopeless(records: Sequence[Record]) -> bool:
    last = records[-1]
    reasons = (ModelServerError.exit_reason, "model_missing", "invalid_config", "sandbox_unavailable")
    return last.kind == "run_finished" and last.fields.get("exit_reason") in reasons


def _delivered(records: Sequence[Record], workspace: Path) -> Path:
    """What the run left: for one that failed, the best tree it kept."""
    kept = next((record.fields for record in reversed(records) if record.kind == "kept"), None)
    folder = Path(str(kept["folder"])) if kept and kept.get("folder") else workspace
    return folder if folder.is_dir() else workspace


def _keep(workspace: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(workspace, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
