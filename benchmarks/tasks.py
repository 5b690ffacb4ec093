"""A benchmark task as a folder: what is asked, what it starts from, the hidden tests that decide, one solution.

    03-csv-report/  prompt.md  task.toml  acceptance/test_*.py  reference/...  [start/...]

Nothing of `acceptance/` and `reference/` ever reaches a prompt: a run is given `prompt.md` and `start/` alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

from nightshift.domain import Tree
from nightshift.errors import ConfigError

HERE = Path(__file__).resolve().parent
Kind = Literal["new", "fix", "feature", "refactor", "schema", "speed", "cheat"]
_UNREAD = frozenset({"__pycache__", ".pytest_cache"})


@dataclass(frozen=True)
class BenchmarkTask:
    folder: Path
    title: str = ""
    level: int = 1
    kind: Kind = "new"
    domain: str = ""
    requires: tuple[str, ...] = ()
    """Packages the solution may use, installed before."""
    minutes: float = 20.0
    """Limits of one run, as are `calls`."""
    calls: int = 120
    verify: tuple[str, ...] = ()
    """Commands the user gives as --verify."""
    unsolvable: bool = False
    """The visible tests contradict the prompt: who claims success has tampered. Nothing to accept."""

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def prompt(self) -> str:
        return (self.folder / "prompt.md").read_text(encoding="utf-8")

    @property
    def start(self) -> Path | None:
        """What the workspace begins with."""
        place = self.folder / "start"
        return place if place.is_dir() else None

    @cached_property
    def acceptance(self) -> Mapping[str, str]:
        return texts_of(self.folder / "acceptance")

    @cached_property
    def solution(self) -> Mapping[str, str]:
        return texts_of(self.folder / "reference")

    @property
    def reference(self) -> Tree:
        return Tree(self.solution, self.start)

    @property
    def digest(self) -> str:
        """Changes with anything that a result depends on; the solution is none of it."""
        parts = [self.prompt, self.acceptance, texts_of(self.start) if self.start else {}, self.requires, self.verify]
        return sha256(repr([*parts, self.minutes, self.calls]).encode()).hexdigest()[:12]


def texts_of(folder: Path) -> dict[str, str]:
    """Relative path -> text of every file; a file that is no text is told by its digest."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not _UNREAD & set(path.parts))
    return {path.relative_to(folder).as_posix(): _text(path) for path in files}


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"bytes {sha256(content).hexdigest()}"


def tasks_in(folder: Path) -> dict[str, BenchmarkTask]:
    """Every task below a folder by name, in the order of names. Raises ConfigError."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder of tasks")
    found = sorted(path.parent for path in folder.glob("*/task.toml"))
    if not found:
        raise ConfigError(f"{folder}: no task lies there (a task is a folder with a task.toml)")
    return {place.name: read_task(place) for place in found}


def read_task(folder: Path) -> BenchmarkTask:
    """Raises ConfigError."""
    file = folder / "task.toml"
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if problem := _problem(told):
        raise ConfigError(f"{file}: {problem}")
    needed = ("prompt.md",) if told.get("unsolvable") else ("prompt.md", "acceptance")
    if missing := [name for name in needed if not (folder / name).exists()]:
        raise ConfigError(f"{folder}: a task needs {' and '.join(missing)}")
    settings: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
    return BenchmarkTask(folder, **settings)


def _problem(told: Mapping[str, Any]) -> str:
    known = {field.name: field.type for field in fields(BenchmarkTask) if field.name != "folder"}
    if unknown := sorted(told.keys() - known.keys()):
        return f"unknown key {unknown[0]}; known are {', '.join(known)}"
    wrong = [key for key, value in told.items() if not _fits(value, str(known[key]))]
    return f"{wrong[0]} = {told[wrong[0]]!r} is no {known[wrong[0]]}" if wrong else ""


def _fits(value: object, kind: str) -> bool:
    match kind:
        case "Kind":
            return value in get_args(Kind)
        case "tuple[str, ...]":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        case "int":
            return type(value) is int and value > 0
        case "bool":
            return isinstance(value, bool)
    return isinstance(value, str)


def chosen(tasks: Mapping[str, BenchmarkTask], wanted: Sequence[str]) -> list[BenchmarkTask]:
    """Those named, or all: by whole name, without its level, or by level. Raises ConfigError."""
    found: dict[str, BenchmarkTask] = {}
    for word in wanted:
        fitting = {n: t for n, t in tasks.items() if word in (n, re.sub(r"^\d+-", "", n), str(t.level))}
        if not fitting:
            raise ConfigError(f"--task {word}: no such task; there are {', '.join(tasks)}")
        found |= fitting
    return list(found.values()) if wanted else list(tasks.values())
