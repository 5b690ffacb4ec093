"""One request to one scripted server, on a real socket. Its faults have a table of their own: test_llm_faults.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from servers import COUNTING, Asked, Reply, ScriptedServer, refused_url, sequence

from nightshift.domain import Completion, Message, Request, SamplingParams
from nightshift.errors import ContextExceeded, ModelMissing, StreamBroken, Unreachable
from nightshift.llm.client.ask import ask
from nightshift.llm.client.stream import MAX_REPLY, Runaway, repeats
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery.probe import probe
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.profiles import Profiles

PROTOCOLS = ["ollama", "llama", "generic"]
LONG = "def f(x): return x\n" * 2000
CODE = "def f(x):\n    return '}}}}' + '00000000' + x  # é 漢 \U0001f600\n" * 30
REQUEST = Request("builder", "build/a.py/candidate-1", (Message("system", "Be exact."), Message("user", "hello")))
BOOK = "".join(f"{number} " for number in range(1_700_000))
PATIENT = Deadlines(connect=10, first_token=10, stall=10, total=20)


def answer(
    server: ScriptedServer, request: Request = REQUEST, *, model="coder:7b", profiles=None, **more: Any
) -> Completion:
    async def both() -> Completion:
        endpoint = await probe(server.url, api_key=server.api_key)
        target = Target(endpoint, model)
        given = {"context": 32_768, "deadlines": PATIENT, "profiles": Profiles() if profiles is None else profiles}
        return await ask(target, request, **given | more)

    return asyncio.run(both())


def target_of(server: ScriptedServer) -> Target:
    return Target(Endpoint(server.url, "openai", "generic"), "coder:7b")


def plainly(endpoint: Endpoint) -> Coroutine[Any, Any, Completion]:
    return ask(Target(endpoint, "coder:7b"), REQUEST, context=8192, deadlines=PATIENT, profiles=Profiles())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_reply_arrives_whole_with_what_it_cost(protocol):
    with ScriptedServer(
        protocol, lambda asked: Reply(CODE, reasoning="hm", prompt_tokens=77, model="CODER:7b")
    ) as server:
        completion = answer(server)
    assert (completion.text, completion.reasoning, completion.stop_reason) == (CODE, "hm", "stop")
    assert (completion.model_requested, completion.model_served) == ("coder:7b", "CODER:7b")
    assert completion.endpoint == server.url
    assert completion.usage.prompt_tokens == 77
    assert completion.usage.calls == 1
    assert 0 < completion.first_token_seconds <= completion.usage.model_seconds


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_request_streams_on_a_connection_of_its_own(protocol):
    with ScriptedServer(protocol) as server:
        answer(server)
    (asked,) = server.requests
    assert asked["stream"] is True
    assert asked.headers["Connection"] == "close"


def test_the_key_is_sent_and_never_shown():
    with ScriptedServer("generic", api_key="s3cret") as server:
        assert answer(server).text == "ok"
        assert "s3cret" not in repr(asyncio.run(probe(server.url, api_key="s3cret")))


@pytest.mark.parametrize("text", ["", "\0 nul \x1b", "two\u2028lines\x85\x0c", "\ufffd"])
@pytest.mark.parametrize("protocol", ["ollama", "llama"])
def test_odd_texts_survive(protocol, text):
    with ScriptedServer(protocol, lambda asked: text) as server:
        assert answer(server).text == text


def test_a_length_stop_is_a_value():
    with ScriptedServer("ollama", lambda asked: Reply("half", stop="length")) as server:
        assert answer(server).stop_reason == "length"


def test_nobody_listening_is_unreachable():
    endpoint = Endpoint(refused_url(), "openai", "generic")
    with pytest.raises(Unreachable, match="Is it running"):
        asyncio.run(plainly(endpoint))


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip"]
)
def test_a_server_that_speaks_no_http_is_unreachable(said):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()

    async def meet() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(f"http://127.0.0.1:{port}", "ollama", "ollama")
        async with server:
            with pytest.raises(Unreachable):
                await plainly(endpoint)

    asyncio.run(meet())


def test_a_missing_model_is_named_beside_those_there_are():
    with (
        ScriptedServer("ollama", models=["coder:7b", "writer:3b"]) as server,
        pytest.raises(ModelMissing) as caught,
    ):
        answer(server, model="coder:70b")
    assert "'coder:70b'" in str(caught.value)
    assert "coder:7b, writer:3b" in str(caught.value)


# Deadlines.


@pytest.mark.parametrize("tokens, seconds", [(0, 600), (8000, 600), (16_000, 1200), (80_000, 1800)])
def test_a_long_prompt_is_given_more_time_for_its_first_token_but_never_more_than_the_total(tokens, seconds):
    assert Deadlines().first(tokens) == seconds


def test_a_long_prompt_that_is_read_slowly_is_waited_for():
    request = Request("builder", "s", (Message("user", "word " * 20_000),))
    deadlines = Deadlines(first_token=0.15, stall=5, total=10)
    with ScriptedServer("generic", lambda asked: Reply("ok", delay=0.25)) as server:
        assert answer(server, request, deadlines=deadlines).text == "ok"
        with pytest.raises(StreamBroken):
            answer(server, deadlines=deadlines)


@pytest.mark.parametrize("protocol", ["ollama", "llama"])
def test_a_server_seen_at_work_is_waited_for_once_more_on_the_same_stream(protocol):
    deadlines = Deadlines(first_token=0.2, stall=5, total=10)
    with ScriptedServer(protocol, lambda asked: Reply("ok", delay=0.3)) as server:
        assert answer(server, deadlines=deadlines).text == "ok"
    assert len(server.requests) == 1
    assert server.seen.count("GET /slots" if protocol == "llama" else "GET /api/ps") >= 1


@pytest.mark.parametrize(
    "protocol, fault, waits",
    [("llama", "silent", 2), ("llama", "lost", 1), ("ollama", "lost", 1), ("generic", "silent", 1)],
)
def test_only_a_server_seen_at_work_is_waited_for_twice(protocol, fault, waits):
    with ScriptedServer(protocol, lambda asked: Reply(fault=fault)) as server:
        started = time.monotonic()
        with pytest.raises(StreamBroken, match=f"no first token within {0.2 * waits:g} s") as caught:
            answer(server, deadlines=Deadlines(first_token=0.2, stall=5, total=10))
        assert time.monotonic() - started >= 0.2 * waits
    assert caught.value.fault == "first_token"


def test_a_llama_cpp_that_hides_its_slots_but_is_well_is_waited_for():
    class Hiding(ScriptedServer):
        def get(self, path: str) -> Any:
            return None if path == "/slots" else super().get(path)

    with Hiding("llama", lambda asked: Reply("ok", delay=0.3)) as server:
        assert answer(server, deadlines=Deadlines(first_token=0.2, stall=5, total=10)).text == "ok"


def test_a_short_stall_is_noticed_while_the_time_for_a_first_token_is_long():
    with (
        ScriptedServer("llama", lambda asked: Reply(CODE, fault="stall")) as server,
        pytest.raises(StreamBroken) as caught,
    ):
        answer(server, deadlines=Deadlines(first_token=60, stall=0.1, total=60))
    assert caught.value.fault == "stall"


def test_the_total_deadline_ends_a_reply_that_never_pauses():
    book = Reply("".join(f"line {number}\n" for number in range(2000)), fault="endless")
    deadlines = Deadlines(first_token=0.2, stall=0.2, total=0.25)
    with ScriptedServer("ollama", lambda asked: book) as server, pytest.raises(StreamBroken) as caught:
        answer(server, deadlines=deadlines)
    assert caught.value.fault == "total"


# The prompt fits, and all of it is read.


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_prompt_that_cannot_fit_is_never_sent(protocol):
    request = Request("builder", "s", (Message("user", LONG),))
    with ScriptedServer(protocol) as server, pytest.raises(ContextExceeded) as caught:
        answer(server, request, context=4096)
    assert caught.value.fault == "context"
    assert server.requests == []


@pytest.mark.parametrize("protocol", ["llama", "generic"])
@pytest.mark.parametrize("tokens, fits", [(8192 - 256, True), (8192 - 255, False)])
def test_near_the_limit_the_servers_own_count_decides_to_the_token(protocol, tokens, fits):
    request = Request("builder", "s", (Message("user", "x" * 9000),))
    sent = []
    with ScriptedServer(protocol, lambda asked: Reply(prompt_tokens=tokens), counts=lambda asked: tokens) as server:
        try:
            assert answer(server, request, context=8192, before_send=lambda: sent.append(1)).prompt_sent == tokens
        except ContextExceeded:
            assert not fits
    assert len(server.requests) == len(sent) == fits
    assert [asked["max_tokens"] for asked in server.requests] == [256] * fits


@pytest.mark.parametrize("protocol", ["llama", "generic"])
def test_a_short_prompt_is_not_counted_and_a_server_that_cannot_count_is_asked_once(protocol):
    profiles = Profiles()
    with ScriptedServer(protocol) as server:
        answer(server, profiles=profiles)
        for _ in range(3):
            answer(server, Request("builder", "s", (Message("user", "x " * 5000),)), context=8192, profiles=profiles)
    assert [said for said in server.seen if said.startswith("POST")].count(f"POST {COUNTING[protocol]}") == 1
    assert len(server.requests) == 4


def test_what_is_counted_is_what_is_sent():
    asked_to_count: list[Asked] = []

    def count(asked: Asked) -> int:
        asked_to_count.append(asked)
        return 4000

    with ScriptedServer("llama", lambda asked: Reply(prompt_tokens=4000), counts=count) as server:
        answer(
            server, Request("builder", "s", (Message("user", "x " * 5000),), schema={"type": "object"}), context=8192
        )
    (counted,), (asked,) = asked_to_count, server.requests
    assert {key: value for key, value in counted.items() if key != "max_tokens"} == {
        key: value for key, value in asked.items() if key != "max_tokens"
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_prompt_and_reply_together_stay_within_the_context(protocol):
    request = Request("builder", "s", (Message("user", "x = 1\n" * 3500),), SamplingParams(max_tokens=8192))
    with ScriptedServer(protocol) as server:
        sent = answer(server, request, context=8192).prompt_sent
    (asked,) = server.requests
    wanted = asked["options"]["num_predict"] if protocol == "ollama" else asked["max_tokens"]
    assert 256 <= wanted <= 8192 - 1.1 * sent + 1


def test_thinking_is_allowed_on_top_of_the_reply():
    request = Request("analyst", "s", (Message("user", "why?"),), SamplingParams(max_tokens=500), think=1000)
    with ScriptedServer("llama") as server:
        answer(server, request)
    assert server.requests[0]["max_tokens"] == 1500


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_prompt_the_server_cut_short_is_found_out(protocol):
    profiles, request = Profiles(), Request("builder", "s", (Message("user", LONG),))
    cut = Reply("ok", prompt_tokens=4096)
    with ScriptedServer(protocol, lambda asked: cut) as server, pytest.raises(ContextExceeded) as caught:
        answer(server, request, profiles=profiles)
    assert caught.value.fault == "context_truncated"
    assert profiles.of(target_of(server)).context == 4096
    assert profiles.of(target_of(server)).replies == 0


@pytest.mark.parametrize("missing, fault", [(20, ""), (200, "context_truncated")])
def test_where_the_server_counts_any_real_shortfall_is_found_out(missing, fault):
    request = Request("builder", "s", (Message("user", "x " * 4000),))
    with ScriptedServer(
        "llama", lambda asked: Reply(prompt_tokens=4000 - missing), counts=lambda asked: 4000
    ) as server:
        try:
            answer(server, request, context=8192)
            found = ""
        except ContextExceeded as error:
            found = error.fault
    assert found == fault


@pytest.mark.parametrize("evaluated, allocated, fault", [
    (9_000, 0, ""), (6_200, 0, "context_truncated"), (6_200, 8_192, "context_truncated"), (6_200, 32_768, ""),
    (5_000, 32_768, "context_truncated"),
])  # fmt: skip
def test_what_replies_have_taught_finds_a_prompt_that_lost_a_part(evaluated, allocated, fault):
    """An Ollama that has loaded as much context as we asked for had no reason to cut, unless no tokeniser is that thrifty."""
    profiles, request = Profiles(), Request("builder", "s", (Message("user", "x = f(y)\n" * 4000),))
    with ScriptedServer("ollama", lambda asked: Reply(prompt_tokens=evaluated), allocated=allocated) as server:
        profiles.learn(target_of(server), bytes_per_token=3.6, replies=9)
        try:
            answer(server, request, profiles=profiles)
            found = ""
        except ContextExceeded as error:
            found = error.fault
        learned = profiles.of(target_of(server))
    assert found == fault
    assert learned.context == ((allocated or evaluated) % 32_768 if fault else 0)
    assert learned.bytes_per_token == pytest.approx(3.68 if evaluated == 9_000 else 3.6, abs=0.01)


def test_a_learned_context_bounds_prompts_but_ollama_is_still_told_the_same_one():
    profiles = Profiles()
    with ScriptedServer("ollama") as server:
        profiles.learn(target_of(server), context=4096)
        answer(server, profiles=profiles)
        with pytest.raises(ContextExceeded):
            answer(server, Request("builder", "s", (Message("user", "x = 1\n" * 3000),)), profiles=profiles)
    assert [asked["options"]["num_ctx"] for asked in server.requests] == [32_768]


# What replies teach.


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_replies_teach_how_a_model_counts_and_how_fast_it_is(protocol):
    profiles, request = Profiles(), Request("builder", "s", (Message("user", "x = f(y)\n" * 400),))
    reply = Reply("word " * 80, prompt_tokens=1008, prefill_seconds=2.0, decode_seconds=4.0)
    with ScriptedServer(protocol, lambda asked: reply) as server:
        completions = [answer(server, request, profiles=profiles) for _ in range(3)]
        learned = profiles.of(target_of(server))
    assert learned.bytes_per_token == pytest.approx(3.6)
    assert learned.replies == 3
    assert learned.prefill == pytest.approx(504)
    assert learned.decode == pytest.approx(25.25)
    assert (completions[-1].prefill_seconds, completions[-1].decode_seconds) == (2.0, 4.0)
    assert completions[-1].prompt_sent == pytest.approx(1036, abs=10)


def test_a_prompt_that_ollama_had_cached_does_not_look_like_a_fast_one():
    profiles, request = Profiles(), Request("builder", "s", (Message("user", "x = f(y)\n" * 400),))
    replies = sequence(*(Reply("ok", prompt_tokens=1000, prefill_seconds=seconds) for seconds in (2.0, 0.01, 0.01)))
    with ScriptedServer("ollama", replies) as server:
        for _ in range(3):
            answer(server, request, profiles=profiles)
        assert profiles.of(target_of(server)).prefill == pytest.approx(500)


# Which model it was.


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("served", ["coder:7b-instruct", "writer:3b"])
def test_a_reply_of_another_model_is_not_used(protocol, served):
    with (
        ScriptedServer(protocol, lambda asked: Reply(CODE, model=served)) as server,
        pytest.raises(ModelMissing) as caught,
    ):
        answer(server)
    assert caught.value.fault == "wrong_model"
    assert f"'coder:7b' and answered with {served!r}" in str(caught.value)


@pytest.mark.parametrize("asked, served", [
    ("coder", "coder:latest"), ("coder:latest", "coder"), ("coder", "Coder"), ("coder", "/models/coder.gguf"),
    ("C:\\models\\coder.gguf", "coder"), ("hf.co/someone/coder", "coder"), ("coder", ""),
])  # fmt: skip
def test_one_model_may_have_several_names_and_a_server_need_not_name_it(asked, served):
    with ScriptedServer("llama", lambda request: Reply("ok", model=served)) as server:
        assert answer(server, model=asked).text == "ok"


# Replies that come to no good end.


def test_a_runaway_reply_keeps_what_had_come_and_is_marked_as_cut():
    loop = Reply("again and again. " * 9, fault="endless")
    with ScriptedServer("llama", lambda asked: loop) as server, pytest.raises(Runaway) as caught:
        answer(server)
    assert caught.value.completion.stop_reason == "length"
    assert caught.value.completion.text.startswith("again and again. ")
    assert len(caught.value.completion.text) < 100_000


@pytest.mark.parametrize(
    "tail, loops",
    [("ab" * 2000, True), ("\n" * 4000, True), ((("line %d\n" * 30) % tuple(range(30)) * 20)[:4000], True),
     ("0" * 3000, False), ("".join(f"    {i}: {i * i},\n" for i in range(400))[:4000], False), ("", False)],
)  # fmt: skip
def test_only_a_whole_window_of_one_short_unit_is_a_loop(tail, loops):
    assert repeats(tail) is loops


@pytest.mark.slow
@pytest.mark.parametrize("piece, text", [(200_000, BOOK[:MAX_REPLY]), (len(BOOK), "")], ids=["pieces", "one line"])
def test_a_reply_beyond_all_bounds_is_cut_and_kept_as_one_that_ran_out_of_tokens(piece, text):
    with (
        ScriptedServer("ollama", lambda asked: Reply(BOOK, piece=piece)) as server,
        pytest.raises(Runaway) as caught,
    ):
        answer(server, deadlines=Deadlines(total=30))
    assert caught.value.fault == "too_large"
    assert caught.value.completion.stop_reason == "length"
    assert caught.value.completion.text == text


def test_leaving_closes_the_stream_so_that_the_slot_is_free():
    async def leave(server: ScriptedServer) -> None:
        endpoint = await probe(server.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await plainly(endpoint)

    with ScriptedServer("llama", lambda asked: Reply(fault="drip")) as server:
        asyncio.run(leave(server))
        patience = time.monotonic() + 2
        while server.active and time.monotonic() < patience:
            time.sleep(0.01)
    assert server.left_early == 1


def test_a_proxy_in_the_environment_is_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, refused_url())
    with ScriptedServer("ollama") as server:
        assert answer(server).text == "ok"


def test_a_lone_surrogate_in_a_prompt_is_replaced_before_it_is_sent():
    request = Request("builder", "s", (Message("user", "a\udc80b"),), SamplingParams())
    with ScriptedServer("ollama") as server:
        answer(server, request)
    assert server.requests[0].prompt == "a\ufffdb"
