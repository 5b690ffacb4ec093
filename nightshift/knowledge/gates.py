"""What may not be kept, and why: a list of doubts, each answered without asking a model.

Does not promise to recognise every private thing: a name or a number that looks like any other word passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nightshift.dataset.secrets import holds_secret
from nightshift.domain import Plan
from nightshift.knowledge.entries import Lesson
from nightshift.knowledge.proposals import Proposal
from nightshift.knowledge.words import words_of

MIN_WORDS = 4
"""That an advice has at least."""
MIN_QUOTE = 12
_PATH = re.compile(
    r"(?<![\w.:/<])(?:~|/(?:home|Users|root|tmp|var|etc|opt|mnt|srv|usr|work|private|data)\b|[A-Za-z]:\\)[/\\\w.~-]*"
)
_OPAQUE = re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9_+/=-]{16,}")
_TRIVIA = re.compile(r"\btest_\w+|\b\w+\.py::|\bline \d+|\bcriterion c?\d|\bc\d\b")


@dataclass(frozen=True, slots=True)
class Ground:
    """What proposals are held against."""

    told: str
    """What the run showed: evidence, advice, changes."""
    names: frozenset[str]
    """Files and identifiers that belong to the run's task alone."""


def doubt(proposal: Proposal, ground: Ground) -> str:
    """Why it may not be kept; empty when it may."""
    found = (reason for gate in _GATES[proposal.lesson.kind] if (reason := gate(proposal, ground)))
    return next(found, "")


def private(entry: Lesson) -> str:
    """The doubts that hold wherever an entry comes from: by hand, from another machine, from documentation."""
    return doubt(Proposal(entry), Ground("", frozenset())) if entry.kind != "lesson" else _secret(entry) or _path(entry)


def names_of(plan: Plan | None) -> frozenset[str]:
    """Files, and identifiers that are no ordinary words: with an underscore or a capital inside."""
    steps = plan.steps if plan else ()
    known = re.findall(r"\b(?:def|class) +(\w+)", "\n".join(step.interface for step in steps))
    odd = (name for name in known if re.search(r"[a-z0-9][A-Z]|\w_\w", name))
    return frozenset([*odd, *(step.path for step in steps), *(step.path.rpartition("/")[2] for step in steps)])


def _no_evidence(proposal: Proposal, ground: Ground) -> str:
    """A quote that is not in the run is invented, and so may be the lesson."""
    if proposal.quote is None:
        return ""
    quote = " ".join(proposal.quote.split())
    held = len(quote) >= MIN_QUOTE and quote in " ".join(ground.told.split())
    return "" if held else "its evidence is not in the run"


def _says_little(proposal: Proposal, _: Ground) -> str:
    entry = proposal.lesson
    little = len(entry.advice.split()) < MIN_WORDS or not words_of(entry.trigger)
    return "it says too little" if little else ""


def _one_task_only(proposal: Proposal, ground: Ground) -> str:
    text = proposal.lesson.advice
    own = next((name for name in sorted(ground.names) if re.search(rf"(?<![\w/]){re.escape(name)}(?!\w)", text)), "")
    found = own or ((match := _TRIVIA.search(text)) and match[0])
    return f"it is about one task only: {found}" if found else ""


def _secret(entry: Lesson) -> str:
    text = f"{entry.trigger}\n{entry.advice}"
    return "it holds a secret" if holds_secret(f"{text}\n{entry.run}") or _random(text) else ""


def _random(text: str) -> bool:
    """A long word of letters and digits that change often: no identifier reads like that."""
    changes = (len(re.findall(r"[A-Za-z](?=\d)|\d(?=[A-Za-z])", word)) for word in _OPAQUE.findall(text))
    return any(number >= 4 for number in changes)


def _path(entry: Lesson) -> str:
    return "it holds a path" if _PATH.search(f"{entry.trigger}\n{entry.advice}") else ""


def _holds_secret(proposal: Proposal, _: Ground) -> str:
    return _secret(proposal.lesson)


def _holds_path(proposal: Proposal, _: Ground) -> str:
    return _path(proposal.lesson)


Gate = Callable[[Proposal, Ground], str]
_ALWAYS: Sequence[Gate] = (_holds_secret, _holds_path)
_GATES: dict[str, Sequence[Gate]] = {
    "lesson": (*_ALWAYS, _no_evidence, _says_little, _one_task_only),
    "error": (*_ALWAYS, _says_little, _one_task_only),
    "snippet": _ALWAYS,
    "doc": (_holds_secret,),
}
