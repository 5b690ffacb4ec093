"""Many servers as one: turns, retries, failing over, and the gate that sees every request."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from real_llama import require_llama
from servers import LOADING, Asked, Reply, ScriptedServer, _Handler, refused_url, sequence

from benchmarks.tiny_model import llama_server
from nightshift.domain import ROLES, Completion, Message, Request, Role, SamplingParams
from nightshift.errors import (
    BadRequest,
    BudgetExceeded,
    ContextExceeded,
    ModelServerError,
    ServerLoading,
    ServerOverloaded,
    StreamBroken,
    Unreachable,
)
from nightshift.llm.client.stream import MAX_REPLY
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery.ollama import preload
from nightshift.llm.discovery.probe import probe
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.profiles import Profiles
from nightshift.llm.routing import in_order
from nightshift.llm.scheduling.failures import may_pass
from nightshift.llm.scheduling.pool import Pool
from nightshift.switches import Switches

REQUEST = Request("builder", "build/a.py/candidate-1", (Message("user", "hello"),))
QUICK = Deadlines(connect=2, first_token=0.3, stall=0.1, total=5)
BUSY = Reply(status=500, error="busy")
DEAD = Target(Endpoint(refused_url(), "openai", "generic"), "m")


@dataclass
class Ledger:
    """A gate that allows so many requests and remembers what it was told."""

    allowed: int = 99
    sent: list[tuple[str, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def before_send(self, request: Request, endpoint: str, model: str, attempt: int) -> None:
        if len(self.sent) == self.allowed:
            raise BudgetExceeded("no calls left", "budget_calls")
        self.sent.append((endpoint, attempt))

    def fault(self, request: Request, endpoint: str, model: str, attempt: int, error: ModelServerError) -> None:
        self.faults.append(error.fault)


SPEED = 1000
"""The pool's own waiting and resting is that much faster than the world's; a server's deadlines are not."""


def clock() -> float:
    return time.monotonic() * SPEED


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds / SPEED)


async def target(server: ScriptedServer) -> Target:
    endpoint = await probe(server.url)
    return Target(endpoint, endpoint.names[0])


def pool(targets: Sequence[Target], ledger: Ledger, **more: Any) -> Pool:
    given = {"deadlines": QUICK, "patience": 600, "switches": Switches(hedging=False), "sleep": sleep, "clock": clock}
    return Pool(dict.fromkeys(ROLES, tuple(targets)), gate=ledger, **given | more)


def answer(*servers: ScriptedServer, ledger: Ledger, first: Sequence[Target] = ()) -> Completion:
    async def asked() -> Completion:
        return await pool([*first, *[await target(server) for server in servers]], ledger).complete(REQUEST)

    return asyncio.run(asked())


@pytest.mark.parametrize("protocol", ["ollama", "llama"])
@pytest.mark.parametrize(
    "replies, faults",
    [
        (["ok"], []),
        ([BUSY, "ok"], ["http_500"]),
        ([Reply(status=503, error="busy")] * 3 + ["ok"], ["http_503"] * 3),
        ([Reply(status=429, error="slow down"), "ok"], ["http_429"]),
        ([Reply("half a reply " * 9, fault="drop"), "ok"], ["cut"]),
        ([Reply("half a reply " * 9, fault="no_end"), "ok"], ["no_end_mark"]),
        ([Reply("half a reply " * 9, fault="stall"), "ok"], ["stall"]),
        ([LOADING, "ok"], ["loading"]),
    ],
)
def test_what_can_pass_is_tried_again(protocol, replies, faults):
    ledger = Ledger()
    with ScriptedServer(protocol, sequence(*replies)) as server:
        assert answer(server, ledger=ledger).text == "ok"
    assert ledger.faults == faults
    assert [attempt for _, attempt in ledger.sent] == list(range(1, len(server.requests) + 1))
    assert len(server.requests) == len(replies)


@pytest.mark.parametrize(
    "reply, kind",
    [(Reply(status=400, error="bad"), BadRequest), (Reply(status=401, error="key"), BadRequest),
     (Reply(status=404, error="File Not Found"), BadRequest),
     (Reply(status=400, error="x", error_type="exceed_context_size_error"), ContextExceeded),
     (Reply(fault="silent"), StreamBroken)],
)  # fmt: skip
def test_what_cannot_pass_is_asked_once(reply, kind):
    ledger = Ledger()
    with ScriptedServer("llama", lambda asked: reply) as server, pytest.raises(kind):
        answer(server, ledger=ledger)
    assert len(server.requests) == len(ledger.sent) == len(ledger.faults) == 1


