"""A series of runs: every task so many times, as many at once as asked, each result on disk as soon as it is had.

What is on disk already is not run again, so a series that was stopped goes on where it was. The repeats of all tasks
come one after the other, and so do the models of a comparison: what changes with the hour meets all of them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.outcomes import Outcome, append, read_outcomes
from benchmarks.running import STOP, RunOrder, carry_out
from benchmarks.tasks import read_task
from nightshift.nightly.cluster import cluster_at


@dataclass(frozen=True, slots=True)
class Workers:
    """Where runs are carried out."""

    executor: Executor
    slots: int
    lost: tuple[type[BaseException], ...] = ()
    """What a run raises whose worker was lost more often than a cluster bears."""


@contextmanager
def workers(jobs: int, cluster: str) -> Iterator[Workers]:
    """Threads of this process, or the workers of a Dask cluster. Raises ConfigError."""
    if cluster:
        with cluster_at(cluster) as found:
            yield Workers(found.executor, found.slots, found.lost)
        return
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield Workers(pool, jobs)
        except BaseException:
            STOP.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_all(orders: Sequence[RunOrder], file: Path, at: Workers, say: Callable[[str], None]) -> list[Outcome]:
    """The outcomes of the orders, in their order; those that are in the file already are not run again."""
    known = {outcome.key: outcome for outcome in (read_outcomes([file]) if file.exists() else ())}
    keyed = [(order, _key(order)) for order in orders]
    found = [known[key] for _, key in keyed if key in known]
    if found:
        say(f"{len(found)} of {len(orders)} runs are in {file} already")
    waiting = [order for order, key in keyed if key not in known]
    for outcome in _ended(waiting, at, say):
        append(file, outcome)
        say(str(outcome))
        found.append(outcome)
    places = {key: place for place, (_, key) in enumerate(keyed)}
    return sorted(found, key=lambda outcome: places[outcome.key])


def _ended(waiting: Sequence[RunOrder], at: Workers, say: Callable[[str], None]) -> Iterator[Outcome]:
    """Never more at once than there are slots, so that an error ends the series with what is running."""
    rest, running = list(waiting), dict[Future[Outcome], RunOrder]()
    while rest or running:
        while rest and len(running) < at.slots:
            order = rest.pop(0)
            running[at.executor.submit(carry_out, order)] = order
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            order = running.pop(future)
            try:
                outcome = future.result()
            except at.lost:
                say(f"LOST  {Path(order.folder).name} #{order.repeat}: its worker was killed; run the same again")
                continue
            yield outcome


def _key(order: RunOrder) -> tuple[str, str, str, int]:
    task = read_task(Path(order.folder))
    return task.name, task.digest, order.setting.id, order.repeat
