"""Two runs held against each other: where they part, what each chose and delivered, and what it cost.

Whether one is better is not said: two runs of one task differ by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

from nightshift.dataset.story import story_of
from nightshift.dataset.streaming import RunFile
from nightshift.records import Record, criteria_of, of_kind, plan_of
from nightshift.report.outline import outline
from nightshift.report.stats import stats_of
from nightshift.report.text import one_line, printable

_FIGURES = (
    "status", "exit_reason", "attempts", "wall_seconds", "usage", "candidates", "selections",
    "first_candidate_chosen", "chosen_origins", "repairs", "faults", "models",
)  # fmt: skip


def difference_of(one: Path, other: Path) -> dict[str, Any]:
    """What differs between two traces, by subject; empty when nothing does but names and times."""
    runs = [list(outline(path)) for path in (one, other)]
    return {name: found for name, differ in _SUBJECTS.items() if (found := differ(*runs))}


def difference_lines(names: Sequence[str], found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{one_line(names[0])} -> {one_line(names[1])}: {'the same' if not found else 'they differ'}"
    for subject, entries in found.items():
        yield f"{subject}:"
        for name, (before, after) in entries.items():
            yield f"  {one_line(name)}: {_shown(before)} -> {_shown(after)}"


def delivered_lines(one: Path, other: Path) -> Iterator[str]:
    """The files that both runs ended with, as a unified diff."""
    texts = [_delivered(one), _delivered(other)]
    for path in sorted(texts[0].keys() | texts[1].keys()):
        before, after = (text.get(path, "").splitlines() for text in texts)
        yield from map(printable, unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm=""))


Entries = dict[str, tuple[Any, Any]]


def _task(one: Sequence[Record], other: Sequence[Record]) -> Entries:
    tasks = [_started(records).get("task") for records in (one, other)]
    return _changed(*({"prompt": task.get("prompt") if isinstance(task, dict) else task} for task in tasks))


def _parting(one: Sequence[Record], other: Sequence[Record]) -> Entries:
    """The first question that differs, or the first that was answered otherwise."""
    answers = [{call.span: call.fields for call in of_kind(records, "call")} for records in (one, other)]
    for span, fields in answers[0].items():
        theirs = answers[1].get(span)
        if theirs is None:
            return {span: ("asked", "never asked")}
        if fields.get("key") != theirs.get("key"):
            return {span: ("one prompt", "another prompt")}
        if fields.get("said") != theirs.get("said"):
            return {span: ("one reply", "another reply")}
    later = [span for span in answers[1] if span not in answers[0]]
    return {later[0]: ("never asked", "asked")} if later else {}


def _plan(one: Sequence[Record], other: Sequence[Record]) -> Entries:
    plans = [plan_of(records) for records in (one, other)]
    return _changed(*({step.path: _step(step) for step in plan.steps} if plan else {} for plan in plans))


def _step(step: Any) -> str:
    return f"{step.kind}, {step.purpose} {step.interface}"


def _criteria(one: Sequence[Record], other: Sequence[Record]) -> Entries:
    sides = [
        {result.criterion.description: "holds" if result.passed else "fails" for result in criteria_of(records)}
        for records in (one, other)
    ]
    return _changed(*sides)


def _choices(one: Sequence[Record], other: Sequence[Record]) -> Entries:
    """What stands in the end for each file; the digest tells texts apart."""
    return _changed(*(_chosen(records) for records in (one, other)))


def _chosen(records: Sequence[Record]) -> dict[str, str]:
    candidates = {r.span: r.fields["candidate"] for r in of_kind(records, "evaluation")}
    chosen: dict[str, str] = {}
    for record in of_kind(records, "selected"):
        candidate = candidates.get(f"{record.span}/{record.fields.get('chosen')}")
        if candidate:
            chosen[str(record.fields.get("path"))] = f"{candidate.get('origin')} {candidate['digest'][:8]}"
    return chosen


def _figures(one: Sequence[Record], other: Sequence[Record]) -> Entries:
    return _changed(*({name: stats_of(records)[name] for name in _FIGURES} for records in (one, other)))


_SUBJECTS = {
    "task": _task, "first difference": _parting, "plan": _plan, "criteria": _criteria, "files": _choices,
    "figures": _figures,
}  # fmt: skip


def _changed(one: Mapping[str, Any], other: Mapping[str, Any]) -> Entries:
    names = dict.fromkeys((*one, *other))
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}


def _started(records: Sequence[Record]) -> Mapping[str, Any]:
    return next((record.fields for record in records if record.kind == "run_started"), {})


def _delivered(path: Path) -> dict[str, str]:
    """What was chosen last for each file, delivered or not."""
    with RunFile(path) as run:
        story = story_of(run.records)
        spans = {name: f"{record.span}/{record.fields['chosen']}" for name, record in story.choices.items()}
        evaluations = {record.span: record for record in of_kind(story.told, "evaluation")}
        return {name: run.text_of(evaluations[span]) for name, span in spans.items() if span in evaluations}


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return one_line(", ".join(f"{name} {item}" for name, item in value.items()))[:200] or "-"
    return one_line("-" if value is None else str(value))[:200]
