"""Errors that many programs meet, each with its fix: what is known before any run has taught something.

Each is proved by a failing and a fixed program in tests/error_patterns.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from nightshift.knowledge.entries import Lesson

SOURCE = "known patterns"


@cache
def seeds() -> tuple[Lesson, ...]:
    told = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return tuple(Lesson(one["signature"], one["advice"], SOURCE, "error") for one in told)
