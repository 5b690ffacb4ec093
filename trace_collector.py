"""The run's one log: `Trace` writes it and answers from it on resume; the commands read it.

    python3 trace_collector.py list
    python3 trace_collector.py show latest --kind verdict

Before `record` returns, its line is with the operating system, and on disk when it is expensive or final. It
promises nothing on a disk that lies about a sync, nor to two machines writing one trace.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from nightshift.bootstrap import run_program
from nightshift.dataset import export_messages
from nightshift.disk import disk_errors, lock_or_refuse, sync, sync_folder, write_all
from nightshift.errors import ConfigError
from nightshift.records import (
    KINDS,
    Record,
    TraceDamaged,
    as_json,
    as_line,
    elapsed_of,
    find_run,
    read_trace,
    runs_in,
    stream_trace,
    usage_of,
)
from nightshift.report.reading import follow, lines_of, problems_of, summary_of, texts_in
from nightshift.report.stats import stats_lines, stats_of
from nightshift.report.text import counted, one_line, printable

SYNCED = frozenset({"run_started", "planned", "asked", "verdict", "run_finished"})
HEARTBEAT_SECONDS = 1.0

_BASE = frozenset({"seq", "time", "run", "kind", "span"})


class Trace:
    """One run's trace.jsonl, open for appending (domain.Recorder); made by `create` or `resume`.

    Threads may share it. `usage` counts the whole run, `elapsed_seconds` the parts before this one and
    `replayed` the recalled answers.
    """

    def __init__(self, run_dir: Path, run: str, *, flags: int = 0) -> None:
        self.run_dir = run_dir
        self.path = run_dir / "trace.jsonl"
        self.replayed = 0
        self._observers: list[Callable[[Record], object]] = []
        self._lock = threading.RLock()
        self._beaten = float("-inf")
        self._fd = _opened(self.path, flags | os.O_APPEND)
        self._heart = os.open(run_dir / "heartbeat", os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            # The lock comes before the reading: another process may be writing its last records.
            lock_or_refuse(self._fd, self.path)
            earlier = read_trace(self.path)
            # Number of records and their length in one value: an interrupt finds both old or both new.
            self._end = (len(earlier), _length(self.path, len(earlier)))
        except BaseException:
            self.close()
            raise
        self.run = earlier[0].run if earlier else run
        self.usage = usage_of(earlier)
        self.elapsed_seconds = elapsed_of(earlier)
        self._unused: defaultdict[tuple[str, str, str], deque[Record]] = defaultdict(deque)
        for record in earlier:
            self._unused[record.kind, record.span, str(record.fields.get("key", ""))].append(record)

    @classmethod
    def create(cls, run_dir: Path, run_id: str) -> Trace:
        """A new, empty trace; the folder is made, an existing trace is never touched."""
        with disk_errors(run_dir):
            run_dir.mkdir(parents=True, exist_ok=True)
            trace = cls(run_dir, run_id, flags=os.O_CREAT | os.O_EXCL)
            sync_folder(run_dir)
        return trace

    @classmethod
    def resume(cls, run_dir: Path) -> Trace:
        """The trace of a run that ended early, ready to answer and to go on. Raises TraceDamaged."""
        find_run(run_dir.parent, str(run_dir))
        size = (run_dir / "trace.jsonl").stat().st_size
        trace = cls(run_dir, run_dir.name)
        dropped = size - trace._end[1]
        trace.record("resumed", "", **({"dropped_bytes": dropped} if dropped > 0 else {}))
        return trace

    def record(self, kind: str, span: str, **fields: Any) -> None:
        """Appends one record, then tells the observers. Fields may be domain values. Raises DiskFull."""
        assert not _BASE & fields.keys(), f"a {kind} record has own fields named {_BASE & fields.keys()}"
        data = as_json(fields)
        with self._lock:
            record = Record(self._end[0] + 1, _now(), self.run, kind, span, data)
            self._append(as_line(record), synced=kind in SYNCED)
            self.usage += usage_of([record])
            self.beat()
            for observer in self._observers:
                observer(record)

    def recall(self, kind: str, span: str, key: str) -> Mapping[str, Any] | None:
        """The fields of the next unused record of an earlier part with that kind, span and key."""
        with self._lock:
            waiting = self._unused.get((kind, span, key))
            if not waiting:
                return None
            self.replayed += 1
            return waiting.popleft().fields

    def records(self) -> list[Record]:
        """Everything recorded so far, read back from disk."""
        return read_trace(self.path)

    def subscribe(self, observer: Callable[[Record], object]) -> None:
        """Calls it with each new record, in order, once that is written."""
        self._observers.append(observer)

    def beat(self) -> None:
        """Says in `heartbeat` that the run lives; at most once a second, so it may be called at any rate."""
        if time.monotonic() - self._beaten >= HEARTBEAT_SECONDS:
            self._beaten = time.monotonic()
            with disk_errors(self.run_dir / "heartbeat"):
                os.pwrite(self._heart, f"{int(time.time())}\n".encode(), 0)

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._heart)

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, line: bytes, *, synced: bool) -> None:
        number, length = self._end
        with disk_errors(self.path):
            if os.fstat(self._fd).st_size != length:
                # A full disk or an interrupt left half a line, or a whole one that nobody was told of.
                os.ftruncate(self._fd, length)
            write_all(self._fd, line)
            if synced:
                sync(self._fd)
        self._end = (number + 1, length + len(line))


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.action
    return run(options)


def list_runs(options: argparse.Namespace) -> int:
    rows = [summary_of(path) for path in runs_in(options.workspace)]
    if options.json:
        return _print_json(rows)
    if not rows:
        sys.stderr.write(f"no run yet in {options.workspace / '.nightshift' / 'runs'}\n")
    for row in rows:
        ending = f"{one_line(row['status']):<11} {one_line(row['exit_reason'] or '-'):<18}"
        print(f"{one_line(row['run'])}  {ending} {one_line(row['task'])[:80]}")
    return 0


def show(options: argparse.Namespace) -> int:
    found = False
    for record in stream_trace(_trace_path(options)):
        if record.span.startswith(options.span) and options.kind in ("", record.kind):
            found = True
            _print_record(record, options)
    if not found and options.kind not in ("", *KINDS):
        raise ConfigError(f"--kind {options.kind}: there is no such kind; known ones: {', '.join(sorted(KINDS))}")
    if not found:
        wanted = [f"{name} {value!r}" for name, value in (("kind", options.kind), ("span", options.span)) if value]
        sys.stderr.write(f"no records{' of ' if wanted else ''}{' and '.join(wanted)} in this run\n")
    return 0


def stats(options: argparse.Namespace) -> int:
    figures = stats_of(read_trace(_trace_path(options)))
    return _print_json(figures) if options.json else _print_lines(stats_lines(figures))


def export(options: argparse.Namespace) -> int:
    if options.format != "messages":
        raise ConfigError(f"--format {options.format} is not available yet; messages is")
    out = options.out or options.workspace / ".nightshift" / "export" / "messages.jsonl"
    manifest = export_messages([run / "trace.jsonl" for run in reversed(_chosen_runs(options))], out)
    if options.json:
        return _print_json(manifest)
    left_out = ", ".join(f"{reason} {number}" for reason, number in manifest["left_out"].items()) or "nothing"
    what = f"{counted(manifest['examples'], 'example')} from {counted(len(manifest['runs']), 'proved run')}"
    return _print_lines([f"{out}: {what}", f"left out: {left_out}"])


def validate(options: argparse.Namespace) -> int:
    path = _trace_path(options)
    records: list[Record] = []
    try:
        records = read_trace(path)
        problems = problems_of(records)
    except TraceDamaged as damage:
        problems = [str(damage)]
    if options.json:
        _print_json({"trace": str(path), "records": len(records), "problems": problems})
    else:
        head = f"{path}: {counted(len(records), 'record')}, {counted(len(problems), 'problem')}"
        _print_lines([head, *(f"  {printable(problem)}" for problem in problems)])
    return 1 if problems else 0


def tail(options: argparse.Namespace) -> int:
    path = _trace_path(options)
    shown = follow(path, options.lines) if options.follow else deque(stream_trace(path), maxlen=options.lines)
    for record in shown:
        _print_record(record, options)
        sys.stdout.flush()
    return 0


def grep(options: argparse.Namespace) -> int:
    try:
        pattern = re.compile(options.pattern)
    except re.error as error:
        raise ConfigError(f"{options.pattern!r} is not a regular expression: {error}") from error
    found = 0
    for run in _chosen_runs(options):
        for record in stream_trace(run / "trace.jsonl"):
            hits = (_around(text, match) for text in texts_in(record.fields) for match in pattern.finditer(text))
            if hit := next(hits, None):
                found += 1
                _print_hit(record, hit, options)
    return 0 if found else 1


def not_available(options: argparse.Namespace) -> int:
    raise ConfigError(f"trace_collector.py {options.command} is not available yet")


def _opened(path: Path, flags: int) -> int:
    with disk_errors(path):
        return os.open(path, os.O_WRONLY | flags, 0o644)


def _length(path: Path, lines: int) -> int:
    with path.open("rb") as file:
        return sum(map(len, islice(file, lines)))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace_path(options: argparse.Namespace) -> Path:
    return find_run(options.workspace, options.run) / "trace.jsonl"


def _chosen_runs(options: argparse.Namespace) -> list[Path]:
    return runs_in(options.workspace) if options.run == "all" else [find_run(options.workspace, options.run)]


def _print_json(value: Any) -> int:
    print(json.dumps(value, indent=1))
    return 0


def _print_lines(lines: Iterable[str]) -> int:
    for line in lines:
        print(line)
    return 0


def _print_record(record: Record, options: argparse.Namespace) -> None:
    if options.json:
        sys.stdout.write(as_line(record).decode())
    else:
        _print_lines(lines_of(record, full=options.full))


def _print_hit(record: Record, hit: str, options: argparse.Namespace) -> None:
    if options.json:
        sys.stdout.write(as_line(record).decode())
    else:
        print(f"{one_line(record.run)}:{record.seq} {one_line(record.kind)} {one_line(record.span)}: {hit}")


def _around(text: str, match: re.Match[str]) -> str:
    return one_line(text[max(0, match.start() - 40) : match.end() + 60])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trace_collector.py", description="Read the traces of runs.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _add_common(parser, workspace=Path("."), json=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, action, text, arguments in _COMMANDS:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(action=action)
        # Told before or after the command; the default of the second must not undo the first.
        _add_common(command, workspace=argparse.SUPPRESS, json=argparse.SUPPRESS)
        for flags, settings in arguments:
            command.add_argument(*flags, **settings)
    return parser


def _add_common(parser: argparse.ArgumentParser, *, workspace: Any, json: Any) -> None:
    parser.add_argument("--workspace", metavar="DIR", type=Path, default=workspace, help="default: the current one")
    parser.add_argument("--json", action="store_true", default=json, help="machine output")


_EXAMPLES = """examples:
  python3 trace_collector.py list --workspace ~/project
  python3 trace_collector.py show latest --kind verdict
  python3 trace_collector.py show 20260101-0200 --span attempt-1/build --full
  python3 trace_collector.py stats latest --json
  python3 trace_collector.py tail -f
  python3 trace_collector.py grep 'KeyError' --run all
  python3 trace_collector.py export --format messages --run all --out train.jsonl"""

Argument = tuple[tuple[str, ...], dict[str, Any]]

_RUN: Argument = (
    ("run",),
    {
        "nargs": "?",
        "default": "",
        "metavar": "RUN",
        "help": "id, unique start of one, or folder; default: latest",
    },
)
_RUN_FLAG: Argument = (
    ("--run",),
    {"default": "", "metavar": "RUN", "help": "a run, or all; default: latest"},
)
_FULL: Argument = (("--full",), {"action": "store_true", "help": "every field, prompts and replies too"})
_ANYTHING: Argument = (("rest",), {"nargs": "*", "help": argparse.SUPPRESS})

_COMMANDS: tuple[tuple[str, Callable[[argparse.Namespace], int], str, tuple[Argument, ...]], ...] = (
    ("list", list_runs, "the runs of a workspace, newest first", ()),
    ("show", show, "a run's records, readable", (
        _RUN, _FULL,
        (("--span",), {"default": "", "help": "only records whose span begins so"}),
        (("--kind",), {"default": "", "help": "only records of this kind"}),
    )),
    ("stats", stats, "calls, tokens, seconds, candidates, repairs and faults of a run", (_RUN,)),
    ("export", export, "training data from proved runs", (
        (("--format",), {"default": "messages", "choices": ("messages", "instruct", "preference")}),
        (("--run",), {"default": "all", "metavar": "RUN", "help": "a run, or all (the default)"}),
        (("--out",), {"type": Path, "metavar": "FILE", "help": "default: .nightshift/export/messages.jsonl"}),
    )),
    ("validate", validate, "check a trace; exit 1 when something is wrong with it", (_RUN,)),
    ("tail", tail, "the last records of a run", (
        _RUN, _FULL,
        (("-f", "--follow"), {"action": "store_true", "help": "go on until the run has finished"}),
        (("-n", "--lines"), {"type": int, "default": 10, "metavar": "N", "help": "default: 10"}),
    )),
    ("grep", grep, "records with a text that matches; exit 1 when there is none", (
        (("pattern",), {"metavar": "PATTERN", "help": "a regular expression"}), _RUN_FLAG,
    )),
    ("diff", not_available, "two runs compared (not available yet)", (_ANYTHING,)),
    ("merge", not_available, "training files joined (not available yet)", (_ANYTHING,)),
    ("prune", not_available, "old runs removed (not available yet)", (_ANYTHING,)),
)  # fmt: skip


if __name__ == "__main__":
    run_program(main)
