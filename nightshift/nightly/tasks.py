"""A task of the queue: a Markdown file whose first lines may be settings in TOML.

    +++
    workspace = "../tracker"          # relative to this file
    verify = ["python3 -m pytest -q"]
    after = ["parser"]                # files of the queue that must be done first
    priority = 5                      # larger first; 0 when not given
    repeat = true                     # every night anew
    endpoint = "http://gpu:8080"
    [limits]
    minutes = 30
    +++
    Add a --json flag to the list command.

Every key is checked; nothing is guessed. What the task text means is the orchestrator's business.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NewType

from nightshift.errors import ConfigError, NightshiftError, TaskError
from nightshift.llm.addresses import base_url, host_of
from nightshift.tables import Key, Layer, Reader, line_of

Command = NewType("Command", str)
Name = NewType("Name", str)
FENCE = "+++"
LONGEST_NAME = 200
"""Bytes; results and locks have longer names than the task."""


@dataclass(frozen=True, slots=True)
class OwnLimits:
    """None: what the configuration says."""

    minutes: float | None = None
    calls: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class FrontMatter:
    workspace: str = ""
    """Empty: a folder of its own."""
    verify: tuple[Command, ...] = ()
    after: tuple[Name, ...] = ()
    priority: int = 0
    repeat: bool = False
    endpoint: str = ""
    limits: OwnLimits = field(default_factory=OwnLimits)


@dataclass(frozen=True, slots=True)
class Task:
    file: Path
    prompt: str
    settings: FrontMatter
    workspace: Path

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def digest(self) -> str:
        """Another text or another workspace is another task, although the file has the same name."""
        return hashlib.sha256(f"{self.workspace}\0{self.prompt}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Queued:
    """The waiting files: those that can be read, and why the others cannot, by name."""

    tasks: Mapping[str, Task]
    refused: Mapping[str, str]


def read_queue(folder: Path, home_of: Callable[[str], Path]) -> Queued:
    """`home_of` gives the workspace of a task that names none. Raises ConfigError without a folder."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder: make it and put one task into each *.md file")
    tasks, refused = dict[str, Task](), dict[str, str]()
    for file in sorted(file for file in folder.glob("*.md") if not file.name.startswith(".")):
        try:
            tasks[file.stem] = read_task(file, home_of(file.stem))
        except FileNotFoundError:
            continue  # taken back by the user this moment
        except NightshiftError as error:
            refused[file.stem] = str(error)
    return Queued(tasks, refused)


def read_task(file: Path, home: Path) -> Task:
    """Raises ConfigError and TaskError, naming file and line."""
    if len(file.name.encode()) > LONGEST_NAME or not file.name.isprintable():
        raise TaskError(f"{str(file)!r}: its name is too long or has control characters: rename it")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{file}: cannot be read: {error}") from error
    front, body = _parted(file, text)
    settings = _settings(file, front)
    if not body.strip():
        raise TaskError(f"{file}: there is no task in it: write what is to be done below the settings")
    workspace = (file.parent / Path(settings.workspace).expanduser()).resolve() if settings.workspace else home
    return Task(file, body.strip(), settings, workspace)


def _parted(file: Path, text: str) -> tuple[str, str]:
    """The settings, in the lines where they stand in the file, and the task."""
    first, *rest = text.split("\n")
    if first.rstrip() == "---" or first.startswith("workspace:"):
        raise ConfigError(f"{file} line 1: settings are TOML between two lines {FENCE}, not {first.rstrip()!r}")
    if first.rstrip() != FENCE:
        return "", text
    end = next((number for number, line in enumerate(rest) if line.rstrip() == FENCE), None)
    if end is None:
        raise ConfigError(f"{file} line 1: the settings that begin here have no second line {FENCE}")
    return "\n".join(["", *rest[:end], ""]), "\n".join(rest[end + 1 :])


def _settings(file: Path, text: str) -> FrontMatter:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from error

    def locate(key: Key) -> str:
        line = line_of(text, key)
        return f"{file} line {line}" if line else str(file)

    return Reader(BOUNDS, PARSERS).fill(FrontMatter(), Layer(_with_endpoint(table, locate), locate))


def _with_endpoint(table: Mapping[str, Any], locate: Callable[[Key], str]) -> Mapping[str, Any]:
    endpoint = table.get("endpoint")
    if not isinstance(endpoint, str):
        return table
    if host_of(endpoint) is None:
        raise ConfigError(f"{locate(('endpoint',))}: endpoint {endpoint!r} is not a URL like http://gpu:8080")
    return {**table, "endpoint": base_url(endpoint)}


def _command(text: str) -> Command:
    if not text.strip() or "\0" in text:
        raise ValueError("there is no command in it")
    return Command(text)


def _name(text: str) -> Name:
    """`parser` and `parser.md` are the same file."""
    if not text.strip() or not text.isprintable() or "/" in text:
        raise ValueError("it must be the name of a file of the queue")
    return Name(text.strip().removesuffix(".md"))


PARSERS: Mapping[Any, Callable[[str], Any]] = {Command: _command, Name: _name}
BOUNDS: Mapping[str, tuple[float, float]] = {
    "priority": (-1000, 1000), "minutes": (0.01, 20_160), "calls": (1, 1_000_000), "tokens": (1, 10_000_000_000),
}  # fmt: skip
