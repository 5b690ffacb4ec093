"""A run as the text of an answer. What models and programs said stands in indented lines: a chat program that renders
Markdown shows those as they are, and loads no picture they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nightshift.domain import EXIT_CODES, Plan
from nightshift.evidence import describe_check
from nightshift.report.dashboard.frontdoor.commands import Name
from nightshift.report.dashboard.frontdoor.runs import Ending
from nightshift.report.text import counted, duration, one_line, printable

NOTHING_PLANNED = "There is no plan of yours in {workspace} yet: /specify TASK or /plan TASK makes one."
NO_WORDS = "It said nothing."
_OWN_CHECKS = ", by its own checks only: no check of yours took part"
_EVIDENCE = 300


def progress(line: str) -> str:
    """As one line of code in Markdown."""
    return f"    {printable(line)}\n"


def answer(name: Name, ending: Ending, workspace: Path, url: str) -> str:
    """`url` is the run's page of the dashboard."""
    result = ending.result
    if not result:
        words = _block(ending.words.strip() or NO_WORDS)
        return f"**The run could not be made** (exit code {ending.code}).\n\n{words}"
    if ending.plan:
        return "\n".join(_planned(name, ending.plan))
    return "\n".join(_done(ending, workspace, url))


def _planned(name: Name, plan: Plan) -> Iterator[str]:
    yield f"**Planned**: {counted(len(plan.steps), 'file')}, {_criteria_count(len(plan.criteria))}. Nothing was built."
    yield ""
    yield _block(plan.summary)
    for step in plan.steps:
        yield _block(f"{step.path} ({step.kind}): {step.purpose}")
        if name != "specify" and step.interface:
            yield _block(step.interface, indent=8)
    if name != "specify":
        yield "\nIt is done when:\n"
        for criterion in plan.criteria:
            yield _block(f"{criterion.id}: {criterion.description} [{one_line(describe_check(criterion.check))}]")
    yield "\n`/implement` builds it" + ("; `/plan HOW` plans it again, with criteria." if name == "specify" else ".")


def _done(ending: Ending, workspace: Path, url: str) -> Iterator[str]:
    result = ending.result
    run = workspace / ".nightshift" / "runs" / one_line(str(result.get("run")))
    passed = result.get("status") == "passed"
    own = _OWN_CHECKS if result.get("proof") == "self" else ""
    reason = result.get("exit_reason") if result.get("exit_reason") in EXIT_CODES else "unknown"
    usage: Mapping[str, Any] = result.get("usage") or {}
    cost = f"{counted(int(usage.get('calls', 0)), 'model call')}, {duration(usage.get('wall_seconds', 0.0))}"
    yield f"**Passed**{own} ({cost})." if passed else f"**Not done**: {reason} ({cost})."
    yield ""
    for criterion in result.get("criteria") or ():
        yield _block("\n".join(_criterion(criterion)))
    files = result.get("files") or ()
    if files:
        yield "\nChanged:\n"
        yield from (_block(f"{f.get('action')} {f.get('path')} ({f.get('lines')} lines)") for f in files)
    if result.get("branch"):
        yield f"\nOn a branch, for your review:\n\n{_block(str(result['branch']))}"
    if not passed and not result.get("criteria"):
        yield _block(ending.words.strip().rpartition("\n")[2] or NO_WORDS)
    paths = [run / "report.html", *([] if passed else [run / "handoff.md"])]
    yield "\nReport:\n\n" + "\n".join(_block(str(path)) for path in paths) + f"\n\n{url}"
    if not passed:
        yield "\n`/resume` goes on with it, if it was stopped."


def _criterion(criterion: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'✓' if criterion.get('passed') else '✗'} {one_line(str(criterion.get('description')))}"
    if not criterion.get("passed"):
        yield f"  {one_line(str(criterion.get('evidence')))[:_EVIDENCE]}"


def _criteria_count(number: int) -> str:
    return "1 criterion" if number == 1 else f"{number} criteria"


def _block(text: str, indent: int = 4) -> str:
    return "\n".join(" " * indent + line for line in printable(text).replace("\t", "    ").split("\n"))
