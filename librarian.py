"""After a run: what its trace teaches is kept for the next ones, and the commands to look after what is kept.

    python3 librarian.py curate latest
    python3 librarian.py search "a task tracker with JSON storage"

Curating reads a trace and never changes a verdict. What a run teaches that did not pass is kept apart, and not
recalled before a run that passed has taught the same.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curating import absorb, project_of, teaches
from memory import Memory, default_path
from nightshift.bootstrap import run_program
from nightshift.disk import lock_or_refuse, write_atomically
from nightshift.errors import ConfigError, Refused, WorkspaceLocked
from nightshift.knowledge.documents import folder_passages, package_passages
from nightshift.knowledge.entries import KINDS, Lesson, Question, source_of
from nightshift.knowledge.gates import private
from nightshift.knowledge.playbook import as_text, from_text
from nightshift.records import TraceDamaged, as_json, find_run, read_trace, runs_in, started_with
from nightshift.report.text import counted, one_line
from reading import is_own

WATCH_SECONDS = 30.0
LOWEST_PRIORITY = 19
_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)
"""What reading a trace comes to that no run of ours has written."""


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.action
    return run(options)


def curate_run(options: argparse.Namespace) -> int:
    records = read_trace(find_run(options.workspace, options.run) / "trace.jsonl")
    name = records[0].run if records else "(empty trace)"
    try:
        if not teaches(records):
            raise Refused(f"run {name} is not over, was a demo, or ran with --no-memory: it teaches nothing")
        with _memory(options) as memory:
            new, curated = absorb(memory, records, project_of(str(started_with(records).get("workspace", ""))))
    except _MISSHAPEN as error:
        raise TraceDamaged(f"run {name} is of a shape that no run of Nightshift writes: {error}") from error
    for refusal in curated.refused:
        sys.stderr.write(f"not kept  {refusal}\n")
    return _show(new, options, "learned nothing new")


def watch(options: argparse.Namespace) -> int:
    """Until it is stopped; a run that was curated is known by the memory, so it may be stopped at any time."""
    os.nice(max(0, LOWEST_PRIORITY - os.nice(0)))
    folders = [options.workspace, *options.folders]
    with _alone(options.memory or default_path()), _memory(options) as memory:
        sys.stderr.write(f"watching  {', '.join(map(str, folders))}\n")
        looked_at: dict[Path, int] = {}
        while True:
            for run in (run for folder in folders for run in reversed(runs_in(folder))):
                _look_at(run, memory, looked_at, others=options.others)
            if options.once:
                return 0
            time.sleep(options.every)


def _look_at(run: Path, memory: Memory, looked_at: dict[Path, int], *, others: bool) -> None:
    """Curates a finished run that has grown since it was looked at: a stranger's, which a checkout brought, may lie."""
    trace = run / "trace.jsonl"
    try:
        size = trace.stat().st_size
        if looked_at.get(run) == size:
            return
        looked_at[run] = size
        if not others and not is_own(run):
            sys.stderr.write(f"left out  {run.name}: you did not start it here; --others learns from it too\n")
            return
        records = read_trace(trace)
        if not records or not teaches(records) or memory.is_curated(records[0].run, len(records)):
            return
        new, _ = absorb(memory, records, project_of(str(started_with(records).get("workspace", ""))))
    except (TraceDamaged, OSError, *_MISSHAPEN) as error:
        sys.stderr.write(f"left out  {run.name}: {one_line(str(error))}\n")
        return
    sys.stderr.write(f"curated  {run.name}: {_entries(len(new))} new\n")


@contextmanager
def _alone(memory: Path) -> Iterator[None]:
    """One watching process for a memory; the lock goes with the process, however it ends."""
    path = memory.with_name(f"{memory.name}.watch")
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            lock_or_refuse(fd, path)
        except WorkspaceLocked:
            raise WorkspaceLocked(f"another `librarian.py watch` works on {memory}: one is enough") from None
        yield
    finally:
        os.close(fd)


