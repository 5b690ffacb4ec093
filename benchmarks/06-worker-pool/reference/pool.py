"""A pool that runs asynchronous jobs with priorities, keys, retries and time limits."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

Function = Callable[..., Awaitable[Any]]


@dataclass
class Job:
    rank: tuple[float, int]
    call: Callable[[], Awaitable[Any]]
    key: Hashable
    future: asyncio.Future[Any]


class Pool:
    def __init__(
        self,
        workers: int = 4,
        *,
        retries: int = 0,
        delay: float = 1.0,
        timeout: float | None = None,
        sleep: Function = asyncio.sleep,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self._workers, self._retries, self._delay, self._timeout, self._sleep = workers, retries, delay, timeout, sleep
        self._is_open = False
        self._numbers = itertools.count()
        self._waiting: list[Job] = []
        self._running: dict[asyncio.Task[None], Job] = {}
        self._counts = Counter(done=0, failed=0, cancelled=0, retries=0)
        self._changed = asyncio.Event()

    async def __aenter__(self) -> "Pool":
        self._is_open = True
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None:
            self._is_open = False
            for job in [*self._waiting, *self._running.values()]:
                job.future.cancel()
        while self._waiting or self._running:
            self._changed.clear()
            await self._changed.wait()
        self._is_open = False

    def submit(self, function: Function, *args: Any, priority: float = 0, key: Hashable = None) -> asyncio.Future[Any]:
        if not self._is_open:
            raise RuntimeError("the pool is not open")
        future = asyncio.get_running_loop().create_future()
        job = Job((-priority, next(self._numbers)), lambda: function(*args), key, future)
        self._waiting.append(job)
        future.add_done_callback(lambda _: self._settled(job))
        self._start_jobs()
        return future

    async def map(self, function: Function, items: Iterable[Any]) -> list[Any]:
        results = await asyncio.gather(*(self.submit(function, item) for item in items), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results

    def stats(self) -> dict[str, int]:
        return {"waiting": len(self._waiting), "running": len(self._running), **self._counts}

    def _start_jobs(self) -> None:
        for job in sorted(self._waiting, key=lambda job: job.rank):
            busy = {each.key for each in self._running.values()} - {None}
            if len(self._running) < self._workers and job.key not in busy:
                self._waiting.remove(job)
                task = asyncio.ensure_future(self._run(job))
                self._running[task] = job
                task.add_done_callback(self._ended)

    async def _run(self, job: Job) -> None:
        for attempt in itertools.count(1):
            try:
                result = await asyncio.wait_for(job.call(), self._timeout)
            except Exception as error:  # noqa: BLE001 - a job may raise anything
                if attempt > self._retries:
                    self._settle(job, error=error)
                    return
                self._counts["retries"] += 1
                await self._sleep(self._delay * 2 ** (attempt - 1))
            else:
                self._settle(job, result=result)
                return

    def _settle(self, job: Job, result: Any = None, error: Exception | None = None) -> None:
        if job.future.done():
            return
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
            job.future.exception()

    def _ended(self, task: asyncio.Task[None]) -> None:
        job = self._running.pop(task)
        job.future.cancel()  # of one that is done this is nothing
        self._count(job)

    def _settled(self, job: Job) -> None:
        """A future is done: of a job that never started, or that runs and must end if it was cancelled."""
        if job in self._waiting:
            self._waiting.remove(job)
            self._count(job)
        for task, running in self._running.items():
            if running is job and job.future.cancelled():
                task.cancel()

    def _count(self, job: Job) -> None:
        state = "cancelled" if job.future.cancelled() else "failed" if job.future.exception() else "done"
        self._counts[state] += 1
        self._start_jobs()
        self._changed.set()
