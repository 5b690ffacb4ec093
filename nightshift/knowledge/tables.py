"""The tables of the memory: how entries are written, found and brought up to date in a database that is open.

The database is opened by `memory.py` alone, and nothing here begins or ends a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from nightshift.knowledge.entries import KINDS, MAX_SOURCE, MAX_TEXT, MAX_TRIGGER, Kind, Lesson
from nightshift.knowledge.seeds import SOURCE, seeds
from nightshift.knowledge.words import words_of

MAX_READ = 2000
"""Rows that the words of one search may stand in: the rarest words are looked up first, the commonest not at all."""


class Database(Protocol):
    """An open SQLite connection."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...

    def executemany(self, sql: str, parameters: Any, /) -> Any: ...


CREDIT = "INSERT INTO outcomes (entry, run, outcome) SELECT ?, ?, ?"
# Unknown gives way to both; of both, success came after what had failed before.
BETTER = """ON CONFLICT (entry, run) DO UPDATE SET outcome =
             CASE WHEN excluded.outcome > outcome OR outcome = 0 THEN excluded.outcome ELSE outcome END"""


def select(db: Database, rest: str, *arguments: object) -> list[Lesson]:
    counts = "count(o.run), coalesce(sum(o.outcome > 0), 0), coalesce(sum(o.outcome < 0), 0)"
    columns = f"e.trigger, e.advice, e.run, e.kind, e.project, e.proved, e.id, {counts}, e.created"
    joined = "entries e LEFT JOIN outcomes o ON o.entry = e.id"
    rows = db.execute(f"SELECT {columns} FROM {joined} {rest} GROUP BY e.id ORDER BY e.id", arguments)
    return [
        Lesson(trigger, advice, run, kind, project, bool(proved), *more)
        for trigger, advice, run, kind, project, proved, *more in rows
    ]


def known(db: Database, seen: Sequence[str], project: str) -> list[Lesson]:
    """The best fix known for each of these errors, in their order.

    One error has many causes: what mended it in one project is shown in others once it has helped again.
    """
    found = select(db, f"WHERE kind = 'error' AND proved AND trigger IN ({marks(seen)})", *seen)
    fitting = [e for e in found if not e.retired and (e.run == SOURCE or e.project == project or e.helped)]
    best = {e.trigger: e for e in sorted(fitting, key=lambda e: (e.score, -e.id))}
    return [best[signature] for signature in seen if signature in best]


def same(db: Database, entry: Lesson) -> Lesson | None:
    return next(iter(select(db, "WHERE identity = ?", identity(entry))), None)


def add(db: Database, entry: Lesson) -> int:
    created = entry.created or datetime.now(UTC).isoformat(timespec="seconds")
    words = f" {' '.join(words_of(entry.trigger))} "
    row = (
        entry.kind,
        identity(entry),
        entry.trigger,
        entry.advice,
        words,
        entry.run,
        entry.project,
        entry.proved,
        created,
    )
    columns = "kind, identity, trigger, advice, words, run, project, proved, created"
    return int(db.execute(f"INSERT INTO entries ({columns}) VALUES ({marks(row)})", row).lastrowid or 0)


def identity(entry: Lesson) -> str:
    """Equal for entries that say the same of the same thing."""
    return f"{entry.kind} {sorted(set(entry.trigger.lower().split()))} {entry.advice.lower().split()}"


def cut(entry: Lesson) -> Lesson:
    """As it is kept: of bounded length, its source on one line, and without what SQLite cannot take."""
    return replace(
        entry,
        trigger=" ".join(_sound(entry.trigger).split())[:MAX_TRIGGER],
        advice=_sound(entry.advice).strip()[: MAX_TEXT[entry.kind]],
        run=" ".join(_sound(entry.run).split())[:MAX_SOURCE],
        created=_sound(entry.created)[:40],
    )


