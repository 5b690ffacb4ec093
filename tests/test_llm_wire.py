"""Request bodies and stream lines of both protocols, without a server."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain import Message, Request, SamplingParams
from nightshift.llm.wire import ollama, openai
from nightshift.llm.wire.common import Counts, Delta, as_sent
from nightshift.llm.wire.fields import as_count, error_message
from nightshift.llm.wire.refusals import refusal

SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
MESSAGES = (Message("system", "You build."), Message("user", "Build a.py"))
REQUEST = Request(
    "builder", "build/a.py/candidate-1", MESSAGES, SamplingParams(temperature=0.4, seed=7, max_tokens=512)
)
DICTATED = Request("planner", "plan", MESSAGES, schema=SCHEMA, think=1024)
THINKING = Request("analyst", "diagnose", MESSAGES, think=1024)


def test_ollamas_body_is_exactly_this():
    assert ollama.request_body(REQUEST, "coder:7b", 32_768) == {
        "model": "coder:7b",
        "messages": [{"role": "system", "content": "You build."}, {"role": "user", "content": "Build a.py"}],
        "stream": True,
        "truncate": False,
        "shift": False,
        "think": False,
        "options": {
            "num_ctx": 32_768,
            "num_predict": 512,
            "temperature": 0.4,
            "top_p": 0.95,
            "top_k": 40,
            "min_p": 0.05,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "repeat_penalty": 1.0,
            "seed": 7,
        },
    }


def test_llama_cpps_body_is_exactly_this():
    assert openai.request_body(REQUEST, "tiny", flavour="llama.cpp") == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "You build."}, {"role": "user", "content": "Build a.py"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 512,
        "temperature": 0.4,
        "top_p": 0.95,
        "seed": 7,
        "top_k": 40,
        "min_p": 0.05,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repeat_penalty": 1.0,
        "cache_prompt": True,
        "return_progress": True,
        "chat_template_kwargs": {"enable_thinking": False},
        "reasoning_format": "deepseek",
    }


def test_other_openai_servers_get_only_what_all_of_them_take():
    body = openai.request_body(REQUEST, "m")
    assert set(body) == {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "temperature",
        "top_p",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "chat_template_kwargs",
    }


def test_a_schema_travels_in_each_protocols_own_place():
    assert ollama.request_body(DICTATED, "m", 8192)["format"] == SCHEMA
    assert openai.request_body(DICTATED, "m")["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "planner", "strict": True, "schema": SCHEMA},
    }


@pytest.mark.parametrize(
    "request_, thinks, sent",
    [
        (DICTATED, True, {"think": False}),
        (DICTATED, None, {"think": False}),
        (DICTATED, False, {}),
        (THINKING, True, {"think": True}),
        (THINKING, None, {}),
        (THINKING, False, {}),
        (REQUEST, True, {"think": False}),
        (REQUEST, False, {}),
    ],
)
def test_ollama_is_told_not_to_think_under_a_schema_and_told_nothing_when_it_cannot(request_, thinks, sent):
    body = ollama.request_body(request_, "m", 8192, thinks=thinks)
    assert {key: value for key, value in body.items() if key == "think"} == sent


@pytest.mark.parametrize("flavour", ["llama.cpp", "generic"])
@pytest.mark.parametrize("request_, think", [(DICTATED, False), (THINKING, True), (REQUEST, False)])
def test_an_openai_server_is_told_to_think_only_without_a_schema(request_, think, flavour):
    body = openai.request_body(request_, "m", flavour=flavour)
    assert body["chat_template_kwargs"] == {"enable_thinking": think}
    assert ("thinking_budget_tokens" in body) == (think and flavour == "llama.cpp")


@pytest.mark.parametrize("request_", [DICTATED, THINKING, REQUEST])
def test_a_model_that_refuses_to_be_told_hears_nothing_of_thinking(request_):
    bodies = [
        ollama.request_body(request_, "m", 8192, thinks=True, thinking=False),
        *(openai.request_body(request_, "m", flavour=flavour, thinking=False) for flavour in ("llama.cpp", "generic")),
    ]
    assert not [key for body in bodies for key in body if "think" in key or "reasoning" in key or "template" in key]


def test_a_request_with_a_schema_never_thinks_and_one_without_goes_as_it_is():
    assert as_sent(DICTATED, schemas=True) == replace(DICTATED, think=0)
    assert as_sent(DICTATED, schemas=False).think == 0
    assert as_sent(THINKING, schemas=False) is THINKING


def test_a_schema_that_is_refused_is_asked_for_in_the_last_user_message():
    told = as_sent(replace(DICTATED, messages=(*MESSAGES, Message("assistant", "{"))), schemas=False)
    assert told.schema is None
    assert [told.messages[i] for i in (0, 2)] == [MESSAGES[0], Message("assistant", "{")]
    first, last = told.messages[1].content.rstrip("\n").split("\n")
    assert first == MESSAGES[1].content
    assert last.endswith('JSON schema, and with nothing else: {"type":"object","properties":{"ok":{"type":"boolean"}}}')


OLLAMA_LINES = [
    ('{"model":"m","message":{"role":"assistant","content":"hi"},"done":false}', Delta(text="hi", model="m")),
    ('{"message":{"role":"assistant","content":"","thinking":"hm"},"done":false}', Delta(reasoning="hm")),
    (
        '{"model":"m","message":{"content":""},"done":true,"done_reason":"length","prompt_eval_count":12,"eval_count":3}',
        Delta(stop_reason="length", counts=Counts(12, 0, 3), model="m", end=True),
    ),
    ('{"done":true}', Delta(stop_reason="stop", counts=Counts(), end=True)),
    (
        '{"done":true,"prompt_eval_count":12,"prompt_eval_duration":250000000,"eval_count":3,"eval_duration":1500000000}',
        Delta(stop_reason="stop", counts=Counts(12, 0, 3, 0.25, 1.5), end=True),
    ),
    (
        '{"error":"model runner has unexpectedly stopped"}',
        Delta(error="model runner has unexpectedly stopped"),
    ),
    ('{"error":"{\\"error\\":{\\"code\\":400,\\"message\\":\\"too long\\"}}"}', Delta(error="too long")),
    ("", None),
]
OPENAI_LINES = [
    (
        'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}]}',
        Delta(),
    ),
    (
        'data: {"choices":[{"finish_reason":null,"delta":{"content":"t"}}],"model":"tiny"}',
        Delta("t", model="tiny"),
    ),
    ('data: {"choices":[{"delta":{"reasoning_content":"a"}}]}', Delta(reasoning="a")),
    ('data: {"choices":[{"delta":{"reasoning":"a"}}]}', Delta(reasoning="a")),
    ('data:{"choices":[{"finish_reason":"stop","delta":{}}]}', Delta(stop_reason="stop")),
    (
        'data: {"choices":[],"usage":{"prompt_tokens":55,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":54}}}',
        Delta(counts=Counts(55, 54, 3)),
    ),
    (
        'data: {"choices":[],"timings":{"cache_n":19,"prompt_n":1,"prompt_ms":250,"predicted_n":4,"predicted_ms":1500.5}}',
        Delta(counts=Counts(20, 19, 4, 0.25, 1.5005)),
    ),
    (
        'data: {"error":{"code":500,"message":"Context size has been exceeded."}}',
        Delta(error="Context size has been exceeded."),
    ),
    ('error: {"code":500,"message":"gone"}', Delta(error="gone")),
    ("data: [DONE]\r", Delta(end=True)),
    (": ping", None),
    ("", None),
]


@pytest.mark.parametrize("line, delta", OLLAMA_LINES)
def test_a_line_of_ollamas_stream(line, delta):
    assert ollama.parse_line(line) == delta


@pytest.mark.parametrize("line, delta", OPENAI_LINES)
def test_a_line_of_an_openai_stream(line, delta):
    assert openai.parse_line(line) == delta


@pytest.mark.parametrize(
    "parse, line",
    [(ollama.parse_line, '{"done":true,"done_reason":"unload"}'),
     (openai.parse_line, 'data: {"choices":[{"delta":{},"finish_reason":"abort"}]}')],
)  # fmt: skip
def test_an_end_for_an_unknown_reason_is_an_error_and_no_stop(parse, line):
    delta = parse(line)
    assert delta.error
    assert delta.stop_reason is None


@pytest.mark.parametrize("line", ['{"half":', "[]", "7", "[" * 100_000, "<html>"])
def test_what_is_no_json_object_is_a_value_error(line):
    for parse, prefix in ((ollama.parse_line, ""), (openai.parse_line, "data: ")):
        with pytest.raises(ValueError):  # noqa: PT011
            parse(prefix + line)


words = st.text('ab "\\{}[]:,\n\0é\u2028\ud800', max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "choices",
    "usage",
    "timings",
    "error",
    "model",
    "message",
    "done",
    "done_reason",
    "prompt_eval_count",
]


@given(st.dictionaries(st.sampled_from(KEYS), json_values | st.lists(json_values, max_size=2)))
def test_no_json_object_upsets_a_parser(event):
    line = json.dumps(event)
    for delta in (ollama.parse_line(line), openai.parse_line(f"data: {line}")):
        assert isinstance(delta, Delta)
        assert isinstance(delta.text, str)
        assert delta.counts is None or min(asdict(delta.counts).values()) >= 0


@given(words)
def test_any_line_is_read_or_refused_with_a_value_error(line):
    for parse in (ollama.parse_line, openai.parse_line):
        try:
            assert isinstance(parse(line), Delta | None)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "value, words",
    [("plain", "plain"), ({"message": "m"}, "m"), ({"error": {"message": "m"}}, "m"), ({"detail": "d"}, "d"),
     ({"code": 1}, '{"code": 1}'), ("<html>", "<html>"), ('{"message": broken', '{"message": broken')],
)  # fmt: skip
def test_the_words_of_an_error_are_found_in_any_shape(value, words):
    assert error_message(value) == words


@pytest.mark.parametrize("status, said, fault", [
    (400, "Unable to generate parser for this template. JSON schema error at #", "schema_refused"),
    (422, "[{'loc': ('body', 'response_format', 'type')}]", "schema_refused"), (400, "invalid format", "schema_refused"),
    (500, "body.response_format.type", "schema_refused"), (400, "failed to parse grammar", "schema_refused"),
    (500, "the model file has an invalid format", "http_500"), (503, "no slot for a schema", "http_503"),
    (429, "schema queue full", "http_429"), (401, "schema: wrong key", "http_401"),
    (400, '"m" does not support thinking', "think_refused"), (400, "unknown field chat_template_kwargs", "think_refused"),
    (400, "reasoning_format is not known", "think_refused"), (500, "thinking crashed", "http_500"),
    (400, "nemo-thinking:7b wants a longer prompt", "http_400"), (400, "context size exceeded by schema", "context"),
    (404, "model 'nemo-thinking:7b' not found", "model_missing"),
])  # fmt: skip
def test_a_refusal_is_laid_to_the_schema_or_to_thinking_only_by_its_words(status, said, fault):
    error = partial(refusal, status, json.dumps({"error": said}), url="http://x", model="nemo-thinking:7b")
    assert error(schema=True, thinking=True).fault == fault
    assert error().fault not in ("schema_refused", "think_refused")


@pytest.mark.parametrize("value", [10**18, pytest.param(10**400, id="no float"), -1, True, 1.5, "7", None])
def test_what_can_be_no_count_counts_as_nothing_told(value):
    assert as_count(value) == 0
