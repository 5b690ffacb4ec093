"""Contacts in SQLite; files of the old schema are migrated when they are opened."""

import re
import shutil
import sqlite3
from contextlib import contextmanager
from datetime import date
from pathlib import Path

TABLES = (
    "CREATE TABLE contacts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, birthday TEXT)",
    """CREATE TABLE emails (contact INTEGER NOT NULL REFERENCES contacts(id), position INTEGER NOT NULL,
    address TEXT NOT NULL UNIQUE COLLATE NOCASE, PRIMARY KEY (contact, position))""",
    "PRAGMA user_version = 2",
)


class SchemaError(Exception):
    """The file cannot be opened with this version."""


class Contacts:
    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._upgrade(Path(path))
        except BaseException:
            self.connection.close()
            raise

    def close(self):
        self.connection.close()

    def add(self, name, emails=(), birthday=None):
        """The birthday has the form DD.MM.YYYY."""
        stored = None if birthday is None else _stored_date(birthday)
        try:
            with self._change():
                return self._insert(None, name, emails, stored)
        except sqlite3.IntegrityError as error:
            raise ValueError(f"a contact has one of {', '.join(emails)} already") from error

    def get(self, contact_id):
        row = self._rows("SELECT name, birthday FROM contacts WHERE id = ?", contact_id)
        if not row:
            raise KeyError(contact_id)
        emails = self._rows("SELECT address FROM emails WHERE contact = ? ORDER BY position", contact_id)
        name, birthday = row[0]
        return {"name": name, "emails": [address for (address,) in emails], "birthday": _shown_date(birthday)}

    def find(self, address):
        rows = self._rows("SELECT contact FROM emails WHERE address = ?", address)
        if not rows:
            raise KeyError(address)
        return rows[0][0]

    def names(self):
        return [row[0] for row in self._rows("SELECT name FROM contacts ORDER BY name")]

    def _upgrade(self, path):
        version = self._rows("PRAGMA user_version")[0][0]
        if version not in UPGRADES:
            raise SchemaError(f"{path} has version {version}: this program knows 1 and 2")
        UPGRADES[version](self, path)

    def _create(self, path):
        with self._change():
            for statement in TABLES:
                self._rows(statement)

    def _migrate(self, path):
        copy = path.with_name(f"{path.name}.v1.bak")
        if copy.exists():
            raise SchemaError(f"{copy} is in the way of a copy of {path}")
        shutil.copy2(path, copy)
        with self._change():
            old = self._rows("SELECT id, name, emails, birthday FROM contacts ORDER BY id")
            self._rows("DROP TABLE contacts")
            for statement in TABLES:
                self._rows(statement)
            seen = set()
            for number, name, emails, birthday in old:
                self._insert(number, *_cleaned(name, emails, birthday, seen))

    def _insert(self, number, name, emails, birthday):
        values = number, name, birthday
        number = self._rows("INSERT INTO contacts (id, name, birthday) VALUES (?, ?, ?) RETURNING id", *values)[0][0]
        for position, address in enumerate(emails):
            self._rows("INSERT INTO emails VALUES (?, ?, ?)", number, position, address)
        return number

    def _rows(self, sql, *values):
        return self.connection.execute(sql, values).fetchall()

    @contextmanager
    def _change(self):
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")


UPGRADES = {0: Contacts._create, 1: Contacts._migrate, 2: lambda contacts, path: None}
"""What each version that a file may have needs."""


def _cleaned(name, emails, birthday, seen):
    addresses = []
    for address in filter(None, map(str.strip, emails.split(","))):
        if _folded(address) not in seen:
            seen.add(_folded(address))
            addresses.append(address)
    if not birthday:
        return name, addresses, None
    try:
        return name, addresses, _stored_date(birthday)
    except ValueError:
        return f"{name} (birthday: {birthday})", addresses, None


def _folded(address):
    """As NOCASE compares: ASCII letters only."""
    return address.encode().lower()


def _stored_date(text):
    match = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d{4})", text, re.ASCII)
    if not match:
        raise ValueError(f"birthday {text!r} is not of the form DD.MM.YYYY")
    day, month, year = map(int, match.groups())
    return date(year, month, day).isoformat()


def _shown_date(stored):
    return None if stored is None else date.fromisoformat(stored).strftime("%d.%m.") + stored[:4]