def test_a_server_that_never_recovers_is_given_up_after_four_tries():
    with ScriptedServer("ollama", lambda asked: BUSY) as server, pytest.raises(ServerOverloaded):
        answer(server, ledger=Ledger())
    assert len(server.requests) == 4


def test_retries_are_charged_and_end_with_the_budget():
    with ScriptedServer("ollama", lambda asked: BUSY) as server, pytest.raises(BudgetExceeded):
        answer(server, ledger=Ledger(allowed=2))
    assert len(server.requests) == 2


def test_a_loading_server_is_waited_for_without_charge():
    ledger = Ledger()

    async def asked(server: ScriptedServer) -> Completion:
        ready = await target(server)
        server.loading = 6
        return await pool([ready], ledger).complete(REQUEST)

    with ScriptedServer("llama") as server:
        assert asyncio.run(asked(server)).text == "ok"
    assert len(ledger.sent) == 2
    assert server.seen.count("GET /health") == 6


def test_a_server_that_loads_for_ever_is_given_up():
    async def asked(server: ScriptedServer) -> None:
        ready = await target(server)
        server.loading = 10_000
        await pool([ready], Ledger(), patience=100).complete(REQUEST)

    started = time.monotonic()
    with ScriptedServer("llama") as server, pytest.raises(ServerLoading):
        asyncio.run(asked(server))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("reply", [BUSY, LOADING, Reply(status=400, error="bad"), Reply("half " * 20, fault="drop")])
def test_the_next_server_takes_over_at_once(reply):
    ledger = Ledger()
    with ScriptedServer("llama", lambda asked: reply) as bad, ScriptedServer("ollama") as good:
        assert answer(bad, good, ledger=ledger).endpoint == good.url
    assert ledger.sent == [(bad.url, 1), (good.url, 2)]


def test_a_loading_server_is_waited_for_even_when_the_other_one_is_dead():
    async def asked(server: ScriptedServer) -> Completion:
        ready = await target(server)
        server.loading = 9
        return await pool([DEAD, ready], Ledger()).complete(REQUEST)

    with ScriptedServer("llama") as server:
        assert asyncio.run(asked(server)).text == "ok"
    assert len(server.requests) == 1


def test_a_dead_server_is_passed_over():
    with ScriptedServer("ollama") as good:
        assert answer(good, ledger=Ledger(), first=[DEAD]).text == "ok"


def test_the_error_names_every_server_that_failed():
    with ScriptedServer("ollama", lambda asked: BUSY) as bad, pytest.raises(Unreachable) as caught:
        answer(bad, ledger=Ledger(), first=[DEAD])
    assert DEAD.endpoint.url in str(caught.value)
    assert bad.url in str(caught.value)


def test_a_runaway_reply_is_a_cut_reply_and_a_fault_but_no_fault_of_its_server():
    async def asked(server: ScriptedServer) -> Completion:
        together = pool([await target(server)], ledger)
        completion = await together.complete(REQUEST)
        assert (together.figures()["cut"], together.figures()["rests"]) == (1, 0)
        return completion

    ledger = Ledger()
    with ScriptedServer("ollama", lambda asked: Reply("la la la ", fault="endless")) as server:
        completion = asyncio.run(asked(server))
    assert completion.stop_reason == "length"
    assert ledger.faults == ["runaway"]
    assert len(server.requests) == 1


