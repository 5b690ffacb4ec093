"""The loop of a night: whose turn, how much of the budget, what the outcome means, where the file goes.

Each decision is in the journal before it takes effect, so a night that was killed at any moment goes on from there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from nightshift.codec import as_json
from nightshift.disk import write_atomically
from nightshift.domain import EXIT_CODES
from nightshift.nightly.budget import UNLIMITED, Amount, allowance, worthwhile
from nightshift.nightly.ending import code_of, decide, outcome_of, result_of, standings, waiting_reasons
from nightshift.nightly.folder import Folder
from nightshift.nightly.journal import Journal
from nightshift.nightly.memory import Ending, Known, Memory, Night
from nightshift.nightly.order import History, Standing, estimate, held_back_by, in_order, refusals
from nightshift.nightly.running import (
    ANYWHERE,
    STOP_CODES,
    Order,
    Outcome,
    carry_out,
    is_local,
    run_dir_of,
    slots_of,
    stamp_of,
)
from nightshift.nightly.tasks import Queued, Task
from nightshift.records import runs_in

NIGHT_HOURS = 14
"""A killed night that began longer ago is over; a new one begins."""
MAX_TURNS = 6
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Terms:
    """What the user allows this night, and what the tasks' own settings leave open."""

    settings_of: Callable[[Task], tuple[Amount, tuple[str, ...]]]
    """A task's limits for all nights, and its model servers."""
    flags: tuple[str, ...] = ()
    budget: Amount = UNLIMITED
    until: float | None = None
    jobs: int = 1
    cluster: bool = False
    retries: int = 2
    retry_seconds: float = 60.0
    grace_minutes: float = 5.0
    """For a run to end by its own clock before it is ended."""
    slots: Path = Path()
    program: tuple[str, ...] = ()
    lost: tuple[type[BaseException], ...] = (CancelledError,)
    """What a task raises whose machine was lost."""


