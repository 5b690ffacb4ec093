"""What is remembered across runs, in one SQLite file, its only door: lessons, known errors, code and documentation.

    Memory(default_path()).recall("a task tracker with JSON storage")

Any number of processes may use it at once. The same contents give the same answer to the same question. A damaged
file is set aside with a warning; memory never decides a verdict. What is worth keeping is decided in
nightshift/knowledge, where the texts are chosen too.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from nightshift.errors import ConfigError
from nightshift.knowledge import tables
from nightshift.knowledge.entries import KINDS, Kind, Lesson, Question, Recalled
from nightshift.knowledge.playbook import Scored
from nightshift.knowledge.scoring import LESSONS, alike, choose, topic
from nightshift.knowledge.seeds import seeds
from nightshift.knowledge.signatures import signatures
from nightshift.knowledge.words import words_of

__all__ = ["Lesson", "Memory", "MemoryUnavailable", "Question", "default_path"]

T = TypeVar("T")

BUSY_SECONDS = 15.0
"""How long to wait for another process that writes."""
MAX_ENTRIES: Mapping[Kind, int] = {"lesson": 2000, "error": 2000, "snippet": 50_000, "doc": 100_000}
POOL = 40
"""Entries of a kind looked at closely, of all that share a word with the question."""


class MemoryUnavailable(ConfigError):
    """The file cannot be opened, is locked for too long, or is of a newer Nightshift."""


class Memory:
    """The entries in the database at `path`, which is made when missing; for one thread, until `close`."""

    def __init__(
        self,
        path: Path,
        *,
        warn: Callable[[str], object] | None = None,
        busy_seconds: float = BUSY_SECONDS,
        full_text: bool | None = None,
    ) -> None:
        """Searches with SQLite's FTS5 where this Python has it; `full_text` False does without."""
        self.path = path
        self._busy_seconds = busy_seconds
        self._warn = warn or _to_stderr
        self._full_text = full_text
        self._db: sqlite3.Connection | None = None

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._db:
            self._db.close()
            self._db = None

    def recall(self, question: Question | str, limit: int = LESSONS) -> Recalled:
        """What fits the question best; nothing when nothing is about it."""
        asked = Question(question) if isinstance(question, str) else question
        seen, words = signatures(asked.evidence)[:20], list(topic(asked.text))
        if not words and not seen:
            return Recalled()

        def read(db: sqlite3.Connection) -> Recalled:
            found = [entry for kind in ("lesson", "snippet", "doc") for entry in self._about(db, kind, words)]
            return choose(
                asked, tables.known(db, seen, asked.project), [entry for entry in found if not entry.retired], limit
            )

        return self._do(read)

    def learn(self, entries: Iterable[Lesson], run: str) -> tuple[Lesson, ...]:
        """Keeps what is new, and returns it; what was kept apart and is proved now counts as new."""
        placed = (tables.cut(replace(one, run=one.run or run)) for one in entries)
        fit = [one for one in placed if words_of(one.trigger) and one.advice]
        return self._write(lambda db: tuple(self._insert(db, fit)))

    def fill(self, entries: Iterable[Lesson]) -> None:
        """Keeps many at once, without looking for what says the same in other words."""
        self._write(
            lambda db: [tables.add(db, entry) for entry in map(tables.cut, entries) if not tables.same(db, entry)]
        )

    def renew(self, source: str, entries: Iterable[Lesson]) -> int:
        """Puts documentation in the place of all that came from that source; returns how much there is now."""
        source = tables.cut(Lesson("", "", source)).run
        fit = [entry for entry in map(tables.cut, entries) if words_of(entry.trigger)]

        def whole(db: sqlite3.Connection) -> int:
            where = "kind = 'doc' AND (run = ? OR substr(run, 1, ?) = ?)"
            self._delete(db, where, source, len(source) + 1, f"{source}/")
            return len([tables.add(db, entry) for entry in {tables.identity(one): one for one in fit}.values()])

        return self._write(whole)

    def lessons(self, *kinds: Kind) -> list[Lesson]:
        """All entries of these kinds (lessons, when none is named), oldest first."""
        wanted = kinds or ("lesson",)
        return (
            self._do(lambda db: tables.select(db, f"WHERE kind IN ({tables.marks(wanted)})", *wanted))
            if self.path.exists()
            else []
        )

    def credit(self, run: str, outcomes: Mapping[int, int]) -> None:
        """What became of entries in a run: 1 helped, -1 harmed, 0 nobody knows. Told again, the better one counts."""
        rows = [(id, run, outcome, id) for id, outcome in outcomes.items()]
        self._write(
            lambda db: db.executemany(
                f"{tables.CREDIT} WHERE EXISTS (SELECT 1 FROM entries WHERE id = ?) {tables.BETTER}", rows
            )
        )

    def forget(self, id: int) -> bool:
        """Whether there was such an entry."""
        return id.bit_length() < 64 and self._write(lambda db: self._delete(db, "id = ?", id) > 0)

    def is_curated(self, run: str, records: int) -> bool:
        """Whether all that the run's trace holds was learned from."""
        asked = "SELECT 1 FROM curated WHERE run = ? AND records >= ?"
        return self._do(lambda db: db.execute(asked, (run, records)).fetchone() is not None)

    def curated(self, run: str, records: int) -> None:
        self._write(lambda db: db.execute("INSERT OR REPLACE INTO curated VALUES (?, ?)", (run, records)))

    def playbook(self) -> list[Scored]:
        """Lessons and known errors with what became of them; not the patterns that every memory begins with."""

        def read(db: sqlite3.Connection) -> list[Scored]:
            told: dict[int, dict[str, int]] = {}
            for id, run, outcome in db.execute("SELECT entry, run, outcome FROM outcomes"):
                told.setdefault(id, {})[run] = outcome
            known = {tables.identity(seed) for seed in seeds()}
            entries = tables.select(db, "WHERE kind IN ('lesson', 'error')")
            return [Scored(e, told.get(e.id, {})) for e in entries if e.id in told or tables.identity(e) not in known]

        return self._do(read) if self.path.exists() else []

    def merge(self, playbook: Sequence[Scored]) -> tuple[Lesson, ...]:
        """Takes in entries and outcomes of another memory; those that are new here are returned."""

        def whole(db: sqlite3.Connection) -> tuple[Lesson, ...]:
            new = tuple(self._insert(db, [tables.cut(one.lesson) for one in playbook], near=False))
            for one in playbook:
                found = tables.same(db, tables.cut(one.lesson))
                rows = [(found.id, run, outcome) for run, outcome in one.outcomes.items()] if found else []
                db.executemany(f"{tables.CREDIT} WHERE 1 {tables.BETTER}", rows)
            return new

        return self._write(whole)

    def _insert(self, db: sqlite3.Connection, entries: Iterable[Lesson], *, near: bool = True) -> Iterator[Lesson]:
        for entry in entries:
            known = tables.same(db, entry) or (self._alike(db, entry) if near else None)
            if known is None:
                yield from tables.select(db, "WHERE id = ?", tables.add(db, entry))
            elif entry.proved and not known.proved:
                db.execute("UPDATE entries SET proved = 1, run = ? WHERE id = ?", (entry.run, known.id))
                yield from tables.select(db, "WHERE id = ?", known.id)
        for kind, most in MAX_ENTRIES.items():
            helped = "(SELECT total(outcome) FROM outcomes WHERE entry = id)"
            surplus = (
                f"SELECT id FROM entries WHERE kind = ? ORDER BY proved DESC, {helped} DESC, id DESC LIMIT -1 OFFSET ?"
            )
            if db.execute("SELECT count(*) FROM entries WHERE kind = ?", (kind,)).fetchone()[0] > most:
                self._delete(db, f"id IN ({surplus})", kind, most)

    def _alike(self, db: sqlite3.Connection, entry: Lesson) -> Lesson | None:
        found = self._about(db, entry.kind, words_of(entry.trigger), proved=False)
        return next((other for other in found if alike(entry, other)), None)

    def _delete(self, db: sqlite3.Connection, where: str, *arguments: object) -> int:
        # What is left behind in the index stands for nothing: an id is never given twice.
        ids = [row[0] for row in db.execute(f"SELECT id FROM entries WHERE {where}", arguments)]
        for kind in KINDS if self._can_search(db) else ():
            db.executemany(f"DELETE FROM {kind}_index WHERE rowid = ?", [(id,) for id in ids])
        db.executemany("DELETE FROM outcomes WHERE entry = ?", [(id,) for id in ids])
        return db.executemany("DELETE FROM entries WHERE id = ?", [(id,) for id in ids]).rowcount if ids else 0

    def _about(self, db: sqlite3.Connection, kind: Kind, words: list[str], *, proved: bool = True) -> list[Lesson]:
        """Entries that share a word, the best by BM25 first where full-text search can tell."""
        where = "kind = ? AND proved" if proved else "kind = ?"
        if not self._can_search(db):
            return tables.by_scan(db, where, kind, words)
        unindexed = tables.by_scan(db, f"{where} AND NOT indexed", kind, words)
        terms = tables.rarest(db, kind, words)
        if not terms:
            return unindexed
        best = f"SELECT rowid FROM {kind}_index WHERE {kind}_index MATCH ? ORDER BY rank LIMIT {POOL}"
        ids = [row[0] for row in db.execute(best, (" OR ".join(f'"{term}"' for term in terms),))]
        return [*unindexed, *tables.select(db, f"WHERE {where} AND e.id IN ({tables.marks(ids)})", kind, *ids)]

    def _can_search(self, db: sqlite3.Connection) -> bool:
        if self._full_text is None:
            self._full_text = tables.has_fts5(db)
            if not self._full_text:
                self._warn("this Python's SQLite has no full-text search (FTS5): the memory is searched word by word")
        return self._full_text

    def _write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        def whole(db: sqlite3.Connection) -> T:
            with _transaction(db):
                done = action(db)
                if self._can_search(db):
                    tables.index(db)
                return done

        return self._do(whole)

    def _do(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Runs one action; on a fresh file when the old one turns out to be damaged."""
        inode = _inode(self.path)
        try:
            return self._attempt(action)
        except sqlite3.DatabaseError as error:  # the damage that `_attempt` lets through
            self.close()
            self._set_aside(inode, error)
            return self._attempt(action)

    def _attempt(self, action: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._db = self._db or self._opened()
            return action(self._db)
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, sqlite3.Error) and _code(error) in _DAMAGE:
                raise
            raise MemoryUnavailable(
                f"the memory at {self.path} cannot be used: {error}. Make it writable, wait for the "
                "process that holds it, or run with --no-memory"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        db = _open(self.path, self._busy_seconds)
        if self._can_search(db) and not tables.is_indexed(db):
            with _transaction(db):
                tables.index(db)
        return db

    def _set_aside(self, inode: int, error: sqlite3.DatabaseError) -> None:
        if _inode(self.path) != inode:
            return  # another process has done it already
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{self.path}{suffix}")
            if part.exists():
                part.rename(f"{aside}{suffix}")
        self._warn(f"the memory at {self.path} is damaged ({error}): kept as {aside}, and a new one is begun")


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """~/.local/share/nightshift/memory.db, or where XDG_DATA_HOME says."""
    home = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME") or Path.home()) / ".local" / "share"
    return Path(home) / "nightshift" / "memory.db"


def _open(path: Path, busy_seconds: float) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Begun for writing at once: a reader that turns writer midway could not wait for another."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.rollback()
        raise
    db.commit()


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    """Brings the schema up to date; the version counts the migrations done."""
    if _version(db) > len(tables.MIGRATIONS):
        raise MemoryUnavailable(f"{path} is of a newer Nightshift: update this one, or run with --no-memory")
    if _version(db) < len(tables.MIGRATIONS):
        with _transaction(db):
            for migration in tables.MIGRATIONS[_version(db) :]:
                migration(db)
            db.execute(f"PRAGMA user_version = {len(tables.MIGRATIONS)}")


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def _to_stderr(warning: str) -> None:
    sys.stderr.write(f"warning: {warning}\n")


_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
