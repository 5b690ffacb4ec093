import asyncio
import gc

import pytest


@pytest.fixture
def make():
    from pool import Pool

    return Pool


def run(coroutine):
    async def limited():
        async with asyncio.timeout(10):
            return await coroutine

    return asyncio.run(limited())


class Gate:
    """Jobs that note when they run and end when they are told."""

    def __init__(self):
        self.running, self.started, self.most, self.open = set(), [], 0, {}

    async def job(self, name):
        self.started.append(name)
        self.running.add(name)
        self.most = max(self.most, len(self.running))
        try:
            await self.open.setdefault(name, asyncio.Event()).wait()
        finally:
            self.running.discard(name)
        return name.upper()

    async def end(self, *names):
        for name in names:
            self.open.setdefault(name, asyncio.Event()).set()
        await settle()


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def failing(times, log=None):
    """A job that fails so many times before it succeeds."""
    left = [times]

    async def job():
        if log is not None:
            log.append("try")
        if left[0]:
            left[0] -= 1
            raise KeyError(left[0])
        return "fine"

    return job


async def double(number):
    await asyncio.sleep(0)
    return number * 2


def test_results_and_exceptions(make):
    async def main():
        async with make() as pool:
            fine, wrong = pool.submit(double, 4), pool.submit(failing(1))
            assert await fine == 8
            with pytest.raises(KeyError):
                await wrong
        return pool.stats()

    assert run(main()) == {"waiting": 0, "running": 0, "done": 1, "failed": 1, "cancelled": 0, "retries": 0}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_only_so_many_run_at_the_same_time(make, workers):
    async def main():
        gate = Gate()
        async with make(workers) as pool:
            for name in "abcde":
                pool.submit(gate.job, name)
            await settle()
            assert gate.running == set("abcde"[:workers])
            assert pool.stats() == {
                "waiting": 5 - workers,
                "running": workers,
                "done": 0,
                "failed": 0,
                "cancelled": 0,
                "retries": 0,
            }
            await gate.end("a")
            assert gate.running == set("abcde"[1 : workers + 1])
            await gate.end(*"bcde")
        assert gate.started == list("abcde")
        assert gate.most == workers

    run(main())


def test_four_workers_when_not_told(make):
    async def main():
        gate = Gate()
        async with make() as pool:
            for name in "abcdef":
                pool.submit(gate.job, name)
            await settle()
            await gate.end(*"abcdef")
        return gate.most

    assert run(main()) == 4


@pytest.mark.parametrize("workers", [0, -1])
def test_a_pool_needs_workers(make, workers):
    with pytest.raises(ValueError):
        make(workers)


def test_priorities(make):
    async def main():
        gate = Gate()
        async with make(1) as pool:
            for name, priority in (
                ("first", 0),
                ("low", -1),
                ("normal", 0),
                ("high", 5),
                ("other", 0),
                ("also_high", 5),
            ):
                pool.submit(gate.job, name, priority=priority)
                await settle()
            await gate.end("first", "low", "normal", "high", "other", "also_high")
        return gate.started

    assert run(main()) == ["first", "high", "also_high", "normal", "other", "low"]


def test_jobs_of_a_key_take_turns_and_block_no_others(make):
    async def main():
        gate = Gate()
        async with make(3) as pool:
            for name, key, priority in (
                ("a1", "a", 0),
                ("a2", "a", 9),
                ("b1", 0, 0),
                ("n1", None, -5),
                ("n2", None, -6),
            ):
                pool.submit(gate.job, name, key=key, priority=priority)
            await settle()
            assert gate.running == {"a1", "b1", "n1"}
            await gate.end("b1")
            assert gate.running == {"a1", "n2", "n1"}
            await gate.end("a1")
            assert gate.running == {"a2", "n1", "n2"}
            await gate.end("a2", "n1", "n2")

    run(main())


def test_retries_wait_longer_each_time(make):
    async def main():
        waits, log = [], []

        async def sleep(seconds):
            waits.append(seconds)

        async with make(retries=3, delay=0.5, sleep=sleep) as pool:
            assert await pool.submit(failing(3, log)) == "fine"
            assert waits == [0.5, 1.0, 2.0]
            assert log == ["try"] * 4
            with pytest.raises(KeyError) as caught:
                await pool.submit(failing(9))
            assert caught.value.args == (5,)
        return pool.stats()

    stats = run(main())
    assert (stats["done"], stats["failed"], stats["retries"]) == (1, 1, 6)


def test_no_retries_when_not_told(make):
    async def main():
        log = []
        async with make() as pool:
            with pytest.raises(KeyError):
                await pool.submit(failing(1, log))
        return log

    assert run(main()) == ["try"]


