"""What the report of a night is made of: the queue's memory, and the result and trace of each run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from nightshift.disk import write_atomically
from nightshift.errors import NightshiftError
from nightshift.nightly.folder import Folder
from nightshift.nightly.memory import Ending, Night
from nightshift.nightly.running import stamp_of
from nightshift.records import Record, read_trace
from nightshift.report.handoff import continue_command
from nightshift.report.morning import NightTold, TaskOfNight, headline, markdown_of, tried
from nightshift.report.morning_page import page_of
from nightshift.report.result import result_of


def tell(folder: Folder, night: Night) -> NightTold:
    ended = night.ended or time.time()
    refused = [TaskOfNight(name, 2, "invalid_task", why, file=f"{name}.md") for name, why in night.refused.items()]
    waiting = [TaskOfNight(name, 4, "", why, begun=False) for name, why in night.waiting.items()]
    worked = [_task(folder, ending) for ending in night.endings.values()]
    tasks = [task for task in (*refused, *waiting) if task.name not in night.endings]
    return NightTold(
        night.id,
        str(folder.root),
        max(0.0, ended - night.started),
        night.code,
        night.ended is not None,
        (*worked, *tasks),
    )


def write_report(folder: Folder, told: NightTold) -> Path:
    """The page and the Markdown in the night's folder; the path of the page."""
    home = folder.night(told.id)
    write_atomically(home / "report.md", markdown_of(told))
    write_atomically(home / "report.html", page_of(told))
    return home / "report.html"


def summary(folder: Folder, told: NightTold) -> dict[str, Any]:
    """For --json and --notify."""
    keys = ("status", "exit_reason", "proof", "branch", "commit")
    tasks = [
        {
            "name": task.name,
            "code": task.code,
            "outcome": task.status,
            "message": task.message,
            "file": task.file,
            "workspace": task.workspace,
            "run_dir": task.run_dir,
            **{key: task.result.get(key) for key in keys},
        }
        for task in told.tasks
    ]
    report = str(folder.night(told.id) / "report.html")
    head = {"night": told.id, "queue": str(folder.root), "exit_code": told.code, "headline": headline(told)}
    return {**head, "seconds": round(told.seconds, 1), "report": report, "tasks": tasks}


def _task(folder: Folder, ending: Ending) -> TaskOfNight:
    outcome, run_dir = ending.outcome, ending.outcome.run_dir
    run = _run(run_dir, stamp_of(Path(run_dir))) if run_dir else _Run()
    said = outcome.message or run.message if outcome.code else ""
    where = ending.target if ending.moves else ending.name
    return TaskOfNight(
        name=ending.name,
        code=outcome.code,
        reason=outcome.reason,
        message="\n".join(filter(None, (said, run.problem))),
        stays=ending.decision in ("aside", "retry", "kept"),
        file=str(folder.root / f"{where}.md"),
        workspace=ending.workspace,
        run_dir=run_dir,
        result=run.result,
        tried=run.tried,
        go_on=run.go_on,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """What the report takes from a run's folder."""

    result: Mapping[str, Any] = field(default_factory=dict)
    tried: tuple[str, ...] = ()
    go_on: str = ""
    message: str = ""
    problem: str = ""


@lru_cache(maxsize=1000)
def _run(run_dir: str, stamp: str) -> _Run:
    """A trace that is damaged is said, and hides nothing else. Traces are long and reports written often: kept."""
    result: Mapping[str, Any] = {}
    with suppress(OSError, ValueError):
        result = json.loads((Path(run_dir) / "result.json").read_text(encoding="utf-8"))
    try:
        records = read_trace(Path(run_dir) / "trace.jsonl")
        return _Run(result or result_of(records), tuple(tried(records)), continue_command(records), _message(records))
    except NightshiftError as error:
        return _Run(result, problem=str(error))


def _message(records: Sequence[Record]) -> str:
    ends = [record for record in records if record.kind == "run_finished"]
    return str(ends[-1].fields.get("message", "")) if ends else ""
