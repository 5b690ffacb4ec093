"""What may be learned from a run: proposed by the librarian role, or shown by the run itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nightshift.errors import ReplyRejected
from nightshift.knowledge.entries import Lesson
from nightshift.knowledge.signatures import signatures
from nightshift.knowledge.snippets import snippets
from nightshift.knowledge.stories import Story, delivered_sources, modules_of, stories, task_of
from nightshift.knowledge.words import words_of
from nightshift.records import Record, of_kind, settled
from nightshift.source.replies import extract_json

MAX_LESSONS = 5
"""Of one run."""
MAX_SNIPPETS = 20
TASK_WORDS = 8
"""Of a task, in a trigger."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "lessons": {
            "type": "array",
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "trigger": {"type": "string", "maxLength": 160},
                    "advice": {"type": "string", "maxLength": 500},
                    "quote": {"type": "string", "maxLength": 300},
                },
                "required": ["trigger", "advice", "quote"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["lessons"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Proposal:
    lesson: Lesson
    quote: str | None = None
    """Of the run, as evidence; None for what is taken from the run itself."""


def read_proposals(data: Any) -> tuple[Proposal, ...]:
    """The librarian's reply. Raises ReplyRejected."""
    try:
        told = [[str(one[name]).strip() for name in ("trigger", "advice", "quote")] for one in data["lessons"]]
    except (KeyError, TypeError) as error:
        raise ReplyRejected("unparsable", f"the lessons lack a part: {error}") from error
    return tuple(Proposal(Lesson(trigger, advice), quote) for trigger, advice, quote in told)


def proposals(records: Sequence[Record], project: str = "") -> tuple[Proposal, ...]:
    """Lessons, known errors and snippets of a run; of one that did not pass, lessons that are not proved."""
    run = records[0].run if records else ""
    told = stories(records)
    lessons = [*_by_librarian(records, told, run), *_by_analyst(told, task_of(records), run)]
    found = (code for path, text in delivered_sources(records).items() for code in snippets(path, text, run=run))
    return (
        *lessons[:MAX_LESSONS],
        *(Proposal(_placed(error, project)) for error in _errors(told, run)),
        *(Proposal(_placed(code, project)) for code in list(found)[:MAX_SNIPPETS]),
    )


def _placed(entry: Lesson, project: str) -> Lesson:
    return replace(entry, project=project)


def _by_librarian(records: Sequence[Record], told: Sequence[Story], run: str) -> Iterator[Proposal]:
    """The reply is read from the trace, so whoever curates, and whenever, comes to the same lessons."""
    asked = [r for r in of_kind(settled(records), "call") if r.fields.get("role") == "librarian"]
    for call in asked[-1:]:
        try:
            found = read_proposals(extract_json(str(call.fields["text"]), stop_reason=call.fields["stop_reason"]))
        except ReplyRejected:
            return  # it was told in the trace when the reply came
        good = any(story.turned for story in told)
        for one in found:
            trigger = " ".join(dict.fromkeys([*one.lesson.trigger.split(), *words_of(task_of(records))[:3]]))
            yield Proposal(Lesson(trigger, one.lesson.advice, run, proved=good), one.quote)


def _by_analyst(told: Sequence[Story], task: str, run: str) -> Iterator[Proposal]:
    for story in told:
        if story.advice:
            words = [*_exceptions(story.evidence), *modules_of(story.paths), *words_of(task)[:TASK_WORDS]]
            yield Proposal(Lesson(" ".join(dict.fromkeys(words)), story.advice, run, proved=story.turned))


def _errors(told: Sequence[Story], run: str) -> Iterator[Lesson]:
    """The one error that was seen, and what was proved to mend it."""
    for story in told:
        seen = signatures(story.evidence)
        fix = story.advice or (f"This change mended it:\n{story.change}" if story.change else "")
        if story.turned and fix and len(seen) == 1:
            yield Lesson(seen[0], fix, run, "error")


def _exceptions(evidence: str) -> list[str]:
    """The exception types that evidence names, the most frequent first, at most two."""
    names = re.findall(r"\b[A-Z]\w*(?:Error|Exception|Warning|Exit)\b", evidence)
    return sorted(dict.fromkeys(names), key=names.count, reverse=True)[:2]
