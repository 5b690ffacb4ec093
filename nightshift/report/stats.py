"""The figures of one run, folded from its records and ready for JSON; outlines of the records will do."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from nightshift.records import (
    Record,
    as_json,
    attempts_of,
    elapsed_of,
    of_kind,
    outcome_of,
    selections,
    settled,
    usage_of,
)
from nightshift.report.cache import cache_use
from nightshift.report.text import one_line

PHASES = ("explore", "plan", "tests", "build", "trust", "judge", "review", "diagnose")
_MADE = re.compile(r"\S+ made from (?P<base>.+)")


def stats_of(records: Sequence[Record]) -> dict[str, Any]:
    """Calls, tokens and seconds by role and phase; candidates, repairs and faults by outcome."""
    told = settled(records)
    calls = of_kind(told, "call")
    outcome = outcome_of(told)
    chosen = [r.fields for r in selections(told) if r.fields.get("chosen")]
    first = sum(f.get("considered", [None])[:1] == [f["chosen"]] for f in chosen)
    return {
        "status": outcome.fields.get("status") if outcome else "unfinished",
        "exit_reason": outcome.fields.get("exit_reason") if outcome else None,
        "attempts": len(attempts_of(told)),
        "wall_seconds": round(elapsed_of(records), 3),
        "usage": as_json(usage_of(told)),
        "replies": len(calls),
        "prompts": cache_use(calls).figures(),
        "roles": {role: _role_stats(told, role) for role in _roles(told)},
        "phase_model_seconds": _model_seconds(calls),
        "phase_wall_seconds": _wall_seconds(records),
        "models": dict(Counter(str(r.fields.get("model_served") or r.fields.get("model_requested")) for r in calls)),
        "candidates": len(of_kind(told, "evaluation")),
        "first_candidate_chosen": first,
        "selections": len(chosen),
        "first_candidate_rate": round(first / len(chosen), 4) if chosen else None,
        "chosen_origins": _chosen_origins(told),
        "repairs": dict(Counter(_repairer(r) for r in of_kind(told, "repair"))),
        "repaired": _repaired(told),
        "faults": dict(Counter(str(r.fields.get("fault")) for r in of_kind(told, "fault"))),
        "parts": 1 + len(of_kind(told, "resumed")),
        "records": len(records),
    }


def stats_lines(figures: dict[str, Any]) -> list[str]:
    """The same as a table and a list."""
    total = {"replies": figures["replies"], "faults": sum(figures["faults"].values())}
    rows = {**figures["roles"], "all": {**figures["usage"], **total}}
    head = f"{'role':<10}   sent replies    prompt    cached completion  seconds faults"
    rest = {name: value for name, value in figures.items() if name not in ("roles", "usage", "replies")}
    return [head, *(_row(role, row) for role, row in rows.items()), *(_entry(*item) for item in rest.items())]


def phase_of(span: str) -> str:
    """The part of the work that a span belongs to; empty where it belongs to none.

    >>> phase_of("attempt-1/build/shop/tests/cart.py/candidate-2"), phase_of("tests/tests/test_a.py/sample-1")
    ('build', 'tests')
    """
    parts = re.sub(r"-\d+(?=/|$)", "", span).split("/")
    return next((part for part in parts if part in PHASES), "")


def _row(role: str, row: dict[str, Any]) -> str:
    tokens = f"{row['prompt_tokens']:>9} {row['cached_tokens']:>9} {row['completion_tokens']:>10}"
    counts = f"{row['calls']:>6} {row['replies']:>7}"
    return f"{one_line(role):<10} {counts} {tokens} {row['model_seconds']:>8.1f} {row['faults']:>6}"


def _entry(name: str, value: Any) -> str:
    return one_line(f"{name.replace('_', ' ')}: {_shown(value)}")


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_nested(item)}" for key, item in value.items()) or "-"
    return "-" if value in ("", None) else value


def _nested(value: Any) -> Any:
    return f"({_shown(value)})" if isinstance(value, dict) else _shown(value)


def _roles(records: Iterable[Record]) -> list[str]:
    return sorted({str(record.fields.get("role")) for record in of_kind(records, "asked", "call")})


def _role_stats(records: Iterable[Record], role: str) -> dict[str, Any]:
    own = [record for record in records if record.fields.get("role") == role]
    usage = as_json(usage_of(own))
    counts = {"replies": len(of_kind(own, "call")), "faults": len(of_kind(own, "fault"))}
    return {**usage, "model_seconds": round(usage["model_seconds"], 3), **counts}


def _model_seconds(calls: Iterable[Record]) -> dict[str, float]:
    """Calls in flight at once count each in full."""
    seconds = defaultdict[str, float](float)
    for call in calls:
        seconds[phase_of(call.span) or "other"] += call.fields.get("seconds") or 0.0
    return _in_order(seconds)


def _wall_seconds(records: Iterable[Record]) -> dict[str, float]:
    """The time up to each record belongs to its phase; what ran in the sandbox, to the phase that is told of next."""
    seconds = defaultdict[str, float](float)
    before: datetime | None = None
    waiting = 0.0
    for record in records:
        now = datetime.fromisoformat(record.time)
        if before is not None and record.kind != "resumed":
            waiting += max(0.0, (now - before).total_seconds())
        before = now
        if phase := phase_of(record.span):
            seconds[phase] += waiting
            waiting = 0.0
    seconds["other"] += waiting
    return _in_order(seconds)


def _in_order(seconds: Mapping[str, float]) -> dict[str, float]:
    return {phase: round(seconds[phase], 3) for phase in (*PHASES, "other") if seconds.get(phase)}


def _chosen_origins(told: Sequence[Record]) -> dict[str, int]:
    """How the chosen files came about: sample, repair, fix, splice, or kept as they were."""
    origins = {r.span: str(r.fields["candidate"].get("origin", "sample")) for r in of_kind(told, "evaluation")}
    spans = [f"{r.span}/{r.fields.get('chosen')}" for r in selections(told)]
    return dict(Counter(origins[span] for span in spans if span in origins))


def _repaired(told: Sequence[Record]) -> dict[str, dict[str, int]]:
    """The check that a candidate failed -> what brought it past that check, and how often."""
    failed = {record.span: _failed_rung(record) for record in of_kind(told, "evaluation")}
    found: dict[str, Counter[str]] = {}
    for record in of_kind(told, "repair"):
        step, _, label = record.span.rpartition("/")
        made = _MADE.fullmatch(str(record.fields.get("outcome")))
        before = failed.get(f"{step}/{made['base'] if made else label.rpartition('+')[0]}")
        after = failed.get(record.span)
        if before and after is not None and _comes_past(after, before):
            found.setdefault(before, Counter())[_repairer(record)] += 1
    return {rung: dict(counts) for rung, counts in found.items()}


def _failed_rung(record: Record) -> str:
    """Empty for a candidate that failed none."""
    return next((str(rung.get("name")) for rung in record.fields.get("rungs") or () if not rung.get("passed")), "")


_RUNGS = ("parses", "interface", "imports", "tests", "criteria")


def _comes_past(after: str, before: str) -> bool:
    return not after or (before in _RUNGS and after in _RUNGS and _RUNGS.index(after) > _RUNGS.index(before))


def _repairer(record: Record) -> str:
    outcome = str(record.fields.get("outcome"))
    return "model" if _MADE.fullmatch(outcome) else outcome.partition(":")[0]
