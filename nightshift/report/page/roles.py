"""What the run cost: tokens, cache share and time by role, and the time of each part of the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nightshift.records import Record
from nightshift.report.cache import cache_use
from nightshift.report.markup import Markup, table, tag
from nightshift.report.stats import stats_of
from nightshift.report.text import duration

BAR = 140


def roles(records: Sequence[Record]) -> Iterator[Markup]:
    figures = stats_of(records)
    if not figures["roles"]:
        return
    yield tag("h2", "Tokens and time by role", id="roles")
    most = max((row["model_seconds"] for row in figures["roles"].values()), default=0.0)
    rows = [_row(role, row, most) for role, row in figures["roles"].items()]
    total = {"replies": figures["replies"], "faults": sum(figures["faults"].values())}
    rows.append(_row("all", {**figures["usage"], **total}, 0.0))
    head = ("role", *map(_head, ("sent", "replies", "prompt", "cached", "completion", "seconds", "faults")), "")
    yield table(head, rows, "tokens and time by role")
    use = cache_use(records)
    if use.prompt:
        yield tag("p", f"{use}")
    if use.sent:
        yield tag("p", f"prompt tokens evaluated / sent by our count: {use.evaluated:,} / {use.sent:,}")
    phases: Mapping[str, float] = figures["phase_wall_seconds"]
    asked: Mapping[str, float] = figures["phase_model_seconds"]
    longest = max([*phases.values(), 0.001])
    told = (
        (phase, _num(duration(s)), _num(duration(asked.get(phase, 0.0))), _bar(s / longest))
        for phase, s in phases.items()
    )
    yield tag("h3", "Time by part of the work")
    yield table(("part", _head("time"), _head("of models, at once or not"), ""), told, "time by part")


def _row(role: str, row: Mapping[str, Any], most: float) -> tuple[object, ...]:
    prompt, cached = row["prompt_tokens"], min(row["cached_tokens"], row["prompt_tokens"])
    share = f"{cached:,} ({cached / prompt:.0%})" if prompt else "0"
    counts = (f"{row['calls']:,}", f"{row['replies']:,}", f"{prompt:,}", share, f"{row['completion_tokens']:,}")
    seconds = duration(row["model_seconds"])
    bar = _bar(row["model_seconds"] / most, role) if most else Markup("")
    return role, *map(_num, (*counts, seconds, f"{row['faults']:,}")), bar


def _bar(share: float, style: str = "checks") -> Markup:
    rect = tag("rect", "", style, width=max(1.0, round(BAR * min(share, 1.0), 1)), height=10, rx=2, y=6)
    return tag("svg", rect, width=BAR, height=18, aria_hidden="true")


def _num(text: str) -> Markup:
    return tag("td", text, "num")


def _head(name: str) -> Markup:
    return tag("th", name, "num", scope="col")
