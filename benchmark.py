"""Runs tasks and judges them by hidden acceptance tests that no prompt has ever shown.

    python3 benchmark.py --suite quick
    python3 benchmark.py --suite serving
    python3 benchmark.py --suite judge
    python3 benchmark.py --suite selection
    python3 benchmark.py --suite source --corpus DIR
    python3 benchmark.py --suite quick --repeats 3 --endpoint http://127.0.0.1:8080 --json

Each run is the real program in a fresh workspace without memory. What it claims (`passed`) is set beside what the
hidden tests say on a fresh copy of what it delivered; claiming a pass that they deny is a false green. One run
proves little: about a fifth of tasks flip between identical runs, so repeat and read the spread. The suite
`serving` has no tasks: it measures our client and pool at a real llama.cpp server (benchmarks/serving). Nor has
`judge`: it measures how fast and how steadily the sandbox judges candidates (benchmarks/judge.py); and `selection`
compares ways to choose between candidates of a simulated weak model (benchmarks/selection). `source` reads the
signatures and imports of a large package (benchmarks/source_graph.py). `journal` measures what the trace costs
(benchmarks/journal.py), and `export` what it costs to read large traces and to make training data of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nightshift.bootstrap import ensure_venv, run_program

ensure_venv()

from benchmarks import export, journal, judge, recall, selection, source_graph
from benchmarks.figures import Figure
from benchmarks.serving import measure
from benchmarks.serving.lab import QUICK, Scale
from benchmarks.tiny_model import server_name
from config import paths
from nightshift.codec import as_json
from nightshift.domain import ExecLimits, Sandbox, Tree
from nightshift.errors import ConfigError
from nightshift.report.text import counted, duration
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.environment import prepare

HERE = Path(__file__).resolve().parent
TASKS = HERE / "benchmarks"
SUITES: Mapping[str, tuple[str, ...]] = {"quick": ("calculator",)}
SERVING, JUDGE, SELECTION, SOURCE, JOURNAL, EXPORT, RECALL = (
    "serving", "judge", "selection", "source", "journal", "export", "recall"
)  # fmt: skip
MEASURED = (SERVING, JUDGE, SELECTION, SOURCE, JOURNAL, EXPORT, RECALL)
"""Suites without tasks: figures with targets."""
HIDDEN_LIMITS = ExecLimits(seconds=120.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of one task: what was claimed, and what the hidden tests found."""

    task: str
    exit_code: int
    claimed: bool
    accepted: bool
    hidden_passed: int
    hidden_total: int
    calls: int
    tokens: int
    seconds: float

    @property
    def false_green(self) -> bool:
        return self.claimed and not self.accepted


def run_suite(tasks: Sequence[str], repeats: int, flags: Sequence[str], box: Sandbox) -> list[Outcome]:
    outcomes = []
    for number in range(1, repeats + 1):
        for task in tasks:
            outcome = run_task(task, flags, box)
            outcomes.append(outcome)
            print(f"{number}/{repeats}  {line(outcome)}", file=sys.stderr)
    return outcomes


def run_task(task: str, flags: Sequence[str], box: Sandbox) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as folder:
        workspace = Path(folder) / task
        workspace.mkdir()
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(HERE / "orchestrator.py"), "--workspace", str(workspace), "--no-memory", "--json",
             "--quiet", "--task-file", str(TASKS / task / "prompt.md"), *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - started
        if done.returncode in (2, 3):
            raise SystemExit(done.returncode)
        result: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
        passed, total = hidden(task, workspace, box)
    usage = result.get("usage", {})
    return Outcome(
        task, done.returncode, done.returncode == 0, total > 0 and passed == total, passed, total,
        usage.get("calls", 0), usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0), round(seconds, 1),
    )  # fmt: skip


def hidden(task: str, workspace: Path, box: Sandbox) -> tuple[int, int]:
    """(passed, collected) of the hidden tests on a copy of the workspace, in a folder of their own."""
    names = {path.name: path.read_text(encoding="utf-8") for path in (TASKS / task / "hidden").glob("test_*.py")}
    tests = {f"hidden_acceptance/{name}": text for name, text in names.items()}
    report = box.test(Tree(tests, workspace), tuple(tests), limits=HIDDEN_LIMITS)
    total = report.collected + len(report.collection_errors)
    return sum(result.outcome == "passed" for result in report.results), total


