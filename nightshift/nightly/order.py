"""Whose turn it is. Pure: tasks and what is known of them in, an order out.

First those that too many nights passed over, then by priority, then easy wins: what is expected to end soonest.
A task that had its turn tonight and was put aside comes after all that had none.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from nightshift.nightly.budget import Amount
from nightshift.nightly.tasks import Task

STARVED_NIGHTS = 2
"""A task that so many nights passed over comes first in the next."""
BASE_MINUTES = 10.0
CHARS_PER_MINUTE = 200
"""With no earlier success: a longer text is more work."""

Standing = Literal["done", "failed", "waiting", "missing"]


@dataclass(frozen=True, slots=True)
class History:
    """What the queue remembers of one task."""

    nights_skipped: int = 0
    turns_tonight: int = 0
    successes: tuple[Amount, ...] = field(default=())
    """What its earlier successful runs used."""


def estimate(task: Task, history: History) -> Amount:
    """What the task will probably use."""
    past = history.successes
    if past:
        return Amount(
            statistics.median(one.minutes for one in past),
            statistics.median(one.calls for one in past),
            statistics.median(one.tokens for one in past),
        )
    return Amount(BASE_MINUTES + len(task.prompt) / CHARS_PER_MINUTE)


def in_order(tasks: Iterable[Task], histories: Mapping[str, History]) -> list[Task]:
    def key(task: Task) -> tuple[int, bool, int, float, str]:
        history = histories.get(task.name, History())
        starved = history.nights_skipped >= STARVED_NIGHTS
        minutes = estimate(task, history).minutes
        return history.turns_tonight, not starved, -task.settings.priority, minutes, task.name

    return sorted(tasks, key=key)


def in_full_order(tasks: Mapping[str, Task], histories: Mapping[str, History]) -> list[Task]:
    """The order of a night in which every task succeeds: a dependency before what waits for it."""
    left, told = dict(tasks), list[Task]()
    while left:
        free = [task for task in left.values() if not any(name in left for name in task.settings.after)]
        task = in_order(free, histories)[0]
        told.append(left.pop(task.name))
    return told


def refusals(tasks: Mapping[str, Task], standings: Mapping[str, Standing]) -> dict[str, str]:
    """Tasks that can never be begun, with the reason: they wait for each other, or for what there is not."""
    refused = {
        task.name: f"{task.file}: after {name!r}: there is no such task in the queue, in done/ or in failed/"
        for task in tasks.values()
        for name in task.settings.after
        if standings.get(name, "missing") == "missing"
    }
    return refused | _cycles(tasks)


def _cycles(tasks: Mapping[str, Task]) -> dict[str, str]:
    refused: dict[str, str] = {}
    while cycle := _cycle({name: task for name, task in tasks.items() if name not in refused}):
        told = " -> ".join(reversed(cycle))
        refused |= {name: f"{tasks[name].file}: after: these wait for each other: {told}" for name in cycle}
    return refused


def _cycle(tasks: Mapping[str, Task]) -> Sequence[str]:
    graph = {name: {other for other in task.settings.after if other in tasks} for name, task in tasks.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: Sequence[str] = error.args[1]
        return cycle
    return ()


def held_back_by(task: Task, standings: Mapping[str, Standing]) -> list[str]:
    """The tasks that have to be done first and are not."""
    return [name for name in task.settings.after if standings.get(name) != "done"]
