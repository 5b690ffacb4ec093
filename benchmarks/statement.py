"""What anyone may know of a task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    name: str
    prompt: str
    path: str
    interface: str
    """Python stub text."""
