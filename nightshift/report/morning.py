"""The night as it is read in the morning: what each task came to, with evidence, and what to do next.

The first line is the truth about the night, also when that is that nothing passed.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nightshift.prompting import fenced, tail
from nightshift.records import Record, attempts_of, of_kind
from nightshift.report.text import counted, duration, one_line, printable

EVIDENCE_CHARS = 1000
NOT_OVER = "The night is not over"
STATUS = {
    0: "passed", 1: "not done", 2: "refused: wrong settings", 3: "no usable model server", 4: "budget ran out",
    5: "refused", 70: "defect in Nightshift", 130: "interrupted", 143: "stopped",
}  # fmt: skip
UNFINISHED = (3, 4, 130, 143)
"""Codes that say nothing against the task: another night may end it."""


@dataclass(frozen=True, slots=True)
class TaskOfNight:
    name: str
    code: int
    reason: str = ""
    message: str = ""
    begun: bool = True
    stays: bool = False
    """In the queue: the next night goes on with it."""
    file: str = ""
    """Where the task's file is now."""
    workspace: str = ""
    run_dir: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    tried: Sequence[str] = ()
    go_on: str = ""
    """The command that goes on with the run."""

    @property
    def status(self) -> str:
        if not self.begun:
            return "not begun"
        return STATUS.get(self.code, f"exit code {self.code}") + (", goes on another night" if self.stays else "")

    @property
    def passed(self) -> bool:
        return self.begun and self.code == 0

    @property
    def own_checks_only(self) -> bool:
        return self.passed and self.result.get("proof") == "self"


@dataclass(frozen=True, slots=True)
class NightTold:
    id: str
    queue: str
    seconds: float
    code: int
    over: bool
    tasks: Sequence[TaskOfNight]


def headline(night: NightTold) -> str:
    """The truth in a sentence."""
    total, passed = len(night.tasks), sum(task.passed for task in night.tasks)
    told = _headline(total, passed, _kinds(night.tasks))
    own = sum(task.own_checks_only for task in night.tasks)
    if own:
        told += f" {own} passed {'its' if own == 1 else 'their'} own checks only."
    if not night.over:
        return f"{NOT_OVER}: {told}"
    return f"The night was stopped. {told}" if night.code in (130, 143) else told


def _headline(total: int, passed: int, kinds: str) -> str:
    if not total:
        return "No task was waiting."
    if passed == total:
        return f"All {counted(total, 'task')} passed." if total > 1 else "The only task passed."
    if passed:
        return f"{passed} of {counted(total, 'task')} passed; {kinds}."
    if kinds == f"{total} failed":
        return f"All {counted(total, 'task')} failed." if total > 1 else "The only task failed."
    return f"None of {counted(total, 'task')} passed: {kinds}." if total > 1 else f"The only task is {kinds[2:]}."


def _kinds(tasks: Sequence[TaskOfNight]) -> str:
    kinds = Counter(_kind(task) for task in tasks if not task.passed)
    return ", ".join(f"{kinds[kind]} {kind}" for kind in ("failed", "unfinished", "not begun") if kinds[kind])


def _kind(task: TaskOfNight) -> str:
    if not task.begun:
        return "not begun"
    return "unfinished" if task.stays and task.code in (*UNFINISHED, 5) else "failed"


def markdown_of(night: NightTold) -> str:
    lines = [f"# {headline(night)}", "", f"Night {night.id}, {duration(night.seconds)}, exit code {night.code}, "]
    lines[-1] += f"queue `{one_line(night.queue)}`."
    lines += ["", "| task | status | criteria | time | tokens |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(_cell(cell) for cell in row_of(task))} |" for task in night.tasks]
    return "\n".join([*lines, *(line for task in night.tasks for line in _task(task))]).rstrip() + "\n"


def row_of(task: TaskOfNight) -> tuple[str, ...]:
    """Task, status, criteria, time and tokens."""
    criteria, usage = criteria_of(task), task.result.get("usage", {})
    held = f"{sum(bool(c.get('passed')) for c in criteria)} of {len(criteria)}" if criteria else ""
    tokens = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    time = duration(usage["wall_seconds"]) if "wall_seconds" in usage else ""
    return task.name, task.status, held, time, f"{tokens:,}" if usage else ""


def criteria_of(task: TaskOfNight) -> Sequence[Mapping[str, Any]]:
    return task.result.get("criteria") or ()


def files_of(task: TaskOfNight) -> Iterator[tuple[str, str, str]]:
    """The diff in short: path, action, lines."""
    for file in task.result.get("files") or ():
        yield str(file.get("path")), str(file.get("action")), str(file.get("lines"))


def tried(records: Sequence[Record]) -> Iterator[str]:
    """One line for each attempt, and for each kind of fault."""
    for attempt in attempts_of(records):
        results = attempt.verdict.results
        why = f": {one_line(attempt.diagnosis.whys[-1])}" if attempt.diagnosis and attempt.diagnosis.whys else ""
        advice = f"; advice: {one_line(attempt.diagnosis.advice)}" if attempt.diagnosis else ""
        held = f"{sum(r.passed for r in results)} of {len(results)} criteria hold"
        yield f"attempt {attempt.number}: {held}{why}{advice}"
    faults = Counter(one_line(str(r.fields.get("message"))) for r in of_kind(records, "fault"))
    yield from (f"fault, {counted(number, 'time')}: {message}" for message, number in faults.most_common(5))


def next_steps(task: TaskOfNight) -> Iterator[str]:
    """What the user can do now; commands can be copied."""
    where, branch = shlex.quote(task.workspace), task.result.get("branch")
    if task.passed and branch:
        yield f"review it: git -C {where} diff HEAD...{shlex.quote(str(branch))}"
        yield f"take it: git -C {where} merge {shlex.quote(str(branch))}"
    elif task.passed:
        yield f"look at it in {where}"
    elif task.stays or not task.begun:
        yield f"nothing, if the reason is gone: the next night goes on with it ({_why(task)})"
    elif task.code == 2 and not task.run_dir:
        yield f"correct the task and start the queue again: {_why(task)}"
    else:
        yield f"to do it again: correct {shlex.quote(task.file)} and move it back into the queue"
    if task.go_on and not task.passed and not task.stays:
        yield f"to go on with this run: {task.go_on}"


def _why(task: TaskOfNight) -> str:
    return one_line(task.message) or task.reason or task.status


def _task(task: TaskOfNight) -> Iterator[str]:
    yield from ("", f"## {one_line(task.name)}: {task.status}", "")
    if task.message:
        yield from (_block(task.message), "")
    if task.own_checks_only:
        yield from ("Passed its own checks only: no user check took part.", "")
    for criterion in criteria_of(task):
        sign = "x" if criterion.get("passed") else " "
        yield f"- [{sign}] {_cell(str(criterion.get('id')))}: {one_line(str(criterion.get('description')))}"
        yield f"  ({criterion.get('channel')}) {one_line(tail(str(criterion.get('evidence', '')), EVIDENCE_CHARS))}"
    yield from _listed(
        "Changed", [f"{action} `{one_line(path)}` ({lines} lines)" for path, action, lines in files_of(task)]
    )
    yield from _listed("Tried", [printable(line) for line in task.tried])
    yield from _listed("Next", [printable(line) for line in next_steps(task)])
    if task.run_dir:
        yield from ("", f"Run: `{one_line(task.run_dir)}`")


def _listed(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield from ("", f"{title}:", "", *(f"- {item}" for item in items))


def _block(text: str) -> str:
    return fenced(printable(tail(text.strip("\n"), EVIDENCE_CHARS)), "text")


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")
