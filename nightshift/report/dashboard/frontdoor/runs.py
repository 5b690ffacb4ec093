"""One run for one answer: waits for its turn in the workspace, starts the orchestrator, tells its lines, and stops it
resumably when whoever asked is gone. Does not judge anything."""

from __future__ import annotations

import json
import os
import selectors
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nightshift.domain import Plan
from nightshift.errors import NightshiftError
from nightshift.ownership import is_ours
from nightshift.records import as_json, of_kind, outcome_of, plan_of, read_trace, runs_in, started_with
from nightshift.report.dashboard import processes
from nightshift.report.dashboard.frontdoor.commands import Wish
from nightshift.report.dashboard.owner import owner_of
from nightshift.report.dashboard.server import Client
from nightshift.report.reading import summary_of
from nightshift.report.text import printable

MAX_WAITING = 8
LOOK_SECONDS = 0.5
BEAT_SECONDS = 10.0
CLOSING_SECONDS = 75.0
LAST_WORDS = 2000


class ClientLeft(ConnectionError):
    """Nobody waits for the answer any more, or the server ends."""


class NothingPlanned(Exception):
    """There is no plan of this user's in the workspace to build or to plan again."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who asked, and how it hears of the run."""

    client: Client
    say: Callable[[str], None]
    """One line of progress."""
    beat: Callable[[], None]
    """A sign of life that shows nothing."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the run ended: the fields of result.json, or none of them and its last words."""

    code: int
    result: dict[str, Any] = field(default_factory=dict)
    words: str = ""
    plan: Plan | None = None


class Desk:
    """Holds whose turn it is in each workspace."""

    def __init__(self, flags: Sequence[str], marks: Path) -> None:
        self._flags = tuple(flags)
        self._marks = marks
        self._turns: dict[Path, list[object]] = {}
        self._changed = threading.Condition()
        self._closing = False

    def waiting(self, workspace: Path) -> int:
        with self._changed:
            return len(self._turns.get(workspace, ()))

    def carry_out(self, workspace: Path, wish: Wish, listener: Listener) -> Ending:
        """Raises ClientLeft, once the run has ended, and NothingPlanned."""
        with self._turn(workspace, listener), tempfile.TemporaryDirectory(prefix="nightshift-") as scratch:
            flags, task = self._order(workspace, wish, Path(scratch))
            with tempfile.TemporaryFile() as output:
                with processes.run([*flags, "--workspace", str(workspace), *self._flags], task, output) as process:
                    words = self._follow(process, listener)
                    code = process.wait(CLOSING_SECONDS)
                output.seek(0)
                return _ending(workspace, code, output.read().decode("utf-8", "replace"), words)

    def close(self) -> None:
        """Tells all runs to end, and waits for them."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not any(self._turns.values()), CLOSING_SECONDS)

    @contextmanager
    def _turn(self, workspace: Path, listener: Listener) -> Iterator[None]:
        ticket = object()
        with self._changed:
            turns = self._turns.setdefault(workspace, [])
            turns.append(ticket)
        try:
            self._wait(workspace, turns, ticket, listener)
            yield
        finally:
            with self._changed:
                turns.remove(ticket)
                self._changed.notify_all()

    def _wait(self, workspace: Path, turns: list[object], ticket: object, listener: Listener) -> None:
        said, beaten = "", time.monotonic()
        while (place := turns.index(ticket)) or owner_of(workspace):
            sentence = f"waiting: another run works in {workspace}" + (f", {place} before this one" if place else "")
            if sentence != said:
                listener.say(said := sentence)
            with self._changed:
                self._changed.wait(LOOK_SECONDS)
            beaten = self._look(listener, beaten)

    def _look(self, listener: Listener, beaten: float) -> float:
        if self._closing or listener.client.gone:
            raise ClientLeft
        if time.monotonic() - beaten < BEAT_SECONDS:
            return beaten
        listener.beat()
        return time.monotonic()

    def _follow(self, process: processes.Process, listener: Listener) -> str:
        """Tells each line as it comes; returns the last ones."""
        assert process.stderr, "it was asked for"
        beaten, rest, words = time.monotonic(), b"", ""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stderr, selectors.EVENT_READ)
            selector.register(listener.client.connection, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(LOOK_SECONDS)]
                beaten = self._look(listener, beaten)
                if process.stderr not in ready:
                    continue
                if not (block := os.read(process.stderr.fileno(), 1 << 16)):
                    return words
                *lines, rest = (rest + block).split(b"\n")
                for line in map(_line, lines):
                    listener.say(line)
                    words = f"{words}\n{line}"[-LAST_WORDS:]
                beaten = time.monotonic() if lines else beaten

    def _order(self, workspace: Path, wish: Wish, scratch: Path) -> tuple[list[str], str]:
        """The orchestrator's flags and the task's text."""
        if wish.name == "resume":
            return ["--resume"], ""
        if wish.name in ("build", "specify") or (wish.name == "plan" and wish.task):
            return ["--dry-run"] if wish.name != "build" else [], wish.task
        task, plan = self._last_plan(workspace)
        if wish.name == "plan":
            return ["--dry-run"], task
        file = scratch / "plan.json"
        file.write_text(json.dumps(as_json(plan)), encoding="utf-8")
        return ["--plan", str(file)], "\n\n".join(filter(None, (task, wish.task)))

    def _last_plan(self, workspace: Path) -> tuple[str, Plan]:
        """Of a run that this user started: a checkout may bring a stranger's along."""
        for run in runs_in(workspace):
            if summary_of(run)["exit_reason"] == "planned" and (found := self._plan_of_ours(run)):
                return found
        raise NothingPlanned

    def _plan_of_ours(self, run: Path) -> tuple[str, Plan] | None:
        """Asks who started it before it believes anything else; one that is damaged hides no earlier one."""
        try:
            records = read_trace(run / "trace.jsonl")
            # Of the first part: the mark tells nothing of a resumed one, whose models may differ.
            started = started_with(of_kind(records, "run_started")[:1])
            if not is_ours(self._marks, run.name, started) or not outcome_of(records):
                return None
            plan = plan_of(records)
        except NightshiftError:
            return None
        return (str(started.get("task", {}).get("prompt", "")), plan) if plan else None


def _line(line: bytes) -> str:
    return printable(line.decode("utf-8", "replace").rstrip("\r"))


def _ending(workspace: Path, code: int, output: str, words: str) -> Ending:
    result = _last_document(output)
    run = workspace / ".nightshift" / "runs" / str(result.get("run"))
    if result.get("exit_reason") == "planned":
        try:
            return Ending(code, result, words, plan_of(read_trace(run / "trace.jsonl")))
        except NightshiftError as error:
            return Ending(code, result, str(error))
    return Ending(code, result, words)


def _last_document(output: str) -> dict[str, Any]:
    """A dry run prints its plan before the result."""
    decoder, at = json.JSONDecoder(), 0
    found: dict[str, Any] = {}
    while (at := output.find("{", at)) >= 0:
        try:
            told, at = decoder.raw_decode(output, at)
        except ValueError:
            return {}
        found = told if isinstance(told, dict) else found
    return found if "exit_reason" in found else {}
