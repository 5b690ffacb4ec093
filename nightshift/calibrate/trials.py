"""What a calibration measures, and the SQLite file that remembers it: a row for each cell, a row for each run.

A cell is one model with one setting of the knobs. Its recipe hash names machine, model, knobs and prompts, and
nothing that was measured: a cell whose recipe is here already is not measured again. What a failed cell lacks is
always told. A damaged file is set aside: everything in it can be measured again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from nightshift.disk import disk_errors
from nightshift.errors import ConfigError

Stage = Literal["gate", "climb", "heat"]
VERSION = 1
BUSY_SECONDS = 15.0
MAX_RUNS = 50


class Ending(StrEnum):
    """Why a calibration ended; there is no other reason."""

    CHOSEN = "chosen"
    PARTIAL = "budget_exhausted_partial"
    """A model passed the gate, but its knobs are not climbed to the end."""
    NOTHING_YET = "budget_exhausted_no_model"
    NO_FEASIBLE = "no_feasible_model"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    """Of a run that was killed, too."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """What is turned. The last two only for a server that is ours to restart."""

    context: int
    """Tokens of one slot."""
    parallel: int = 1
    temperature: float = 0.0
    kv_type: str = ""
    """Type of the KV cache, e.g. q8_0; empty: the server's own."""
    speculation: str = ""
    """Kind of speculative decoding, e.g. ngram-mod; empty: none."""

    def __str__(self) -> str:
        more = "".join(f", {word}" for word in (self.kv_type, self.speculation) if word)
        return f"context {self.context:,}, {self.parallel} at once, temperature {self.temperature:g}{more}"


@dataclass(frozen=True, slots=True)
class Trial:
    """One cell, measured: medians over its replicates."""

    recipe: str
    stage: Stage
    model: str
    url: str
    knobs: Knobs
    ok: bool
    notes: str = ""
    """Why it is not feasible; never empty then."""
    first_token: float = 0.0
    """Seconds."""
    decode: float = 0.0
    """Tokens a second of one request while it is written."""
    seconds: float = 0.0
    """From sending to the end of the reply."""
    throughput: float = 0.0
    """Tokens a second of all requests in flight together."""
    spread: float = 0.0
    """Largest minus smallest throughput of the replicates, as a share of their median."""
    replies: int = 0
    exhausted: bool = False
    """It ran out of memory, or the server broke off."""
    final: bool = True
    """False for what may be otherwise tomorrow, e.g. a server that is down: measured again on the next run."""
    drafted: int = 0
    accepted: int = 0
    """Tokens drafted by speculation, and those of them the model agreed to."""
    kept: bool = False
    """It was the best so far when it was measured."""

    def __post_init__(self) -> None:
        assert self.ok or self.notes, "a trial that is not feasible says why"


@dataclass(frozen=True, slots=True)
class Run:
    """The stored decision: what the report and the profile read."""

    id: str
    ending: Ending
    started: str
    chosen: str = ""
    """Recipe of the cell that was decided on."""
    hottest: float = 0.0
    """The highest temperature whose canaries all passed."""
    message: str = ""
    machine: Mapping[str, str] | None = None
    recipes: tuple[str, ...] = ()
    """Cells in the order in which they were looked at, remembered ones too."""


def chosen_of(run: Run, trials: Sequence[Trial]) -> Trial | None:
    return next((trial for trial in trials if trial.recipe == run.chosen), None)


def recipe_hash(machine: Mapping[str, str], model: Mapping[str, str], knobs: Knobs, prompts: str) -> str:
    """Equal for equal conditions, in any order of their names; a float is written as text, one way only."""
    turned = {name: f"{value:g}" if isinstance(value, float) else value for name, value in asdict(knobs).items()}
    recipe = {"machine": dict(machine), "model": dict(model), "knobs": turned, "prompts": prompts}
    canonical = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


class Trials:
    """The file at `path`, made when missing; for one thread, until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warning = ""
        """Says so when a damaged file was set aside."""
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = self._open_or_set_aside()

    def close(self) -> None:
        self._db.close()

    def known(self, recipe: str) -> Trial | None:
        """That cell as it was measured, unless it is to be measured again."""
        row = self._db.execute("SELECT fields FROM trials WHERE recipe = ?", (recipe,)).fetchone()
        trial = _trial(row[0]) if row else None
        return trial if trial and trial.final else None

    def add(self, trial: Trial, run: str) -> None:
        self._write(("INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?)", (trial.recipe, run, now(), _text(trial))))

    def save_run(self, run: Run) -> None:
        oldest = "SELECT rowid FROM runs ORDER BY rowid DESC LIMIT -1 OFFSET ?"
        self._write(
            ("INSERT OR REPLACE INTO runs VALUES (?, ?)", (run.id, _text(run))),
            (f"DELETE FROM runs WHERE rowid IN ({oldest})", (MAX_RUNS,)),
        )

    def runs(self) -> list[Run]:
        """Oldest first."""
        return [_run(row[0]) for row in self._db.execute("SELECT fields FROM runs ORDER BY rowid")]

    def of(self, recipes: Sequence[str]) -> list[Trial]:
        found = {row[0]: _trial(row[1]) for row in self._db.execute("SELECT recipe, fields FROM trials")}
        return [found[recipe] for recipe in recipes if recipe in found]

    def _write(self, *statements: tuple[str, tuple[str | int, ...]]) -> None:
        with _sqlite_errors(self.path), self._db:
            for sql, values in statements:
                self._db.execute(sql, values)

    def _open_or_set_aside(self) -> sqlite3.Connection:
        try:
            return _open(self.path)
        except sqlite3.OperationalError:
            with _sqlite_errors(self.path):
                raise
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
            aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
            for suffix in ("", "-journal"):  # a journal left behind would be played into the new file
                if (part := Path(f"{self.path}{suffix}")).exists():
                    part.rename(f"{aside}{suffix}")
            self.warning = f"{self.path} is damaged ({error}): kept as {aside}, and a new one is begun"
        with _sqlite_errors(self.path):
            return _open(self.path)


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _open(path: Path) -> sqlite3.Connection:
    """Reads all of it once: damage shows when a page is read, and that must not be in the middle of a night."""
    db = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise ConfigError(f"{path} is of a newer Nightshift: update this one, or move that file away")
        with db:
            db.execute("CREATE TABLE IF NOT EXISTS trials (recipe TEXT PRIMARY KEY, run TEXT, time TEXT, fields TEXT)")
            db.execute("CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, fields TEXT)")
            db.execute(f"PRAGMA user_version = {VERSION}")
        for (fields,) in db.execute("SELECT fields FROM trials"):
            _trial(fields)
        for (fields,) in db.execute("SELECT fields FROM runs"):
            _run(fields)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    """Raises ConfigError for them, with the way out."""
    try:
        yield
    except sqlite3.Error as error:
        raise ConfigError(
            f"{path} cannot be used: {error}. Make it writable, make room on its disk, or wait for the process "
            "that holds it"
        ) from error


def _text(value: Trial | Run) -> str:
    return json.dumps(asdict(value), sort_keys=True)


def _trial(text: str) -> Trial:
    fields: dict[str, Any] = json.loads(text)
    return Trial(**{**fields, "knobs": Knobs(**fields["knobs"])})


def _run(text: str) -> Run:
    fields: dict[str, Any] = json.loads(text)
    return Run(**{**fields, "ending": Ending(fields["ending"]), "recipes": tuple(fields["recipes"])})
