"""The run's one log: `Trace` writes it and answers from it on resume; the commands read it.

    python3 trace_collector.py list
    python3 trace_collector.py show latest --kind verdict

Before `record` returns, its line is with the operating system, and on disk when it is expensive or final. It
promises nothing on a disk that lies about a sync, nor to two machines writing one trace.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import reading
import training
from config import paths
from nightshift.bootstrap import run_program
from nightshift.dataset.formats import FORMATS
from nightshift.dataset.gates import Bounds
from nightshift.disk import disk_errors, lock_or_refuse, sync, sync_folder, write_all
from nightshift.domain import ROLES
from nightshift.records import (
    Record,
    as_json,
    as_line,
    elapsed_of,
    find_run,
    read_trace,
    started_with,
    usage_of,
)
from nightshift.report.text import counted, one_line
from nightshift.workspace.prune import Ages, Homes, Leftover, leftovers, prune
from reading import print_json, print_lines

SYNCED = frozenset({"run_started", "planned", "asked", "verdict", "run_finished"})
ANSWERS = frozenset({"call", "executed"})
"""Kinds whose key tells the whole question, so that they answer it whatever became of the run around it."""
HEARTBEAT_SECONDS = 1.0
REPLAY = "replay"
"""The rule of the guard record that says where a resumed run stopped to replay."""

_BASE = frozenset({"seq", "time", "run", "kind", "span"})


class Trace:
    """One run's trace.jsonl, open for appending (domain.Recorder); made by `create` or `resume`.

    Threads may share it. `usage` counts the whole run, `elapsed_seconds` the parts before this one and
    `replayed` the recalled answers. The `time` of its records goes on evenly, however `clock` is set meanwhile: what
    a resumed run has left of its minutes is told from it.
    """

    def __init__(self, run_dir: Path, run: str, *, flags: int = 0, clock: Callable[[], float] = time.time) -> None:
        self.run_dir = run_dir
        self.path = run_dir / "trace.jsonl"
        self.replayed = 0
        self._live = False
        self._epoch = clock() - time.monotonic()
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
        self._answers, self._decisions = _memory_of(earlier)

    @classmethod
    def create(cls, run_dir: Path, run_id: str, *, clock: Callable[[], float] = time.time) -> Trace:
        """A new, empty trace; the folder is made, an existing trace is never touched."""
        with disk_errors(run_dir):
            run_dir.mkdir(parents=True, exist_ok=True)
            trace = cls(run_dir, run_id, flags=os.O_CREAT | os.O_EXCL, clock=clock)
            sync_folder(run_dir)
        return trace

    @classmethod
    def resume(cls, run_dir: Path, *, version: str = "", clock: Callable[[], float] = time.time) -> Trace:
        """The trace of a run that ended early, ready to answer and to go on. Raises TraceDamaged.

        `version` is that of the code that goes on, to be noted where another one began.
        """
        find_run(run_dir.parent, str(run_dir))
        size = (run_dir / "trace.jsonl").stat().st_size
        trace = cls(run_dir, run_dir.name, clock=clock)
        dropped, began = size - trace._end[1], str(started_with(trace.records()).get("version", version))
        notes = {"dropped_bytes": dropped if dropped > 0 else None, "begun_by": began if began != version else None}
        trace.record("resumed", "", **{name: note for name, note in notes.items() if note})
        return trace

    def record(self, kind: str, span: str, **fields: Any) -> None:
        """Appends one record, then tells the observers. Fields may be domain values. Raises DiskFull."""
        assert not _BASE & fields.keys(), f"a {kind} record has own fields named {_BASE & fields.keys()}"
        data = as_json(fields)
        with self._lock:
            record = Record(self._end[0] + 1, self._now(), self.run, kind, span, data)
            self._append(as_line(record), synced=kind in SYNCED)
            self.usage += usage_of([record])
            self.beat()
            for observer in self._observers:
                observer(record)

    def recall(self, kind: str, span: str, key: str) -> Mapping[str, Any] | None:
        """What an earlier part recorded with that kind, span and key, once: the next answer, or the last decision.

        Decisions have no question in their key. They count until a model is asked something else than it was at the
        same place; from there on the run decides anew, and says so.
        """
        with self._lock:
            where = kind, span, key
            found = self._decisions.pop(where, None)
            if waiting := self._answers.get(where):
                found = waiting.popleft()
            elif kind == "call" and not self._live and self._asked_something_else(span):
                self._go_live(span)
            self.replayed += found is not None
            return found

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
        """Threads that were left behind write nothing any more, nor into a file that got the same number."""
        with self._lock:
            for descriptor in (self._fd, self._heart):
                os.close(descriptor)
            self._fd = self._heart = -1

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _now(self) -> str:
        now = datetime.fromtimestamp(self._epoch + time.monotonic(), UTC)
        return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _asked_something_else(self, span: str) -> bool:
        return any(k == "call" and s == span and waiting for (k, s, _), waiting in self._answers.items())

    def _go_live(self, span: str) -> None:
        self._live = True
        self._decisions.clear()
        reason = "the question is another one than on record: code, prompts or settings are not what they were"
        self.record("guard", span, rule=REPLAY, action="live from here on", reason=reason)

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


def prune_runs(options: argparse.Namespace) -> int:
    known, workspace = paths(os.environ), options.workspace.resolve()
    homes = Homes(known.trees, known.environments, known.runs)
    ages = Ages(options.days, options.keep, options.unmerged)
    found: list[Leftover] = []
    if options.yes:
        prune(workspace, homes, ages, found.append)
    else:
        found += leftovers(workspace, homes, ages)
    if options.json:
        shown = ("kind", "name", "size", "kept", "note")
        return print_json([{name: getattr(one, name) for name in shown} for one in found])
    return print_lines(_pruned_lines(found, done=options.yes))


def _pruned_lines(found: Sequence[Leftover], *, done: bool) -> Iterable[str]:
    for one in found:
        word = "stays" if one.kept else "removed" if done else "would go"
        size = f"  {one.size / 1e6:.1f} MB" if one.size else ""
        yield f"{word:<9} {one.kind:<11} {one_line(one.name)}{size}{f'  ({one_line(one.note)})' if one.note else ''}"
    gone = [one for one in found if not one.kept]
    rest = "" if done or not gone else "; --yes removes them"
    yield f"{counted(len(gone), 'leftover')}, {sum(one.size for one in gone) / 1e6:.1f} MB{rest}"


def _opened(path: Path, flags: int) -> int:
    with disk_errors(path):
        return os.open(path, os.O_WRONLY | flags, 0o644)


def _length(path: Path, lines: int) -> int:
    with path.open("rb") as file:
        return sum(map(len, islice(file, lines)))


Place = tuple[str, str, str]
"""Kind, span and key."""
Memory = tuple[dict[Place, deque[Mapping[str, Any]]], dict[Place, Mapping[str, Any]]]


def _memory_of(records: Iterable[Record]) -> Memory:
    """Answers in their order, and decisions as last told; those from before a question changed are void."""
    answers = defaultdict[Place, deque[Mapping[str, Any]]](deque)
    decisions: dict[Place, Mapping[str, Any]] = {}
    of_part: dict[Place, Mapping[str, Any]] = {}
    for record in records:
        place = record.kind, record.span, str(record.fields.get("key", ""))
        if record.kind in ANSWERS:
            answers[place].append(record.fields)
        elif record.kind == "resumed":
            of_part = {}
        elif record.kind == "guard" and record.fields.get("rule") == REPLAY:
            decisions = dict(of_part)
        else:
            decisions[place] = of_part[place] = record.fields
    return answers, decisions


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
  python3 trace_collector.py show 20260101-0200 --span attempt-1/build --prompts
  python3 trace_collector.py stats latest --json
  python3 trace_collector.py diff 20260101-0200 latest --full
  python3 trace_collector.py tail -f
  python3 trace_collector.py grep 'KeyError' --run all
  python3 trace_collector.py export --format messages --run all --out data
  python3 trace_collector.py validate data"""

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
_RUN_OR_DATA: Argument = (
    ("run",),
    {"nargs": "?", "default": "", "metavar": "RUN|DATASET", "help": "a run, or the folder or file of an export"},
)
_RUN_FLAG: Argument = (
    ("--run",),
    {"default": "", "metavar": "RUN", "help": "a run, or all; default: latest"},
)
_FULL: Argument = (("--full",), {"action": "store_true", "help": "every field, prompts and replies too"})
_FORMAT: Argument = (("--format",), {"default": "messages", "choices": tuple(FORMATS)})
_LENGTH: Argument = (
    ("--max-tokens",),
    {"type": int, "default": Bounds().max_tokens, "metavar": "N", "help": "of an example, estimated; default: 8192"},
)
_WANTED: tuple[Argument, ...] = (
    (("--role",), {"action": "append", "metavar": "ROLE", "choices": ROLES, "help": "only this role; repeatable"}),
    (("--domain",), {"action": "append", "metavar": "DOMAIN", "help": "only this domain, e.g. cli; repeatable"}),
    (("--per-role",), {"type": int, "default": 0, "metavar": "N", "help": "at most N examples of each role"}),
    (("--per-task",), {"type": int, "default": 0, "metavar": "N", "help": "at most N examples of each task"}),
    (("--max-share",), {"type": float, "default": 0.8, "metavar": "S", "help": "of one role; default: 0.8"}),
    _LENGTH,
)
_OUT: Argument = (("--out",), {"type": Path, "metavar": "DIR", "required": True, "help": "folder to write to"})