def _sound(text: str) -> str:
    """Half a character, as a model's JSON may escape it, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def rarest(db: Database, kind: Kind, words: list[str]) -> list[str]:
    """The words that stand in few entries, as many as can be looked up fast."""
    counts = f"SELECT term, doc FROM {kind}_vocabulary WHERE term IN ({marks(words)})"
    read = 0
    terms: list[str] = []
    for term, number in sorted(db.execute(counts, words), key=lambda row: (row[1], row[0])):
        read += number
        if terms and read > MAX_READ:
            break
        terms.append(term)
    return terms


def by_scan(db: Database, where: str, kind: Kind, words: list[str]) -> list[Lesson]:
    clause = " OR ".join(["words LIKE ?"] * len(words)) or "0"
    ids = db.execute(f"SELECT id FROM entries WHERE {where} AND ({clause})", (kind, *(f"% {word} %" for word in words)))
    found = [row[0] for row in ids]
    return select(db, f"WHERE e.id IN ({marks(found)})", *found) if found else []


def index(db: Database) -> None:
    """All that was added since, also by a Python that could not."""
    for kind in KINDS:
        tokens = "unicode61 remove_diacritics 0"
        db.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS {kind}_index USING fts5(words, tokenize = '{tokens}')")
        db.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS {kind}_vocabulary USING fts5vocab({kind}_index, 'row')")
        new = "FROM entries WHERE kind = ? AND NOT indexed"
        db.execute(f"INSERT INTO {kind}_index (rowid, words) SELECT id, words {new}", (kind,))
    db.execute("UPDATE entries SET indexed = 1 WHERE NOT indexed")


def has_fts5(db: Database) -> bool:
    return db.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def is_indexed(db: Database) -> bool:
    wanted = f"{KINDS[-1]}_vocabulary"
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (wanted,)).fetchone() is not None


def marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _first_tables(db: Database) -> None:
    """Lessons alone."""
    db.execute(
        """CREATE TABLE lessons (id INTEGER PRIMARY KEY AUTOINCREMENT, identity TEXT NOT NULL UNIQUE,
           trigger TEXT NOT NULL, advice TEXT NOT NULL, words TEXT NOT NULL, run TEXT NOT NULL,
           uses INTEGER NOT NULL DEFAULT 0, helped INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL)"""
    )


def _entries_of_all_kinds(db: Database) -> None:
    """With what became of each, run by run: the runs behind the old counts are not known any more."""
    db.execute(
        """CREATE TABLE entries (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,
           identity TEXT NOT NULL UNIQUE, trigger TEXT NOT NULL, advice TEXT NOT NULL, words TEXT NOT NULL,
           run TEXT NOT NULL, project TEXT NOT NULL, proved INTEGER NOT NULL, created TEXT NOT NULL,
           indexed INTEGER NOT NULL DEFAULT 0)"""
    )
    db.execute("CREATE INDEX entries_by_trigger ON entries (kind, trigger)")
    db.execute("CREATE INDEX entries_unindexed ON entries (kind) WHERE NOT indexed")
    db.execute(
        """CREATE TABLE outcomes (entry INTEGER NOT NULL, run TEXT NOT NULL, outcome INTEGER NOT NULL,
           PRIMARY KEY (entry, run)) WITHOUT ROWID"""
    )
    db.execute("CREATE TABLE curated (run TEXT PRIMARY KEY, records INTEGER NOT NULL)")
    for trigger, advice, run, created, uses, helped in db.execute(
        "SELECT trigger, advice, run, created, uses, helped FROM lessons ORDER BY id"
    ).fetchall():
        id = add(db, Lesson(trigger, advice, run, created=created))
        rows = [(id, f"before-{number}", int(number < helped)) for number in range(uses)]
        db.executemany("INSERT INTO outcomes VALUES (?, ?, ?)", rows)
    for table in ("lessons", "snippets", *(["lesson_words"] if has_fts5(db) else [])):
        db.execute(f"DROP TABLE IF EXISTS {table}")


def _known_patterns(db: Database) -> None:
    for seed in seeds():
        if not same(db, seed):
            add(db, seed)


MIGRATIONS: tuple[Callable[[Database], None], ...] = (_first_tables, _entries_of_all_kinds, _known_patterns)
