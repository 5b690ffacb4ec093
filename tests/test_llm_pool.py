"""Many servers as one: turns, retries, failing over, and the gate that sees every request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from servers import LOADING, Reply, ScriptedServer, refused_url, sequence

from nightshift.domain import ROLES, Completion, Message, Request
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
from nightshift.llm.client import MAX_REPLY, Deadlines
from nightshift.llm.discover import probe
from nightshift.llm.endpoint import Endpoint
from nightshift.llm.pool import Pool, Target, in_order

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


async def at_once(pause: float) -> None:
    await asyncio.sleep(min(pause, 0.01))


async def target(server: ScriptedServer) -> Target:
    endpoint = await probe(server.url)
    return Target(endpoint, endpoint.names[0])


def pool(targets: Sequence[Target], ledger: Ledger) -> Pool:
    return Pool(dict.fromkeys(ROLES, tuple(targets)), gate=ledger, deadlines=QUICK, sleep=at_once)


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
        await pool([ready], Ledger()).complete(REQUEST)

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


def test_a_runaway_reply_is_a_cut_reply_and_a_fault():
    ledger = Ledger()
    with ScriptedServer("ollama", lambda asked: Reply("la la la ", fault="endless")) as server:
        completion = answer(server, ledger=ledger)
    assert completion.stop_reason == "length"
    assert ledger.faults == ["runaway"]
    assert len(server.requests) == 1


@pytest.mark.slow
def test_a_reply_that_outgrows_all_bounds_does_not_end_the_run():
    book = Reply("".join(f"{number} " for number in range(1_700_000)), piece=200_000)
    ledger = Ledger()
    with ScriptedServer("ollama", lambda asked: book) as server:
        completion = answer(server, ledger=ledger)
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
