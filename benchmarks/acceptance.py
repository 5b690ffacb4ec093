"""The judge of the benchmark: hidden acceptance tests on a fresh copy of what a run delivered, outside its reach.

What a run delivers may try to steer its judge: files that steer pytest or Python are put back as the task's start had
them, the hidden tests lie in a folder that the delivered tree does not have, and a pass is confirmed by the oracle.
Code that shares a process with a test the oracle cannot take may still forge it (see docs/sandbox.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.tasks import BenchmarkTask, texts_of
from nightshift.domain import ExecLimits, Sandbox, TestReport, Tree
from nightshift.policy import is_protected
from nightshift.sandbox.box import Box, open_sandbox
from nightshift.sandbox.files.trees import kept
from nightshift.sandbox.interpreter.environment import EnvironmentUnavailable, prepare

LIMITS = ExecLimits(seconds=300.0, test_seconds=30.0)

BoxFor = Callable[[Sequence[str]], Sandbox]
"""A sandbox whose interpreter has these packages."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    passed: int
    total: int
    failures: tuple[str, ...] = ()
    """Each node or file that did not pass, with the end of what it said."""

    @property
    def accepted(self) -> bool:
        return 0 < self.total == self.passed


@contextmanager
def boxes(cache: Path) -> Iterator[BoxFor]:
    """Sandboxes by packages; each is opened once and closed at the end."""
    opened: dict[tuple[str, ...], Box] = {}

    def box(requires: Sequence[str]) -> Sandbox:
        key = tuple(sorted(requires))
        if key not in opened:
            opened[key] = open_sandbox(prepare(key, cache=cache))
        return opened[key]

    try:
        yield box
    finally:
        for each in opened.values():
            each.close()


def can_be_judged(task: BenchmarkTask, box_for: BoxFor, say: Callable[[str], None]) -> bool:
    """False, and told, when what the task needs cannot be installed."""
    try:
        box_for(task.requires)
    except EnvironmentUnavailable as error:
        say(f"SKIPPED  {task.name}: {error}")
        return False
    return True


def accept(task: BenchmarkTask, delivered: Path, box_for: BoxFor) -> Acceptance:
    """What the hidden tests say of a folder; of an empty one too, for which each of them fails."""
    box = box_for(task.requires)
    report = judged(task, Tree({}, delivered), box, confirm=True)
    if report.collection_errors or not report.complete or not report.collected:
        whole = judged(task, task.reference, box).collected if task.solution else 0
    else:
        whole = report.collected
    passed = sum(result.outcome == "passed" for result in report.results)
    return Acceptance(passed if report.passed else min(passed, max(0, whole - 1)), max(whole, 1), failures_of(report))


def judged(
    task: BenchmarkTask,
    tree: Tree,
    box: Sandbox,
    *,
    confirm: bool = False,
    limits: ExecLimits = LIMITS,
    stop_early: bool = False,
    lines_of: Sequence[str] = (),
) -> TestReport:
    """The acceptance tests on a tree, whatever it says of how tests are run."""
    present = {relative for _, relative in kept(tree.base)} if tree.base else set[str]()
    hidden = _folder(present | tree.texts.keys())
    tests = {f"{hidden}/{path}": text for path, text in task.acceptance.items()}
    steering = {**{path: "" for path in (*present, *tree.texts) if is_protected(path)}, **_steering_of(task)}
    files = [path for path in tests if path.rpartition("/")[2].startswith("test_") and path.endswith(".py")]
    return box.test(
        Tree({**tree.texts, **steering, **tests}, tree.base), files, confirm=confirm, limits=limits,
        stop_early=stop_early, lines_of=lines_of,
    )  # fmt: skip


def _folder(present: set[str]) -> str:
    names = ("acceptance" if not number else f"acceptance_{number}" for number in count())
    taken = {path.partition("/")[0] for path in present}
    return next(name for name in names if name not in taken and f"{name}.py" not in taken)


def _steering_of(task: BenchmarkTask) -> Mapping[str, str]:
    started = texts_of(task.start) if task.start else {}
    return {path: text for path, text in {**started, **task.solution}.items() if is_protected(path)}


def failures_of(report: TestReport) -> tuple[str, ...]:
    broken = [f"{path}: {text[-200:]}" for path, text in report.collection_errors]
    failed = [f"{result.node}: {result.detail[-200:]}" for result in report.failures]
    whole = report.complete and (report.collected or broken)
    return (*broken, *failed, *(() if whole else ("the test run came to no end, or no test was collected",)))
