"""A queue of tasks for the night: every *.md file of a folder is one task, done while you sleep.

    python3 nightly.py ~/queue --until 07:00 --notify 'mail -s "$(hostname)" me'

Easy wins first, dependencies before what waits for them, one run at a time on a model server, and in the morning a
report whose first line is the truth. Killed at any moment, the same command goes on with the night. docs/nights.md
tells of the settings a task may begin with. Does not judge anything: each task is a run of orchestrator.py.
"""

from __future__ import annotations

from nightshift.bootstrap import ensure_venv, run_program

ensure_venv()

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import options as orchestrator
from config import load, paths
from nightshift.domain import Limits
from nightshift.errors import ConfigError, NightshiftError
from nightshift.nightly.budget import UNLIMITED, Amount
from nightshift.nightly.cluster import cluster_at
from nightshift.nightly.ending import standings
from nightshift.nightly.folder import Folder, only_one
from nightshift.nightly.journal import Entry, Journal, read_journal
from nightshift.nightly.memory import Memory
from nightshift.nightly.morning import summary, tell, write_report
from nightshift.nightly.night import Nightly, Terms
from nightshift.nightly.notify import notify
from nightshift.nightly.order import History, estimate, held_back_by, in_full_order, refusals
from nightshift.nightly.running import ANYWHERE
from nightshift.nightly.schedule import install, schedule, shown
from nightshift.nightly.standing import standing_of
from nightshift.nightly.tasks import Queued, Task, read_queue
from nightshift.report.morning import NOT_OVER, NightTold, headline
from nightshift.report.text import duration, one_line
from nightshift.workspace import slug, work_folder

EXAMPLES = """examples:
  python3 nightly.py ~/queue --until 07:00
  python3 nightly.py ~/queue --max-minutes 300 --max-tokens 5000000 --endpoint http://127.0.0.1:8080
  python3 nightly.py ~/queue --dry-run
  python3 nightly.py ~/queue --status
  python3 nightly.py ~/queue --until 07:00 --install-cron --at 22:00 --yes

Other options (--endpoint, --model, --verify, --merge, ...) are given to every run of orchestrator.py.
exit codes: the worst of the tasks', in the order 143, 130, 70, 5, 3, 2, 4, 1, 0"""

NOT_FOR_A_QUEUE = ("--task-file", "--resume", "--plan", "--record-tape", "--branch", "--dry-run")
"""Options of the orchestrator that are about one run."""
EXIT_OF_SIGNAL = {signal.SIGTERM: 143, signal.SIGINT: 130}


def main(argv: Sequence[str]) -> int:
    options, flags = _parser().parse_known_args(argv)
    folder = Folder(options.queue.expanduser().absolute())
    home = options.workspace.expanduser().absolute() if options.workspace else work_folder()
    read = partial(read_queue, folder.root, lambda name: home / slug(name))
    given = _checked_flags(flags)
    if options.install_cron:
        return _install(options, folder, argv)
    if options.status:
        return _status(options, folder, read())
    if options.dry_run:
        return _dry_run(options, folder, read())
    return _night(options, folder, _terms(options, flags, given), read)


def _night(options: argparse.Namespace, folder: Folder, terms: Terms, read: Callable[[], Queued]) -> int:
    """The user's program hears of the night however it ends."""
    try:
        told = _work(options, folder, terms, read)
    except NightshiftError as error:
        _notify(options, {"queue": str(folder.root), "exit_code": error.exit_code, "headline": str(error), "tasks": []})
        raise
    except Exception as error:
        message = f"a defect in Nightshift itself: {error!r}"
        _notify(options, {"queue": str(folder.root), "exit_code": 70, "headline": message, "tasks": []})
        raise
    _notify(options, summary(folder, told))
    if options.json:
        print(json.dumps(summary(folder, told), indent=2, ensure_ascii=False))
    _say(headline(told))
    _say(f"report  {folder.night(told.id) / 'report.html'}")
    return told.code


def _work(options: argparse.Namespace, folder: Folder, terms: Terms, read: Callable[[], Queued]) -> NightTold:
    read()
    folder.prepare()
    with only_one(folder), _workers(options, terms) as (executor, terms):
        journal = Journal(folder.journal)
        if journal.dropped:
            _say(f"{folder.journal}: {journal.dropped} bytes of a last line that was cut off are dropped")
        nightly = Nightly(folder, journal, terms, executor, read)
        if not options.quiet:
            journal.tell(_say_entry)
        _complete_report(folder, nightly.memory)
        journal.tell(lambda entry: _write_report(folder, nightly.memory) if entry["kind"] == "ended" else None)
        with _stopping(nightly.stop):
            nightly.run()
        told = tell(folder, nightly.night)
        write_report(folder, told)
        journal.close()
        return told