def line(outcome: Outcome) -> str:
    verdict = "false green!" if outcome.false_green else "accepted" if outcome.accepted else "not accepted"
    return (
        f"{outcome.task}: exit {outcome.exit_code}, hidden tests {outcome.hidden_passed}/{outcome.hidden_total} "
        f"({verdict}), {counted(outcome.calls, 'call')}, {outcome.tokens} tokens, {duration(outcome.seconds)}"
    )


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures with what they were measured on; seconds as minimum, median and maximum."""
    seconds = [outcome.seconds for outcome in outcomes]
    return {
        **measured_here(),
        "runs": len(outcomes),
        "claimed": sum(outcome.claimed for outcome in outcomes),
        "accepted": sum(outcome.accepted for outcome in outcomes),
        "false_green": sum(outcome.false_green for outcome in outcomes),
        "seconds": [min(seconds), statistics.median(seconds), max(seconds)],
        "outcomes": as_json(list(outcomes)),
    }


def measured_here() -> dict[str, Any]:
    return {"date": time.strftime("%Y-%m-%d", time.gmtime()), "machine": machine()}


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    if options.repeats < 1:
        raise ConfigError("--repeats must be at least 1")
    _refuse_meaningless(options)
    if options.out:
        _make(options.out)
    return measure_suite(options) if options.suite in MEASURED else judge_tasks(options)


def measure_suite(options: argparse.Namespace) -> int:
    """Exit code 1 when a target is missed."""
    started = time.monotonic()
    measured = {
        SERVING: measure_serving, JUDGE: measure_judge, SELECTION: measure_selection, SOURCE: measure_source,
        JOURNAL: measure_journal, EXPORT: measure_export, RECALL: measure_recall,
    }  # fmt: skip
    figures, facts = measured[options.suite](options)
    missed = [figure.name for figure in figures if figure.verdict == "MISSED"]
    told = {
        **measured_here(), "suite": options.suite, "quick": options.quick, **facts,
        "seconds": round(time.monotonic() - started, 1),
        "missed": missed, "figures": [figure.as_json() for figure in figures],
    }  # fmt: skip
    _publish(told, options)
    if not options.json:
        print(f"{counted(len(missed), 'target')} missed, on {told['machine']}, in {duration(told['seconds'])}")
    return 1 if missed else 0


def measure_serving(options: argparse.Namespace) -> tuple[list[Figure], dict[str, str]]:
    return measure(QUICK if options.quick else Scale(), _say), {"server": server_name()}


def measure_judge(options: argparse.Namespace) -> tuple[list[Figure], dict[str, str]]:
    scale = judge.QUICK if options.quick else judge.Scale()
    environment = prepare((), cache=paths(os.environ).environments, allow=())
    figures = judge.measure(replace(scale, soak=options.soak or scale.soak), environment, _say)
    return figures, {"load": _load()}


def measure_selection(options: argparse.Namespace) -> tuple[list[Figure], dict[str, str]]:
    environment = prepare((), cache=paths(os.environ).environments, allow=())
    figures = selection.measure(selection.QUICK if options.quick else selection.Scale(), environment, _say)
    return figures, {"model": "simulated: nothing here was measured with a real model"}


def measure_source(options: argparse.Namespace) -> tuple[list[Figure], dict[str, str]]:
    scale = source_graph.QUICK if options.quick else source_graph.Scale()
    try:
        return source_graph.measure(scale, options.corpus, _say), {"load": _load()}
    except ValueError as error:
        raise ConfigError(f"--corpus: {error}") from error


def judge_tasks(options: argparse.Namespace) -> int:
    flags = [word for url in options.endpoint or () for word in ("--endpoint", url)]
    flags += ["--model", options.model] if options.model else []
    box = open_sandbox(prepare((), cache=paths(os.environ).environments, allow=()))
    try:
        outcomes = run_suite(SUITES[options.suite], options.repeats, flags, box)
    finally:
        box.close()
    told = summary(outcomes)
    _publish(told, options)
    if not options.json:
        runs = counted(told["runs"], "run")
        print(f"{told['accepted']} of {runs} accepted, {told['false_green']} false green, on {told['machine']}")
    return 0 if told["accepted"] == told["runs"] else 1


def _refuse_meaningless(options: argparse.Namespace) -> None:
    tasks = {"--endpoint": options.endpoint, "--model": options.model, "--repeats": options.repeats > 1}
    wrong = tasks if options.suite in MEASURED else {"--quick": options.quick}
    wrong |= {"--soak": options.soak} if options.suite != JUDGE else {}
    wrong |= {"--corpus": options.corpus} if options.suite != SOURCE else {}
    if given := [name for name, value in wrong.items() if value]:
        raise ConfigError(f"{', '.join(given)} means nothing to --suite {options.suite}: leave it out")


def _make(folder: Path) -> None:
    """Before anything is measured: hours should not be lost to a mistyped name."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: no such folder can be made ({error})") from error


def _publish(told: dict[str, Any], options: argparse.Namespace) -> None:
    text = json.dumps(told, indent=2) + "\n"
    if options.json:
        sys.stdout.write(text)
    if options.out:
        (options.out / f"{options.suite}.json").write_text(text, encoding="utf-8")


def measure_journal(options: argparse.Namespace) -> tuple[list[Figure], dict[str, str]]:
    disk = paths(os.environ).environments.parent  # a temporary folder may lie in memory
    disk.mkdir(parents=True, exist_ok=True)
    return journal.measure(journal.QUICK if options.quick else journal.Scale(), _say, disk), {"load": _load()}


def measure_export(options: argparse.Namespace) -> tuple[list[Figure], dict[str, str]]:
    return export.measure(export.QUICK if options.quick else export.Scale(), _say), {"load": _load()}


def measure_recall(options: argparse.Namespace) -> tuple[list[Figure], dict[str, str]]:
    return recall.measure(recall.QUICK if options.quick else recall.Scale(), _say), {"load": _load()}


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py",
        description="Runs task suites, judged by hidden acceptance tests; or measures our client at a real server.",
        epilog="examples:\n  python3 benchmark.py --suite quick --repeats 5 --model qwen2.5-coder:7b --json"
        "\n  python3 benchmark.py --suite serving --out results"
        "\n  python3 benchmark.py --suite judge --soak 2000"
        "\n  python3 benchmark.py --suite selection --quick"
        "\n  python3 benchmark.py --suite source --corpus django-5.2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--suite",
        choices=sorted([*SUITES, *MEASURED]),
        default="quick",
        help="which tasks, or what to measure (default quick)",
    )
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="runs of each task (default 1)")
    parser.add_argument("--endpoint", action="append", metavar="URL", help="a model server; repeatable")
    parser.add_argument("--model", metavar="NAME", help="the model for every role")
    parser.add_argument("--quick", action="store_true", help="no tasks: few of everything, to see it work")
    parser.add_argument("--soak", type=int, metavar="N", help="judge: candidates of the long run (default 10000)")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="source: a package (default the standard library)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the figures to DIR/<suite>.json as well")
    parser.add_argument("--json", action="store_true", help="the figures on standard output as JSON")
    return parser


if __name__ == "__main__":
    run_program(main)
