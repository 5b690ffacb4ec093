"""What failed in a run and what turned it, read from its trace: the stuff that lessons are made of."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from nightshift.domain import Attempt, Verdict
from nightshift.evidence import normalised
from nightshift.prompting import fenced, head, tail
from nightshift.records import (
    Record,
    attempts_of,
    of_kind,
    outcome_of,
    plan_of,
    proved,
    selections,
    settled,
    started_with,
)

CHANGED_LINES = 12
"""A longer change is a rewrite that shows no single cause."""
EVIDENCE_CHARS, STORY_CHARS = 1200, 6000


@dataclass(frozen=True, slots=True)
class Story:
    """One failure and what was done about it."""

    evidence: str
    paths: tuple[str, ...]
    advice: str = ""
    """The analyst's."""
    change: str = ""
    """The lines that turned it, as a diff; empty when there were many."""
    turned: bool = False
    """What came next passed, in a run that is proved."""

    def __str__(self) -> str:
        parts = [f"Failed: {', '.join(self.paths)}\n{tail(self.evidence, EVIDENCE_CHARS)}"]
        parts += [f"Root cause: {self.advice}"] if self.advice else []
        parts += [f"Changed:\n{fenced(self.change, 'diff')}"] if self.change else []
        return "\n\n".join([*parts, "Then it passed." if self.turned else "It did not pass after that."])


def stories(records: Sequence[Record]) -> tuple[Story, ...]:
    """Attempts first, then repairs of single files."""
    return (*_attempts(records), *_repairs(records))


def stories_text(told: Sequence[Story]) -> str:
    return head("\n\n".join(f"## {number}\n{story}" for number, story in enumerate(told, 1)), STORY_CHARS)


def task_of(records: Sequence[Record]) -> str:
    return str(started_with(records).get("task", {}).get("prompt", ""))


def finished(records: Sequence[Record]) -> bool:
    return outcome_of(records) is not None


def delivered_sources(records: Sequence[Record]) -> dict[str, str]:
    """Path -> the text of each source file that a proved run ended with."""
    plan = plan_of(records)
    if not plan or not proved(records):
        return {}
    sources = {step.path for step in plan.steps if step.kind == "source" and step.path.endswith(".py")}
    texts = {r.span: _text(r) for r in of_kind(settled(records), "evaluation")}
    chosen = {r.fields.get("path"): f"{r.span}/{r.fields.get('chosen')}" for r in selections(settled(records))}
    return {path: texts[chosen[path]] for path in sorted(sources) if chosen.get(path) in texts}


def evidence_of(verdict: Verdict) -> str:
    texts = [result.evidence for result in verdict.results if not result.passed]
    if verdict.report:
        texts += [text for _, text in verdict.report.collection_errors]
        texts += [failure.detail for failure in verdict.report.failures]
    return normalised("\n".join(texts))


def _attempts(records: Sequence[Record]) -> Iterator[Story]:
    attempts, good = attempts_of(records), proved(records)
    for before, after in pairwise([*attempts, None]):
        if before and before.diagnosis and not before.verdict.passed:
            paths = tuple(culprit.path for culprit in before.diagnosis.culprits)
            turned = good and after is not None and after.verdict.passed
            change = _change_between(records, before, after, paths) if after and turned else ""
            yield Story(evidence_of(before.verdict), paths, before.diagnosis.advice.strip(), change, turned)


def _change_between(records: Sequence[Record], before: Attempt, after: Attempt, paths: Sequence[str]) -> str:
    old, new = (_chosen_in(records, attempt.number) for attempt in (before, after))
    return "".join(change(old[path], new[path]) for path in paths if path in old and path in new)


def _chosen_in(records: Sequence[Record], attempt: int) -> dict[str, str]:
    told = settled(records)
    texts = {record.span: _text(record) for record in of_kind(told, "evaluation")}
    here = [record for record in selections(told) if record.span.startswith(f"attempt-{attempt}/")]
    spans = {str(record.fields.get("path")): f"{record.span}/{record.fields.get('chosen')}" for record in here}
    return {path: texts[span] for path, span in spans.items() if span in texts}


def _repairs(records: Sequence[Record]) -> Iterator[Story]:
    """A repair that was chosen and climbs every rung, beside the failed text most like it."""
    if not proved(records):
        return
    told = settled(records)
    tried: dict[str, list[Record]] = {}
    for record in of_kind(told, "evaluation"):
        tried.setdefault(record.span.rpartition("/")[0], []).append(record)
    for choice in selections(told):
        here = tried.get(choice.span, [])
        good = next((r for r in here if r.span.endswith(f"/{choice.fields.get('chosen')}") and _passed(r)), None)
        failed = [record for record in here if not _passed(record)]
        if good is None or not failed or good.fields["candidate"].get("origin") not in ("repair", "fix"):
            continue
        nearest = max(failed, key=lambda record: _likeness(_text(record), _text(good)))
        yield Story(_details(nearest), (str(good.fields["path"]),), "", change(_text(nearest), _text(good)), True)


def change(old: str, new: str) -> str:
    """The changed lines alone, with their marks; empty for none or too many."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))[2:]
    lines = [line for line in lines if not line.startswith("@@")]
    return "\n".join([*lines, ""]) if 0 < len(lines) <= CHANGED_LINES else ""


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.splitlines(), other.splitlines(), autojunk=False).ratio()


def _passed(record: Record) -> bool:
    return all(rung.get("passed") for rung in _rungs(record))


def _details(record: Record) -> str:
    return normalised("\n".join(str(rung.get("detail", "")) for rung in _rungs(record) if not rung.get("passed")))


def _rungs(record: Record) -> Sequence[Mapping[str, Any]]:
    return record.fields.get("rungs") or ()


def _text(record: Record) -> str:
    return str(record.fields["candidate"]["text"])


def modules_of(paths: Sequence[str]) -> list[str]:
    return [Path(path).stem for path in paths if path.endswith(".py")]
