"""What is wanted of one file, how far the search for it may go, and who writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from nightshift.domain import Candidate, Plan, Step, Task
from nightshift.knowledge.entries import Question, Recollect, nothing
from nightshift.search.voting import Voter


@dataclass(frozen=True, slots=True)
class Brief:
    """All that the builder of one file is told."""

    task: Task
    plan: Plan
    step: Step
    span: str
    modules: str
    """Signatures of the finished modules it may import."""
    current: str = ""
    """The content to improve, when there is one."""
    evidence: str = ""
    advice: str = ""
    """The root cause found by the analyst."""
    lessons: str = ""
    """From earlier work."""
    recollect: Recollect = nothing
    found: str = ""
    """The user's own file, as it was before the run: a fresh start begins there, never from nothing."""
    style: str = ""
    """How the project writes its code, in a line."""
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The project's files, of which the author may ask to see some."""

    def informed(self, span: str, evidence: str) -> Brief:
        """With what earlier work taught about this file and these failures."""
        question = Question(f"{self.step.purpose}\n{self.task.prompt}", evidence=evidence)
        return replace(self, lessons=self.recollect(span, question))


@dataclass(frozen=True, slots=True)
class Effort:
    """How far the search goes for one file."""

    count: int
    temperatures: tuple[float, ...]
    """Of the first, second, ... candidate; the last one also of all further ones."""
    widened: int
    repairs: int
    fixes: bool = True
    """Mechanical faults are mended without asking."""
    splice: bool = True
    """Functions of several candidates are put together."""
    probes: bool = True
    """Candidates that no test tells apart are told apart by inputs made for it."""
    votes: bool = False
    """What execution cannot decide is put to the voter role."""


class Builder(Voter, Protocol):
    async def build(self, brief: Brief, label: str, *, temperature: float, hint: str = "") -> Candidate: ...

    async def repair(
        self, brief: Brief, current: Candidate, evidence: str, label: str, *, temperature: float
    ) -> Candidate: ...
