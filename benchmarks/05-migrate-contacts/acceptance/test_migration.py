import sqlite3
from contextlib import closing

import pytest
from contacts import Contacts

OLD = """
CREATE TABLE contacts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, emails TEXT NOT NULL DEFAULT '', birthday TEXT);
PRAGMA user_version = 1;
"""
ROWS = [
    (9, "Cid", "c@x.org,A@x.org,,d@x.org", "29.02.2023"),
    (2, "Ann", " a@x.org , b@x.org,B@X.org", "24.12.1990"),
    (5, "Bob", "", None),
    (6, "Dan", ",", ""),
    (7, "Eve", "a@X.ORG,é@x.org,É@x.org", "spring"),
    (8, "Fay", "f@x.org", "1.2.1990"),
    (10, "Gus", "", "29.02.2024"),
    (11, "Hal", "", "24.12.1990 "),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "contacts.db"


@pytest.fixture
def old(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD)
        connection.executemany("INSERT INTO contacts VALUES (?, ?, ?, ?)", ROWS)
        connection.commit()
    return path


@pytest.fixture
def schema_error():
    from contacts import SchemaError

    assert issubclass(SchemaError, Exception)
    return SchemaError


def opened(path):
    return closing(Contacts(path))


def rows(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def check_schema(path):
    assert rows(path, "PRAGMA user_version") == [(2,)]
    assert [row[1] for row in rows(path, "PRAGMA table_info(contacts)")] == ["id", "name", "birthday"]
    assert [row[1] for row in rows(path, "PRAGMA table_info(emails)")] == ["contact", "position", "address"]
    assert {row[0] for row in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")} == {
        "contacts",
        "emails",
    }


def test_a_new_file_has_version_2(path):
    with opened(path) as contacts:
        contacts.add("Ann", ["b@x.org", "a@x.org"], "24.12.1990")
    check_schema(path)
    assert rows(path, "SELECT * FROM contacts") == [(1, "Ann", "1990-12-24")]
    assert rows(path, "SELECT * FROM emails ORDER BY position") == [(1, 0, "b@x.org"), (1, 1, "a@x.org")]
    assert [each.name for each in path.parent.iterdir()] == ["contacts.db"]


def test_addresses_are_unique_in_the_database(path):
    with opened(path) as contacts:
        contacts.add("Ann", ["a@x.org"])
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO emails VALUES (1, 1, 'A@X.org')")


def test_contacts_are_migrated(old):
    Contacts(old).close()
    check_schema(old)
    assert rows(old, "SELECT id, name, birthday FROM contacts ORDER BY id") == [
        (2, "Ann", "1990-12-24"), (5, "Bob", None), (6, "Dan", None), (7, "Eve (birthday: spring)", None),
        (8, "Fay (birthday: 1.2.1990)", None), (9, "Cid (birthday: 29.02.2023)", None), (10, "Gus", "2024-02-29"),
        (11, "Hal (birthday: 24.12.1990 )", None),
    ]  # fmt: skip


def test_addresses_are_migrated(old):
    Contacts(old).close()
    assert rows(old, "SELECT contact, position, address FROM emails ORDER BY contact, position") == [
        (2, 0, "a@x.org"), (2, 1, "b@x.org"), (7, 0, "é@x.org"), (7, 1, "É@x.org"), (8, 0, "f@x.org"), (9, 0, "c@x.org"),
        (9, 1, "d@x.org"),
    ]  # fmt: skip


def test_a_migrated_file_is_used_and_opened_again(old):
    with opened(old) as contacts:
        assert contacts.get(2) == {"name": "Ann", "emails": ["a@x.org", "b@x.org"], "birthday": "24.12.1990"}
        assert contacts.add("New", ["n@x.org"]) == 12
    with opened(old) as contacts:
        assert contacts.find("n@x.org") == 12
        assert len(contacts.names()) == 9


def test_a_copy_of_the_old_file_stays(old):
    before = old.read_bytes()
    Contacts(old).close()
    assert (old.parent / "contacts.db.v1.bak").read_bytes() == before
    assert {each.name for each in old.parent.iterdir()} == {"contacts.db", "contacts.db.v1.bak"}


def test_a_copy_in_the_way_is_not_replaced(old, schema_error):
    before, copy = old.read_bytes(), old.parent / "contacts.db.v1.bak"
    copy.write_text("precious")
    with pytest.raises(schema_error):
        Contacts(old)
    assert (copy.read_text(), old.read_bytes()) == ("precious", before)


def test_a_failed_migration_changes_nothing(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD + "CREATE TABLE emails (in_the_way TEXT);")
        connection.execute("INSERT INTO contacts VALUES (1, 'Ann', 'a@x.org', '24.12.1990')")
        connection.commit()
    with pytest.raises(Exception):  # noqa: B017 - of which kind is left open
        Contacts(path)
    assert rows(path, "PRAGMA user_version") == [(1,)]
    assert rows(path, "SELECT * FROM contacts") == [(1, "Ann", "a@x.org", "24.12.1990")]
    assert rows(path, "SELECT * FROM emails") == []


@pytest.mark.parametrize("version", [3, 99, -1])
def test_other_versions_are_refused(path, schema_error, version):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"CREATE TABLE other (a); PRAGMA user_version = {version};")
    before = path.read_bytes()
    with pytest.raises(schema_error):
        Contacts(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("birthday", ["", "spring", "31.02.2000", "1.2.2000", "2000-01-02", "01.02.00", "01.02.2000 "])
def test_wrong_birthdays_are_refused(path, birthday):
    with opened(path) as contacts:
        with pytest.raises(ValueError):
            contacts.add("Ann", [], birthday)
        assert contacts.names() == []


@pytest.mark.parametrize("emails", [["new@x.org", "A@x.org"], ["b@x.org", "B@x.org"]])
def test_known_addresses_are_refused(path, emails):
    with opened(path) as contacts:
        contacts.add("Ann", ["a@X.org"])
        with pytest.raises(ValueError):
            contacts.add("Bob", emails)
        assert contacts.names() == ["Ann"]
        with pytest.raises(KeyError):
            contacts.find(emails[0])
    assert rows(path, "SELECT count(*) FROM emails") == [(1,)]


def test_finding(path):
    with opened(path) as contacts:
        contacts.add("Ann", ["a@x.org"])
        contacts.add("Bob", ["b@x.org", "c@x.org"])
        assert [contacts.find(address) for address in ("c@x.org", "C@X.ORG", "a@x.org")] == [2, 2, 1]
        with pytest.raises(KeyError):
            contacts.find("d@x.org")
