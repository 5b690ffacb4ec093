"""What a run recalls from the memory, and what it leaves behind there; the commands are in `librarian.py`.

Curating reads a trace and never changes a verdict. What a run teaches that did not pass is kept apart, and not
recalled before a run that passed has taught the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from memory import Lesson, Memory, MemoryUnavailable, Question
from nightshift.domain import Recorder
from nightshift.knowledge.entries import Recalled
from nightshift.knowledge.gates import Ground, doubt, names_of
from nightshift.knowledge.playbook import outcomes_of
from nightshift.knowledge.proposals import proposals
from nightshift.knowledge.stories import Story, stories, task_of
from nightshift.records import Record, TraceDamaged, outcome_of, plan_of, started_with
from nightshift.report.text import one_line

Value = TypeVar("Value")

TEACHING = ("passed", "failed", "limit")
"""How a run ended that has something to teach; others may still go on."""


@dataclass(frozen=True, slots=True)
class Curated:
    """What a run leaves behind."""

    lessons: tuple[Lesson, ...]
    refused: tuple[str, ...]
    """What was not kept: its trigger and why."""
    outcomes: dict[int, int]
    """Entry that was shown -> whether it helped (1), harmed (-1) or nobody knows (0)."""


class Assistant:
    """A run's own way to the memory: what it recalls is recorded, so that a resumed run is told the same.

    A memory that cannot be used is told once and done without.
    """

    def __init__(self, path: Path, recorder: Recorder, project: str, say: Callable[[str], object]) -> None:
        self._path = path
        self._recorder = recorder
        self._project = project
        self._say = say

    def recall(self, span: str, question: Question) -> str:
        """What earlier runs taught about it, as text for the prompt asked at that span."""
        known = self._recorder.recall("recalled", span, "recalled")
        if known:
            return str(known["text"])
        found = self._with_memory(lambda memory: memory.recall(replace(question, project=self._project))) or Recalled()
        self._recorder.record("recalled", span, key="recalled", ids=list(found.ids), text=str(found))
        return str(found)

    def keep(self, records: Sequence[Record], status: str) -> None:
        """What the run taught, before its trace says how it ended."""
        # A run that was over before it began has nothing to teach.
        if (
            records
            and status in TEACHING
            and (done := self._with_memory(lambda m: absorb(m, records, self._project, status)))
        ):
            new, curated = done
            self._recorder.record("learned", "", lessons=new, refused=curated.refused)

    def _with_memory(self, action: Callable[[Memory], Value]) -> Value | None:
        try:
            with Memory(self._path, warn=self._say) as memory:
                return action(memory)
        except (MemoryUnavailable, TraceDamaged) as error:
            self._say(f"going on without memory: {error}")
            return None


def curate(records: Sequence[Record], project: str = "", status: str = "") -> Curated:
    """What passes the gates of all that the run proposes; `status` as in `outcomes_of`."""
    told = "\n".join(map(_all_of, stories(records)))
    ground = Ground(f"{told}\n{task_of(records)}", names_of(plan_of(records)))
    doubted = [(proposal.lesson, doubt(proposal, ground)) for proposal in proposals(records, project)]
    return Curated(
        tuple(lesson for lesson, reason in doubted if not reason),
        tuple(f"{one_line(lesson.trigger)[:80]}: {reason}" for lesson, reason in doubted if reason),
        dict(outcomes_of(records, status)),
    )


def absorb(
    memory: Memory, records: Sequence[Record], project: str = "", status: str = ""
) -> tuple[tuple[Lesson, ...], Curated]:
    """Keeps it; what is new is returned. The same run twice changes nothing."""
    curated, run = curate(records, project, status), records[0].run
    new = memory.learn(curated.lessons, run)
    memory.credit(run, curated.outcomes)
    memory.curated(run, len(records))
    return new, curated


def project_of(workspace: Path | str) -> str:
    """A mark that is the same for all runs of a workspace, and does not tell its path."""
    return hashlib.sha256(str(Path(workspace).resolve()).encode()).hexdigest()[:12]


def teaches(records: Sequence[Record]) -> bool:
    """A run that came to an end, was no demo and was not told to leave the memory alone."""
    outcome, started = outcome_of(records), started_with(records)
    wanted = started.get("config", {}).get("memory", {}).get("enabled", True) and not started.get("demo")
    return bool(wanted and outcome and outcome.fields.get("status") in TEACHING)


def _all_of(story: Story) -> str:
    return "\n".join([story.evidence, story.advice, story.change])
