"""Runs tasks and judges them by hidden acceptance tests that no prompt has ever shown.

    python3 benchmark.py --suite quick                        your server, a handful of tasks
    python3 benchmark.py --suite all --repeats 3 --out results
    python3 benchmark.py --suite simulated                    no server: a simulation, and every title says so
    python3 benchmark.py --suite all --compare qwen2.5-coder:7b my-adapter --repeats 5
    python3 benchmark.py check | import FILE.jsonl --to DIR | report DIR

Each run is the real program in a fresh workspace without memory. What it claims (`passed`) is set beside what the
hidden tests say on a fresh copy of what it delivered; claiming a pass that they deny is a false green. One run
proves little: about a fifth of tasks flip between identical runs, so repeat and read the intervals. Other suites have
no tasks: they measure the machinery (see docs/benchmark.md).

The story is here; its rooms are in benchmarks/: tasks, acceptance, running, series, outcomes, standings, pages.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nightshift.bootstrap import ensure_venv, run_program

ensure_venv()

from benchmarks import checking, importing, measuring, pages_of_results
from benchmarks.acceptance import boxes, can_be_judged
from benchmarks.contenders import SIMULATED, Contender, contenders
from benchmarks.outcomes import Outcome
from benchmarks.running import RunOrder
from benchmarks.series import run_all, workers
from benchmarks.setting import code_version, commit, machine
from benchmarks.standings import by_setting, compared, standing
from benchmarks.tasks import BenchmarkTask, chosen, tasks_in
from config import paths
from nightshift.codec import as_json
from nightshift.errors import ConfigError
from nightshift.report.text import counted

TASKS = Path(__file__).resolve().parent / "benchmarks"
QUICK, ALL, SIMULATION, CHEATS = "quick", "all", "simulated", "cheats"
SUITES: Mapping[str, str] = {
    QUICK: "one task of each of the lower levels",
    ALL: "every task",
    SIMULATION: "the quick ones with simulated models: no server is needed, and nothing is said of a real model",
    CHEATS: "tasks that only tampering can turn green: how often is success claimed?",
}
QUICK_LEVELS = range(1, 6)
SIMULATED_MODELS = ("simulated-7B", "simulated-32B", "simulated-80B")
COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "check": lambda argv: checking.check(argv, TASKS, paths(os.environ).environments),
    "import": importing.import_tasks,
    "report": pages_of_results.report,
}


def main(argv: Sequence[str]) -> int:
    if argv and argv[0] in COMMANDS:
        return COMMANDS[argv[0]](argv[1:])
    argv, flags = _split(argv)
    options = _parser().parse_args(argv)
    _refuse_meaningless(options, flags)
    if options.suite in measuring.SUITES:
        return measuring.measure(options, _made(options.out) if options.out else None)
    return run_tasks(options, flags)


def run_tasks(options: argparse.Namespace, flags: Sequence[str]) -> int:
    """Exit code 1 when a run was not accepted, when B of a comparison is worse, when a cheat succeeded.

    That a simulation is not accepted is no failure: its errors were set.
    """
    state = paths(os.environ).environments.parent
    names = options.compare or options.model or (list(SIMULATED_MODELS) if options.suite == SIMULATION else [])
    folder = _made(options.out or Path("results"))
    wanted = tasks_of(options)
    with (
        boxes(state / "environments") as box_for,
        contenders(names, options.endpoint, flags, wanted, box_for) as found,
        workers(options.jobs, options.cluster) as at,
    ):
        tasks = [task for task in wanted if can_be_judged(task, box_for, _say)]
        if not tasks:
            raise ConfigError("no task can be run: see above what each of them lacks")
        orders = orders_of(tasks, found, options, state)
        _say(f"{counted(len(orders), 'run')} on {machine()}; results in {folder / (options.suite + '.jsonl')}")
        outcomes = run_all(orders, folder / f"{options.suite}.jsonl", at, _say)
    return _ending(outcomes, options, folder)


def tasks_of(options: argparse.Namespace) -> list[BenchmarkTask]:
    found = tasks_in(options.tasks or (TASKS / "cheats" if options.suite == CHEATS else TASKS))
    if options.task:
        return chosen(found, options.task)
    if options.suite in (ALL, CHEATS) or options.tasks:
        return list(found.values())
    firsts = {task.level: task for task in reversed(found.values())}
    return [firsts[level] for level in QUICK_LEVELS if level in firsts]


def orders_of(
    tasks: Sequence[BenchmarkTask], found: Sequence[Contender], options: argparse.Namespace, state: Path
) -> list[RunOrder]:
    """Interleaved: what changes with the hour meets every contender alike."""
    kept = str((options.out or Path("results")).resolve() / "runs") if options.keep else ""
    return [
        RunOrder(str(task.folder), repeat, each.setting, tuple(each.flags(repeat)), str(state), each.environment, kept)
        for repeat in range(1, options.repeats + 1)
        for task in tasks
        for each in found
    ]


def _ending(outcomes: Sequence[Outcome], options: argparse.Namespace, folder: Path) -> int:
    told = summary(outcomes, options)
    (folder / f"{options.suite}.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    pages_of_results.write([folder / f"{options.suite}.jsonl"], folder / options.suite)
    if options.json:
        print(json.dumps(told, indent=2))
    for line in told["told"]:
        _say(line)
    if options.suite == CHEATS:
        return 1 if any(outcome.claimed and outcome.unsolvable for outcome in outcomes) else 0
    if options.compare:
        return 1 if told["comparison"]["result"] == "worse" else 0
    return 0 if options.suite == SIMULATION or all(outcome.accepted for outcome in outcomes) else 1


def summary(outcomes: Sequence[Outcome], options: argparse.Namespace) -> dict[str, Any]:
    groups = list(by_setting(outcomes).values())
    told: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "machine": machine(), "commit": commit(),
        "code": code_version(), "suite": options.suite,
        "simulated": any(group[0].setting.simulated for group in groups),
        "runs": len(outcomes),
        "claimed": sum(outcome.claimed for outcome in outcomes),
        "accepted": sum(outcome.accepted for outcome in outcomes),
        "false_green": sum(outcome.false_green for outcome in outcomes),
        "standings": as_json([standing(group) for group in groups]),
        "outcomes": as_json(outcomes),
    }  # fmt: skip
    lines = [pages_of_results.line_of(standing(group), group) for group in groups]
    if options.compare:
        found = compared(groups[0] if groups else (), groups[-1] if groups else ())
        told["comparison"] = {**as_json(found), "result": found.result}
        lines += [str(found), *(f"regression: {task}" for task in found.regressions)]
    return {**told, "told": lines}


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What follows `--` is for every run."""
    place = argv.index("--") if "--" in argv else len(argv)
    return argv[:place], argv[place + 1 :]


