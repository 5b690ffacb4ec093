"""Votes: who wins, when nobody does, and what a voter is shown. The first four defects of an earlier design are here."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import Agents, Settings
from nightshift.acceptance import Accepted
from nightshift.domain import (
    ROLES,
    Candidate,
    Completion,
    Culprit,
    Diagnosis,
    Limits,
    Plan,
    Request,
    SamplingParams,
    Step,
    Task,
    TestReport,
    TestResult,
    Tree,
    Verdict,
)
from nightshift.errors import ContextExceeded, ReplyRejected
from nightshift.limits import Budget
from nightshift.prompting import PROMPTS
from nightshift.recorded import Meter, RecordedModel
from nightshift.search.brief import Brief
from nightshift.search.disputes import Rival, blame_by_vote, distinguishing, elected
from nightshift.search.objection import SCHEMA as OBJECTION_SCHEMA
from nightshift.search.objection import read_objection
from nightshift.search.voting import (
    Ballot,
    Tally,
    ballot_schema,
    decide,
    first_to_ahead_by_k,
    first_to_k,
    letter,
    read_vote,
    shuffled,
)
from nightshift.search.work import Work
from trace_collector import Trace

UNUSABLE = "!"


def counted(method: Callable[..., Any], votes: str, options: str = "abc", **settings: int) -> Tally:
    """Of voters who answer one letter each: `-` abstains, `!` cannot be read."""

    async def ask(number: int, order: tuple[str, ...]) -> str | None:
        vote = votes[number - 1]
        if vote == UNUSABLE:
            raise ReplyRejected("unparsable", "no vote")
        return None if vote == "-" else vote

    tally = asyncio.run(method(options, ask, "span", **settings))
    assert isinstance(tally, Tally)
    return tally


@pytest.mark.parametrize(
    "votes, winner, asked",
    [
        ("aaabb", "a", 3),
        ("abaab", "a", 4),
        ("ababb", "b", 5),
        ("aabbc", None, 5),
        ("-a-aa", "a", 5),
        ("---aa", None, 3),
        ("!!!aa", None, 3),
        ("ab-c!", None, 4),
        ("aa?!?", None, 5),
    ],
)
def test_the_first_with_three_votes_wins_and_no_vote_is_asked_that_cannot_matter(
    votes: str, winner: str | None, asked: int
) -> None:
    """Five answers at once with the most votes winning, the lowest letter on a tie, is what this is not."""
    tally = counted(first_to_k, votes)
    assert (tally.winner, len(tally.votes)) == (winner, asked)


@pytest.mark.parametrize(
    "votes, winner, asked",
    [
        ("aabbb", "a", 2),
        ("abaa", "a", 4),
        ("!a!a", "a", 4),
        ("ababababab", None, 8),
        ("--", None, 2),
        ("-a--", None, 4),
        ("abcabcabc", None, 8),
        ("abcaa", "a", 5),
        ("!!!!!!!!!", None, 8),
    ],
)
def test_the_first_two_votes_ahead_wins_within_nine_answers(votes: str, winner: str | None, asked: int) -> None:
    tally = counted(first_to_ahead_by_k, votes)
    assert (tally.winner, len(tally.votes)) == (winner, asked)


@given(st.text("abc-!", min_size=9, max_size=9), st.integers(1, 4))
def test_a_winner_really_is_ahead(votes: str, k: int) -> None:
    tally = counted(first_to_ahead_by_k, votes, k=k)
    counts = Counter(vote for vote in tally.votes if vote in "abc")
    others = [count for option, count in counts.items() if option != tally.winner]
    assert tally.winner is None or counts[tally.winner] - max(others, default=0) >= k
    assert len(tally.votes) <= 9


def test_voters_are_asked_one_after_the_other() -> None:
    asking, most = 0, 0

    async def ask(number: int, order: tuple[str, ...]) -> str:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        await asyncio.sleep(0)
        asking -= 1
        return "b"

    assert asyncio.run(first_to_k("ab", ask, "span")).winner == "b"
    assert most == 1


@pytest.mark.parametrize("count", [2, 5, 8, 30])
def test_any_number_of_options_can_be_voted_on(count: int) -> None:
    options = [f"candidate-{number}" for number in range(count)]
    answer = letter(count - 1)
    assert len(set(map(letter, range(count)))) == count
    assert read_vote({"why": "", "answer": answer}, options) == options[-1]
    assert answer in ballot_schema(count)["properties"]["answer"]["enum"]


def test_to_name_always_what_stands_first_decides_nothing() -> None:
    async def ask(number: int, order: tuple[str, ...]) -> str:
        return order[0]

    assert asyncio.run(first_to_ahead_by_k(["source", "test"], ask, "span")).winner is None


def test_each_voter_is_shown_another_order_and_the_same_one_again_on_resume() -> None:
    options = ["a", "b", "c", "d", "e"]
    orders = [shuffled(options, "span", number) for number in range(1, 6)]
    assert orders == [shuffled(options, "span", number) for number in range(1, 6)]
    assert {order[0] for order in orders} == set(options)
    assert all(sorted(order) == options for order in orders)
    assert len({shuffled(options, f"span-{number}", 1) for number in range(20)}) > 5


@pytest.mark.parametrize(
    "data",
    ["A", "approved", ["A"], {}, {"answer": "Z"}, {"answer": ""}, {"answer": None}, {"answer": "not A"}, {"answer": 0}],
)
def test_only_a_letter_that_was_shown_is_a_vote(data: Any) -> None:
    with pytest.raises(ReplyRejected):
        read_vote(data, ["a", "b"])


@pytest.mark.parametrize(
    "data",
    [
        "Looks good", "approved", "not approved", [], {}, {"objection": "false"}, {"objection": None},
        {"objection": True}, {"objection": True, "path": "a.py", "why": "x", "check": ""},
        {"objection": True, "path": "else.py", "why": "x", "check": "assert 1"},
        {"objection": True, "path": "a.py", "why": "", "check": "assert 1"},
    ],
)  # fmt: skip
def test_words_neither_approve_nor_object(data: Any) -> None:
    """Once any text passed that held the word approved, and any text held the empty string."""
    with pytest.raises(ReplyRejected):
        read_objection(data, ["a.py"])


def test_an_objection_is_read_and_no_objection_is_none() -> None:
    found = read_objection({"objection": True, "path": "./a.py", "why": "w", "check": "assert 1"}, ["a.py"])
    assert found is not None
    assert found.path == "a.py"
    assert read_objection({"objection": False, "path": "", "why": "all well", "check": ""}, ["a.py"]) is None


@pytest.mark.parametrize("name, schema", [("voter", ballot_schema(2)), ("reviewer", OBJECTION_SCHEMA)])
def test_a_prompt_asks_for_what_the_parser_reads(name: str, schema: dict[str, Any]) -> None:
    constant = (PROMPTS / f"{name}.md").read_text().partition("\n---\n")[0]
    assert set(re.findall(r'^- "(\w+)":', constant, re.M)) == set(schema["properties"]) == set(schema["required"])
    assert "JSON" in constant


# What is put to the vote.

STEP = Step("shop.py", "source", "prices", "def total(prices: list[int]) -> int: ...")
SUM = "def total(prices):\n    return sum(prices)\n\n\ndef label(name):\n    return name\n"
MAX = SUM.replace("sum(", "max(")
BRIEF = Brief(Task("total adds prices up"), Plan("p", (STEP,), ()), STEP, "attempt-1/build/shop.py", "")


class Notes:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def record(self, kind: str, span: str, **fields: Any) -> None:
        self.told.append({"kind": kind, "span": span, **fields})

    def recall(self, kind: str, span: str, key: str) -> None: ...


class Voters:
    """A ChatModel that names the option whose text holds certain words; none when no option does."""

    def __init__(self, words: str, fails_after: int = 99) -> None:
        self.words = words
        self.requests: list[Request] = []
        self.fails_after = fails_after

    async def complete(self, request: Request) -> Completion:
        if len(self.requests) == self.fails_after:
            raise KeyboardInterrupt
        self.requests.append(request)
        options = request.messages[-1].content.partition("# Options\n")[2]
        found = re.findall(r"^([A-Z]): (.*?)(?=^[A-Z]: |^none: )", options, re.M | re.S)
        answer = next((name for name, shown in found if self.words in shown), "none")
        return Completion(json.dumps({"why": "the task says so", "answer": answer}), "stop")

    @property
    def agents(self) -> Agents:
        return Agents(self, Notes(), Settings(dict.fromkeys(ROLES, SamplingParams())))


def rivals(*behaviours: tuple[str, ...]) -> list[Rival]:
    texts = [SUM, MAX, SUM.replace("sum(", "min(")]
    return [
        Rival(Candidate("shop.py", text, "sample", f"candidate-{number}"), behaviour)
        for number, (text, behaviour) in enumerate(zip(texts, behaviours, strict=False), 1)
    ]


def test_voters_are_asked_which_output_is_right_and_never_shown_the_programs() -> None:
    model, notes = Voters("total([3, 4])  ->  7"), Notes()
    inputs = ("total([3])", "total([3, 4])")
    found = asyncio.run(elected(rivals(("3", "7"), ("3", "4")), inputs, BRIEF, model.agents, notes))
    assert found is not None
    assert found.label == "candidate-1"
    assert len(model.requests) == 3
    prompts = [request.messages[-1].content for request in model.requests]
    assert not [prompt for prompt in prompts if "return" in prompt or "total([3])" in prompt]
    assert all("total adds prices up" in prompt for prompt in prompts)
    assert len(set(prompts)) == 2, "the order changes from voter to voter"
    assert len({request.sampling.seed for request in model.requests}) == 3
    (record,) = notes.told
    assert (record["rule"], record["outcome"], record["votes"]) == ("vote", "candidate-1", ["candidate-1"] * 3)


def test_programs_that_no_input_tells_apart_are_shown_by_their_differing_parts() -> None:
    model = Voters("sum(")
    found = asyncio.run(elected(rivals((), ()), (), BRIEF, model.agents, Notes()))
    assert found is not None
    assert found.label == "candidate-1"
    assert "def label" not in model.requests[0].messages[-1].content


def test_no_decision_elects_nobody() -> None:
    model, notes = Voters("what no option holds"), Notes()
    assert asyncio.run(elected(rivals(("7",), ("4",)), ("total([3, 4])",), BRIEF, model.agents, notes)) is None
    assert notes.told[0]["reason"] == "no quorum: 3 abstained"


@pytest.mark.parametrize(
    "behaviours, inputs, wanted",
    [
        ([("1", "2"), ("1", "3")], ("f(1)", "f(2)"), [1]),
        ([("raises ValueError", "2"), ("1", "3")], ("f(1)", "f(2)"), [1, 0]),
        ([("1", "1"), ("1", "2"), ("2", "2")], ("f(1)", "f(2)"), [0, 1]),
        ([("1", "5"), ("2", "6"), ("2", "7")], ("f(1)", "f(2)"), [1, 0]),
        ([("1",), ("1",)], ("f(1)",), []),
        ([(), ("1",)], ("f(1)",), []),
        ([("a", "b", "c", "d", "e"), ("v", "w", "x", "y", "z")], tuple("12345"), [0, 1, 2]),
    ],
)
def test_the_inputs_shown_tell_all_apart_the_plainest_first(
    behaviours: Sequence[tuple[str, ...]], inputs: Sequence[str], wanted: list[int]
) -> None:
    assert distinguishing(behaviours, inputs) == wanted


NODE = "tests/test_shop.py::test_total"
WORK = Work(BRIEF.task, BRIEF.plan, Tree({"shop.py": MAX}), Accepted({"tests/test_shop.py": "..."}, frozenset({NODE})))
FAILED = Verdict((), TestReport((TestResult(NODE, "failed", detail="assert 4 == 7"),), 1))
ANALYST = Diagnosis(("why",), (Culprit("shop.py", "it takes the largest", "source"),), "add")
DOUBTING = Diagnosis(("why",), (Culprit("tests/test_shop.py", "doubted", "test"),), "add")


@pytest.mark.parametrize(
    "words, wanted", [("The program:", ANALYST), ("The tests:", DOUBTING), ("nothing of that", DOUBTING)]
)
def test_a_blame_that_analyst_and_trust_dispute_goes_where_the_voters_say(words: str, wanted: Diagnosis) -> None:
    model = Voters(words)
    found, _ = asyncio.run(blame_by_vote(ANALYST, DOUBTING, WORK, FAILED, model.agents, "attempt-1", Notes()))
    assert found == wanted
    assert len(model.requests) == 2
    assert "assert 4 == 7" in model.requests[0].messages[-1].content


def test_tests_that_have_earned_trust_are_not_voted_on() -> None:
    model = Voters("The tests:")
    found, said = asyncio.run(blame_by_vote(DOUBTING, ANALYST, WORK, FAILED, model.agents, "attempt-1", Notes()))
    assert (found, said, model.requests) == (ANALYST, "", [])


def test_a_voter_whose_context_is_too_small_is_one_voter_less() -> None:
    class Small:
        async def complete(self, request: Request) -> Completion:
            raise ContextExceeded("too long")

    voter = Agents(Small(), Notes(), Settings(dict.fromkeys(ROLES, SamplingParams())))
    found = asyncio.run(elected(rivals(("7",), ("4",)), ("total([3, 4])",), BRIEF, voter, Notes()))
    assert found is None


def test_an_unusable_vote_is_discarded_and_asked_of_the_next_voter() -> None:
    class Talking(Voters):
        async def complete(self, request: Request) -> Completion:
            reply = await super().complete(request)
            return Completion("I approve of A", "stop") if len(self.requests) == 1 else reply

    model = Talking("7")
    found = asyncio.run(elected(rivals(("7",), ("4",)), ("total([3, 4])",), BRIEF, model.agents, Notes()))
    assert found is not None
    assert [request.span[-6:] for request in model.requests] == ["vote-1", "vote-2", "vote-3", "vote-4"]


def test_a_resumed_run_asks_no_vote_again(tmp_path: Path) -> None:
    """Cut off after two votes of three, it asks the third alone; resumed once more, it asks nobody."""
    ballot = Ballot("Which?", "", {"one": "a 7", "two": "a 4", "three": "a 5"})

    def vote(trace: Trace, model: Voters) -> str | None:
        recorded = RecordedModel(model, trace, Meter(trace, Budget(Limits())))
        voter = Agents(recorded, trace, Settings(dict.fromkeys(ROLES, SamplingParams())))
        return asyncio.run(decide(ballot, first_to_k, voter, Task("x"), "here", trace))

    with Trace.create(tmp_path / "run", "run") as trace, pytest.raises(KeyboardInterrupt):
        vote(trace, Voters("7", fails_after=2))
    for asked in (1, 0):
        with Trace.resume(tmp_path / "run") as trace:
            model = Voters("7")
            assert vote(trace, model) == "one"
            assert len(model.requests) == asked
