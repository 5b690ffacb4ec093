"""All SQL; one connection a call, so that threads do not share one."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from models import Bookmark

SCHEMA = """
CREATE TABLE IF NOT EXISTS bookmarks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tags (
    bookmark INTEGER NOT NULL REFERENCES bookmarks ON DELETE CASCADE, tag TEXT NOT NULL, PRIMARY KEY (bookmark, tag)
);
"""


class DuplicateUrlError(Exception):
    """Another bookmark has this URL."""


class Database:
    def __init__(self, path: str) -> None:
        self._path = path
        with self._open() as connection:
            connection.executescript(SCHEMA)

    def add(self, url: str, title: str, tags: Sequence[str] = ()) -> Bookmark:
        now = _now()
        with self._open() as connection:
            cursor = connection.execute(
                "INSERT INTO bookmarks (url, title, created_at, updated_at) VALUES (?, ?, ?, ?)", (url, title, now, now)
            )
            _set_tags(connection, cursor.lastrowid, tags)
            return _bookmark(connection, cursor.lastrowid)

    def get(self, bookmark_id: int) -> Bookmark:
        with self._open() as connection:
            return _bookmark(connection, bookmark_id)

    def update(self, bookmark_id: int, fields: dict[str, Any]) -> Bookmark:
        with self._open() as connection:
            old = _bookmark(connection, bookmark_id)
            url, title = fields.get("url", old.url), fields.get("title", old.title)
            connection.execute(
                "UPDATE bookmarks SET url = ?, title = ?, updated_at = ? WHERE id = ?", (url, title, _now(), old.id)
            )
            _set_tags(connection, old.id, fields.get("tags", old.tags))
            return _bookmark(connection, old.id)

    def delete(self, bookmark_id: int) -> None:
        with self._open() as connection:
            connection.execute("DELETE FROM bookmarks WHERE id = ?", (_bookmark(connection, bookmark_id).id,))

    def search(self, tags: Sequence[str], text: str, page: int, per_page: int) -> tuple[list[Bookmark], int]:
        """Those of the page, and how many there are on all."""
        where, values = "(instr(lower(title), lower(?)) OR instr(lower(url), lower(?)))", [text, text]
        for tag in tags:
            where += " AND EXISTS (SELECT * FROM tags WHERE bookmark = bookmarks.id AND tag = ?)"
            values.append(tag)
        with self._open() as connection:
            found = connection.execute(f"SELECT id FROM bookmarks WHERE {where} ORDER BY id DESC", values).fetchall()
            shown = found[(page - 1) * per_page : page * per_page]
            return [_bookmark(connection, row["id"]) for row in shown], len(found)

    def tag_counts(self) -> dict[str, int]:
        with self._open() as connection:
            return Counter(row["tag"] for row in connection.execute("SELECT tag FROM tags"))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        try:
            with connection:
                yield connection
        except sqlite3.IntegrityError as error:
            raise DuplicateUrlError("another bookmark has this url") from error
        finally:
            connection.close()


def _bookmark(connection: sqlite3.Connection, bookmark_id: int | None) -> Bookmark:
    row = connection.execute("SELECT * FROM bookmarks WHERE id = ?", (bookmark_id,)).fetchone()
    if row is None:
        raise KeyError(bookmark_id)
    tags = connection.execute("SELECT tag FROM tags WHERE bookmark = ? ORDER BY tag", (bookmark_id,))
    return Bookmark(tags=[tag["tag"] for tag in tags], **row)


def _set_tags(connection: sqlite3.Connection, bookmark_id: int | None, tags: Sequence[str]) -> None:
    connection.execute("DELETE FROM tags WHERE bookmark = ?", (bookmark_id,))
    connection.executemany("INSERT INTO tags VALUES (?, ?)", [(bookmark_id, tag) for tag in tags])


def _now() -> str:
    return datetime.now(UTC).isoformat()
