"""What the queue's journal adds up to. Told record by record, live and when a killed night goes on: the same code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from nightshift.codec import from_json
from nightshift.nightly.budget import UNLIMITED, Amount
from nightshift.nightly.journal import Entry
from nightshift.nightly.order import History
from nightshift.nightly.running import Order, Outcome

Decision = Literal["done", "failed", "aside", "retry", "kept"]
"""aside: later tonight, when there is budget left; kept: another night."""
REMEMBERED = 9
"""Successes of a task that its estimate rests on."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What was decided after a run ended."""

    name: str
    decision: Decision
    outcome: Outcome
    workspace: str = ""
    target: str = ""
    """Where the task's file goes, relative to the queue and without an end; empty: it stays."""
    moves: bool = False
    """A task that is repeated leaves its result there and stays."""
    again_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Known:
    """One task, by the name of its file."""

    digest: str = ""
    run: str = ""
    """The run to go on with."""
    used: Amount = Amount()
    order: Order | None = None
    """Begun, and not known to have ended."""
    nights_skipped: int = 0
    turns: int = 0
    tries: int = 0
    again_at: float = 0.0
    over: Decision | Literal[""] = ""
    """How it ended tonight."""
    successes: tuple[Amount, ...] = ()


@dataclass(slots=True)
class Night:
    id: str
    started: float
    until: float | None
    budget: Amount
    used_calls: float = 0.0
    used_tokens: float = 0.0
    endings: dict[str, Ending] = field(default_factory=dict)
    """The last one of each task."""
    refused: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    """Tasks that had no turn, with the reason."""
    ended: float | None = None
    code: int = 0


class Memory:
    def __init__(self) -> None:
        self.tasks: dict[str, Known] = {}
        self.night: Night | None = None
        self.unmoved: dict[str, Ending] = {}
        """Ended, and their files not known to be where they belong."""

    def known(self, name: str) -> Known:
        return self.tasks.get(name, Known())

    def histories(self) -> Mapping[str, History]:
        return {name: History(k.nights_skipped, k.turns, k.successes) for name, k in self.tasks.items()}

    def hear(self, entry: Entry) -> None:
        """Kinds that are not known are skipped."""
        heard = {
            "night_started": self._night_started,
            "refused": self._refused,
            "started": self._started,
            "ended": self._ended,
            "moved": self._moved,
            "night_ended": self._night_ended,
        }.get(entry["kind"])
        if heard:
            heard(entry)

    def _night_started(self, entry: Entry) -> None:
        limits: Mapping[str, Any] = entry["budget"]
        budget = Amount(
            *(UNLIMITED.minutes if limits[n] is None else limits[n] for n in ("minutes", "calls", "tokens"))
        )
        self.night = Night(entry["night"], entry["time"], entry["until"], budget)
        self.tasks = {n: replace(k, turns=0, tries=0, again_at=0.0, over="") for n, k in self.tasks.items()}

    def _refused(self, entry: Entry) -> None:
        if self.night:
            self.night.refused[entry["name"]] = entry["message"]

    def _started(self, entry: Entry) -> None:
        name = entry["name"]
        order = from_json(Order, entry["order"])
        known = self.known(name)
        if known.digest != entry["digest"]:
            known = Known(successes=known.successes, turns=known.turns, tries=known.tries)
        self.tasks[name] = replace(known, digest=entry["digest"], order=order, nights_skipped=0, over="")

    def _ended(self, entry: Entry) -> None:
        ending = from_json(Ending, entry["ending"])
        known, night = self.known(ending.name), self.night
        spent = ending.outcome.used - (known.order.used if known.order else known.used)
        if night:
            night.used_calls += spent.calls
            night.used_tokens += spent.tokens
            night.endings[ending.name] = ending
        if ending.target:
            self.unmoved[ending.name] = ending
        self.tasks[ending.name] = _after(known, ending)

    def _moved(self, entry: Entry) -> None:
        self.unmoved.pop(entry["name"], None)

    def _night_ended(self, entry: Entry) -> None:
        if self.night:
            self.night.ended, self.night.code, self.night.waiting = entry["time"], entry["code"], entry["waiting"]
        for name in entry["skipped"]:
            known = self.known(name)
            self.tasks[name] = replace(known, nights_skipped=known.nights_skipped + 1)


def _after(known: Known, ending: Ending) -> Known:
    known = replace(known, order=None, over=ending.decision, again_at=ending.again_at)
    outcome = ending.outcome
    if ending.decision == "done":
        return replace(known, run="", used=Amount(), successes=(*known.successes, outcome.used)[-REMEMBERED:])
    if ending.decision == "failed" and outcome.code != 4:
        return replace(known, run="", used=Amount())
    turn, attempt = int(ending.decision == "aside"), int(ending.decision == "retry")
    run = outcome.run or known.run
    used = outcome.used if outcome.run else known.used
    return replace(known, run=run, used=used, turns=known.turns + turn, tries=known.tries + attempt)