def search(options: argparse.Namespace) -> int:
    with _memory(options) as memory:
        found = memory.recall(Question(options.text, project_of(options.workspace), options.text), options.limit)
    return _show([*found.lessons, *found.snippets, *found.docs], options, "nothing fits")


def list_entries(options: argparse.Namespace) -> int:
    with _memory(options) as memory:
        entries = memory.lessons(*((options.kind,) if options.kind else ("lesson", "error")))
    if options.scores:
        entries = sorted((entry for entry in entries if entry.uses), key=lambda entry: (-entry.score, entry.id))
    return _show(entries, options, "nothing was shown to a run yet" if options.scores else "nothing learned yet")


def add(options: argparse.Namespace) -> int:
    given = [name for name in ("folder", "package", "lesson") if getattr(options, name)]
    if len(given) != 1:
        raise ConfigError("add one thing: DIR, --package NAME, or --lesson TRIGGER ADVICE")
    return _ADDERS[given[0]](options)


def _add_lesson(options: argparse.Namespace) -> int:
    trigger, advice = options.lesson
    lesson = Lesson(trigger, advice, "by hand")
    if reason := private(lesson):
        raise ConfigError(f"not added: {reason}; write it without")
    with _memory(options) as memory:
        return _show(memory.learn([lesson], "by hand"), options, "nothing added: known already, or too few words")


