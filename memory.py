"""What is remembered across runs: lessons in one SQLite file, its only door.

    Memory(default_path()).recall("a task tracker with JSON storage")

Any number of processes may use it at once. Recall only reads; the same contents give the same lessons in the
same order. A damaged file is set aside with a warning; memory never decides a verdict.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from nightshift.errors import ConfigError

T = TypeVar("T")

_COMMON = frozenset({
    "the", "and", "for", "with", "that", "this", "from", "into", "not", "are", "was", "has", "have", "you",
    "your", "its", "all", "any", "can", "should", "must", "will", "use", "used", "using", "make", "build",
    "create", "write", "add", "new", "file", "code", "python", "program", "function", "class", "test", "when",
    "then", "than", "each", "one", "two", "error", "exception", "fail", "failed", "return", "value", "none",
    "true", "false", "self", "def", "import", "module", "work", "support", "simple", "small",
})  # fmt: skip

BUSY_SECONDS = 15.0
"""How long to wait for another process that writes."""
MAX_LESSONS = 2000
MAX_TRIGGER = 200
MAX_ADVICE = 1000
MAX_QUERY_WORDS = 60
MIN_SHARED_WORDS = 2
"""With fewer a lesson is not about the task; one is enough for a trigger of one word."""
POOL = 200
"""Lessons looked at closely, of all that share a word with the task."""


@dataclass(frozen=True, slots=True)
class Lesson:
    trigger: str
    """Words that tell when it applies."""
    advice: str
    run: str = ""
    """The run that proved it."""
    id: int = 0
    uses: int = 0
    helped: int = 0
    created: str = ""


class MemoryUnavailable(ConfigError):
    """The file cannot be opened, is locked for too long, or is of a newer Nightshift."""


class Memory:
    """The lessons in the database at `path`, which is made when missing; for one thread, until `close`."""

    def __init__(
        self,
        path: Path,
        *,
        warn: Callable[[str], object] | None = None,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self._warn = warn or _to_stderr
        self._db: sqlite3.Connection | None = None

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._db:
            self._db.close()
            self._db = None

    def recall(self, task_text: str, limit: int = 3) -> list[Lesson]:
        """The lessons that fit the task best; none when none is about it."""
        words = words_of(task_text)[:MAX_QUERY_WORDS]
        if not words or not self.path.exists():
            return []
        pool = self._do(lambda db: _pool(db, words))
        fitting = [lesson for lesson in pool if _shared(lesson.trigger, words) >= _needed(lesson)]
        return sorted(fitting, key=lambda lesson: _rank(lesson, words))[:limit]

    def learn(self, lessons: Iterable[Lesson], run_id: str) -> tuple[Lesson, ...]:
        """Keeps what is new, cut to size, and returns it. Only for lessons of a proved run."""
        kept = [lesson for lesson in map(_cut, lessons) if words_of(lesson.trigger) and lesson.advice]
        return self._write(lambda db: tuple(_insert(db, kept, run_id)))

    def lessons(self) -> list[Lesson]:
        """All of them, oldest first."""
        return self._do(lambda db: _select(db, "ORDER BY id")) if self.path.exists() else []

    def credit(self, ids: Iterable[int], *, helped: bool) -> None:
        """Counts that lessons were shown in a run, and whether that run was proved."""
        sql = "UPDATE lessons SET uses = uses + 1, helped = helped + ? WHERE id = ?"
        rows = [(int(helped), id) for id in ids]
        self._write(lambda db: db.executemany(sql, rows))

    def forget(self, id: int) -> bool:
        """Whether there was such a lesson."""
        return self._write(lambda db: db.execute("DELETE FROM lessons WHERE id = ?", (id,)).rowcount > 0)

    def _write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        def whole(db: sqlite3.Connection) -> T:
            with _transaction(db):
                done = action(db)
                _reindex(db)
                return done

        return self._do(whole)

    def _do(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Runs one action; on a fresh file when the old one turns out to be damaged."""
        inode = _inode(self.path)
        try:
            return self._attempt(action)
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGE:
                raise
            self.close()
            self._set_aside(inode, error)
            return self._attempt(action)

    def _attempt(self, action: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._db = self._db or _open(self.path, self._busy_seconds)
            return action(self._db)
        except (OSError, sqlite3.OperationalError) as error:
            if isinstance(error, sqlite3.Error) and _code(error) not in _SURROUNDINGS:
                raise
            raise MemoryUnavailable(
                f"the memory at {self.path} cannot be used: {error}. Make it writable, wait for the "
                "process that holds it, or run with --no-memory"
            ) from error

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


def words_of(text: str) -> list[str]:
    """The telling words of a text, each once, in order: what lessons are found by."""
    words = re.findall(r"[^\W_]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text).lower())
    stems = dict.fromkeys(map(_stem, words))
    return [stem for stem in stems if len(stem) > 2 and stem not in _COMMON]


def _stem(word: str) -> str:
    """Plural and singular are one word; nothing cleverer."""
    return word[:-1] if len(word) > 4 and word.endswith("s") and not word.endswith("ss") else word


def _pool(db: sqlite3.Connection, words: list[str]) -> list[Lesson]:
    """Lessons that share a word with the text, the most telling first where full-text search can tell."""
    if _index_is_fresh(db):
        query = " OR ".join(f'"{word}"' for word in words)
        best = "FROM lesson_words WHERE lesson_words MATCH ? ORDER BY bm25(lesson_words), rowid LIMIT ?"
        return _select(db, f"WHERE id IN (SELECT rowid {best})", query, POOL)
    clause = " OR ".join(["words LIKE ?"] * len(words))
    likes = [f"% {word} %" for word in words]
    return _select(db, f"WHERE {clause} ORDER BY helped DESC, id LIMIT ?", *likes, POOL)


def _shared(text: str, words: list[str]) -> int:
    return len(set(words) & set(words_of(text)))


def _needed(lesson: Lesson) -> int:
    return min(MIN_SHARED_WORDS, len(words_of(lesson.trigger)))


def _rank(lesson: Lesson, words: list[str]) -> tuple[int, int, int, int]:
    return -_shared(lesson.trigger, words), -_shared(lesson.advice, words), -lesson.helped, lesson.id


def _select(db: sqlite3.Connection, rest: str, *arguments: object) -> list[Lesson]:
    columns = "trigger, advice, run, id, uses, helped, created"
    return [Lesson(*row) for row in db.execute(f"SELECT {columns} FROM lessons {rest}", arguments)]


def _insert(db: sqlite3.Connection, lessons: Iterable[Lesson], run_id: str) -> Iterator[Lesson]:
    sql = """INSERT OR IGNORE INTO lessons (identity, words, trigger, advice, run, uses, helped, created)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
    for lesson in lessons:
        words = words_of(lesson.trigger)
        # Equal for lessons that say the same of the same thing.
        identity = f"{sorted(set(lesson.trigger.lower().split()))} {lesson.advice.lower().split()}"
        created = lesson.created or datetime.now(UTC).isoformat(timespec="seconds")
        counts = (lesson.uses, lesson.helped, created)
        row = (identity, f" {' '.join(words)} ", lesson.trigger, lesson.advice, lesson.run or run_id, *counts)
        cursor = db.execute(sql, row)
        if cursor.rowcount:
            yield from _select(db, "WHERE id = ?", cursor.lastrowid)
    surplus = "SELECT id FROM lessons ORDER BY helped DESC, id DESC LIMIT -1 OFFSET ?"
    db.execute(f"DELETE FROM lessons WHERE id IN ({surplus})", (MAX_LESSONS,))


def _reindex(db: sqlite3.Connection) -> None:
    """Makes the word index anew: it is small, written once a run, and so it cannot drift from the lessons."""
    if _can_search(db):
        db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS lesson_words USING fts5(words)")
        db.execute("DELETE FROM lesson_words")
        db.execute("INSERT INTO lesson_words (rowid, words) SELECT id, words FROM lessons")


def _index_is_fresh(db: sqlite3.Connection) -> bool:
    """A Python without full-text search may have written last, and left the index as it was."""
    made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'lesson_words'").fetchone()
    if not made or not _can_search(db):
        return False
    differing = "SELECT id FROM lessons EXCEPT SELECT rowid FROM lesson_words"
    return db.execute(f"{differing} LIMIT 1").fetchone() is None


def _can_search(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def _cut(lesson: Lesson) -> Lesson:
    trigger, advice = " ".join(lesson.trigger.split()), lesson.advice.strip()
    return replace(lesson, trigger=trigger[:MAX_TRIGGER], advice=advice[:MAX_ADVICE])


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
    if _version(db) > len(MIGRATIONS):
        raise MemoryUnavailable(f"{path} is of a newer Nightshift: update this one, or run with --no-memory")
    if _version(db) < len(MIGRATIONS):
        with _transaction(db):
            for migration in MIGRATIONS[_version(db) :]:
                migration(db)
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _first_tables(db: sqlite3.Connection) -> None:
    db.execute(
        """CREATE TABLE lessons (id INTEGER PRIMARY KEY AUTOINCREMENT, identity TEXT NOT NULL UNIQUE,
           trigger TEXT NOT NULL, advice TEXT NOT NULL, words TEXT NOT NULL, run TEXT NOT NULL,
           uses INTEGER NOT NULL DEFAULT 0, helped INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL)"""
    )
    db.execute(
        """CREATE TABLE snippets (id INTEGER PRIMARY KEY AUTOINCREMENT, identity TEXT NOT NULL UNIQUE,
           signature TEXT NOT NULL, code TEXT NOT NULL, words TEXT NOT NULL, run TEXT NOT NULL,
           created TEXT NOT NULL)"""
    )


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def _to_stderr(warning: str) -> None:
    sys.stderr.write(f"warning: {warning}\n")


_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SURROUNDINGS = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH,
}  # fmt: skip
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first_tables,)
