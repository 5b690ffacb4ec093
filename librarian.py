"""After a proved run: what its trace teaches becomes lessons, and the commands to look after them.

    python3 librarian.py curate latest
    python3 librarian.py search "a task tracker with JSON storage"

Only a run whose verdict passed teaches anything. Curating reads the trace and never changes a verdict.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from memory import Lesson, Memory, default_path, words_of
from nightshift.bootstrap import run_program
from nightshift.disk import write_atomically
from nightshift.domain import Attempt, Verdict
from nightshift.errors import ConfigError, Refused
from nightshift.records import Record, as_json, attempts_of, find_run, from_json, proved, read_trace
from nightshift.report.text import counted, one_line
from nightshift.source.credentials import SECRET

MAX_LESSONS_PER_RUN = 5
MAX_TASK_WORDS = 8


class NotProved(Refused):
    """Nothing may be learned from a run that did not pass."""


def curate(records: Sequence[Record]) -> tuple[Lesson, ...]:
    """A lesson for each diagnosis whose advice turned a failing verdict into a passing one; or NotProved."""
    run = records[0].run if records else "(empty trace)"
    if not proved(records):
        raise NotProved(f"run {run} did not pass, so there is nothing to learn from it: curate a run that passed")
    task = next((r.fields.get("task", {}).get("prompt", "") for r in records if r.kind == "run_started"), "")
    turned = [(before, after) for before, after in pairwise(attempts_of(records)) if after.verdict.passed]
    lessons = [_lesson(before, task, run) for before, _ in turned if before.diagnosis and not before.verdict.passed]
    return tuple(lesson for lesson in lessons if lesson.advice and not SECRET.search(lesson.advice))[
        :MAX_LESSONS_PER_RUN
    ]


def _lesson(attempt: Attempt, task: str, run: str) -> Lesson:
    diagnosis = attempt.diagnosis
    assert diagnosis, "only an attempt with a diagnosis makes a lesson"
    modules = [Path(culprit.path).stem for culprit in diagnosis.culprits]
    words = words_of(" ".join(modules)) + words_of(task)[:MAX_TASK_WORDS]
    return Lesson(" ".join(dict.fromkeys([*_exceptions(attempt.verdict), *words])), diagnosis.advice.strip(), run)


def _exceptions(verdict: Verdict) -> list[str]:
    """The exception types that failing evidence names, the most frequent first, at most two."""
    texts = [result.evidence for result in verdict.results if not result.passed]
    if verdict.report:
        texts += [text for _, text in verdict.report.collection_errors]
        texts += [failure.detail for failure in verdict.report.failures]
    names = re.findall(r"\b[A-Z]\w*(?:Error|Exception|Warning|Exit)\b", "\n".join(texts))
    return sorted(dict.fromkeys(names), key=names.count, reverse=True)[:2]


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.action
    return run(options)


def curate_run(options: argparse.Namespace) -> int:
    records = read_trace(find_run(options.workspace, options.run) / "trace.jsonl")
    lessons = curate(records)
    with _memory(options) as memory:
        return _show(memory.learn(lessons, records[0].run), options, "learned nothing new")


def search(options: argparse.Namespace) -> int:
    with _memory(options) as memory:
        return _show(memory.recall(options.text, options.limit), options, "nothing fits")


def list_lessons(options: argparse.Namespace) -> int:
    with _memory(options) as memory:
        return _show(memory.lessons(), options, "nothing learned yet")


def add(options: argparse.Namespace) -> int:
    lesson = Lesson(options.trigger, options.advice, "by hand")
    return _show(_memory(options).learn([lesson], "by hand"), options, "nothing added: known already, or too few words")


def forget(options: argparse.Namespace) -> int:
    if not _memory(options).forget(options.id):
        raise ConfigError(f"there is no lesson {options.id}; `python3 librarian.py list` shows those there are")
    sys.stderr.write(f"forgot lesson {options.id}\n")
    return 0


def export_lessons(options: argparse.Namespace) -> int:
    with _memory(options) as memory:
        lessons = memory.lessons()
    write_atomically(options.file, "".join(json.dumps(as_json(lesson)) + "\n" for lesson in lessons))
    sys.stderr.write(f"{options.file}: {counted(len(lessons), 'lesson')}\n")
    return 0


def import_lessons(options: argparse.Namespace) -> int:
    return _show(_memory(options).learn(_read_lessons(options.file), "imported"), options, "nothing new in it")


def not_available(options: argparse.Namespace) -> int:
    raise ConfigError(f"librarian.py {options.command} is not available yet; `curate RUN` does one run")


def _read_lessons(path: Path) -> list[Lesson]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return [_read_lesson(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _read_lesson(line: bytes, where: str) -> Lesson:
    try:
        return from_json(Lesson, json.loads(line))
    except ValueError as error:
        raise ConfigError(f"{where}: this is no lesson: {error}") from error


def _memory(options: argparse.Namespace) -> Memory:
    return Memory(options.memory or default_path())


def _show(lessons: Iterable[Lesson], options: argparse.Namespace, otherwise: str) -> int:
    lessons = list(lessons)
    if options.json:
        print(json.dumps(as_json(lessons), indent=1))
        return 0
    for lesson in lessons:
        origin = f"run {one_line(lesson.run)}, helped {lesson.helped} of {lesson.uses}"
        print(f"{lesson.id:>4}  {one_line(lesson.trigger)}  ({origin})")
        print(f"      {one_line(lesson.advice)}")
    if not lessons:
        sys.stderr.write(otherwise + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="librarian.py", description="Learn from proved runs, and look after what was learned.",
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


_EXAMPLES = """examples:
  python3 librarian.py curate latest --workspace ~/project
  python3 librarian.py search "a task tracker with JSON storage"
  python3 librarian.py add "json storage persistence" "Write to a temporary file, then replace."
  python3 librarian.py list --json
  python3 librarian.py forget 7
  python3 librarian.py export lessons.jsonl"""

Argument = tuple[str, dict[str, Any]]

_FILE: Argument = ("file", {"type": Path, "metavar": "FILE"})

_COMMANDS: tuple[tuple[str, Callable[[argparse.Namespace], int], str, tuple[Argument, ...]], ...] = (
    ("curate", curate_run, "learn from a run that passed", (
        ("run", {"nargs": "?", "default": "", "metavar": "RUN", "help": "default: the latest"}),
    )),
    ("search", search, "what would be recalled for a task", (
        ("text", {"metavar": "TEXT"}),
        ("--limit", {"type": int, "default": 3, "metavar": "N", "help": "default: 3"}),
    )),
    ("list", list_lessons, "all lessons", ()),
    ("add", add, "a lesson of your own", (
        ("trigger", {"metavar": "TRIGGER", "help": "words of the tasks it is for"}),
        ("advice", {"metavar": "ADVICE"}),
    )),
    ("forget", forget, "remove a lesson", (("id", {"type": int, "metavar": "ID"}),)),
    ("export", export_lessons, "write all lessons to a JSONL file", (_FILE,)),
    ("import", import_lessons, "take lessons from such a file", (_FILE,)),
    ("watch", not_available, "curate runs as they finish (not available yet)", ()),
)  # fmt: skip


if __name__ == "__main__":
    run_program(main)
