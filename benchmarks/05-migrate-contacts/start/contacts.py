"""Contacts in SQLite."""

import sqlite3

SCHEMA = """
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    emails TEXT NOT NULL DEFAULT '',
    birthday TEXT
);
PRAGMA user_version = 1;
"""


class Contacts:
    def __init__(self, path):
        self.connection = sqlite3.connect(path)
        if not self.connection.execute("PRAGMA user_version").fetchone()[0]:
            self.connection.executescript(SCHEMA)

    def close(self):
        self.connection.close()

    def add(self, name, emails=(), birthday=None):
        """The birthday has the form DD.MM.YYYY."""
        cursor = self.connection.execute(
            "INSERT INTO contacts (name, emails, birthday) VALUES (?, ?, ?)", (name, ",".join(emails), birthday)
        )
        self.connection.commit()
        return cursor.lastrowid

    def get(self, contact_id):
        row = self.connection.execute("SELECT name, emails, birthday FROM contacts WHERE id = ?", (contact_id,)).fetchone()
        if row is None:
            raise KeyError(contact_id)
        name, emails, birthday = row
        return {"name": name, "emails": emails.split(",") if emails else [], "birthday": birthday}

    def names(self):
        return [row[0] for row in self.connection.execute("SELECT name FROM contacts ORDER BY name")]
