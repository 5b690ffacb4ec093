"""The commands of trace_collector.py that read traces: each streams, so that a trace may be as large as the disk."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from config import paths
from nightshift.dataset.files import is_dataset, judged
from nightshift.dataset.gates import Bounds
from nightshift.errors import ConfigError, NightshiftError
from nightshift.ownership import is_ours
from nightshift.records import KINDS, Record, TraceDamaged, as_line, find_run, runs_in, stream_trace
from nightshift.report.compare import delivered_lines, difference_lines, difference_of
from nightshift.report.outline import outline, outlined
from nightshift.report.reading import (
    follow,
    is_suspect,
    last_records,
    lines_of,
    matches_in,
    problems_of,
    records_in,
    summary_of,
)
from nightshift.report.stats import stats_lines, stats_of
from nightshift.report.text import counted, one_line, printable


def list_runs(options: argparse.Namespace) -> int:
    rows = [summary_of(path) for path in runs_in(options.workspace)]
    if options.json:
        return print_json(rows)
    if not rows:
        sys.stderr.write(f"no run yet in {options.workspace / '.nightshift' / 'runs'}\n")
    for row in rows:
        ending = f"{one_line(row['status']):<11} {one_line(row['exit_reason'] or '-'):<18}"
        print(f"{one_line(row['run'])}  {ending} {one_line(row['task'])[:80]}")
    return 0


def show(options: argparse.Namespace) -> int:
    found = False
    for record in records_in(_trace_path(options), kind=options.kind, span=options.span):
        found = True
        _print_record(record, options, full=options.full or (options.prompts and record.kind == "call"))
    if not found and options.kind not in ("", *KINDS):
        raise ConfigError(f"--kind {options.kind}: there is no such kind; known ones: {', '.join(sorted(KINDS))}")
    if not found:
        wanted = [f"{name} {value!r}" for name, value in (("kind", options.kind), ("span", options.span)) if value]
        sys.stderr.write(f"no records{' of ' if wanted else ''}{' and '.join(wanted)} in this run\n")
    return 0


def stats(options: argparse.Namespace) -> int:
    if options.run and is_dataset(Path(options.run)):
        found = judged(Path(options.run), Bounds()).stats
        return print_json(found) if options.json else print_lines(_described(found))
    figures = stats_of(list(outline(_trace_path(options))))
    return print_json(figures) if options.json else print_lines(stats_lines(figures))


def validate(options: argparse.Namespace) -> int:
    """Of a trace: 1 when something is wrong with it. Of a dataset: 2 when a gate refuses it."""
    if options.run and is_dataset(Path(options.run)):
        found = judged(Path(options.run), Bounds(options.max_tokens))
        head = f"{options.run}: {counted(found.stats['examples'], 'example')}"
        _tell_problems(head, found.problems, {"dataset": options.run, **found.stats}, options)
        return 2 if found.problems else 0
    path = _trace_path(options)
    suspect: list[Record] = []
    number = 0
    try:
        for record in stream_trace(path):
            number += 1
            if not suspect or is_suspect(record, suspect[0].run):
                suspect.append(outlined(record))
        problems = problems_of(suspect)
    except TraceDamaged as damage:
        problems = [str(damage)]
    told = {"trace": str(path), "records": number}
    _tell_problems(f"{path}: {counted(number, 'record')}", problems, told, options)
    return 1 if problems else 0


def tail(options: argparse.Namespace) -> int:
    path = _trace_path(options)
    for record in follow(path, options.lines) if options.follow else last_records(path, options.lines):
        _print_record(record, options, full=options.full)
        sys.stdout.flush()
    return 0


def grep(options: argparse.Namespace) -> int:
    try:
        pattern = re.compile(options.pattern)
    except re.error as error:
        raise ConfigError(f"{options.pattern!r} is not a regular expression: {error}") from error
    found = 0
    for run in chosen_runs(options):
        for record, hit in matches_in(run / "trace.jsonl", pattern):
            found += 1
            _print_hit(record, hit, options)
    return 0 if found else 1


def diff(options: argparse.Namespace) -> int:
    runs = [find_run(options.workspace, name) for name in (options.one, options.other)]
    one, other = (run / "trace.jsonl" for run in runs)
    found = difference_of(one, other)
    if options.json:
        print_json({"runs": [run.name for run in runs], "differences": found})
    else:
        print_lines(difference_lines([run.name for run in runs], found))
        print_lines(delivered_lines(one, other) if options.full else ())
    return 1 if found else 0


def chosen_runs(options: argparse.Namespace) -> list[Path]:
    """The run that `--run` names, or all of the workspace, newest first."""
    return runs_in(options.workspace) if options.run == "all" else [find_run(options.workspace, options.run)]


def is_own(run: Path) -> bool:
    """Whether this user started it on this machine; what is damaged before it says so is nobody's."""
    try:
        started = next((r for r in stream_trace(run / "trace.jsonl") if r.kind == "run_started"), None)
    except NightshiftError:
        return False
    return started is not None and is_ours(paths(os.environ).runs, run.name, started.fields)


def print_json(value: Any) -> int:
    print(json.dumps(value, indent=1))
    return 0


def print_lines(lines: Iterable[str]) -> int:
    for line in lines:
        print(line)
    return 0


def _trace_path(options: argparse.Namespace) -> Path:
    return find_run(options.workspace, options.run) / "trace.jsonl"


def _print_record(record: Record, options: argparse.Namespace, *, full: bool) -> None:
    if options.json:
        sys.stdout.write(as_line(record).decode())
    else:
        print_lines(lines_of(record, full=full))


def _print_hit(record: Record, hit: str, options: argparse.Namespace) -> None:
    if options.json:
        sys.stdout.write(as_line(record).decode())
    else:
        print(f"{one_line(record.run)}:{record.seq} {one_line(record.kind)} {one_line(record.span)}: {hit}")


def _tell_problems(head: str, problems: list[str], told: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        print_json({**told, "problems": problems})
    else:
        lines = (f"  {printable(problem)}" for problem in problems)
        print_lines([f"{head}, {counted(len(problems), 'problem')}", *lines])


def _described(found: dict[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        inner = (
            ", ".join(f"{key or '(none)'} {item}" for key, item in value.items()) if isinstance(value, dict) else value
        )
        yield one_line(f"{name.replace('_', ' ')}: {'-' if inner == '' else inner}")
