"""All SQL; each request has a connection and one transaction of its own, so that changes at the same time all count."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from models import Budget, Expense, User

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, username TEXT UNIQUE COLLATE NOCASE, password_hash BLOB);
CREATE TABLE IF NOT EXISTS used_tokens (token TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS categories (id INTEGER PRIMARY KEY, user INTEGER, name TEXT, UNIQUE (user, name));
CREATE TABLE IF NOT EXISTS expenses (
    id INTEGER PRIMARY KEY, category INTEGER REFERENCES categories, amount INTEGER, description TEXT, date TEXT
);
CREATE TABLE IF NOT EXISTS budgets (
    category INTEGER REFERENCES categories, month TEXT, amount INTEGER, version INTEGER, PRIMARY KEY (category, month)
);
"""
EXPENSES = (
    "SELECT expenses.id, amount, name AS category, description, date"
    " FROM expenses JOIN categories ON categories.id = category WHERE user = ?"
)


class ConflictError(Exception):
    """There is something in the way."""


@contextmanager
def transaction(path: str) -> Iterator["Store"]:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield Store(connection)
        connection.execute("COMMIT")
    except sqlite3.IntegrityError as error:
        raise ConflictError("it is there already") from error
    finally:
        connection.close()


def create_tables(path: str) -> None:
    connection = sqlite3.connect(path, timeout=60)
    connection.executescript(SCHEMA)
    connection.close()


class Store:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add_user(self, username: str, password_hash: bytes) -> int:
        return self._insert("INSERT INTO users (username, password_hash) VALUES (?, ?)", username, password_hash)

    def user(self, username: str) -> User | None:
        return next((User(**row) for row in self._rows("SELECT * FROM users WHERE username = ?", username)), None)

    def has_user(self, user: str) -> bool:
        return bool(self._rows("SELECT * FROM users WHERE id = ?", user))

    def use_token(self, token: str) -> None:
        self._rows("INSERT INTO used_tokens VALUES (?)", token)

    def add_category(self, user: int, name: str) -> int:
        return self._insert("INSERT INTO categories (user, name) VALUES (?, ?)", user, name)

    def categories(self, user: int) -> dict[str, int]:
        rows = self._rows("SELECT name, id FROM categories WHERE user = ? ORDER BY name", user)
        return {row["name"]: row["id"] for row in rows}

    def category_id(self, user: int, name: str) -> int:
        return self.categories(user)[name]

    def add_expense(self, category: int, amount: int, description: str, date: str) -> int:
        sql = "INSERT INTO expenses (category, amount, description, date) VALUES (?, ?, ?, ?)"
        return self._insert(sql, category, amount, description, date)

    def expense(self, user: int, number: int) -> Expense:
        for row in self._rows(f"{EXPENSES} AND expenses.id = ?", user, number):
            return Expense(**row)
        raise KeyError(number)

    def expenses(self, user: int, first: str, last: str, category: str | None) -> list[Expense]:
        rows = self._rows(
            f"{EXPENSES} AND date BETWEEN ? AND ? ORDER BY date DESC, expenses.id DESC", user, first, last
        )
        return [Expense(**row) for row in rows if category in (None, row["category"])]

    def change_expense(self, number: int, category: int, amount: int, description: str, date: str) -> None:
        sql = "UPDATE expenses SET category = ?, amount = ?, description = ?, date = ? WHERE id = ?"
        self._rows(sql, category, amount, description, date, number)

    def delete_expense(self, user: int, number: int) -> None:
        self._rows("DELETE FROM expenses WHERE id = ?", self.expense(user, number).id)

    def budget(self, user: int, category: str, month: str) -> Budget | None:
        row = self._rows(
            "SELECT name AS category, month, amount, version FROM budgets JOIN categories ON categories.id = category"
            " WHERE user = ? AND name = ? AND month = ?", user, category, month,
        )  # fmt: skip
        return Budget(**row[0]) if row else None

    def set_budget(self, category: int, month: str, amount: int, version: int) -> None:
        self._rows("INSERT OR REPLACE INTO budgets VALUES (?, ?, ?, ?)", category, month, amount, version)

    def _insert(self, sql: str, *values: Any) -> int:
        return int(self._rows(f"{sql} RETURNING id", *values)[0]["id"])

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()
