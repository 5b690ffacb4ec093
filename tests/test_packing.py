"""A prompt that does not fit gives way step by step, neighbours before evidence, and the task never."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenario import RIGHT, fence
from test_prompts import TASK, brief

from agents import Agents, Settings
from nightshift.domain import ROLES, Completion, Request, SamplingParams
from nightshift.errors import ContextExceeded
from nightshift.packing import LEFT_OUT, LEVELS, packings

LONG = "".join(f"line {number} of many\n" for number in range(4000))


class Narrow:
    """A ChatModel that takes prompts of at most `room` characters."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[Request] = []

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request)
        if sum(len(message.content) for message in request.messages) > self.room:
            raise ContextExceeded("too long", fault="context")
        return Completion(fence(RIGHT), "stop")


class Notebook:
    def __init__(self, known: dict[str, Any] | None = None) -> None:
        self.known = known
        self.records: list[dict[str, Any]] = []

    def record(self, kind: str, span: str, **fields: Any) -> None:
        self.records.append({"kind": kind, "span": span, **fields})

    def recall(self, kind: str, span: str, key: str) -> dict[str, Any] | None:
        return self.known if key == "packed" else None


def build(room: int, notebook: Notebook, **told: str) -> Narrow:
    model = Narrow(room)
    agents = Agents(model, notebook, Settings(dict.fromkeys(ROLES, SamplingParams()), 0))
    asyncio.run(agents.build(brief(**told), "candidate-1", temperature=0.0))
    return model


def test_a_prompt_that_fits_is_sent_as_it_is_and_once():
    notebook = Notebook()
    assert len(build(200_000, notebook, modules=LONG).asked) == 1
    assert not notebook.records


def test_neighbours_give_way_before_evidence_and_the_task_and_the_file_stay_whole():
    model = build(12_000, notebook := Notebook(), modules=LONG, evidence="assert 1 == 2\n" * 300, current=RIGHT)
    sent = model.asked[-1].messages[-1].content
    assert TASK.prompt in sent
    assert RIGHT.strip() in sent
    assert "line 3999" not in sent
    assert sent.count("assert 1 == 2") == 300
    assert [record["action"] for record in notebook.records] == ["packed"]


def test_a_prompt_whose_core_does_not_fit_is_refused_after_the_last_packing():
    with pytest.raises(ContextExceeded):
        build(500, Notebook(), modules=LONG)


def test_a_resumed_run_starts_from_the_packing_that_was_recorded():
    model = build(200_000, notebook := Notebook({"level": 3}), modules=LONG)
    assert len(model.asked) == 1
    assert LEFT_OUT in model.asked[0].messages[-1].content
    assert not notebook.records


NAMES = sorted({name for level in LEVELS for name in level} | {"task", "criteria", "current"})


@given(st.dictionaries(st.sampled_from(NAMES), st.text(alphabet="ab\n ", max_size=40).map(lambda s: s * 300)))
def test_each_packing_is_shorter_than_the_one_before_and_keeps_what_must_stay(variables: dict[str, str]):
    versions = list(packings(variables))
    sizes = [sum(map(len, version.values())) for version in versions]
    notes = len("\n[...]") * len(variables)
    assert all(later <= earlier + notes for earlier, later in itertools.pairwise(sizes))
    for version in versions:
        assert version.keys() == variables.keys()
        assert all(version[name] == variables[name] for name in ("task", "criteria", "current") if name in variables)


def test_a_fence_that_is_cut_is_closed():
    text = "a.py\n```python\n" + "x = 1\n" * 4000 + "```"
    *_, last = packings({"sources": text})
    assert last["sources"].count("```") == 2
    assert last["sources"].endswith("\n```")
