"""Turns at model servers: slots, queues, one model at a time, shared prefixes, rests, and hedging."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.domain import Completion, Message, Request, SamplingParams, Usage
from nightshift.errors import BudgetExceeded, StreamBroken, Unreachable
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.profiles import Profiles
from nightshift.llm.scheduling.forecast import Forecast
from nightshift.llm.scheduling.hedging import hedged
from nightshift.llm.scheduling.lanes import (
    FAILURES,
    KEEPS_LOADED,
    LONGEST_REST,
    OVERTAKES,
    SHORTEST_REST,
    Device,
    Lane,
    Moved,
    Turn,
)
from nightshift.llm.scheduling.prefix import BLOCK, Prompt

ERROR = Unreachable("gone")
LONG = "x" * 8000
"""A prefix worth sharing."""


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Scene:
    """One device with its lanes; `log` has who got a slot, in order."""

    slots: Sequence[int] = (1,)
    layout: Any = "at-once"
    flavour: Any = "generic"
    clock: Clock = field(default_factory=Clock)
    log: list[str] = field(default_factory=list)
    cached: list[int] = field(default_factory=list)
    """Characters of each prompt that were in the cache."""

    def __post_init__(self) -> None:
        self.device = Device(layout=self.layout)
        self.lanes = [
            Lane(Endpoint(f"http://box:{i}", "openai", self.flavour, slots=slots), self.device, clock=self.clock)
            for i, slots in enumerate(self.slots)
        ]

    async def request(
        self,
        name: str,
        model: str = "m",
        prompt: str = "",
        *,
        lane: int = 0,
        end: Callable[[], Any] | None = None,
        **speed: float,
    ) -> None:
        """Holds its slot until `end` is done (a few turns of the loop), and is answered unless that raises."""
        at = self.lanes[lane]
        given = {"reading": 0.001, "writing": 1.0} | speed
        request = Request("builder", name, (Message("user", prompt),))
        turn = Turn(at, Target(at.endpoint, model), request, Prompt.of(request.messages), **given)
        at.enter(turn)
        async with at.slot(turn):
            self.log.append(name)
            self.cached.append(turn.cached or 0)
            await (end() if end else steps(3))
            at.answered(turn)


async def steps(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def together(*requests: Any) -> list[Any]:
    async def run() -> list[Any]:
        return await asyncio.gather(*requests, return_exceptions=True)

    return asyncio.run(run())


def gates(number: int) -> list[asyncio.Event]:
    return [asyncio.Event() for _ in range(number)]


def test_a_slot_goes_to_who_asked_first():
    scene = Scene()
    together(*(scene.request(name) for name in "abcd"))
    assert scene.log == list("abcd")


def test_waiting_requests_for_the_loaded_model_go_first_so_that_it_is_loaded_once():
    scene = Scene()
    together(*(scene.request(f"{model}{i}", model) for i, model in enumerate("ababab")))
    assert scene.log == ["a0", "a2", "a4", "b1", "b3", "b5"]
    assert scene.device.swaps == 1


def test_nobody_is_overtaken_more_than_so_many_times():
    scene = Scene()
    together(scene.request("first", "a"), scene.request("other", "b"), *(scene.request("a", "a") for _ in range(30)))
    assert scene.log.index("other") == 1 + OVERTAKES


def test_servers_that_share_a_gpu_work_for_one_model_at_a_time():
    async def run(scene: Scene) -> None:
        async def watch() -> None:
            active.append([len(lane.running) for lane in scene.lanes])
            await steps(3)

        await asyncio.gather(
            *(scene.request(f"{lane}", lane=lane, end=watch) for lane in (0, 1, 0, 1, 0)), return_exceptions=True
        )

    active: list[list[int]] = []
    scene = Scene(slots=(2, 2))
    asyncio.run(run(scene))
    assert all(0 in running for running in active)
    assert scene.log == ["0", "0", "0", "1", "1"]
    assert scene.device.swaps == 1


@pytest.mark.parametrize(
    "layout, order", [("warm", ["lead", "free", "x", "y"]), ("at-once", ["lead", "x", "y", "free"])]
)
def test_a_warm_layout_lets_one_request_read_a_shared_prefix_and_then_the_others_at_once(layout, order):
    async def run() -> None:
        done = asyncio.Event()
        lead = asyncio.create_task(scene.request("lead", prompt=LONG + "1", end=done.wait))
        await steps(5)
        rest = [asyncio.create_task(scene.request(name, prompt=LONG + name)) for name in "xy"]
        rest.append(asyncio.create_task(scene.request("free", prompt="short")))
        await steps(20)
        before = list(scene.log)
        done.set()
        await asyncio.gather(lead, *rest)
        assert before == (["lead", "free"] if layout == "warm" else order)

    scene = Scene(slots=(4,), layout=layout)
    asyncio.run(run())
    assert scene.log == order


@pytest.mark.parametrize(
    "flavour, reading, writing, warm",
    [
        ("generic", 0.02, 10.0, True),
        ("llama.cpp", 0.02, 10.0, True),
        ("generic", 0.02, 1000.0, False),
        ("llama.cpp", 0.00001, 10.0, False),
        ("generic", 0.001, 10.0, True),
        ("llama.cpp", 0.001, 10.0, False),
    ],
    ids=["slow to read", "one by one", "slow to write", "fast to read", "worth one wait", "not worth three"],
)
def test_by_itself_it_warms_the_cache_where_reading_costs_more_than_waiting(flavour, reading, writing, warm):
    async def run() -> int:
        requests = [
            asyncio.create_task(
                scene.request(name, prompt=LONG + name, end=done.wait, reading=reading, writing=writing)
            )
            for name in "abcd"
        ]
        await steps(10)
        started = len(scene.log)
        done.set()
        await asyncio.gather(*requests)
        return started

    done = asyncio.Event()
    scene = Scene(slots=(4,), layout="auto", flavour=flavour)
    assert asyncio.run(run()) == (1 if warm else 4)


@pytest.mark.parametrize("how", ["fails", "cancelled"])
def test_when_the_request_that_warms_the_cache_comes_to_nothing_the_next_one_does_it(how):
    async def run() -> None:
        async def end() -> None:
            await hold.wait()
            raise ERROR

        lead = asyncio.create_task(scene.request("lead", prompt=LONG, end=end))
        await steps(5)
        rest = [asyncio.create_task(scene.request(name, prompt=LONG + name)) for name in "xyz"]
        await steps(5)
        assert scene.log == ["lead"]
        lead.cancel() if how == "cancelled" else hold.set()
        await asyncio.gather(lead, *rest, return_exceptions=True)

    hold = asyncio.Event()
    scene = Scene(slots=(4,), layout="warm")
    asyncio.run(run())
    assert scene.log == ["lead", "x", "y", "z"]


def test_a_prefix_that_is_in_the_cache_is_not_waited_for():
    async def run() -> None:
        await scene.request("before", prompt=LONG)
        hold = asyncio.Event()
        others = [asyncio.create_task(scene.request(name, prompt=LONG + name, end=hold.wait)) for name in "xy"]
        await steps(5)
        assert scene.log == ["before", "x", "y"]
        hold.set()
        await asyncio.gather(*others)

    scene = Scene(slots=(2,), layout="warm")
    asyncio.run(run())


@pytest.mark.parametrize("flavour, together", [("generic", 3), ("llama.cpp", 1)])
def test_a_prompt_in_the_cache_of_llama_cpp_serves_one_request_at_a_time(flavour, together):
    async def run() -> None:
        await scene.request("before", prompt=LONG)
        holds = gates(3)
        others = [
            asyncio.create_task(scene.request(n, prompt=LONG + n, end=h.wait))
            for n, h in zip("xyz", holds, strict=True)
        ]
        await steps(5)
        assert len(scene.log) == 1 + together
        for hold in holds:
            hold.set()
            await steps(5)
        await asyncio.gather(*others)

    scene = Scene(slots=(4,), layout="warm", flavour=flavour)
    asyncio.run(run())
    assert scene.log == ["before", "x", "y", "z"]


def test_after_all_slots_read_a_prompt_all_of_them_have_it():
    async def wave(names: str) -> None:
        hold = asyncio.Event()
        tasks = [asyncio.create_task(scene.request(name, prompt=LONG + name, end=hold.wait)) for name in names]
        await steps(5)
        hold.set()
        await asyncio.gather(*tasks)

    scene = Scene(slots=(2,), flavour="llama.cpp")
    asyncio.run(wave("ab"))
    scene.device.layout = "warm"
    asyncio.run(wave("cd"))
    assert [cached >= 7000 for cached in scene.cached] == [False, False, True, True]


@pytest.mark.parametrize("ending", ["fails", "cancelled"])
def test_a_request_that_comes_to_nothing_leaves_the_prompt_it_took_over(ending):
    async def end() -> None:
        if ending == "cancelled":
            raise asyncio.CancelledError
        raise ERROR

    scene = Scene(flavour="llama.cpp")
    together(scene.request("one", prompt=LONG))
    together(scene.request("two", prompt=LONG + "2", end=end))
    together(scene.request("three", prompt=LONG + "3"))
    assert [cached >= 7000 for cached in scene.cached] == [False, True, True]


def test_another_model_on_the_same_server_empties_its_cache():
    scene = Scene()
    for model in "aaba":
        together(scene.request("", model, LONG))
    assert [cached > 7000 for cached in scene.cached] == [False, True, False, False]


@given(st.text(max_size=3 * BLOCK), st.text(max_size=2 * BLOCK), st.text(max_size=2 * BLOCK))
@settings(max_examples=100, deadline=None)
def test_what_prompts_share_is_never_overstated(head, one, other):
    first, second = (Prompt.of([Message("user", head + text)]) for text in (one, other))
    text = [f"user\0{head}{text}" for text in (one, other)]
    same = next((i for i, (a, b) in enumerate(zip(*text, strict=False)) if a != b), min(map(len, text)))
    assert first.shared(second) == second.shared(first) == same // BLOCK * BLOCK


REQUESTS = st.tuples(
    st.integers(0, 1),  # lane
    st.sampled_from("ab"),  # model
    st.sampled_from(["", LONG, LONG + "1" * 2000]),
    st.integers(0, 6),  # steps in its slot
    st.one_of(st.none(), st.integers(0, 12)),  # cancelled after so many steps
    st.booleans(),  # fails
)


@given(
    st.lists(REQUESTS, max_size=12),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from(["warm", "at-once", "auto"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_slots_are_never_exceeded_and_always_come_back(requests, slots, layout, shared):
    """However requests end: answered, failed, cancelled while they wait or while they run, or sent elsewhere."""

    async def one(scene: Scene, lane: int, model: str, prompt: str, length: int, fails: bool) -> None:
        async def end() -> None:
            for at, limit in zip(scene.lanes, scene.slots, strict=True):
                assert len(at.running) <= limit
            await steps(length)
            if fails:
                scene.lanes[lane].failed(ERROR)
                raise ERROR

        with suppress(Unreachable, Moved):
            await scene.request("", model, prompt, lane=lane, end=end)

    async def run() -> None:
        scenes = [Scene(slots, layout)] if shared else [Scene(slots, layout), Scene(slots, layout)]
        tasks = []
        for number, (lane, model, prompt, length, cancel, fails) in enumerate(requests):
            scene = scenes[number % len(scenes)]
            task = asyncio.create_task(one(scene, lane, model, prompt, length, fails))
            tasks.append(task)
            if cancel is not None:
                await steps(cancel)
                task.cancel()
        async with asyncio.timeout(5):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [result for result in results if isinstance(result, AssertionError)]
        for scene in scenes:
            assert not scene.device.waiting
            assert not any(lane.running for lane in scene.lanes)

    asyncio.run(run())


# Health.


def rest(scene: Scene, failures: int = FAILURES) -> Lane:
    for _ in range(failures):
        scene.lanes[0].failed(ERROR)
    return scene.lanes[0]


def test_a_server_rests_after_failures_in_a_row_and_not_before():
    scene = Scene()
    lane = rest(scene, FAILURES - 1)
    assert not lane.resting
    asyncio.run(scene.request("answered"))
    assert not rest(scene, FAILURES - 1).resting
    assert rest(scene, 1).resting
    assert (lane.rests, lane.rest_until, lane.error) == (1, SHORTEST_REST, ERROR)


def test_each_rest_is_twice_as_long_up_to_a_limit_until_the_server_answers():
    scene = Scene()
    lane = rest(scene)
    lengths = []
    for _ in range(7):
        lengths.append(lane.rest_until - scene.clock.now)
        scene.clock.now = lane.rest_until
        assert lane.due
        lane.looked(alive=False)
    assert lengths == [30, 60, 120, 240, 480, LONGEST_REST, LONGEST_REST]
    lane.looked(alive=True)
    asyncio.run(scene.request("answered"))
    assert rest(scene).rest_until - scene.clock.now == SHORTEST_REST
    assert lane.rests == 2


def test_a_server_that_is_back_has_one_failure_left():
    scene = Scene()
    lane = rest(scene)
    lane.looked(alive=True)
    assert not lane.resting
    assert rest(scene, 1).rest_until == 2 * SHORTEST_REST


def test_those_who_wait_at_a_server_that_goes_to_rest_are_sent_elsewhere():
    async def run() -> list[Any]:
        hold = asyncio.Event()
        running = asyncio.create_task(scene.request("running", end=hold.wait))
        waiting = [asyncio.create_task(scene.request("waiting")) for _ in range(2)]
        await steps(3)
        rest(scene)
        await steps(3)
        hold.set()
        return await asyncio.gather(running, *waiting, return_exceptions=True)

    scene = Scene()
    answered, *moved = asyncio.run(run())
    assert answered is None
    assert [type(error) for error in moved] == [Moved, Moved]
    assert scene.log == ["running"]


def test_a_model_counts_as_loaded_until_it_idled_or_its_server_failed():
    scene = Scene()
    lane = scene.lanes[0]
    asyncio.run(scene.request("a", "a"))
    assert (lane.is_ready("a"), lane.is_ready("b")) == (True, False)
    scene.clock.now += KEEPS_LOADED
    assert not lane.is_ready("a")
    asyncio.run(scene.request("a", "a"))
    lane.failed(ERROR)
    assert not lane.is_ready("a")


# Hedging.


async def reply(text: str, after: asyncio.Event | None = None, log: list[str] | None = None) -> str:
    try:
        if after:
            await after.wait()
        return text
    except asyncio.CancelledError:
        (log if log is not None else []).append(text)
        raise


async def fails(error: Exception) -> str:
    await steps(6)
    raise error


async def at_once() -> str:
    return "rival"


def race(first: Any, second: Any, straggles: Any = None) -> Any:
    return asyncio.run(_race(first, second, straggles))


async def _race(first: Any, second: Any, straggles: Any) -> Any:
    return await hedged(first(), (straggles or at_once)(), lambda rival: second())


@pytest.mark.parametrize("won", [False, True])
def test_the_first_whole_reply_wins_and_the_other_request_is_cancelled(won):
    async def run() -> tuple[str, bool]:
        events, cancelled = gates(2), []
        asyncio.get_running_loop().call_later(0.01, events[won].set)
        result = await hedged(
            reply("first", events[0], cancelled), at_once(), lambda rival: reply("second", events[1], cancelled)
        )
        assert cancelled == ["first" if won else "second"]
        return result

    assert asyncio.run(run()) == ("second" if won else "first", won)


def test_no_second_request_is_sent_before_the_first_straggles():
    def unexpected() -> Any:
        raise AssertionError("sent")

    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    assert race(lambda: reply("first"), unexpected, never) == ("first", False)
    with pytest.raises(StreamBroken):
        race(lambda: fails(StreamBroken("cut")), unexpected, never)


def test_the_second_request_saves_a_first_that_fails_meanwhile():
    async def late() -> str:
        await steps(20)
        return "second"

    assert race(lambda: fails(StreamBroken("cut")), late) == ("second", True)


def test_when_both_come_to_nothing_the_first_one_says_why():
    async def nothing() -> None:
        await steps(20)

    with pytest.raises(StreamBroken):
        race(lambda: fails(StreamBroken("cut")), nothing)


def test_a_budget_that_ends_is_not_hidden_by_a_hedge():
    async def late() -> str:
        await steps(20)
        return "second"

    with pytest.raises(BudgetExceeded):
        race(lambda: fails(BudgetExceeded("spent", "budget_calls")), late)


def test_cancelling_the_race_cancels_both():
    async def run() -> list[str]:
        cancelled: list[str] = []
        events = gates(2)
        task = asyncio.create_task(
            hedged(reply("first", events[0], cancelled), at_once(), lambda rival: reply("second", events[1], cancelled))
        )
        await steps(10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return cancelled

    assert sorted(asyncio.run(run())) == ["first", "second"]


# Forecast.

FAST, SLOW, NEW = (Target(Endpoint(f"http://{name}", "openai", "generic"), "m") for name in ("fast", "slow", "new"))
ASKED = Request("builder", "s", (Message("user", ""),), SamplingParams(max_tokens=1000))


def forecast() -> Forecast:
    profiles = Profiles()
    profiles.learn(FAST, prefill=1000.0, decode=100.0, bytes_per_token=4.0)
    profiles.learn(SLOW, prefill=100.0, decode=10.0, bytes_per_token=4.0)
    return Forecast(profiles)


def test_a_server_not_measured_yet_counts_as_fast_as_the_fastest_so_that_it_is_tried():
    guess, all_three = forecast(), (FAST, SLOW, NEW)
    writing = [guess.writing(ASKED, target, all_three) for target in all_three]
    assert writing == [6.0, 60.0, 6.0]
    assert [guess.measured(target) for target in all_three] == [True, True, False]
    assert guess.reading(FAST, all_three) == 1 / 4000
    assert guess.reading(NEW, all_three) == pytest.approx(1 / 3500)


def test_replies_are_expected_to_be_as_long_as_those_of_the_role_lately():
    guess = forecast()
    for tokens in (100, 300, 200):
        guess.saw("builder", Completion("", "stop", Usage(1, 10, 0, tokens, tokens / 10)))
    assert guess.writing(ASKED, FAST, (FAST,)) == 2.0
    assert guess.usual("builder") == 20.0
    assert guess.usual("planner") == 0.0