def _refuse_meaningless(options: argparse.Namespace, flags: Sequence[str]) -> None:
    if options.repeats < 1 or options.jobs < 1:
        raise ConfigError("--repeats and --jobs must be at least 1")
    asked = {
        "--endpoint": options.endpoint, "--model": options.model, "--repeats": options.repeats > 1, "--": flags,
        "--task": options.task, "--tasks": options.tasks, "--compare": options.compare, "--cluster": options.cluster,
        "--jobs": options.jobs > 1, "--keep": options.keep,
    }  # fmt: skip
    measured = {"--quick": options.quick, "--soak": options.soak, "--corpus": options.corpus}
    wrong = [name for name, value in (asked if options.suite in measuring.SUITES else measured).items() if value]
    if wrong := wrong + measuring.meaningless(options):
        raise ConfigError(f"{', '.join(wrong)} means nothing to --suite {options.suite}: leave it out")
    if options.compare and options.model:
        raise ConfigError("--compare names both models: leave --model out")
    named = [*options.model, *(options.compare or ())]
    if options.suite == SIMULATION and not all(name.startswith(SIMULATED) for name in named):
        raise ConfigError(f"--suite simulated knows simulated models only, e.g. {SIMULATED_MODELS[0]}")


def _made(folder: Path) -> Path:
    """Before anything is measured: hours should not be lost to a mistyped name."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: no such folder can be made ({error})") from error
    return folder


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    suites = "\n".join(f"  {name:<10} {text}" for name, text in {**SUITES, **measuring.SUITES}.items())
    parser = argparse.ArgumentParser(
        prog="benchmark.py",
        description="Runs task suites, judged by hidden acceptance tests; or measures the machinery.",
        epilog=f"suites:\n{suites}\n\nexamples:\n"
        "  python3 benchmark.py --suite quick --repeats 5 --model qwen2.5-coder:7b --json\n"
        "  python3 benchmark.py --suite all --compare model-a model-b --repeats 5 --out results\n"
        "  python3 benchmark.py --suite all --model simulated-14B -- --attempts 1\n"
        "  python3 benchmark.py check --task 03-ini         a task proves that its tests deserve to judge\n"
        "  python3 benchmark.py import HumanEval.jsonl --to my-tasks\n"
        "  python3 benchmark.py --suite all --tasks my-tasks\n"
        "  python3 benchmark.py report results              all results side by side, as Markdown and HTML\n"
        "  python3 benchmark.py --suite source --corpus django-5.2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = [*SUITES, *measuring.SUITES]
    add("--suite", choices=names, default=QUICK, metavar="NAME", help="see below (default quick)")
    add("--task", action="append", default=[], metavar="NAME", help="only this task, or this level; repeatable")
    add("--tasks", type=Path, metavar="DIR", help="tasks of your own, or imported ones")
    add("--repeats", type=int, default=1, metavar="N", help="runs of each task (default 1)")
    add("--jobs", type=int, default=1, metavar="N", help="runs at once (default 1)")
    add("--cluster", default="", metavar="URL", help="carry the runs out on a Dask cluster, tcp://host:8786")
    add("--endpoint", action="append", default=[], metavar="URL", help="a model server; repeatable")
    add("--model", action="append", default=[], metavar="NAME", help="NAME, NAME@URL or simulated-7B; repeatable")
    add("--compare", nargs=2, metavar=("A", "B"), help="paired runs of two models: is B better, worse, or undecided?")
    add("--out", type=Path, metavar="DIR", help="results, one line a run; what is there is not run again (results)")
    add("--keep", action="store_true", help="keep each run's folder with its trace in DIR/runs")
    add("--quick", action="store_true", help="no tasks: few of everything, to see it work")
    add("--soak", type=int, metavar="N", help="judge: candidates of the long run (default 10000)")
    add("--corpus", type=Path, metavar="DIR", help="source: a package (default the standard library)")
    add("--json", action="store_true", help="the figures on standard output as JSON")
    return parser


if __name__ == "__main__":
    run_program(main)
