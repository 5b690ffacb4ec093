"""Dead or slow? What --status says of a queue, from locks and heartbeats: nothing is changed by asking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nightshift.nightly.ending import standings
from nightshift.nightly.folder import Folder, is_held
from nightshift.nightly.journal import read_journal
from nightshift.nightly.memory import Memory
from nightshift.nightly.order import held_back_by
from nightshift.nightly.running import Order, run_dir_of
from nightshift.nightly.tasks import Queued
from nightshift.report.text import duration

SLOW_SECONDS = 600.0
"""A server may take so long to its first token; no progress for longer is worth a look."""

State = Literal["running", "slow", "dead", "waiting", "held back", "refused", "done", "failed"]


@dataclass(frozen=True, slots=True)
class TaskStanding:
    name: str
    state: State
    told: str = ""
    heartbeat: float | None = None
    """Unix time of the last progress."""


@dataclass(frozen=True, slots=True)
class QueueStanding:
    at_work: bool
    """Whether a nightly.py works on the queue."""
    tasks: tuple[TaskStanding, ...]

    @property
    def dead(self) -> bool:
        return any(task.state == "dead" for task in self.tasks)


def standing_of(folder: Folder, queued: Queued) -> QueueStanding:
    memory = Memory()
    for entry in read_journal(folder.journal)[0]:
        memory.hear(entry)
    at_work = is_held(folder.own / "lock")
    return QueueStanding(at_work, tuple(_tasks(folder, queued, memory, at_work)))


def _tasks(folder: Folder, queued: Queued, memory: Memory, at_work: bool) -> Iterator[TaskStanding]:
    states = standings(folder, memory, queued)
    for name, task in queued.tasks.items():
        order = memory.known(name).order
        if order:
            yield _begun(name, order, at_work)
        elif held := held_back_by(task, states):
            yield TaskStanding(name, "held back", f"until {', '.join(held)} is done")
        else:
            yield TaskStanding(name, "waiting")
    yield from (TaskStanding(name, "refused", why) for name, why in queued.refused.items())
    yield from (TaskStanding(name, "failed") for name in sorted(folder.names_in("failed")))
    yield from (TaskStanding(name, "done") for name in sorted(folder.names_in("done")))


def _begun(name: str, order: Order, at_work: bool) -> TaskStanding:
    beat = _heartbeat(order)
    quiet = time.time() - beat if beat else None
    last = f"last progress {duration(max(0.0, quiet))} ago" if quiet is not None else "no progress yet"
    if not is_held(Path(order.lock)):
        if at_work:
            return TaskStanding(name, "running", f"about to begin or to end; {last}", beat)
        return TaskStanding(name, "dead", f"no process works on it; {last}; start the queue and it goes on", beat)
    if quiet is not None and quiet > SLOW_SECONDS:
        return TaskStanding(name, "slow", f"its process lives and waits, for its model most likely; {last}", beat)
    return TaskStanding(name, "running", last, beat)


def _heartbeat(order: Order) -> float | None:
    with suppress(OSError, ValueError):
        run_dir = run_dir_of(order)
        return float((run_dir / "heartbeat").read_text()) if run_dir else None
    return None
