"""Small tasks in families: what goes wrong in one goes wrong in the others, and is mended in the same way."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Exercise:
    name: str
    parameters: str
    does: str
    """As the task says it."""
    right: str
    """The body of the function, imports first."""
    wrong: str
    asserts: tuple[str, ...]
    """The first holds for both, the others only for the right one."""

    @property
    def text(self) -> str:
        return f"Write a module named {self.name}.py with a function {self.name}({self.parameters}) that {self.does}."


@dataclass(frozen=True, slots=True)
class Family:
    word: str
    """In advice, and in every right file: who has seen it knows."""
    trigger: str
    advice: str
    exercises: tuple[Exercise, Exercise]


def _family(told: dict[str, Any]) -> Family:
    first, second = (Exercise(**{**each, "asserts": tuple(each["asserts"])}) for each in told.pop("exercises"))
    return Family(**told, exercises=(first, second))


_TOLD = tomllib.loads(Path(__file__).with_name("families.toml").read_text(encoding="utf-8"))
FAMILIES: tuple[Family, ...] = tuple(map(_family, _TOLD["family"]))
