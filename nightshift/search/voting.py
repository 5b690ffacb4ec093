"""Votes of a model on what execution cannot decide.

Nobody votes on whether a check passes, which candidate passes more tests, what counts as done, or a test that has
earned trust: these are run. Every vote is a call of its own and sequential: the next is asked only while it can still
matter. No accuracy is promised: the five answers of one model are no five opinions, so a vote that comes to no
decision must have somewhere to fall back to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from nightshift.domain import Recorder, Task
from nightshift.errors import ContextExceeded, ReplyRejected

Ask = Callable[[int, tuple[str, ...]], Awaitable[str | None]]
"""The answer of the first, second, ... voter, shown the options in that order: one of them, or None to abstain."""

QUORUM = 3
VOTERS = 5
AHEAD = 2
CAP = 9
TEMPERATURES = (0.0, 0.4)
"""Of the first voter, and of all others: the same question at temperature 0 has the same answer."""

ABSTAINED = "(abstained)"
DISCARDED = "(unusable)"


@dataclass(frozen=True, slots=True)
class Ballot:
    """A question about the task with its options; what is shown of each stands under its name."""

    question: str
    known: str
    """Facts for every voter, besides the task."""
    options: Mapping[str, str]


class Voter(Protocol):
    async def vote(
        self, task: Task, ballot: Ballot, order: Sequence[str], span: str, *, temperature: float
    ) -> str | None:
        """One of the options, shown in that order; None to abstain. Raises ReplyRejected."""


@dataclass(frozen=True, slots=True)
class Tally:
    winner: str | None
    """None when the vote came to no decision."""
    votes: tuple[str, ...]
    """In the order they were cast; abstentions and unusable replies among them."""

    @property
    def reason(self) -> str:
        counts = Counter(self.votes).most_common()
        said = ", ".join(f"{count} for {name}" if name[0] != "(" else f"{count} {name[1:-1]}" for name, count in counts)
        return said if self.winner else f"no quorum: {said or 'nobody was asked'}"


async def first_to_k(options: Sequence[str], ask: Ask, span: str, *, k: int = QUORUM, voters: int = VOTERS) -> Tally:
    """The first option with `k` votes; none when no option can still get them."""
    return await _poll(options, ask, span, voters, k, lambda first, _: first)


async def first_to_ahead_by_k(options: Sequence[str], ask: Ask, span: str, *, k: int = AHEAD, cap: int = CAP) -> Tally:
    """The first option `k` votes ahead of every other, and of the abstentions; for choices between few words."""
    return await _poll(options, ask, span, cap, k, lambda first, second: first - second)


async def decide(
    ballot: Ballot,
    method: Callable[[Sequence[str], Ask, str], Awaitable[Tally]],
    voter: Voter,
    task: Task,
    span: str,
    recorder: Recorder,
) -> str | None:
    """The option that the voter role chooses, if any; recorded with every vote."""

    async def ask(number: int, order: tuple[str, ...]) -> str | None:
        temperature = TEMPERATURES[min(number, len(TEMPERATURES)) - 1]
        return await voter.vote(task, ballot, order, f"{span}/vote-{number}", temperature=temperature)

    tally = await method([*ballot.options], ask, span)
    told = {"options": [*ballot.options], "votes": list(tally.votes), "outcome": tally.winner, "reason": tally.reason}
    action = tally.winner or "no decision"
    recorder.record("guard", span, rule="vote", action=action, question=ballot.question, **told)
    return tally.winner


def shuffled(options: Sequence[str], span: str, number: int) -> tuple[str, ...]:
    """The order for one voter. Each option stands first in its turn, so that to name always the first decides least."""
    order = Random(span).sample([*options], len(options))
    turn = number % max(1, len(order))
    return (*order[turn:], *order[:turn])


def letter(number: int) -> str:
    """What the first, second, ... option shown is called.

    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'AA')
    """
    rest, place = divmod(number, 26)
    return (letter(rest - 1) if rest else "") + chr(ord("A") + place)


UNDECIDED = "none"
"""The answer of a voter who abstains."""


def ballot_schema(count: int) -> dict[str, Any]:
    """What a reply to a ballot of so many options must be."""
    return {
        "type": "object",
        "properties": {
            "why": {"type": "string", "maxLength": 400},
            "answer": {"type": "string", "enum": [*map(letter, range(count)), UNDECIDED]},
        },
        "required": ["why", "answer"],
        "additionalProperties": False,
    }


def read_vote(data: Any, order: Sequence[str]) -> str | None:
    """The option whose letter was named; None to abstain. Raises ReplyRejected for anything else."""
    answer = data.get("answer") if isinstance(data, dict) else None
    letters = {letter(number): option for number, option in enumerate(order)}
    if answer == UNDECIDED:
        return None
    if not isinstance(answer, str) or answer not in letters:
        raise ReplyRejected("unparsable", f'"answer" must be one of {", ".join([*letters, UNDECIDED])}')
    return letters[answer]


async def _poll(
    options: Sequence[str], ask: Ask, span: str, cap: int, k: int, lead: Callable[[int, int], int]
) -> Tally:
    votes: list[str] = []
    while True:
        (leader, first), (_, second) = _two_first(votes)
        ahead = lead(first, second)
        if ahead >= k:
            return Tally(leader if leader in options else None, tuple(votes))
        # No vote brings anyone further than by one.
        if ahead + cap - len(votes) < k:
            return Tally(None, tuple(votes))
        number = len(votes) + 1
        votes.append(await _cast(ask, number, shuffled(options, span, number)))


def _two_first(votes: Sequence[str]) -> list[tuple[str, int]]:
    counted = Counter(vote for vote in votes if vote != DISCARDED)
    return [*counted.most_common(2), ("", 0), ("", 0)][:2]


async def _cast(ask: Ask, number: int, order: tuple[str, ...]) -> str:
    """An unusable reply is discarded and never repaired: what is wrong in form is wrong in substance more often."""
    try:
        vote = await ask(number, order)
    except (ReplyRejected, ContextExceeded):
        return DISCARDED
    return vote if vote in order else ABSTAINED