class Nightly:
    """One night at a queue. `read` gives the waiting tasks; they may change while the night goes on."""

    def __init__(
        self, folder: Folder, journal: Journal, terms: Terms, executor: Executor, read: Callable[[], Queued]
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._terms = terms
        self._executor = executor
        self._read = read
        self._running: dict[str, tuple[Task, Order, Future[Outcome]]] = {}
        self._clock = time.monotonic
        self._began = self._clock()
        self.memory = Memory()
        self.stopped = 0
        """The exit code of the signal that ends the night."""
        journal.tell(self.memory.hear, earlier=True)

    def run(self) -> Night:
        """Raises DiskFull. Whatever happens, no run is left behind."""
        self._folder.go.touch()
        try:
            self._begin()
            while not self.stopped and (self._launch() or self._running or self._resting()):
                self._collect()
            self._end_runs()
            return self._end()
        except BaseException:
            self.stopped = self.stopped or EXIT_CODES["internal_error"]
            raise
        finally:
            self._end_runs()

    def stop(self, code: int) -> None:
        """Safe in a signal handler: the runs end because the file is gone."""
        self.stopped = self.stopped or code
        with suppress(FileNotFoundError):
            os.unlink(self._folder.go)

    @property
    def night(self) -> Night:
        assert self.memory.night is not None, "a night has begun"
        return self.memory.night

    def standings(self, queued: Queued) -> dict[str, Standing]:
        return standings(self._folder, self.memory, queued)

    def _begin(self) -> None:
        for ending in list(self.memory.unmoved.values()):
            self._move(ending)
        night, now = self.memory.night, time.time()
        if night and night.ended is None:
            if now - night.started < NIGHT_HOURS * 3600 and worthwhile(self._left()):
                return
            self._journal.append("night_ended", code=130, skipped=[], waiting={}, reason="killed")
        told = {
            name: None if value == UNLIMITED.minutes else value for name, value in as_json(self._terms.budget).items()
        }
        self._journal.append("night_started", night=_night_id(), until=self._terms.until, budget=told)

    def _left(self) -> Amount:
        """Whichever clock is further on counts: one may be set, the other may sleep."""
        night = self.night
        passed = max(time.time() - night.started, self._clock() - self._began, 0.0) / 60
        left = night.budget - Amount(passed, night.used_calls, night.used_tokens)
        for _, order, _ in self._running.values():
            left -= replace(order.totals - order.used, minutes=0.0)
        if night.until is None:
            return left
        return replace(left, minutes=min(left.minutes, max(0.0, night.until - time.time()) / 60))

    def _launch(self) -> bool:
        """Starts what may start now; whether there was anything."""
        if len(self._running) >= self._terms.jobs or not worthwhile(self._left()):
            return False
        queued = self._checked(self._read())
        ready = [task for task in queued.tasks.values() if self._may_run(task, queued)]
        ordered = in_order(ready, self.memory.histories())
        begun = [task for task in ordered if self.memory.known(task.name).order]
        waiting = sum(self._wants_a_turn(task) for task in queued.tasks.values())
        launched = False
        for task in dict.fromkeys([*begun, *ordered]):
            if len(self._running) < self._terms.jobs and self._slot_is_free(task) and worthwhile(self._left()):
                self._start(task, waiting)
                launched = True
        return launched

    def _checked(self, queued: Queued) -> Queued:
        """Without the tasks that can never be begun; each is told of once."""
        refused = {**queued.refused, **refusals(queued.tasks, self.standings(queued))}
        for name, message in refused.items():
            if self.night.refused.get(name) != message:
                self._journal.append("refused", name=name, message=message)
        return Queued({name: task for name, task in queued.tasks.items() if name not in refused}, refused)

    def _may_run(self, task: Task, queued: Queued) -> bool:
        rests = self.memory.known(task.name).again_at > time.time()
        return self._wants_a_turn(task) and not rests and not held_back_by(task, self.standings(queued))

    def _wants_a_turn(self, task: Task) -> bool:
        known = self.memory.known(task.name)
        again = known.over in ("", "retry", "aside") or (known.over in ("done", "failed") and not task.settings.repeat)
        return again and known.turns < MAX_TURNS and task.name not in self._running

    def _resting(self) -> bool:
        """Whether somebody waits for a fault to pass and there is time for it."""
        waiting = (self.memory.known(name) for name in self._read().tasks)
        return worthwhile(self._left()) and any(known.again_at > time.time() - 1.0 for known in waiting)

    def _slot_is_free(self, task: Task) -> bool:
        mine = self._slots(self._terms.settings_of(task)[1])
        taken = [slot for _, order, _ in self._running.values() for slot in self._slots(order.endpoints)]
        return not set(mine) & set(taken)

    def _slots(self, endpoints: tuple[str, ...]) -> list[str]:
        """On a cluster a server at 127.0.0.1 is another one on each machine, and the machines see to it."""
        shared = [url for url in endpoints if not (self._terms.cluster and is_local(url))]
        return slots_of(shared, "here")

    def _start(self, task: Task, waiting: int) -> None:
        order = self._order(task, waiting)
        write_atomically(Path(order.prompt_file), task.prompt + "\n")
        self._journal.append("started", name=task.name, digest=task.digest, order=order)
        self._running[task.name] = (task, order, self._executor.submit(carry_out, order))

    def _order(self, task: Task, waiting: int) -> Order:
        terms, folder = self._terms, self._folder.night(self.night.id)
        own, endpoints = terms.settings_of(task)
        earlier = self._earlier(task, own)
        usual = estimate(task, self.memory.histories().get(task.name, History()))
        totals = allowance(own, earlier.used, self._left(), max(1, waiting // terms.jobs), usual)
        minutes = min(totals.minutes - earlier.used.minutes, self._left().minutes) + terms.grace_minutes
        endpoint = ("--endpoint", task.settings.endpoint) if task.settings.endpoint else ()
        verify = tuple(word for command in task.settings.verify for word in ("--verify", command))
        order = Order(
            name=task.name,
            workspace=str(task.workspace),
            prompt_file=str(folder / f"{task.name}.prompt.txt"),
            flags=(*terms.flags, *verify, *endpoint),
            totals=totals,
            used=earlier.used,
            log=str(folder / f"{task.name}.log"),
            lock=str(self._folder.lock_of(task.name)),
            go=str(self._folder.go),
            slots=str(terms.slots),
            endpoints=endpoints or (ANYWHERE,),
            deadline=time.time() + minutes * 60,
            run=earlier.run,
            program=terms.program,
        )
        begun = earlier.order
        if begun:
            return replace(order, run=begun.run, known=begun.known, stamp=begun.stamp)
        known = tuple(run.name for run in runs_in(task.workspace))
        return replace(order, known=known, stamp=stamp_of(run_dir_of(order) if order.run else None))

    def _earlier(self, task: Task, own: Amount) -> Known:
        """What to go on from: nothing when the text is another, or the run has no room left."""
        known = self.memory.known(task.name)
        runs = [run.name for run in runs_in(task.workspace)]
        if known.digest != task.digest or (known.run and known.run not in runs):
            return Known()
        return known if known.order or worthwhile(own - known.used) else Known()

    def _collect(self) -> None:
        futures = [future for _, _, future in self._running.values()]
        if not futures:
            time.sleep(POLL_SECONDS)
            return
        wait(futures, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        for name, (task, order, future) in list(self._running.items()):
            if future.done():
                del self._running[name]
                self._settle(task, order, outcome_of(future, self._terms.lost))

    def _settle(self, task: Task, order: Order, outcome: Outcome) -> None:
        tries = self.memory.known(task.name).tries
        own, _ = self._terms.settings_of(task)
        may_retry = tries < self._terms.retries and not self.stopped
        decision = decide(outcome, order.totals, own, may_retry=may_retry)
        if outcome.code in STOP_CODES and self.stopped in STOP_CODES:
            outcome = replace(outcome, code=self.stopped, reason=_STOPPED_BY[self.stopped])
        elif decision == "kept" and outcome.code in STOP_CODES and time.time() > (order.deadline or 0.0):
            outcome = replace(outcome, code=4, reason="budget_minutes", message="ended at the end of the night's time")
        files = decision in ("done", "failed")
        target = self._folder.free_name(decision, task.name) if files else ""
        again_at = time.time() + self._terms.retry_seconds * 2**tries if decision == "retry" else 0.0
        ending = Ending(
            task.name, decision, outcome, order.workspace, target, files and not task.settings.repeat, again_at
        )
        self._journal.append("ended", ending=ending)
        if target:
            self._move(ending)

    def _move(self, ending: Ending) -> None:
        """The result first, then the task: doing both again changes nothing."""
        told = {"task_file": f"{ending.name}.md", "workspace": ending.workspace, "outcome": as_json(ending.outcome)}
        result = json.dumps({**result_of(ending), "queue": told}, indent=2, ensure_ascii=False)
        source, target = self._folder.root / f"{ending.name}.md", self._folder.root / f"{ending.target}.md"
        write_atomically(target.with_name(f"{Path(ending.target).name}.result.json"), result + "\n")
        if ending.moves and not target.exists():
            with suppress(FileNotFoundError):
                source.rename(target)
        self._journal.append("moved", name=ending.name)

    def _end_runs(self) -> None:
        """First all of them end, then what they left is settled: a disk that is full then leaves no process."""
        with suppress(FileNotFoundError):
            self._folder.go.unlink()
        wait([future for _, _, future in self._running.values()])
        while self._running:
            self._collect()

    def _end(self) -> Night:
        queued = self._checked(self._read())
        reasons = waiting_reasons(queued, self.standings(queued), self.memory, stopped=bool(self.stopped))
        skipped = [name for name in reasons if name not in self.night.endings and not self.stopped]
        self._journal.append(
            "night_ended", code=code_of(self.night, reasons, self.stopped), skipped=skipped, waiting=reasons
        )
        return self.night


_STOPPED_BY = {130: "interrupted", 143: "terminated"}


def _night_id() -> str:
    return time.strftime("%Y%m%d-%H%M%S")