def test_a_delay_of_one_second_when_not_told(make):
    async def main():
        waits = []

        async def sleep(seconds):
            waits.append(seconds)

        async with make(retries=2, sleep=sleep) as pool:
            await pool.submit(failing(2))
        return waits

    assert run(main()) == [1.0, 2.0]


def test_a_waiting_retry_keeps_worker_and_key(make):
    async def main():
        gate, pause = Gate(), asyncio.Event()

        async def sleep(seconds):
            await pause.wait()

        async with make(2, retries=1, sleep=sleep) as pool:
            wrong = pool.submit(failing(1), key="k")
            pool.submit(gate.job, "same", key="k")
            pool.submit(gate.job, "x")
            pool.submit(gate.job, "y")
            await settle()
            assert gate.running == {"x"}
            pause.set()
            assert await wrong == "fine"
            await settle()
            assert gate.running == {"x", "same"}
            await gate.end("x", "y", "same")

    run(main())


def test_time_limits(make):
    async def main():
        log = []

        async def slow():
            log.append("began")
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                log.append("cancelled")
                raise

        async with make(1, timeout=0.02, retries=1, delay=0) as pool:
            with pytest.raises(TimeoutError):
                await pool.submit(slow)
            assert await pool.submit(double, 2) == 4
        assert log == ["began", "cancelled"] * 2
        return pool.stats()

    stats = run(main())
    assert (stats["failed"], stats["cancelled"], stats["retries"]) == (1, 0, 1)


def test_cancelling(make):
    async def main():
        gate = Gate()
        async with make(1, retries=2) as pool:
            running, waiting, last = (pool.submit(gate.job, name, key="k") for name in "abc")
            await settle()
            waiting.cancel()
            await settle()
            assert pool.stats()["waiting"] == 1
            running.cancel()
            await settle()
            assert gate.running == {"c"}
            await gate.end("c")
            assert await last == "C"
        assert gate.started == ["a", "c"]
        return pool.stats()

    assert run(main()) == {"waiting": 0, "running": 0, "done": 1, "failed": 0, "cancelled": 2, "retries": 0}


def test_cancelling_while_a_retry_waits(make):
    async def main():
        async def sleep(seconds):
            await asyncio.sleep(30)

        log = []
        async with make(1, retries=1, sleep=sleep) as pool:
            future = pool.submit(failing(1, log))
            await settle()
            future.cancel()
            await settle()
            assert await pool.submit(double, 1) == 2
        assert log == ["try"]
        return pool.stats()

    stats = run(main())
    assert (stats["cancelled"], stats["done"], stats["retries"]) == (1, 1, 1)


def test_leaving_waits_for_all_and_jobs_may_submit(make):
    async def main():
        seen = []

        async def parent(depth):
            await asyncio.sleep(0.005)
            seen.append(depth)
            if depth:
                pool.submit(parent, depth - 1)

        async with make(2) as pool:
            pool.submit(parent, 3)
            pool.submit(failing(1))
        return seen

    assert run(main()) == [3, 2, 1, 0]


def test_leaving_by_an_exception_cancels_all(make):
    async def main():
        gate, log = Gate(), []

        async def careful():
            try:
                await asyncio.sleep(30)
            finally:
                await asyncio.sleep(0.01)
                with pytest.raises(RuntimeError):
                    pool.submit(double, 1)
                log.append("cleaned up")

        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with make(2) as pool:
                futures = [pool.submit(careful), pool.submit(gate.job, "a"), pool.submit(gate.job, "b")]
                await settle()
                1 / 0  # noqa: B018
        assert log == ["cleaned up"]
        assert all(future.cancelled() for future in futures)
        assert gate.started == ["a"]
        return pool.stats()

    stats = run(main())
    assert (stats["cancelled"], stats["waiting"], stats["running"]) == (3, 0, 0)


def test_submitting_only_within(make):
    async def main():
        pool = make()
        with pytest.raises(RuntimeError):
            pool.submit(double, 1)
        async with pool:
            pass
        with pytest.raises(RuntimeError):
            pool.submit(double, 1)

    run(main())


def test_nobody_complains_about_exceptions_nobody_looks_at(make):
    async def main():
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        async with make() as pool:
            pool.submit(failing(1))
            pool.submit(double, 1).cancel()
        del pool
        gc.collect()
        await settle()
        return told

    assert run(main()) == []


def test_map(make):
    async def main():
        async with make(2) as pool:
            assert await pool.map(double, [3, 1, 2]) == [6, 2, 4]
            assert await pool.map(double, []) == []
            ended = []

            async def job(number):
                await asyncio.sleep(0.01 * (4 - number))
                ended.append(number)
                if number in (1, 2):
                    raise KeyError(number)

            with pytest.raises(KeyError) as caught:
                await pool.map(job, [0, 1, 2, 3])
            assert caught.value.args == (1,)
            assert sorted(ended) == [0, 1, 2, 3]

    run(main())
