"""What of a passed run is in its result: the plan, the choices and the attempts that led to it.

The tree goes back when an attempt made it worse, when a review's objection could not be met, and when a later plan did
not pass; so the last choice for a file need not be the one that was delivered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from nightshift.domain import Verdict
from nightshift.records import Record, attempt_number, of_kind, outcome_of, proved, selections, settled, value_of

NOT_PASSED = "run not passed"
DEMO = "replies of the demo's tape"


@dataclass(frozen=True, slots=True)
class Story:
    told: Sequence[Record]
    """The run told once."""
    plan: Record | None
    """The accepted plan, as its planner gave it."""
    choices: dict[str, Record] = field(default_factory=dict)
    """Path -> what was selected for it."""
    verdict: Verdict | None = None
    """The one that passed."""
    attempts: frozenset[int] = frozenset()
    """With that plan, up to the one that passed."""

    @property
    def task(self) -> str:
        started = of_kind(self.told, "run_started")
        return str((started[0].fields.get("task") or {}).get("prompt", "")) if started else ""


def unfit(records: Sequence[Record]) -> str:
    """Why nothing of the run may be learned; empty when something may."""
    outcome = outcome_of(records)
    passed = outcome is not None and outcome.fields.get("status") == "passed" and proved(records)
    return NOT_PASSED if not passed else DEMO if is_demo(records) else ""


def is_demo(records: Sequence[Record]) -> bool:
    """Its replies were written by hand, for the demo."""
    return any(record.fields.get("demo") for record in of_kind(records, "run_started"))


def story_of(records: Sequence[Record]) -> Story:
    """Of a run that passed."""
    told = settled(records)
    met = {r.span for r in of_kind(told, "guard") if r.fields.get("rule") == "review" and _is_met(r)}
    now, best, passed = Story(told, None), None, Story(told, None)
    chosen = {record.seq for record in selections(told)}
    for record in told:
        if record.kind == "planned" and record.fields.get("accepted"):
            now, best = (passed, None) if record.span == "proved" else (Story(told, record), None)
        elif record.seq in chosen and record.fields.get("chosen") and _counts(record, met):
            now = _with(now, choices={**now.choices, str(record.fields["path"]): record})
        elif record.kind == "verdict":
            now = _with(now, verdict=value_of(Verdict, record, "verdict"), attempt=attempt_number(record))
            passed = now if now.verdict and now.verdict.passed else passed
            best = now if best is None or _score(now) > _score(best) else best
            if _score(now) < _score(best):
                now = _with(now, choices=best.choices)
    return passed


def _with(
    story: Story, *, choices: dict[str, Record] | None = None, verdict: Verdict | None = None, attempt: int = 0
) -> Story:
    return Story(
        story.told,
        story.plan,
        story.choices if choices is None else choices,
        verdict or story.verdict,
        story.attempts | {attempt} if attempt else story.attempts,
    )


def _counts(record: Record, met: set[str]) -> bool:
    """What a review had made again counts only where that met the objection."""
    review = re.match(r"attempt-\d+/review-\d+", record.span)
    return review is None or review[0] in met


def _is_met(record: Record) -> bool:
    return str(record.fields.get("action", "")).endswith("was upheld and is met")


def _score(story: Story) -> tuple[int, int]:
    return story.verdict.score if story.verdict else (0, 0)