_COMMANDS: tuple[tuple[str, Callable[[argparse.Namespace], int], str, tuple[Argument, ...]], ...] = (
    ("list", reading.list_runs, "the runs of a workspace, newest first", ()),
    ("show", reading.show, "a run's records, readable", (
        _RUN, _FULL,
        (("--prompts",), {"action": "store_true", "help": "calls with what was asked and answered"}),
        (("--span",), {"default": "", "help": "only records whose span begins so"}),
        (("--kind",), {"default": "", "help": "only records of this kind"}),
    )),
    ("stats", reading.stats, "calls, tokens, seconds, candidates, repairs and faults of a run", (_RUN_OR_DATA,)),
    ("diff", reading.diff, "two runs compared; exit 1 when they differ", (
        (("one",), {"metavar": "RUN"}), (("other",), {"metavar": "RUN"}),
        (("--full",), {"action": "store_true", "help": "the files that both ended with, line by line"}),
    )),
    ("export", training.export, "training data from proved runs", (
        _FORMAT,
        (("--run",), {"default": "all", "metavar": "RUN", "help": "a run, or all (the default)"}),
        (("--out",), {"type": Path, "metavar": "DIR", "help": "default: .nightshift/export/FORMAT"}),
        (("--others",), {"action": "store_true", "help": "also runs that you did not start on this machine"}),
        *_WANTED,
    )),
    ("validate", reading.validate, "check a trace, exit 1 when it is damaged; or training data, exit 2", (
        _RUN_OR_DATA, _LENGTH,
    )),
    ("merge", training.merge_datasets, "training data joined, without what occurs twice", (
        (("datasets",), {"nargs": "+", "type": Path, "metavar": "DATASET"}), _OUT, *_WANTED,
    )),
    ("filter", training.merge_datasets, "training data of some roles or domains", (
        (("datasets",), {"nargs": 1, "type": Path, "metavar": "DATASET"}), _OUT, *_WANTED,
    )),
    ("train", training.train, "run `[train] command` on data that every gate lets pass", (
        (("dataset",), {"nargs": "?", "type": Path, "metavar": "DATA", "help": "default: .nightshift/export/FORMAT"}),
        (("--config",), {"type": Path, "metavar": "FILE", "help": "a configuration file"}),
        _FORMAT, _LENGTH,
    )),
    ("tail", reading.tail, "the last records of a run", (
        _RUN, _FULL,
        (("-f", "--follow"), {"action": "store_true", "help": "go on until the run has finished"}),
        (("-n", "--lines"), {"type": int, "default": 10, "metavar": "N", "help": "default: 10"}),
    )),
    ("grep", reading.grep, "records with a text that matches; exit 1 when there is none", (
        (("pattern",), {"metavar": "PATTERN", "help": "a regular expression"}), _RUN_FLAG,
    )),
    ("prune", prune_runs, "old runs of a workspace with their trees, branches and environments: shown, or removed", (
        (("--days",), {"type": float, "default": 30.0, "metavar": "N", "help": "older than this; default: 30"}),
        (("--keep",), {"type": int, "default": 10, "metavar": "N", "help": "newest runs that stay; default: 10"}),
        (("--unmerged",), {"action": "store_true", "help": "branches too whose commits no other branch has"}),
        (("--yes",), {"action": "store_true", "help": "remove; without it, only show"}),
    )),
)  # fmt: skip


if __name__ == "__main__":
    run_program(main)
