"""Our client against a real llama.cpp server with a generated model; see benchmarks/tiny_model.py."""

from __future__ import annotations

import asyncio
import json
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_llama import GrammarProxy, gbnf_literal, require_llama

from benchmarks.tiny_model import llama_server, tiny_gguf
from nightshift.domain import Completion, Message, Request, SamplingParams
from nightshift.errors import ContextExceeded
from nightshift.llm.client.ask import ask
from nightshift.llm.client.stream import LOOP_WINDOW, Runaway
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery.probe import probe
from nightshift.llm.endpoint import Target
from nightshift.llm.profiles import Profiles

CODE = Path(textwrap.__file__).read_text(encoding="utf-8")[:3000]
SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "kind": {"enum": ["a", "b"]}},
    "required": ["ok", "kind"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    require_llama()
    with llama_server() as url:
        yield url


def request(text: str = "hello", **more: object) -> Request:
    return Request("builder", "build/a.py/candidate-1", (Message("system", "Be exact."), Message("user", text)), **more)


def answer(url: str, asked: Request, *, context: int = 32_768) -> Completion:
    async def both() -> Completion:
        target = Target(await probe(url), "tiny")
        return await ask(target, asked, context=context, deadlines=Deadlines(total=60), profiles=Profiles())

    return asyncio.run(both())


@pytest.mark.slow
def test_the_model_file_is_the_same_every_time():
    model = tiny_gguf(4096)
    assert model == tiny_gguf(4096)
    assert len(model) < 600_000


def test_the_server_is_known_with_its_slots_and_the_context_of_one(llama):
    found = asyncio.run(probe(llama))
    assert (found.flavour, found.names, found.slots, found.context) == ("llama.cpp", ("tiny",), 2, 32_768)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one",
        CODE,
        'quotes " \\" and \\n\ttabs\r\n```python\nx = "\'"\n```\n',
        "é 漢字 \U0001f600 \u2028",
        "}}}}00000000",
    ],
    ids=["empty", "word", "3 KB of code", "escapes", "unicode", "odd"],
)
def test_the_proxy_makes_a_real_server_say_exactly_this(llama, text):
    with GrammarProxy(llama, lambda asked: text) as proxy:
        completion = answer(proxy.url, request(schema=SCHEMA))
    assert (completion.text, completion.stop_reason) == (text, "stop")
    assert completion.model_served == "tiny"
    assert completion.usage.prompt_tokens > 0
    assert proxy.requests[0].prompt == "hello"
    assert "response_format" in proxy.requests[0]
    assert "grammar" not in proxy.requests[0]


def test_a_grammar_literal_escapes_what_would_end_it():
    assert gbnf_literal('a"b\\c\nd\0') == '"a\\"b\\\\c\\nd\\U00000000"'


def test_our_schema_binds_a_real_server(llama):
    for seed in range(5):
        completion = answer(llama, request(schema=SCHEMA, sampling=SamplingParams(temperature=0.8, seed=seed)))
        assert set(json.loads(completion.text)) == {"ok", "kind"}
        assert completion.reasoning == ""


def test_the_same_seed_says_the_same_and_the_limit_is_a_length_stop(llama):
    asked = request(sampling=SamplingParams(temperature=1.5, seed=3, max_tokens=16))
    first, second = answer(llama, asked), answer(llama, asked)
    assert first.text == second.text
    assert first.usage.completion_tokens <= 16
    assert answer(llama, request(sampling=SamplingParams(max_tokens=1))).stop_reason == "length"


def test_a_repeated_prompt_comes_from_the_cache(llama):
    long = request("a prompt of its own " * 50, sampling=SamplingParams(max_tokens=8))
    answer(llama, long)
    usage = answer(llama, long).usage
    assert usage.cached_tokens >= 0.9 * usage.prompt_tokens


@pytest.mark.slow
def test_a_real_model_that_repeats_itself_is_cut_long_before_its_limit(llama):
    with pytest.raises(Runaway) as caught:
        answer(llama, request(sampling=SamplingParams(max_tokens=30_000)))
    assert len(caught.value.completion.text) < 2 * LOOP_WINDOW


def test_a_prompt_beyond_the_slot_is_counted_by_the_server_and_never_sent(llama):
    with GrammarProxy(llama, lambda asked: None) as proxy:
        with pytest.raises(ContextExceeded, match=r"about 600\d\d tokens and leaves no room .* the 32768 of") as caught:
            answer(proxy.url, request("~" + "".join(chr(0x4E00 + i % 900) for i in range(20_000))))
        assert proxy.requests == []
    assert caught.value.fault == "context"


@pytest.mark.slow
def test_the_servers_count_before_is_its_count_after(llama):
    limits = SamplingParams(max_tokens=8)
    for asked in (
        request("word " * 5000, schema=SCHEMA, sampling=limits),
        request("é 漢 " * 3400, think=8, sampling=limits),
    ):
        completion = answer(llama, asked)
        assert completion.prompt_sent == completion.usage.prompt_tokens > 0.6 * 32_768


def test_leaving_frees_the_slot(llama):
    async def leave() -> None:
        endless = request(sampling=SamplingParams(temperature=2.0, max_tokens=30_000))
        target = Target(await probe(proxy.url), "tiny")
        async with asyncio.timeout(0.3):
            await ask(target, endless, context=32_768, deadlines=Deadlines(), profiles=Profiles())

    with (
        GrammarProxy(llama, lambda asked: "".join(f"{i} " for i in range(6000))) as proxy,
        pytest.raises(TimeoutError),
    ):
        asyncio.run(leave())
    patience = time.monotonic() + 3
    while busy(llama) and time.monotonic() < patience:
        time.sleep(0.02)
    assert busy(llama) == 0


def busy(url: str) -> int:
    with urllib.request.urlopen(f"{url}/slots") as slots:
        return sum(slot["is_processing"] for slot in json.load(slots))
