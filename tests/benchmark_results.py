"""Outcomes made up for tests of tables and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.acceptance import Acceptance
from benchmarks.outcomes import Outcome
from benchmarks.setting import Setting

SETTING = Setting("coder:7b", (), "c0de", "Linux, 2 cores")


def outcome(
    task: str = "01-a", repeat: int = 1, passed: bool = True, setting: Setting = SETTING, **more: Any
) -> Outcome:
    found = Acceptance(5 if passed else 3, 5)
    facts: dict[str, Any] = {
        "level": 1, "kind": "new", "digest": "d", "asked": setting.id, "date": "2026-01-02T03:04:05Z",
        "exit_reason": "passed" if passed else "attempts_exhausted", "claimed": passed, "acceptance": found,
    }  # fmt: skip
    return Outcome(task=task, repeat=repeat, setting=setting, **{**facts, **more})


def results(passes: dict[str, Sequence[bool]], setting: Setting = SETTING, **more: Any) -> list[Outcome]:
    """Task -> whether each of its repeats was accepted."""
    return [
        outcome(task, repeat, passed, setting, **more)
        for task, repeats in passes.items()
        for repeat, passed in enumerate(repeats, 1)
    ]
