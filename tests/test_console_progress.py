"""How far a call is: told by the pool, the tape and llama.cpp's own progress, at most ten times a second."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from real_llama import require_llama
from servers import ScriptedServer

from benchmarks.tiny_model import llama_server
from nightshift.domain import ROLES, Message, Request, SamplingParams, Waiting
from nightshift.errors import ModelServerError
from nightshift.llm.client.progress import Progress
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery.probe import probe
from nightshift.llm.endpoint import Target
from nightshift.llm.scheduling.pool import Pool
from nightshift.llm.tape import TapeModel
from nightshift.llm.wire import openai

Protocol = Literal["llama", "ollama"]
REQUEST = Request("builder", "attempt-1/build/a.py/candidate-1", (Message("user", "hello"),))


class Gate:
    def before_send(self, request: Request, endpoint: str, model: str, attempt: int) -> None:
        pass

    def fault(self, request: Request, endpoint: str, model: str, attempt: int, error: ModelServerError) -> None:
        pass


def heard_from(url: str, request: Request = REQUEST) -> list[Waiting]:
    heard: list[Waiting] = []

    async def asked() -> None:
        endpoint = await probe(url)
        target = Target(endpoint, endpoint.names[0])
        routes = dict.fromkeys(ROLES, (target,))
        await Pool(routes, gate=Gate(), deadlines=Deadlines(total=120), listener=heard.append).complete(request)

    asyncio.run(asked())
    return heard


@pytest.mark.parametrize(
    ("protocol", "states"),
    [
        ("llama", ["slot", "prompt", "reply", "nothing"]),
        ("ollama", ["slot", "load", "prompt", "reply", "nothing"]),
    ],
)
def test_a_call_is_told_of_from_its_place_in_the_queue_to_its_end(protocol: Protocol, states: list[str]) -> None:
    with ScriptedServer(protocol, lambda asked: "def f(): ...") as server:
        heard = heard_from(server.url)
    assert list(dict.fromkeys(waiting.state for waiting in heard)) == states
    assert {(waiting.role, waiting.span) for waiting in heard} == {("builder", REQUEST.span)}
    assert next(waiting for waiting in heard if waiting.state == "reply").tokens >= 1


def test_a_call_that_fails_is_over_too() -> None:
    heard: list[Waiting] = []

    async def asked() -> None:
        await TapeModel([], listener=heard.append).complete(REQUEST)

    with pytest.raises(ModelServerError):
        asyncio.run(asked())
    assert not heard, "nothing was waited for"


def test_a_reply_from_a_tape_is_told_as_such() -> None:
    heard: list[Waiting] = []
    tape = TapeModel([{"role": "builder", "span": REQUEST.span, "text": "x"}], listener=heard.append)
    assert asyncio.run(tape.complete(REQUEST)).text == "x"
    assert [waiting.state for waiting in heard] == ["tape", "nothing"]


def test_llama_cpps_progress_is_read_and_is_no_text() -> None:
    """As the server sends it, timings included."""
    delta = openai.parse_line(
        'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"timings":'
        '{"cache_n":54,"prompt_n":0},"prompt_progress":{"total":55,"cache":54,"processed":54,"time_ms":0}}'
    )
    assert delta is not None
    assert (delta.read, delta.prompt, delta.text) == (54, 55, "")


def test_a_state_is_told_at_once_and_what_changes_within_it_ten_times_a_second() -> None:
    now, heard = 100.0, list[Waiting]()
    progress = Progress(REQUEST, heard.append, clock=lambda: now)
    progress.tell("slot")
    progress.tell("prompt", total=9)
    for number in range(1000):
        now += 0.01
        progress.tell("reply", tokens=number)
    assert [(w.state, w.total) for w in heard[:2]] == [("slot", 0), ("prompt", 9)]
    assert 90 <= len(heard) - 2 <= 101
    assert heard[-1].seconds == pytest.approx(now - 100.01, abs=0.2)


@pytest.mark.slow
def test_a_real_server_tells_while_it_reads_a_long_prompt() -> None:
    require_llama()
    long = Request("builder", REQUEST.span, (Message("user", "x = 1 # hello\n" * 800),), SamplingParams(max_tokens=40))
    with llama_server() as url:
        heard = heard_from(url, long)
    read = [waiting.done for waiting in heard if waiting.state == "prompt"]
    assert read == sorted(read)
    assert len({done for done in read if done}) >= 2
    assert {waiting.total for waiting in heard if waiting.done} == {max(waiting.total for waiting in heard)}
