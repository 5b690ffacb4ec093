"""One request to one scripted server: every fault it can have, over both protocols, on a real socket."""

from __future__ import annotations

import asyncio
import time

import pytest
from servers import LOADING, Reply, ScriptedServer, refused_url

from nightshift.domain import Completion, Message, Request, SamplingParams
from nightshift.errors import (
    BadRequest,
    ContextExceeded,
    ModelMissing,
    ServerLoading,
    ServerOverloaded,
    StreamBroken,
    Unreachable,
)
from nightshift.llm.client import MAX_REPLY, Deadlines, Runaway, ask, repeats
from nightshift.llm.discover import probe
from nightshift.llm.endpoint import Endpoint

PROTOCOLS = ["ollama", "llama", "generic"]
CODE = "def f(x):\n    return '}}}}' + '00000000' + x  # é 漢 \U0001f600\n" * 30
REQUEST = Request("builder", "build/a.py/candidate-1", (Message("system", "Be exact."), Message("user", "hello")))
BOOK = "".join(f"{number} " for number in range(1_700_000))
PATIENT = Deadlines(connect=10, first_token=10, stall=10, total=20)
IMPATIENT = {
    "first_token": Deadlines(first_token=0.1, total=5),
    "stall": Deadlines(first_token=5, stall=0.1, total=5),
}


def answer(
    server: ScriptedServer, request: Request = REQUEST, *, model="coder:7b", context=32_768, deadlines=PATIENT
) -> Completion:
    async def both() -> Completion:
        endpoint = await probe(server.url, api_key=server.api_key)
        return await ask(endpoint, model, request, context=context, deadlines=deadlines)

    return asyncio.run(both())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_reply_arrives_whole_with_what_it_cost(protocol):
    with ScriptedServer(
        protocol, lambda asked: Reply(CODE, reasoning="hm", prompt_tokens=77, model="coder-7b")
    ) as server:
        completion = answer(server)
    assert (completion.text, completion.reasoning, completion.stop_reason) == (CODE, "hm", "stop")
    assert (completion.model_requested, completion.model_served) == ("coder:7b", "coder-7b")
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


def status(code: int, error: str, kind: str = "", **extra: int) -> Reply:
    return Reply(status=code, error=error, error_type=kind, error_extra=extra)


TOO_LONG = "request (10018 tokens) exceeds the available context size (1024 tokens), try increasing it"
FAULTS = [
    (Reply(CODE, fault="silent"), StreamBroken, "first_token"),
    (Reply(CODE, fault="hang"), StreamBroken, "first_token"),
    (Reply(CODE, fault="drip"), StreamBroken, "first_token"),
    (Reply(CODE, fault="stall"), StreamBroken, "stall"),
    (Reply(CODE, fault="drop"), StreamBroken, "cut"),
    (Reply(CODE, fault="no_end"), StreamBroken, "no_end_mark"),
    (Reply("", fault="no_end"), StreamBroken, "no_end_mark"),
    (Reply(CODE, fault="no_done"), StreamBroken, "no_end_mark"),
    (Reply(CODE, fault="no_reason"), StreamBroken, "no_end_mark"),
    (Reply(CODE, fault="error", error="Context size has been exceeded."), StreamBroken, "mid_stream_error"),
    (Reply(CODE, fault="malformed"), StreamBroken, "malformed"),
    (Reply("for ever and ever. ", fault="endless"), Runaway, "runaway"),
    (Reply(CODE, prompt_tokens=8, stop="stop"), None, ""),
    (status(500, "model runner has unexpectedly stopped"), ServerOverloaded, "http_500"),
    (status(503, "server busy, please try again."), ServerOverloaded, "http_503"),
    (status(429, "slow down"), ServerOverloaded, "http_429"),
    (LOADING, ServerLoading, "loading"),
    (status(401, "Invalid API Key"), BadRequest, "http_401"),
    (status(400, "JSON schema error at #"), BadRequest, "http_400"),
    (status(404, "File Not Found"), BadRequest, "http_404"),
    (status(307, "elsewhere"), BadRequest, "http_307"),
    (status(400, TOO_LONG, "exceed_context_size_error", n_ctx=1024), ContextExceeded, "context"),
    (status(400, "the prompt is longer than the context length currently available"), ContextExceeded, "context"),
    (status(400, "This model's maximum context length is 8192 tokens"), ContextExceeded, "context"),
    (status(404, "model 'coder:7b' not found"), ModelMissing, "model_missing"),
]  # fmt: skip


@pytest.mark.parametrize("protocol", ["ollama", "llama"])
@pytest.mark.parametrize("reply, kind, fault", FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_fault_has_a_name_and_an_end(protocol, reply, kind, fault):
    started = time.monotonic()
    with ScriptedServer(protocol, lambda asked: reply) as server:
        if kind is None:
            assert answer(server).text == CODE
            return
        with pytest.raises(kind) as caught:
            answer(server, deadlines=IMPATIENT.get(fault, PATIENT))
    assert caught.value.fault == fault
    assert server.url in str(caught.value)
    assert len(server.requests) == 1
    assert time.monotonic() - started < 3


def test_nobody_listening_is_unreachable():
    endpoint = Endpoint(refused_url(), "openai", "generic")
    with pytest.raises(Unreachable, match="Is it running"):
        asyncio.run(ask(endpoint, "m", REQUEST, context=8192, deadlines=PATIENT))


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
                await ask(endpoint, "m", REQUEST, context=8192, deadlines=PATIENT)

    asyncio.run(meet())


def test_a_missing_model_is_named_beside_those_there_are():
    with (
        ScriptedServer("ollama", models=["coder:7b", "writer:3b"]) as server,
        pytest.raises(ModelMissing) as caught,
    ):
        answer(server, model="coder:70b")
    assert "'coder:70b'" in str(caught.value)
    assert "coder:7b, writer:3b" in str(caught.value)


def test_the_total_deadline_ends_a_reply_that_never_pauses():
    book = Reply("".join(f"line {number}\n" for number in range(2000)), fault="endless")
    deadlines = Deadlines(first_token=0.2, stall=0.2, total=0.25)
    with ScriptedServer("ollama", lambda asked: book) as server, pytest.raises(StreamBroken) as caught:
        answer(server, deadlines=deadlines)
    assert caught.value.fault == "total"


def test_a_prompt_that_cannot_fit_is_never_sent():
    request = Request("builder", "s", (Message("user", "def f(x): return x\n" * 2000),))
    with ScriptedServer("ollama") as server, pytest.raises(ContextExceeded):
        answer(server, request, context=4096)
    assert server.requests == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_prompt_the_server_cut_short_is_found_out(protocol):
    request = Request("builder", "s", (Message("user", "def f(x): return x\n" * 2000),))
    cut = Reply("ok", prompt_tokens=4096)
    with ScriptedServer(protocol, lambda asked: cut) as server, pytest.raises(ContextExceeded) as caught:
        answer(server, request)
    assert caught.value.fault == "context_truncated"


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
                await ask(endpoint, "coder:7b", REQUEST, context=8192, deadlines=Deadlines())

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
