"""`benchmark.py check`: every task proves that its acceptance tests deserve to judge (see proofs.py)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.acceptance import boxes, can_be_judged
from benchmarks.proofs import SAMPLE, Proof, prove
from benchmarks.tasks import chosen, tasks_in
from nightshift.errors import ConfigError


def check(argv: Sequence[str], home: Path, cache: Path) -> int:
    """Exit code 1 when a task does not hold. Raises ConfigError."""
    options = _parser(home).parse_args(argv)
    if options.sample < 1:
        raise ConfigError("--sample must be at least 1")
    tasks = [task for task in chosen(tasks_in(options.tasks), options.task) if not task.unsolvable]
    with boxes(cache) as box_for:
        able = [task for task in tasks if can_be_judged(task, box_for, _say)]
        proofs = [_told(prove(task, box_for, options.sample, _say)) for task in able]
    proved = {proof.task for proof in proofs if not proof.problems}
    wrong = [task.name for task in tasks if task.name not in proved]
    _say(f"{len(proved)} of {len(tasks)} tasks proved" + (f"; not: {', '.join(wrong)}" if wrong else ""))
    return 1 if wrong else 0


def _told(proof: Proof) -> Proof:
    _say(str(proof))
    for problem in proof.problems:
        _say(f"        {problem}")
    return proof


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser(home: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmark.py check", description=__doc__)
    parser.add_argument("--tasks", type=Path, default=home, metavar="DIR", help="the folder of tasks")
    parser.add_argument("--task", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    parser.add_argument(
        "--sample", type=int, default=SAMPLE, metavar="N", help=f"mutants of each task (default {SAMPLE})"
    )
    return parser
