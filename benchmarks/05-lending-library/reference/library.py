"""The store of a lending library in SQLite."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS books (isbn TEXT PRIMARY KEY, title TEXT, author TEXT, copies INTEGER);
CREATE TABLE IF NOT EXISTS members (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE IF NOT EXISTS loans (
    id INTEGER PRIMARY KEY, isbn TEXT, member INTEGER, borrowed TEXT, due TEXT, returned TEXT, fee INTEGER DEFAULT 0
);
CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY AUTOINCREMENT, isbn TEXT, member INTEGER);
"""
LEFT = "copies - (SELECT count(*) FROM loans WHERE loans.isbn = books.isbn AND returned IS NULL)"
FEE_PER_DAY, HIGHEST_FEE = 20, 1000


class LibraryError(Exception):
    """What was asked for is not possible."""


class Library:
    def __init__(self, path: Any, loan_days: int = 14, max_loans: int = 3) -> None:
        self._loan_days, self._max_loans = loan_days, max_loans
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._connection.executescript(SCHEMA)

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def add_book(self, isbn: str, title: str, author: str, copies: int = 1) -> None:
        if copies < 1:
            raise ValueError(f"copies must be at least 1, not {copies}")
        with self._change():
            if self._one("SELECT count(*) FROM books WHERE isbn = ?", isbn):
                raise LibraryError(f"book {isbn} is there already")
            self._rows("INSERT INTO books VALUES (?, ?, ?, ?)", isbn, title, author, copies)

    def add_member(self, name: str) -> int:
        with self._change():
            return int(self._one("INSERT INTO members (name) VALUES (?) RETURNING id", name))

    def borrow(self, isbn: str, member: int, day: date) -> date:
        due = day + timedelta(self._loan_days)
        with self._change():
            left = self._left(isbn, member)
            if self._has(isbn, member):
                raise LibraryError("the member has this book")
            loans = self._rows("SELECT due FROM loans WHERE member = ? AND returned IS NULL", member)
            if len(loans) >= self._max_loans:
                raise LibraryError("the member has too many books")
            if any(row[0] < day.isoformat() for row in loans):
                raise LibraryError("the member has an overdue book")
            queue = self._queue(isbn)
            before = queue.index(member) if member in queue else len(queue)
            if left <= before:
                raise LibraryError("no copy is left for this member")
            self._rows("DELETE FROM queue WHERE isbn = ? AND member = ?", isbn, member)
            values = isbn, member, day.isoformat(), due.isoformat()
            self._rows("INSERT INTO loans (isbn, member, borrowed, due) VALUES (?, ?, ?, ?)", *values)
        return due

    def give_back(self, isbn: str, member: int, day: date) -> int:
        with self._change():
            loans = self._has(isbn, member)
            if not loans:
                raise LibraryError("the member does not have this book")
            loan, borrowed, due = loans[0]
            if day.isoformat() < borrowed:
                raise LibraryError("given back before it was borrowed")
            fee = min(max(0, (day - date.fromisoformat(due)).days) * FEE_PER_DAY, HIGHEST_FEE)
            self._rows("UPDATE loans SET returned = ?, fee = ? WHERE id = ?", day.isoformat(), fee, loan)
        return fee

    def reserve(self, isbn: str, member: int) -> None:
        with self._change():
            left = self._left(isbn, member)
            queue = self._queue(isbn)
            if self._has(isbn, member):
                raise LibraryError("the member has this book")
            if member in queue:
                raise LibraryError("the member has reserved this book")
            if left > len(queue):
                raise LibraryError("the book can be borrowed")
            self._rows("INSERT INTO queue (isbn, member) VALUES (?, ?)", isbn, member)

    def search(self, text: str) -> list[tuple[Any, ...]]:
        where = "instr(lower(title), lower(?)) OR instr(lower(author), lower(?))"
        return self._rows(
            f"SELECT isbn, title, author, {LEFT} FROM books WHERE {where} ORDER BY title, isbn", text, text
        )

    def overdue(self, day: date) -> list[tuple[Any, ...]]:
        rows = self._rows(
            "SELECT name, title, due FROM loans JOIN books USING (isbn) JOIN members ON members.id = member"
            " WHERE returned IS NULL AND due < ? ORDER BY due, name, title", day.isoformat(),
        )  # fmt: skip
        return [(name, title, date.fromisoformat(due)) for name, title, due in rows]

    def statistics(self) -> dict[str, int]:
        books, copies = self._rows("SELECT count(*), coalesce(sum(copies), 0) FROM books")[0]
        lent, loans, fees = self._rows("SELECT count(*) - count(returned), count(*), coalesce(sum(fee), 0) FROM loans")[
            0
        ]
        return {"books": books, "copies": copies, "lent": lent, "loans": loans, "fees": fees}

    @contextmanager
    def _change(self) -> Iterator[None]:
        """All or nothing; others wait from the start, so that what was read here still holds when it is written."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> Any:
        return self._rows(sql, *values)[0][0]

    def _left(self, isbn: str, member: int) -> int:
        """How many copies are not lent, of a known book for a known member."""
        if not self._rows("SELECT * FROM members WHERE id = ?", member):
            raise LibraryError(f"no member {member}")
        rows = self._rows(f"SELECT {LEFT} FROM books WHERE isbn = ?", isbn)
        if not rows:
            raise LibraryError(f"no book {isbn}")
        return int(rows[0][0])

    def _has(self, isbn: str, member: int) -> list[Any]:
        where = "isbn = ? AND member = ? AND returned IS NULL"
        return self._rows(f"SELECT id, borrowed, due FROM loans WHERE {where}", isbn, member)

    def _queue(self, isbn: str) -> list[int]:
        return [row[0] for row in self._rows("SELECT member FROM queue WHERE isbn = ? ORDER BY id", isbn)]
