"""The figures of one run, folded from its records and ready for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
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


def stats_of(records: Sequence[Record]) -> dict[str, Any]:
    """Calls, tokens and seconds by role; candidates, repairs and faults by outcome."""
    told = settled(records)
    calls = of_kind(told, "call")
    outcome = outcome_of(told)
    chosen = [r.fields for r in selections(told) if r.fields.get("chosen")]
    return {
        "status": outcome.fields.get("status") if outcome else "unfinished",
        "exit_reason": outcome.fields.get("exit_reason") if outcome else None,
        "attempts": len(attempts_of(told)),
        "wall_seconds": round(elapsed_of(records), 3),
        "usage": as_json(usage_of(told)),
        "replies": len(calls),
        "prompts": cache_use(calls).figures(),
        "roles": {role: _role_stats(told, role) for role in _roles(told)},
        "models": dict(Counter(str(r.fields.get("model_served") or r.fields.get("model_requested")) for r in calls)),
        "candidates": len(of_kind(told, "evaluation")),
        "first_candidate_chosen": sum(f.get("considered", [None])[:1] == [f["chosen"]] for f in chosen),
        "selections": len(chosen),
        "repairs": dict(Counter(str(r.fields.get("outcome")) for r in of_kind(told, "repair"))),
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


def _row(role: str, row: dict[str, Any]) -> str:
    tokens = f"{row['prompt_tokens']:>9} {row['cached_tokens']:>9} {row['completion_tokens']:>10}"
    counts = f"{row['calls']:>6} {row['replies']:>7}"
    return f"{one_line(role):<10} {counts} {tokens} {row['model_seconds']:>8.1f} {row['faults']:>6}"


def _entry(name: str, value: Any) -> str:
    text = ", ".join(f"{key} {_shown(number)}" for key, number in value.items()) if isinstance(value, dict) else value
    return one_line(f"{name.replace('_', ' ')}: {_shown(text)}")


def _shown(value: Any) -> Any:
    return "-" if value in ("", None) else value


def _roles(records: Iterable[Record]) -> list[str]:
    return sorted({str(record.fields.get("role")) for record in of_kind(records, "asked", "call")})


def _role_stats(records: Iterable[Record], role: str) -> dict[str, Any]:
    own = [record for record in records if record.fields.get("role") == role]
    usage = as_json(usage_of(own))
    counts = {"replies": len(of_kind(own, "call")), "faults": len(of_kind(own, "fault"))}
    return {**usage, "model_seconds": round(usage["model_seconds"], 3), **counts}
