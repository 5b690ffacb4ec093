"""Results for people: standings side by side, task by task, over time; as Markdown and as one HTML page.

Every title of a simulation says that it is one. A table says what machine, what code and how many repeats it is of.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.outcomes import Outcome, read_outcomes
from benchmarks.standings import Standing, by_setting, compared, incomparable, standing
from nightshift.disk import write_atomically
from nightshift.errors import ConfigError
from nightshift.report.markup import page, table, tag
from nightshift.report.text import counted, duration

HEAD = (
    "model and settings", "runs", "accepted (95 %)", "in any repeat", "false green", "false red", "attempts", "calls",
    "tokens", "cached", "tokens/s", "time", "first candidate",
)  # fmt: skip
NOTE = (
    "Accepted: all hidden acceptance tests pass on what was delivered; interval by bootstrap over tasks and repeats. "
    "False green: a run claims success that they deny. False red: the reverse, of the best tree it kept. "
    "Attempts, calls, tokens and time are medians of a run."
)
CHEATS = (
    "Where only tampering can turn the visible tests green, a claim of success is a defect of Nightshift. "
    "Special-casing the tested values is no tampering, since the user's own tests do pass; the hidden tests deny it: "
    "a false green."
)
SIMULATION = "Simulated models: error rates were set, no model was asked; nothing here says anything about a real one."


def report(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    files = sorted(options.folder.glob("*.jsonl"))
    if not files:
        raise ConfigError(f"{options.folder}: no results (*.jsonl) lie there")
    target = write(files, options.to or options.folder / "report")
    if options.table:
        honest = [outcome for outcome in sorted(read_outcomes(files), key=_place) if outcome.kind != "cheat"]
        print("\n".join(_markdown_table(HEAD[:6], (row[:6] for row in _rows(honest)))))
    print(f"{target}.md and {target}.html written", file=sys.stderr)
    return 0


def write(files: Sequence[Path], target: Path) -> Path:
    """TARGET.md and TARGET.html."""
    outcomes = sorted(read_outcomes(file for file in files if file.exists()), key=_place)
    parts = list(_parts(outcomes))
    write_atomically(target.with_suffix(".md"), "\n".join(_markdown(parts)) + "\n")
    write_atomically(target.with_suffix(".html"), page(f"Nightshift: {parts[0][1]}", _html(parts)))
    return target


def _place(outcome: Outcome) -> tuple[list[object], str]:
    """By setting, a 7B before a 32B, and then by time."""
    parts = re.split(r"(\d+)", outcome.setting.title)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], outcome.date


def line_of(found: Standing, outcomes: Sequence[Outcome]) -> str:
    """A standing in a line."""
    if any(outcome.unsolvable for outcome in outcomes):
        hopeless = [outcome for outcome in outcomes if outcome.unsolvable]
        claims = sum(outcome.claimed for outcome in hopeless)
        rate = f"{claims} of {counted(len(hopeless), 'run')} claimed success where only tampering can"
        special = sum(outcome.false_green for outcome in outcomes if not outcome.unsolvable)
        return f"{found.setting.title}: {rate}; {special} of {len(outcomes) - len(hopeless)} by special-casing"
    return (
        f"{found.setting.title}: {sum(o.accepted for o in outcomes)} of {counted(found.runs, 'run')} accepted, "
        f"{found.accepted.percent()} of {counted(found.tasks, 'task')}; {found.false_green} false green, "
        f"{found.false_red} false red; median {found.calls:.0f} calls, {duration(found.seconds)}"
    )


Part = tuple[str, str] | tuple[str, Sequence[str], Sequence[Sequence[str]]]


def _parts(outcomes: Sequence[Outcome]) -> Iterator[Part]:
    simulated = any(outcome.setting.simulated for outcome in outcomes)
    yield "h1", "Benchmark with simulated models" if simulated else "Benchmark"
    if simulated:
        yield "p", SIMULATION
    if honest := [outcome for outcome in outcomes if outcome.kind != "cheat"]:
        yield "h2", "Standings"
        yield "table", HEAD, list(_rows(honest))
        yield "p", NOTE
        yield "table", ("setting", "machine", "code", "from", "to"), list(_provenance(honest))
        yield "h2", "Task by task"
        yield "table", *_tasks(honest)
        yield from _changes(honest)
        yield from _repairs(honest)
    if cheats := [outcome for outcome in outcomes if outcome.kind == "cheat"]:
        yield "h2", "Claims of success where the visible tests contradict the prompt"
        yield (
            "table",
            ("model and settings", "only way to green", "runs", "claimed", "replies denied"),
            [*_cheats(cheats)],
        )
        yield "p", CHEATS


def _rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    for group in by_setting(outcomes).values():
        found = standing(group)
        first = found.first_candidate_rate
        yield (
            found.setting.title, f"{found.runs} ({found.tasks} tasks)", found.accepted.percent(),
            f"{100 * found.any_accepted:.0f} %", str(found.false_green), str(found.false_red), f"{found.attempts:g}",
            f"{found.calls:g}", f"{found.tokens:.0f}", f"{100 * found.cached_share:.0f} %",
            f"{found.tokens_per_second:.0f}", duration(found.seconds), "" if first is None else f"{100 * first:.0f} %",
        )  # fmt: skip


def _provenance(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    for setting, group in by_setting(outcomes).items():
        dates = sorted(outcome.date for outcome in group)
        yield setting.title, setting.machine, setting.code, dates[0], dates[-1]


def _tasks(outcomes: Sequence[Outcome]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    groups = by_setting(outcomes)
    names = list(dict.fromkeys(outcome.task for outcome in outcomes))
    rows = [
        (name, *(_cell([outcome for outcome in group if outcome.task == name]) for group in groups.values()))
        for name in sorted(names)
    ]
    return ("task", *(setting.title for setting in groups)), rows


def _cell(outcomes: Sequence[Outcome]) -> str:
    """Accepted of all, the best of the acceptance tests, and a mark for each claim that was denied."""
    if not outcomes:
        return ""
    best = max(outcomes, key=lambda o: o.acceptance.passed / max(1, o.acceptance.total)).acceptance
    denied = " false green" * sum(outcome.false_green for outcome in outcomes)
    return f"{sum(o.accepted for o in outcomes)}/{len(outcomes)} ({best.passed}/{best.total}){denied}"


def _changes(outcomes: Sequence[Outcome]) -> Iterator[Part]:
    """Each setting against the one before it, where the two can be compared."""
    groups = list(by_setting(outcomes).values())
    pairs = [(one, other) for one, other in pairwise(groups) if not incomparable(one, other)]
    if pairs:
        yield "h2", "One against the next"
    for one, other in pairs:
        found = compared(one, other)
        yield "p", str(found)
        if found.regressions:
            yield "p", f"Regressions: {', '.join(found.regressions)}"


def _repairs(outcomes: Sequence[Outcome]) -> Iterator[Part]:
    rows = []
    for setting, group in by_setting(outcomes).items():
        counts: dict[tuple[str, str], int] = {}
        for rung, by, number in ((r, b, n) for o in group for r, f in o.repaired.items() for b, n in f.items()):
            counts[rung, by] = counts.get((rung, by), 0) + number
        rows += [(setting.title, rung, by, str(number)) for (rung, by), number in sorted(counts.items())]
    if rows:
        yield "h2", "What repaired what"
        yield "table", ("model and settings", "failed", "brought past by", "times"), rows


def _cheats(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    for setting, group in by_setting(outcomes).items():
        for way, some in (
            ("tampering", [outcome for outcome in group if outcome.unsolvable]),
            ("special-casing", [outcome for outcome in group if not outcome.unsolvable]),
        ):
            claimed = [f"{outcome.task} #{outcome.repeat}" for outcome in some if outcome.claimed]
            told = f"{len(claimed)}{': ' if claimed else ''}{', '.join(claimed)}"
            yield setting.title, way, str(len(some)), told, str(sum(outcome.denied for outcome in some))


def _markdown(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        if len(part) == 3:
            yield from _markdown_table(part[1], part[2])
        else:
            yield {"h1": "# ", "h2": "## "}.get(part[0], "") + str(part[1])
        yield ""


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in (head, *rows)]
    yield from (lines[0], "|" + " --- |" * len(head), *lines[1:])


def _html(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        yield table(part[1], part[2]) if len(part) == 3 else tag(part[0], part[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmark.py report", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="with the results, *.jsonl")
    parser.add_argument("--to", type=Path, metavar="NAME", help="writes NAME.md and NAME.html (default DIR/report)")
    parser.add_argument("--table", action="store_true", help="a short table on standard output, for a README")
    return parser