def _add_folder(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    return _renew(options, folder.resolve().name, folder_passages(folder))


def _add_package(options: argparse.Namespace) -> int:
    return _renew(options, f"package {options.package}", package_passages(options.package))


def _renew(options: argparse.Namespace, source: str, passages: Iterable[Lesson]) -> int:
    every = list(passages)
    kept = [passage for passage in every if not private(passage)]
    with _memory(options) as memory:
        number = memory.renew(source, kept)
    left_out = f", {len(every) - len(kept)} left out: they hold secrets" if len(kept) < len(every) else ""
    sys.stderr.write(f"{source}: {counted(number, 'passage')}{left_out}\n")
    return 0


_ADDERS = {"folder": _add_folder, "package": _add_package, "lesson": _add_lesson}


def forget(options: argparse.Namespace) -> int:
    with _memory(options) as memory:
        if not memory.forget(options.id):
            raise ConfigError(f"there is no entry {options.id}; `python3 librarian.py list` shows those there are")
    sys.stderr.write(f"forgot entry {options.id}\n")
    return 0


def export_playbook(options: argparse.Namespace) -> int:
    with _memory(options) as memory:
        entries = memory.playbook()
    write_atomically(options.file, as_text(entries))
    sys.stderr.write(f"{options.file}: {counted(len(entries), 'lesson')} and known errors, with their scores\n")
    return 0


def import_playbook(options: argparse.Namespace) -> int:
    try:
        told = from_text(options.file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {options.file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{options.file} is no playbook that can be read: {error}") from error
    kept = [one for one in told if not private(one.lesson)]
    if len(kept) < len(told):
        sys.stderr.write(f"left out  {_entries(len(told) - len(kept))}: they hold secrets or paths\n")
    with _memory(options) as memory:
        return _show(memory.merge(kept), options, "nothing new in it")


def _entries(number: int) -> str:
    return f"{number:,} {'entry' if number == 1 else 'entries'}"


def _memory(options: argparse.Namespace) -> Memory:
    return Memory(options.memory or default_path())


def _show(entries: Iterable[Lesson], options: argparse.Namespace, otherwise: str) -> int:
    entries = list(entries)
    if options.json:
        told = [{**as_json(entry), "score": round(entry.score, 2), "retired": entry.retired} for entry in entries]
        print(json.dumps(told, indent=1))
        return 0
    for entry in entries:
        print(f"{entry.id:>4}  {one_line(entry.trigger)}  ({one_line(_standing(entry))})")
        print(f"      {one_line(entry.advice)[:400]}")
    if not entries:
        sys.stderr.write(otherwise + "\n")
    return 0


def _standing(entry: Lesson) -> str:
    state = "" if entry.proved else ", kept apart until it is proved"
    state += ", retired" if entry.retired else ""
    return f"{entry.kind}, {source_of(entry)}, helped {entry.helped} of {entry.uses}, score {entry.score:.2f}{state}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="librarian.py", description="Learn from runs, and look after what was learned.",
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _add_common(parser, workspace=Path("."), memory=None, json=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, action, text, arguments in _COMMANDS:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(action=action)
        # Told before or after the command; the default of the second must not undo the first.
        _add_common(command, workspace=argparse.SUPPRESS, memory=argparse.SUPPRESS, json=argparse.SUPPRESS)
        for flag, settings in arguments:
            command.add_argument(flag, **settings)
    return parser


def _add_common(parser: argparse.ArgumentParser, *, workspace: Any, memory: Any, json: Any) -> None:
    parser.add_argument("--workspace", metavar="DIR", type=Path, default=workspace, help="default: the current one")
    parser.add_argument("--memory", metavar="FILE", type=Path, default=memory, help="another database")
    parser.add_argument("--json", action="store_true", default=json, help="machine output")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.05 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError("from 0.05 to 86400")
    return seconds


_EXAMPLES = """examples:
  python3 librarian.py curate latest --workspace ~/project
  python3 librarian.py search "a task tracker with JSON storage"
  python3 librarian.py add ~/project/docs
  python3 librarian.py add --package flask
  python3 librarian.py add --lesson "json storage persistence" "Write to a temporary file, then replace."
  python3 librarian.py list --scores
  python3 librarian.py forget 7
  python3 librarian.py watch ~/project ~/other
  python3 librarian.py export playbook.json"""

Argument = tuple[str, dict[str, Any]]

_FILE: Argument = ("file", {"type": Path, "metavar": "FILE"})

_COMMANDS: tuple[tuple[str, Callable[[argparse.Namespace], int], str, tuple[Argument, ...]], ...] = (
    ("curate", curate_run, "learn from a finished run", (
        ("run", {"nargs": "?", "default": "", "metavar": "RUN", "help": "default: the latest"}),
    )),
    ("watch", watch, "curate runs as they finish, until stopped", (
        ("folders", {"nargs": "*", "type": Path, "metavar": "DIR", "help": "further workspaces"}),
        ("--others", {"action": "store_true", "help": "also runs that you did not start on this machine"}),
        ("--once", {"action": "store_true", "help": "those that are there now, then end"}),
        ("--every", {"type": _seconds, "default": WATCH_SECONDS, "metavar": "SECONDS", "help": "default: 30"}),
    )),
    ("search", search, "what would be recalled for a task or an error", (
        ("text", {"metavar": "TEXT"}),
        ("--limit", {"type": int, "default": 3, "metavar": "N", "help": "lessons; default: 3"}),
    )),
    ("list", list_entries, "all lessons and known errors", (
        ("--scores", {"action": "store_true", "help": "those that were shown to runs, the best first"}),
        ("--kind", {"choices": KINDS, "help": "only these"}),
    )),
    ("add", add, "documentation, or a lesson of your own", (
        ("folder", {"nargs": "?", "type": Path, "metavar": "DIR", "help": "a folder of .md, .rst or .txt files"}),
        ("--package", {"metavar": "NAME", "help": "docstrings of an installed package"}),
        ("--lesson", {"nargs": 2, "metavar": ("TRIGGER", "ADVICE")}),
    )),
    ("forget", forget, "remove an entry", (("id", {"type": int, "metavar": "ID"}),)),
    ("export", export_playbook, "write lessons and scores to a JSON file", (_FILE,)),
    ("import", import_playbook, "take such a file in; twice is once", (_FILE,)),
)  # fmt: skip


if __name__ == "__main__":
    run_program(main)