@contextmanager
def _workers(options: argparse.Namespace, terms: Terms) -> Iterator[tuple[Executor, Terms]]:
    if not options.cluster:
        with ThreadPoolExecutor(options.jobs, "run") as executor:
            yield executor, terms
        return
    with cluster_at(options.cluster) as cluster:
        jobs = min(cluster.slots, options.jobs) if options.jobs > 1 else cluster.slots
        yield cluster.executor, replace(terms, jobs=jobs, cluster=True, lost=(CancelledError, *cluster.lost))


@contextmanager
def _stopping(stop: Callable[[int], None]) -> Iterator[None]:
    before = {
        number: signal.signal(number, lambda number, _: stop(EXIT_OF_SIGNAL[signal.Signals(number)]))
        for number in EXIT_OF_SIGNAL
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terms(options: argparse.Namespace, flags: Sequence[str], given: argparse.Namespace) -> Terms:
    budget = {name: getattr(options, f"max_{name}") for name in asdict(UNLIMITED)}
    if any(value is not None and value <= 0 for value in budget.values()) or options.jobs < 1 or options.retries < 0:
        raise ConfigError(
            "--max-minutes, --max-calls, --max-tokens and --jobs must be more than 0, --retries at least 0"
        )
    return Terms(
        settings_of=partial(_settings_of, given),
        flags=tuple(flags),
        budget=replace(UNLIMITED, **{name: float(value) for name, value in budget.items() if value is not None}),
        until=_next(options.until) if options.until else None,
        jobs=options.jobs,
        retries=options.retries,
        retry_seconds=options.retry_seconds,
        grace_minutes=options.grace_minutes,
        slots=paths(os.environ).trees.parent / "endpoints",
        program=(sys.executable, str(options.program.absolute())) if options.program else (),
    )


def _settings_of(given: argparse.Namespace, task: Task) -> tuple[Amount, tuple[str, ...]]:
    """What the task says, then the configuration of its workspace, as the run itself will read it."""
    limits, endpoints = Limits(), tuple[str, ...]()
    # A configuration that is refused is refused again by the run itself, which says why.
    with suppress(NightshiftError):
        config = load({}, os.environ, task.workspace, Path(given.config) if given.config else None)
        limits, endpoints = config.limits, config.endpoints
    own = task.settings.limits
    amount = Amount(own.minutes or limits.minutes, own.calls or limits.calls, own.tokens or limits.tokens)
    named = (task.settings.endpoint,) if task.settings.endpoint else tuple(given.endpoint or ())
    return amount, named or endpoints or (ANYWHERE,)


def _checked_flags(flags: Sequence[str]) -> argparse.Namespace:
    """At night it would be too late for a misspelt option: argparse exits with 2 here."""
    for flag in flags:
        if flag.partition("=")[0] in NOT_FOR_A_QUEUE:
            raise ConfigError(f"{flag} is about one run: a queue has no use for it; --help shows what it has")
    parser = orchestrator.parser()
    parser.prog = "nightly.py"
    return parser.parse_args(["a task", *flags])


def _next(time_of_day: str) -> float:
    """The next moment at which clocks here show it, as unix time."""
    try:
        at = datetime.strptime(time_of_day, "%H:%M")
    except ValueError:
        raise ConfigError(f"--until {time_of_day}: give a time of day like 07:00") from None
    now = datetime.now()
    moment = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return (moment if moment > now else moment + timedelta(days=1)).timestamp()


def _install(options: argparse.Namespace, folder: Folder, argv: Sequence[str]) -> int:
    kept = _without(argv, ("--install-cron", "--yes", "--json"), ("--at",))
    words = [str(folder.root) if word == str(options.queue) else word for word in kept]
    command = [sys.executable, str(Path(__file__).resolve()), *words]
    plan = schedule(folder.root, command, options.at)
    if not options.yes:
        print(shown(plan), end="")
        return 0
    print(install(plan, os.environ, os.geteuid()))
    return 0


def _without(argv: Sequence[str], switches: Sequence[str], valued: Sequence[str]) -> Iterator[str]:
    words = iter(argv)
    for word in words:
        if word in valued:
            next(words, None)
        elif word not in switches and not word.startswith(tuple(f"{name}=" for name in valued)):
            yield word


def _status(options: argparse.Namespace, folder: Folder, queued: Queued) -> int:
    standing = standing_of(folder, queued)
    if options.json:
        print(json.dumps({**asdict(standing), "dead": standing.dead}, indent=2))
        return int(standing.dead)
    print("nightly.py is at work on it" if standing.at_work else "no nightly.py is at work on it")
    for task in standing.tasks:
        print(f"{task.state:<10} {task.name}  {one_line(task.told)}".rstrip())
    return int(standing.dead)


def _dry_run(options: argparse.Namespace, folder: Folder, queued: Queued) -> int:
    memory = Memory()
    for entry in read_journal(folder.journal)[0]:
        memory.hear(entry)
    known = standings(folder, memory, queued)
    refused = {**queued.refused, **refusals(queued.tasks, known)}
    tasks = {name: task for name, task in queued.tasks.items() if name not in refused}
    histories = memory.histories()
    order = [
        {
            "name": task.name,
            "workspace": str(task.workspace),
            "priority": task.settings.priority,
            "after": held_back_by(task, known),
            "minutes": round(estimate(task, histories.get(task.name, History())).minutes, 1),
        }
        for task in in_full_order(tasks, histories)
    ]
    if options.json:
        print(json.dumps({"order": order, "refused": refused}, indent=2, ensure_ascii=False))
    else:
        _print_order(order)
    for message in refused.values():
        _say(message)
    return 2 if refused else 0


def _print_order(order: Sequence[dict[str, Any]]) -> None:
    for number, task in enumerate(order, 1):
        after = f", after {', '.join(task['after'])}" if task["after"] else ""
        print(f"{number}. {task['name']}  about {task['minutes']:g} min, in {task['workspace']}{after}")


def _write_report(folder: Folder, memory: Memory) -> None:
    if memory.night:
        write_report(folder, tell(folder, memory.night))


def _complete_report(folder: Folder, memory: Memory) -> None:
    """A kill may come between the end of a night and its report."""
    night = memory.night
    report = folder.night(night.id) / "report.md" if night and night.ended else None
    if report and report.exists() and report.read_text(encoding="utf-8").startswith(f"# {NOT_OVER}"):
        _write_report(folder, memory)


def _notify(options: argparse.Namespace, told: dict[str, Any]) -> None:
    if options.notify and (problem := notify(options.notify, told)):
        _say(problem)


def _say_entry(entry: Entry) -> None:
    """One line for what a person wants to see go by."""
    kind, at = entry["kind"], time.strftime("%H:%M:%S", time.localtime(entry["time"]))
    if kind == "started":
        again = " again" if entry["order"]["run"] else ""
        _say(f"{at} {entry['name']}: begun{again}, in {entry['order']['workspace']}")
    elif kind == "ended":
        ending, outcome = entry["ending"], entry["ending"]["outcome"]
        used = duration(outcome["used"]["minutes"] * 60)
        _say(f"{at} {ending['name']}: {ending['decision']}, exit {outcome['code']} ({outcome['reason']}) after {used}")
    elif kind == "refused":
        _say(entry["message"])


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nightly.py",
        description="Does a queue of tasks, one *.md file each, and tells in the morning what became of them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("queue", nargs="?", type=Path, default=Path("queue"), help="folder of tasks (default: ./queue)")
    for flag, settings, help_text in FLAGS:
        parser.add_argument(flag, help=help_text, **settings)
    return parser


SWITCH: dict[str, Any] = {"action": "store_true"}
FLAGS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("--workspace", {"type": Path, "metavar": "DIR"}, "where tasks without a folder get theirs (~/nightshift-work)"),
    ("--until", {"metavar": "HH:MM"}, "when the night ends"),
    ("--max-minutes", {"type": float, "metavar": "M"}, "budget of time for the whole night"),
    ("--max-calls", {"type": int, "metavar": "N"}, "budget of generation requests for the whole night"),
    ("--max-tokens", {"type": int, "metavar": "N"}, "budget of tokens for the whole night"),
    ("--jobs", {"type": int, "metavar": "N", "default": 1}, "runs side by side, each on another server (default 1)"),
    ("--cluster", {"metavar": "URL"}, "do the tasks on a Dask cluster, e.g. tcp://host:8786"),
    ("--retries", {"type": int, "metavar": "N", "default": 2}, "of a task that only found no server (default 2)"),
    ("--retry-seconds", {"type": float, "metavar": "S", "default": 60.0}, "before the first retry, doubled each time"),
    ("--grace-minutes", {"type": float, "metavar": "M", "default": 5.0}, "for a run to end by itself when time is up"),
    ("--notify", {"metavar": "CMD"}, "your command, run at the end with the night as JSON on its standard input"),
    ("--status", SWITCH, "dead or slow? what the queue is doing; exit 1 when a run is dead"),
    ("--dry-run", SWITCH, "print the order, do nothing"),
    ("--install-cron", SWITCH, "print the crontab line and a systemd user timer; the other options become part of it"),
    ("--yes", SWITCH, "with --install-cron: write it"),
    ("--at", {"metavar": "HH:MM", "default": "22:00"}, "with --install-cron: when to start (default 22:00)"),
    ("--quiet", SWITCH, "only the last lines"),
    ("--json", SWITCH, "the night on standard output as JSON"),
    ("--program", {"type": Path, "metavar": "FILE"}, "start this Python program instead of orchestrator.py"),
)  # fmt: skip


if __name__ == "__main__":
    run_program(main)
