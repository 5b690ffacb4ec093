"""Runs tasks and judges them by hidden acceptance tests that no prompt has ever shown.

    python3 benchmark.py --suite quick
    python3 benchmark.py --suite quick --repeats 3 --endpoint http://127.0.0.1:8080 --json

Each run is the real program in a fresh workspace without memory. What it claims (`passed`) is set beside what the
hidden tests say on a fresh copy of what it delivered; claiming a pass that they deny is a false green. One run
proves little: about a fifth of tasks flip between identical runs, so repeat and read the spread.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshift.bootstrap import ensure_venv, run_program

ensure_venv()

from config import paths
from nightshift.codec import as_json
from nightshift.domain import ExecLimits, Sandbox, Tree
from nightshift.errors import ConfigError
from nightshift.report.text import counted, duration
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.environment import prepare

HERE = Path(__file__).resolve().parent
TASKS = HERE / "benchmarks"
SUITES: Mapping[str, tuple[str, ...]] = {"quick": ("calculator",)}
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
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "runs": len(outcomes),
        "claimed": sum(outcome.claimed for outcome in outcomes),
        "accepted": sum(outcome.accepted for outcome in outcomes),
        "false_green": sum(outcome.false_green for outcome in outcomes),
        "seconds": [min(seconds), statistics.median(seconds), max(seconds)],
        "outcomes": as_json(list(outcomes)),
    }


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    if options.repeats < 1:
        raise ConfigError("--repeats must be at least 1")
    flags = [word for url in options.endpoint or () for word in ("--endpoint", url)]
    flags += ["--model", options.model] if options.model else []
    box = open_sandbox(prepare((), cache=paths(os.environ).environments, allow=()))
    try:
        outcomes = run_suite(SUITES[options.suite], options.repeats, flags, box)
    finally:
        box.close()
    told = summary(outcomes)
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        runs = counted(told["runs"], "run")
        print(f"{told['accepted']} of {runs} accepted, {told['false_green']} false green, on {told['machine']}")
    return 0 if told["accepted"] == told["runs"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py",
        description="Runs task suites, judged by hidden acceptance tests.",
        epilog="example:\n  python3 benchmark.py --suite quick --repeats 5 --model qwen2.5-coder:7b --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--suite", choices=sorted(SUITES), default="quick", help="which tasks (default quick)")
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="runs of each task (default 1)")
    parser.add_argument("--endpoint", action="append", metavar="URL", help="a model server; repeatable")
    parser.add_argument("--model", metavar="NAME", help="the model for every role")
    parser.add_argument("--json", action="store_true", help="the figures on standard output as JSON")
    return parser


if __name__ == "__main__":
    run_program(main)
