"""The command line of the task tracker; run as `python cli.py --help`."""

import argparse
import json
import sys
from dataclasses import asdict

from models import PRIORITIES, STATUSES
from storage import JSONStorage, StorageError
from tracker import TaskNotFoundError, TaskTracker


def main() -> int:
    options = parser().parse_args()
    try:
        print(run(options, TaskTracker(JSONStorage(options.file))))
    except (TaskNotFoundError, StorageError, ValueError) as error:
        print(f"error: {error.args[0]}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace, tracker: TaskTracker) -> str:
    match options.command:
        case "add":
            return told("Added", tracker.add(options.title, options.priority))
        case "complete":
            return told("Completed", tracker.complete(options.id))
        case "delete":
            return told("Deleted", tracker.delete(options.id))
        case "list":
            return listed(tracker.list(options.status, options.priority), options.format)
    return summed(tracker.statistics(), options.format)


def told(verb, task):
    return f"{verb} task {task.id}: {task.title}"


def listed(tasks, form):
    if form == "json":
        return json.dumps([asdict(task) for task in tasks])
    lines = [f"{task.id} [{'x' if task.status == 'done' else ' '}] {task.priority} {task.title}" for task in tasks]
    return "\n".join(lines or ["No tasks."])


def summed(statistics, form):
    if form == "json":
        return json.dumps(statistics)
    done, percent = statistics["by_status"]["done"], round(statistics["completion_rate"] * 100)
    return f"total: {statistics['total']}\ndone: {done}\ncompletion: {percent}%"


def parser() -> argparse.ArgumentParser:
    main_parser = argparse.ArgumentParser()
    main_parser.add_argument("--file", default="tasks.json")
    commands = main_parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add")
    add.add_argument("title")
    add.add_argument("--priority", choices=PRIORITIES, default="medium")
    for name in ("complete", "delete"):
        commands.add_parser(name).add_argument("id", type=int)
    listing = commands.add_parser("list")
    listing.add_argument("--status", choices=STATUSES)
    listing.add_argument("--priority", choices=PRIORITIES)
    for command in (listing, commands.add_parser("stats")):
        command.add_argument("--format", choices=("text", "json"), default="text")
    return main_parser


if __name__ == "__main__":
    sys.exit(main())
