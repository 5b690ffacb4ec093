"""What is installed for an interpreter, and pytest with all it needs as it is installed for ours; nothing is run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from nightshift.sandbox.interpreter.requirements import normal


def site_packages(python: str) -> list[Path]:
    prefix = Path(os.path.abspath(python)).parents[1]
    if not (prefix / "pyvenv.cfg").exists():
        prefix = Path(python).resolve().parents[1]
    return sorted(path for kind in ("site", "dist") for path in prefix.glob(f"lib*/python3*/{kind}-packages"))


def judge_distributions() -> list[metadata.Distribution]:
    """pytest and all that it requires here; empty when some of it is missing."""
    found: dict[str, metadata.Distribution] = {}
    todo = ["pytest"]
    while todo:
        name = normal(todo.pop())
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            return []
        todo += unconditional(found[name].requires or [])
    return list(found.values())


def unconditional(requires: Sequence[str]) -> list[str]:
    """Names without a marker: those with one are for extras, old Pythons and other systems."""
    matches = (re.match(r"[A-Za-z0-9._-]+", line) for line in requires if ";" not in line)
    return [match[0] for match in matches if match]
