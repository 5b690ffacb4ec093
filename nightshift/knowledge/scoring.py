"""Which of the entries found are about a question, and the best few of them.

An entry is about a question when enough of its trigger is in it. The numbers were found on the labelled set in
tests/recall_cases.py: fewer shared words recall what does not belong, more miss half of what does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nightshift.knowledge.entries import Lesson, Question, Recalled
from nightshift.knowledge.words import weight, words_of

LESSONS, SNIPPETS, DOCS = 3, 2, 1
"""At most so many are shown in one prompt."""
TOPIC_WORDS = 12
"""What a text is about stands in its first telling words; later ones count half."""
ENOUGH, ENOUGH_CODE = 1.5, 2.0
"""Weight of the words shared with a trigger; wrong code misleads more than a wrong sentence."""
SHARE = 0.25
"""Of the weight of the whole trigger."""
ALIKE = 0.75
"""Share of common words above which two entries say the same."""
SAME_PROJECT = 0.5

Words = dict[str, float]


def topic(text: str) -> Words:
    """The words of a question and how much each counts."""
    return {word: weight(word) * (1.0 if place < TOPIC_WORDS else 0.5) for place, word in enumerate(words_of(text))}


def choose(
    question: Question, known_errors: Iterable[Lesson], found: Sequence[Lesson], limit: int = LESSONS
) -> Recalled:
    """The best of what was found, errors that are known to happen first."""
    wanted = topic(question.text)
    ranked = [entry for _, entry in sorted(_rated(wanted, question.project, found), key=lambda pair: pair[0])]
    lessons = [*known_errors, *(entry for entry in ranked if entry.kind == "lesson")]
    return Recalled(
        _different(lessons, limit),
        _different((entry for entry in ranked if entry.kind == "snippet"), SNIPPETS),
        _different((entry for entry in ranked if entry.kind == "doc"), DOCS),
    )


def alike(first: Lesson, second: Lesson) -> bool:
    """Whether two entries of one kind say the same."""
    one, other = set(words_of(first.advice)), set(words_of(second.advice))
    return first.kind == second.kind and len(one & other) >= ALIKE * len(one | other)


def _rated(wanted: Words, project: str, found: Iterable[Lesson]) -> Iterable[tuple[tuple[float, int], Lesson]]:
    for entry in found:
        trigger = words_of(entry.trigger)
        shared = sum(wanted.get(word, 0.0) for word in trigger)
        enough = ENOUGH if entry.kind == "lesson" else ENOUGH_CODE
        # A trigger of one or two words is about a question that holds them all.
        if shared < min(enough, sum(map(weight, trigger))) or shared < SHARE * sum(map(weight, trigger)):
            continue
        text = sum(wanted.get(word, 0.0) for word in set(words_of(entry.advice)).difference(trigger))
        near = SAME_PROJECT if project and entry.project == project else 0.0
        yield (-(shared + 0.25 * text + near) * (0.5 + entry.score), entry.id), entry


def _different(entries: Iterable[Lesson], limit: int) -> tuple[Lesson, ...]:
    chosen: list[Lesson] = []
    for entry in entries:
        if len(chosen) < limit and not any(alike(entry, other) for other in chosen):
            chosen.append(entry)
    return tuple(chosen)
