"""Calls as records: the round trip, the key, and the tape that answers from them."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain import ROLES, Completion, Message, Request, SamplingParams, Usage
from nightshift.errors import ModelServerError
from nightshift.llm.calls import call_fields, completion_from_fields, messages_as_dicts, request_key
from nightshift.llm.tape import TapeModel

text = st.text('ab "\\{}\n\té漢\u2028\U0001f600', max_size=30)
count = st.integers(0, 2**53)
seconds = st.floats(0, 1e6)
completions = st.builds(
    Completion,
    text=text,
    stop_reason=st.sampled_from(["stop", "length"]),
    usage=st.builds(
        Usage,
        calls=st.just(1),
        prompt_tokens=count,
        cached_tokens=count,
        completion_tokens=count,
        model_seconds=seconds,
    ),
    reasoning=text,
    endpoint=text,
    model_requested=text,
    model_served=text,
    first_token_seconds=seconds,
    prompt_sent=count,
    prefill_seconds=seconds,
    decode_seconds=seconds,
)
requests = st.builds(
    Request,
    role=st.sampled_from(ROLES),
    span=text,
    messages=st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), text), max_size=3).map(
        tuple
    ),
    sampling=st.builds(SamplingParams, temperature=seconds, seed=count),
    schema=st.none() | st.dictionaries(text, text, max_size=2),
    think=st.integers(0, 9999),
)
REQUEST = Request("builder", "build/a.py/candidate-1", (Message("user", "hello"),), schema={"a": 1, "b": 2})


@given(requests, completions)
def test_a_completion_survives_the_trace(request, completion):
    on_disk = json.loads(json.dumps(call_fields(request, completion)))
    assert completion_from_fields(on_disk) == completion
    assert on_disk["key"] == request_key(request)
    assert on_disk["messages"] == messages_as_dicts(request.messages)
    assert "span" not in on_disk


def test_a_record_says_at_which_attempt_it_was_answered():
    completion = Completion("x", "stop", Usage(calls=1))
    fields = [call_fields(REQUEST, completion), call_fields(REQUEST, completion, attempt=3)]
    assert [record["attempt"] for record in fields] == [1, 3]
    assert [completion_from_fields(record) for record in fields] == [completion, completion]


@pytest.mark.parametrize(
    "change",
    [{"role": "tester"}, {"messages": (Message("user", "hallo"),)}, {"sampling": SamplingParams(seed=1)}, {"schema": None},
     {"think": 512}],
)  # fmt: skip
def test_a_changed_request_has_another_key(change):
    assert request_key(replace(REQUEST, **change)) != request_key(REQUEST)


def test_the_place_and_the_order_of_a_schemas_keys_do_not_change_the_key():
    elsewhere = replace(REQUEST, span="repair", schema={"b": 2, "a": 1})
    assert request_key(elsewhere) == request_key(REQUEST)
    assert request_key(REQUEST) == "627b1b04dbd4c9f5c2a21fb1080a6b8334d01772f62cfe552a216016b5b82eaa"


def tape(tmp_path, *records):
    path = tmp_path / "tape.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_the_tape_answers_by_role_and_place_whatever_is_asked(tmp_path):
    here = {"kind": "call", "role": "builder", "span": REQUEST.span}
    path = tape(
        tmp_path,
        {"kind": "run_started"},
        here | {"text": "one\u2028", "prompt_tokens": 7, "key": "another"},
        here | {"reply": "two", "stop_reason": "length"},
        here | {"role": "voter", "text": "three"},
    )
    model = TapeModel.from_file(path)
    first, second = (asyncio.run(model.complete(REQUEST)) for _ in range(2))
    assert (first.text, first.usage.prompt_tokens, first.stop_reason) == ("one\u2028", 7, "stop")
    assert (second.text, second.stop_reason) == ("two", "length")
    with pytest.raises(ModelServerError, match=r"no further reply for builder at build/a\.py/candidate-1"):
        asyncio.run(model.complete(REQUEST))
    with pytest.raises(ModelServerError, match="no further reply for planner"):
        asyncio.run(model.complete(replace(REQUEST, role="planner")))


def test_the_tape_takes_its_time_when_told_to():
    model = TapeModel([{"role": "builder", "span": REQUEST.span, "text": "x"}], delay=0.05)
    started = time.monotonic()
    asyncio.run(model.complete(REQUEST))
    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize("line", ['{"half": ', "[]"])
def test_a_damaged_tape_is_named_with_its_line(tmp_path, line):
    path = tmp_path / "tape.jsonl"
    path.write_text('{"kind":"run_started"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(ModelServerError, match=r"tape\.jsonl, line 2"):
        TapeModel.from_file(path)
