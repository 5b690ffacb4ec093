"""A task, a plan and a file to write as text for prompts."""

from __future__ import annotations

from collections.abc import Iterable

from nightshift.domain import Criterion, Plan, Task, TestsCheck
from nightshift.evidence import describe_check
from nightshift.prompting import bullets, fenced
from nightshift.search.brief import Brief


def file_variables(brief: Brief) -> dict[str, str]:
    """What every prompt about one file begins with."""
    step = brief.step
    return {
        "task": task_text(brief.task),
        "modules": brief.modules,
        "lessons": brief.lessons,
        "style": brief.style,
        "path": step.path,
        "purpose": step.purpose,
        "interface": fenced(step.interface) if step.interface else "(free)",
    }


def task_text(task: Task) -> str:
    if not task.verify:
        return task.prompt
    return f"{task.prompt}\n\nThese commands will be run as proof:\n{bullets(task.verify)}"


def criteria_text(plan: Plan) -> str:
    return "\n".join(f"- {c.id}: {c.description}{_shown(c)}" for c in plan.criteria)


def packages_text(plan: Plan) -> str:
    return ", ".join(plan.requires) or "(only the standard library)"


def interfaces_text(plan: Plan) -> str:
    return _sections((step.path, step.interface) for step in plan.steps if step.kind == "source")


def fence_of(path: str) -> str:
    """The language named on a fence: none for what is not Python."""
    return "python" if path.endswith(".py") else ""


def _shown(criterion: Criterion) -> str:
    if isinstance(criterion.check, TestsCheck):
        return ""
    return f"\n  check: {describe_check(criterion.check)}".replace("\n", "\n  ")


def _sections(texts: Iterable[tuple[str, str]]) -> str:
    return "\n\n".join(f"{path}\n{fenced(text)}" for path, text in texts) or "(none)"
