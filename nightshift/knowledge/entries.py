"""One thing that is known from earlier work; what is asked, and what is recalled for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from nightshift.prompting import fenced, head

Kind = Literal["lesson", "error", "snippet", "doc"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_TRIGGER = MAX_SOURCE = 300
MAX_TEXT = {"lesson": 800, "error": 800, "snippet": 3000, "doc": 1500}
"""Characters of one entry."""
RETIRED_BELOW = 0.25
"""A score that only an entry reaches which was followed by failure three times and more."""
PROMPT_CHARS = 5000
"""Of all that is recalled into one prompt."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """An entry of any kind; most are lessons."""

    trigger: str
    """What it is found by: words of tasks, a normalised error, a signature, a heading."""
    advice: str
    """What is shown: advice, a fix, code, a passage."""
    run: str = ""
    """Where it comes from: a run, a folder of documentation, a package."""
    kind: Kind = "lesson"
    project: str = ""
    """A mark of the workspace it comes from."""
    proved: bool = True
    """Only a run that passed proves; until then it is kept apart and not recalled."""
    id: int = 0
    uses: int = 0
    """Runs that it was shown in and that told something about it."""
    helped: int = 0
    harmed: int = 0
    created: str = ""

    @property
    def score(self) -> float:
        """How often it was followed by success, from 0 to 1; a half for what was never tried."""
        return (self.helped + 1) / (self.helped + self.harmed + 2)

    @property
    def retired(self) -> bool:
        return self.score < RETIRED_BELOW


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    """A task, the purpose of a file: what it is about comes first."""
    project: str = ""
    evidence: str = ""
    """Tracebacks, whose errors may be known."""


@dataclass(frozen=True, slots=True)
class Recalled:
    lessons: tuple[Lesson, ...] = ()
    """Known errors first."""
    snippets: tuple[Lesson, ...] = ()
    docs: tuple[Lesson, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(entry.id for entry in (*self.lessons, *self.snippets, *self.docs))

    def __str__(self) -> str:
        """As a prompt shows it, each marked with its source; empty when there is nothing."""
        return head(
            "\n".join(_told(self.lessons, _advice) + _told((*self.snippets, *self.docs), _passage)), PROMPT_CHARS
        )


Recollect = Callable[[str, Question], str]
"""What is known about a question, as text for the prompt asked at that span."""


def nothing(span: str, question: Question) -> str:
    """For a run without memory."""
    return ""


def _told(entries: Iterable[Lesson], form: Callable[[Lesson], str]) -> list[str]:
    return [form(entry) for entry in entries]


def _advice(entry: Lesson) -> str:
    tried = f", followed by success {entry.helped} of {entry.uses} times" if entry.uses else ""
    about = f"{entry.trigger}: " if entry.kind == "error" else ""
    return f"- {about}{entry.advice} [{source_of(entry)}{tried}]"


def _passage(entry: Lesson) -> str:
    what = (
        "Code that worked in another task; follow the task where it differs" if entry.kind == "snippet" else "Reference"
    )
    return f"{what} [{source_of(entry)}]:\n{fenced(entry.advice, 'python' if entry.kind == 'snippet' else '')}"


def source_of(entry: Lesson) -> str:
    return {"snippet": "code of ", "doc": "documentation: "}.get(entry.kind, "") + (entry.run or "unknown")