@pytest.mark.slow
def test_a_reply_that_outgrows_all_bounds_does_not_end_the_run():
    book = Reply("".join(f"{number} " for number in range(1_700_000)), piece=200_000)
    ledger = Ledger()

    async def asked(server: ScriptedServer) -> Completion:
        return await pool([await target(server)], ledger, deadlines=Deadlines()).complete(REQUEST)

    with ScriptedServer("ollama", lambda asked: book) as server:
        completion = asyncio.run(asked(server))
    assert (completion.stop_reason, len(completion.text)) == ("length", MAX_REPLY)
    assert ledger.faults == ["too_large"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("slots", [1, 3])
def test_a_server_is_never_sent_more_than_its_slots(slots):
    async def crowd(server: ScriptedServer) -> None:
        together = pool([await target(server)], Ledger())
        await asyncio.gather(*(together.complete(REQUEST) for _ in range(6)))

    with ScriptedServer("llama", lambda asked: Reply("ok", delay=0.03), slots=slots) as server:
        asyncio.run(crowd(server))
    assert server.most_active == slots


def test_waiting_for_a_slot_does_not_count_against_the_first_token():
    async def crowd(server: ScriptedServer) -> None:
        together = pool([await target(server)], Ledger())
        await asyncio.gather(*(together.complete(REQUEST) for _ in range(4)))

    with ScriptedServer("ollama", lambda asked: Reply("ok", delay=0.1)) as server:
        asyncio.run(crowd(server))
    assert len(server.requests) == 4


def test_leaving_while_waiting_for_a_slot_sends_nothing_and_frees_the_turn():
    async def crowd(server: ScriptedServer) -> Completion:
        together = pool([await target(server)], Ledger())
        first, second = (asyncio.create_task(together.complete(REQUEST)) for _ in range(2))
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        return await together.complete(REQUEST)

    with ScriptedServer("ollama", lambda asked: Reply("ok", delay=0.1)) as server:
        assert asyncio.run(crowd(server)).text == "ok"
    assert len(server.requests) == 2


def speeds(**known: tuple[Target, float, float]) -> Profiles:
    profiles = Profiles()
    for at, prefill, decode in known.values():
        profiles.learn(at, prefill=prefill, decode=decode)
    return profiles


async def several(pool: Pool, number: int, text: str = "hello", role: Role = "builder") -> list[Completion]:
    """Requests that are no candidates of one another, all at once."""
    asked = [Request(role, f"plan/{i}", (Message("user", text),)) for i in range(number)]
    return await asyncio.gather(*(pool.complete(request) for request in asked))


def test_candidates_go_to_the_models_given_for_the_role_in_turn():
    async def crowd(one: ScriptedServer, two: ScriptedServer) -> list[str]:
        together = pool([await target(one), await target(two)], Ledger())
        asked = [replace(REQUEST, span=f"build/a.py/candidate-{i}") for i in (1, 2, 3)]
        return [(await together.complete(request)).model_served for request in asked]

    with ScriptedServer("llama", models=["a"]) as one, ScriptedServer("ollama", models=["b"]) as two:
        assert asyncio.run(crowd(one, two)) == ["a", "b", "a"]


def test_of_two_servers_with_the_same_model_both_are_used_though_only_one_is_preferred():
    async def crowd(one: ScriptedServer, two: ScriptedServer) -> None:
        together = pool([await target(one), await target(two)], Ledger())
        await several(together, 4)

    with (
        ScriptedServer("llama", lambda asked: Reply("ok", delay=0.05)) as one,
        ScriptedServer("llama", lambda asked: Reply("ok", delay=0.05)) as two,
    ):
        asyncio.run(crowd(one, two))
    assert (len(one.requests), len(two.requests)) == (2, 2)


def test_the_faster_server_is_asked_and_one_never_measured_gets_its_chance():
    async def crowd(slow: ScriptedServer, fast: ScriptedServer, new: ScriptedServer) -> None:
        known = [await target(server) for server in (slow, fast)]
        profiles = speeds(slow=(known[0], 100.0, 5.0), fast=(known[1], 1000.0, 50.0))
        alone = pool(known, Ledger(), profiles=profiles)
        await several(alone, 1)
        assert (len(slow.requests), len(fast.requests)) == (0, 1)
        await several(pool([*known, await target(new)], Ledger(), profiles=profiles), 1)
        assert (len(slow.requests), len(fast.requests), len(new.requests)) == (0, 1, 1)

    with ScriptedServer("llama") as slow, ScriptedServer("llama") as fast, ScriptedServer("llama") as new:
        asyncio.run(crowd(slow, fast, new))


def test_a_prompt_goes_where_its_beginning_was_read():
    async def crowd(one: ScriptedServer, two: ScriptedServer) -> list[str]:
        together = pool([await target(server) for server in (one, two)], Ledger())
        await asyncio.gather(*(several(together, 1, letter * 9000) for letter in "ab"))
        return [(await several(together, 1, letter * 9000 + "more"))[0].endpoint for letter in "abba"]

    one, two = (ScriptedServer("llama", lambda asked: Reply("ok", delay=0.05), slots=1) for _ in range(2))
    with one, two:
        assert asyncio.run(crowd(one, two)) == [one.url, two.url, two.url, one.url]


def test_a_free_server_takes_over_what_waits_at_another():
    async def crowd(slow: ScriptedServer, fast: ScriptedServer) -> None:
        targets = [await target(slow), await target(fast)]
        profiles = speeds(slow=(targets[0], 1000.0, 100.0), fast=(targets[1], 1000.0, 90.0))
        await several(pool(targets, Ledger(), profiles=profiles, clock=time.monotonic), 5)

    slow = ScriptedServer("llama", lambda asked: Reply("ok", delay=0.2), slots=1)
    fast = ScriptedServer("llama", slots=1)
    with slow, fast:
        asyncio.run(crowd(slow, fast))
    assert len(slow.requests) == 1


def test_requests_for_one_model_are_grouped_on_a_server_that_holds_one_at_a_time():
    async def crowd(server: ScriptedServer) -> dict[str, int]:
        endpoint = await probe(server.url)
        routes = {"builder": (Target(endpoint, "a"),), "planner": (Target(endpoint, "b"),)}
        together = Pool(routes, gate=Ledger())
        await asyncio.gather(*(several(together, 1, role=role) for role in ("builder", "planner") * 3))
        return together.figures()

    with ScriptedServer("ollama", models=["a", "b"]) as server:
        figures = asyncio.run(crowd(server))
    assert [asked["model"] for asked in server.requests] == list("aaabbb")
    assert figures["swaps"] == 1


# Rests.


def test_a_server_that_fails_again_and_again_is_left_alone_while_another_answers():
    async def crowd(bad: ScriptedServer, good: ScriptedServer) -> dict[str, int]:
        together = pool([await target(bad), await target(good)], Ledger(), clock=lambda: 0.0)
        for _ in range(6):
            assert (await together.complete(REQUEST)).endpoint == good.url
        return together.figures()

    with ScriptedServer("llama", lambda asked: BUSY) as bad, ScriptedServer("llama") as good:
        figures = asyncio.run(crowd(bad, good))
    assert len(bad.requests) == 3
    assert figures["rests"] == 1


def test_a_server_comes_back_by_itself_after_one_look_that_costs_nothing():
    async def crowd(server: ScriptedServer, other: ScriptedServer) -> None:
        now = [0.0]
        together = pool([await target(server), await target(other)], Ledger(), clock=lambda: now[0])
        for _ in range(4):
            await together.complete(REQUEST)
        server.reply, server.loading = (lambda asked: "well again"), 0
        sent, seen = len(server.requests), server.seen.count("GET /health")
        await together.complete(REQUEST)
        assert len(server.requests) == sent
        now[0] += 31.0
        assert (await together.complete(REQUEST)).text == "well again"
        assert server.seen.count("GET /health") == seen + 1

    with ScriptedServer("llama", lambda asked: BUSY) as server, ScriptedServer("llama", models=["other"]) as other:
        asyncio.run(crowd(server, other))


def test_when_every_server_rests_the_first_to_come_back_is_waited_for():
    with ScriptedServer("llama", sequence(*[BUSY] * 3, "ok")) as server:
        assert answer(server, ledger=(ledger := Ledger())).text == "ok"
    assert len(ledger.sent) == 4
    assert server.seen.count("GET /health") == 1


def test_a_dead_server_is_asked_nothing_while_it_rests_and_given_up_when_patience_ends():
    ledger = Ledger()
    with pytest.raises(Unreachable):
        asyncio.run(pool([DEAD], ledger, patience=100).complete(REQUEST))
    assert len(ledger.sent) == 3


def test_a_wait_for_servers_that_rest_is_told_with_their_address_and_its_length():
    class Told(Ledger):
        def fault(self, request, endpoint, model, attempt, error):
            super().fault(request, endpoint, model, attempt, error)
            self.said = (attempt, str(error))

    ledger = Told()
    with pytest.raises(Unreachable):
        asyncio.run(pool([DEAD], ledger, patience=100).complete(REQUEST))
    assert ledger.faults == [*["unreachable"] * 3, "waiting"], "once"
    assert ledger.said == (0, f"waiting up to 100 s for {DEAD.endpoint.url} to answer again")


def test_who_comes_when_all_servers_rest_beyond_its_patience_is_told_why():
    async def crowd() -> None:
        together = pool([DEAD], Ledger(), patience=20, clock=lambda: 0.0)
        for _ in range(2):
            with pytest.raises(Unreachable, match=DEAD.endpoint.url):
                await together.complete(REQUEST)

    asyncio.run(crowd())


def test_a_server_that_dies_in_mid_run_is_replaced_for_those_who_wait_there_too():
    async def crowd(bad: ScriptedServer, good: ScriptedServer) -> list[Completion]:
        targets = [await target(bad), await target(good)]
        profiles = speeds(bad=(targets[0], 9e9, 9e9), good=(targets[1], 10.0, 1.0))
        return await several(pool(targets, Ledger(), profiles=profiles), 6)

    bad = ScriptedServer("llama", lambda asked: Reply("half " * 30, fault="drop"), slots=1)
    with bad, ScriptedServer("llama") as good:
        assert {completion.endpoint for completion in asyncio.run(crowd(bad, good))} == {good.url}
    assert len(bad.requests) <= 6


# Refused options.


class Refusing(ScriptedServer):
    """Refuses schemas."""

    def __init__(self) -> None:
        super().__init__("llama", lambda asked: self.refuse(asked))

    def refuse(self, asked: Asked) -> str | Reply:
        return Reply(status=400, error="JSON schema error at #: bad") if "response_format" in asked else "{}"


def test_a_model_that_refuses_schemas_is_asked_without_at_once_and_from_then_on():
    async def crowd(server: ScriptedServer) -> dict[str, int]:
        ready = await target(server)
        together = pool([ready], ledger, profiles=profiles)
        for _ in range(2):
            assert (await together.complete(replace(REQUEST, schema={"type": "object"}))).text == "{}"
        assert not profiles.of(ready).schemas
        return together.figures()

    ledger, profiles = Ledger(), Profiles()
    with Refusing() as server:
        figures = asyncio.run(crowd(server))
    assert (figures["fallbacks"], len(server.requests), len(ledger.sent)) == (1, 3, 3)
    assert ledger.faults == ["schema_refused"]


def test_switches_turn_schemas_and_thinking_off():
    async def crowd(server: ScriptedServer) -> None:
        switches = Switches(schemas=False, thinking=False)
        wish = replace(REQUEST, schema={"type": "object"})
        await pool([await target(server)], Ledger(), switches=switches).complete(wish)
        await pool([await target(server)], Ledger(), switches=switches).complete(replace(REQUEST, think=100))

    with ScriptedServer("llama") as server:
        asyncio.run(crowd(server))
    assert not any("response_format" in asked for asked in server.requests)
    assert not any(asked["chat_template_kwargs"]["enable_thinking"] for asked in server.requests)


# Hedging.

HEDGED = {"switches": Switches(), "deadlines": Deadlines(connect=2, first_token=5, stall=5, total=10)}
DRIP = Reply("never", fault="drip")


async def soon(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not what():
            await asyncio.sleep(0.01)


def test_a_straggler_is_sent_elsewhere_too_and_leaves_its_first_server_when_the_reply_is_there():
    async def crowd(slow: ScriptedServer, other: ScriptedServer) -> tuple[Completion, dict[str, int]]:
        together = pool([await target(slow), await target(other)], ledger, **HEDGED)
        completion = await together.complete(REQUEST)
        await soon(lambda: slow.left_early == 1)
        return completion, together.figures()

    ledger = Ledger()
    with ScriptedServer("llama", lambda asked: DRIP) as slow, ScriptedServer("llama") as other:
        completion, figures = asyncio.run(crowd(slow, other))
    assert (completion.text, completion.endpoint) == ("ok", other.url)
    assert (figures["hedges"], figures["hedges_won"]) == (1, 1)
    assert ledger.sent == [(slow.url, 1), (other.url, 2)]
    assert ledger.faults == []


def test_a_hedge_that_fails_leaves_the_first_request_alone():
    async def crowd(slow: ScriptedServer, other: ScriptedServer) -> tuple[Completion, dict[str, int]]:
        together = pool([await target(slow), await target(other)], ledger, **HEDGED)
        return await together.complete(REQUEST), together.figures()

    ledger = Ledger()
    slow = ScriptedServer("llama", lambda asked: Reply("slow", delay=0.2))
    with slow, ScriptedServer("llama", lambda asked: Reply(status=400, error="bad")) as other:
        completion, figures = asyncio.run(crowd(slow, other))
    assert completion.text == "slow"
    assert (figures["hedges"], figures["hedges_won"]) == (1, 0)
    assert ledger.faults == ["http_400"]


def test_without_budget_nothing_is_hedged():
    async def crowd(slow: ScriptedServer, other: ScriptedServer) -> str:
        together = pool([await target(slow), await target(other)], Ledger(allowed=1), **HEDGED)
        return (await together.complete(REQUEST)).text

    with ScriptedServer("llama", lambda asked: Reply("slow", delay=0.2)) as slow, ScriptedServer("llama") as other:
        assert asyncio.run(crowd(slow, other)) == "slow"
    assert other.requests == []


@pytest.mark.parametrize("why", ["switched off", "one server", "one GPU", "no idle slot"])
def test_nothing_is_hedged(why):
    async def crowd(slow: ScriptedServer, other: ScriptedServer) -> dict[str, int]:
        targets = [await target(slow), await target(other)]
        if why == "one GPU":
            targets = [replace(t, endpoint=replace(t.endpoint, device="gpu0")) for t in targets]
        settings = HEDGED | ({"switches": Switches(hedging=False)} if why == "switched off" else {})
        together = pool(targets[:1] if why == "one server" else targets, Ledger(), **settings)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await several(together, 2 if why == "no idle slot" else 1)
        return together.figures()

    slow, other = (ScriptedServer("llama", lambda asked: DRIP, slots=1) for _ in range(2))
    with slow, other:
        assert asyncio.run(crowd(slow, other))["hedges"] == 0


def test_cancelling_a_race_frees_every_slot():
    async def crowd(slow: ScriptedServer, other: ScriptedServer) -> None:
        together = pool([await target(slow), await target(other)], Ledger(), **HEDGED)
        racing = [asyncio.create_task(together.complete(replace(REQUEST, span=f"plan/{i}"))) for i in range(6)]
        await soon(lambda: slow.active + other.active == 4)
        for task in racing:
            task.cancel()
        await asyncio.gather(*racing, return_exceptions=True)
        slow.reply = other.reply = lambda asked: "ok"
        assert [c.text for c in await several(together, 4)] == ["ok"] * 4
        await soon(lambda: slow.active + other.active == 0)

    with ScriptedServer("llama", lambda asked: DRIP) as slow, ScriptedServer("llama", lambda asked: DRIP) as other:
        asyncio.run(crowd(slow, other))


# Shared prefixes.


def test_in_the_warm_layout_the_others_are_sent_when_the_first_is_done():
    assert arrivals("warm") == [0, 1, 1, 1]


def test_in_the_other_layout_all_are_sent_at_once():
    assert arrivals("at-once") == [0, 0, 0, 0]


def arrivals(layout: Any) -> list[int]:
    """For each of four requests with a long common prefix: how many replies were out when it arrived."""

    async def crowd(server: ScriptedServer) -> list[int]:
        done: list[int] = []
        together = pool([await target(server)], Ledger(), switches=Switches(cache_layout=layout), deadlines=Deadlines())
        seen: list[int] = []
        server.reply = lambda asked: seen.append(len(done)) or Reply("ok", delay=0.1)

        async def one(number: int) -> None:
            await together.complete(replace(REQUEST, messages=(Message("user", "x" * 5000 + str(number)),)))
            done.append(number)

        await asyncio.gather(*(one(number) for number in range(4)))
        return [min(1, count) for count in seen]

    with ScriptedServer("llama", slots=4) as server:
        return asyncio.run(crowd(server))


# Ollama loads a model before it is asked.


class Ollama(ScriptedServer):
    """With the requests that load a model and tell of it."""

    def __init__(self, *, allocated: int, load: Reply | None = None, **more: Any) -> None:
        super().__init__("ollama", **more)
        self._http.RequestHandlerClass = partial(_Ollama, self)
        self.allocated = allocated
        self.load = load
        self.loads: list[dict[str, Any]] = []

    def get(self, path: str) -> dict[str, Any] | None:
        if path != "/api/ps":
            return super().get(path)
        state = {"size": 9_000, "size_vram": 4_000, "context_length": self.allocated}
        return {"models": [{"name": asked["model"], "model": asked["model"], **state} for asked in self.loads[-1:]]}


class _Ollama(_Handler):
    def do_POST(self) -> None:
        if self.path != "/api/generate":
            super().do_POST()
            return
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.script.seen.append(f"load {asked['model']}")
        self.script.loads.append(asked)
        if self.script.load:
            self.script.stopping.wait(self.script.load.delay)
            self._refuse(self.script.load)
        else:
            self._json(200, {"model": asked["model"], "response": "", "done": True, "done_reason": "load"})


def test_a_model_is_loaded_by_an_empty_request_that_costs_no_budget():
    async def crowd(server: ScriptedServer) -> None:
        endpoint = await probe(server.url)
        routes = {"builder": (Target(endpoint, "a"),), "planner": (Target(endpoint, "b"),)}
        together = Pool(routes, gate=ledger)
        for role in ("builder", "builder", "planner"):
            await several(together, 1, role=role)

    ledger = Ledger()
    with Ollama(models=["a", "b"], allocated=32_768) as server:
        asyncio.run(crowd(server))
    assert [said for said in server.seen if said.startswith(("load", "POST"))][2:] == [
        "load a", "POST /api/chat", "POST /api/chat", "load b", "POST /api/chat",
    ]  # fmt: skip
    assert [asked["options"]["num_ctx"] for asked in server.loads] == [32_768] * 2
    assert all(asked["shift"] is server.requests[0]["shift"] and "prompt" not in asked for asked in server.loads)
    assert len(ledger.sent) == len(server.requests) == 3


def test_a_context_smaller_than_asked_for_is_found_out_before_the_first_prompt_is_sent():
    async def crowd(server: ScriptedServer) -> list[int]:
        ready = await target(server)
        together = pool([ready], Ledger(), profiles=profiles)
        before = together.window("builder")
        await together.complete(REQUEST)
        assert profiles.of(ready).context == 4096
        return [before, together.window("builder")]

    profiles = Profiles()
    with Ollama(allocated=4096) as server:
        assert asyncio.run(crowd(server)) == [32_768, 4096]
    # The same as while loading: another one would make Ollama load the model again.
    assert server.requests[0]["options"]["num_ctx"] == 32_768


def test_a_model_that_cannot_be_loaded_is_a_fault_and_the_next_server_takes_over():
    no_room = Reply(status=500, error="model requires more system memory (9 GiB) than is available (4 GiB)")
    ledger = Ledger()
    with Ollama(allocated=0, load=no_room) as bad, ScriptedServer("ollama") as good:
        assert answer(bad, good, ledger=ledger).endpoint == good.url
    assert (ledger.faults, ledger.sent, bad.requests) == (["http_500"], [(good.url, 1)], [])


def test_a_model_that_takes_too_long_to_load_is_given_up_by_a_deadline_of_its_own():
    async def asked(server: ScriptedServer) -> None:
        await preload(await target(server), context=4096, seconds=0.1)

    with Ollama(allocated=0, load=Reply(delay=5)) as server, pytest.raises(ServerLoading) as caught:
        asyncio.run(asked(server))
    assert caught.value.fault == "load"
    assert not may_pass(caught.value)


@pytest.mark.parametrize(
    "span, first",
    [
        ("build/a.py/candidate-1", "a"),
        ("build/a.py/candidate-2", "b"),
        ("build/a.py/candidate-4", "a"),
        ("plan", "a"),
    ],
)
def test_candidates_are_spread_and_all_else_goes_to_the_first(span, first):
    order = in_order("abc", span)
    assert order[0] == first
    assert sorted(order) == ["a", "b", "c"]


def test_the_context_is_what_we_ask_or_what_the_smallest_server_allows():
    large, small = (Target(replace(DEAD.endpoint, context=size), "m") for size in (131_072, 8192))
    routes = {"builder": (large, small), "planner": (large,), "voter": (DEAD,)}
    windows = Pool(routes, gate=Ledger(), context=32_768)
    assert [windows.window(role) for role in ("builder", "planner", "voter")] == [8192, 32_768, 32_768]


def test_ollama_is_sent_one_context_for_the_whole_run():
    async def several(server: ScriptedServer) -> None:
        together = pool([await target(server)], Ledger())
        for text in ("short", "a longer prompt " * 300):
            await together.complete(replace(REQUEST, messages=(Message("user", text),)))

    with ScriptedServer("ollama") as server:
        asyncio.run(several(server))
    assert {asked["options"]["num_ctx"] for asked in server.requests} == {32_768}


# With a real llama.cpp server.

CODE = "".join(f"def function_{i}(argument: int) -> int:\n    return argument * {i}\n\n" for i in range(60))


@pytest.mark.slow
def test_with_a_real_server_the_warm_layout_serves_followers_from_the_cache_and_the_other_one_none():
    async def crowd(url: str, layout: Any) -> list[float]:
        switches = Switches(cache_layout=layout)
        together = pool([await real(url)], Ledger(), switches=switches, deadlines=Deadlines())
        text = f"{layout}\n{CODE}"
        asked = [replace(BRIEF, messages=(Message("user", f"{text}{i}"),)) for i in range(4)]
        usages = [reply.usage for reply in await asyncio.gather(*map(together.complete, asked))]
        return sorted(usage.cached_tokens / usage.prompt_tokens for usage in usages)

    require_llama()
    with llama_server(slots=4) as url:
        warm, at_once = (asyncio.run(crowd(url, layout)) for layout in ("warm", "at-once"))
    assert warm[0] < 0.1
    assert min(warm[1:]) > 0.9
    assert max(at_once) < 0.1


@pytest.mark.slow
def test_with_real_servers_every_slot_is_free_a_second_after_a_cancelled_race():
    async def crowd(urls: list[str]) -> list[int]:
        together = pool([await real(url) for url in urls], Ledger(), **HEDGED)
        racing = [asyncio.create_task(together.complete(replace(ENDLESS, span=f"plan/{i}"))) for i in range(4)]
        await soon(lambda: all(busy(url) for url in urls))
        for task in racing:
            task.cancel()
        await asyncio.gather(*racing, return_exceptions=True)
        await asyncio.sleep(1)
        return [busy(url) for url in urls]

    require_llama()
    with llama_server(ends=False) as one, llama_server(ends=False) as two:
        assert asyncio.run(crowd([one, two])) == [0, 0]


BRIEF = replace(REQUEST, sampling=SamplingParams(max_tokens=8))
ENDLESS = replace(REQUEST, sampling=SamplingParams(temperature=2.0, max_tokens=30_000))


async def real(url: str) -> Target:
    return Target(await probe(url), "tiny")


def busy(url: str) -> int:
    with urllib.request.urlopen(f"{url}/slots") as slots:
        return sum(slot["is_processing"] for slot in json.load(slots))


def test_a_prompt_too_long_for_the_server_that_is_left_is_said_to_be_too_long_so_that_a_shorter_one_is_tried():
    long = replace(REQUEST, messages=(Message("user", "def f(x): return x\n" * 600),))
    with ScriptedServer("llama", context=2048) as small:

        async def asked() -> None:
            await pool([DEAD, replace(await target(small), model="m")], Ledger()).complete(long)

        with pytest.raises(ContextExceeded):
            asyncio.run(asked())
    assert not small.requests


def test_a_server_found_to_serve_another_model_is_asked_once():
    ledger = Ledger()
    with (
        ScriptedServer("llama", lambda asked: Reply("no", model="other")) as wrong,
        ScriptedServer("llama", lambda asked: "yes") as right,
    ):

        async def asked() -> None:
            there = pool([await target(wrong), await target(right)], ledger)
            for number in range(5):
                await there.complete(replace(REQUEST, span=f"build/{number}.py"))

        asyncio.run(asked())
    assert (len(wrong.requests), len(right.requests), ledger.faults) == (1, 5, ["wrong_model"])
