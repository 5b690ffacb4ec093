import pytest
from contacts import Contacts


@pytest.fixture
def contacts(tmp_path):
    contacts = Contacts(tmp_path / "contacts.db")
    yield contacts
    contacts.close()


def test_what_was_added_is_there(contacts):
    assert contacts.add("Ann", ["b@example.org", "a@example.org"], "24.12.1990") == 1
    assert contacts.add("Bob") == 2
    assert contacts.get(1) == {"name": "Ann", "emails": ["b@example.org", "a@example.org"], "birthday": "24.12.1990"}
    assert contacts.get(2) == {"name": "Bob", "emails": [], "birthday": None}


def test_an_unknown_id(contacts):
    with pytest.raises(KeyError):
        contacts.get(1)


def test_names_are_ordered(contacts):
    for name in ("Cid", "Ann", "Bob", "Ann"):
        contacts.add(name)
    assert contacts.names() == ["Ann", "Ann", "Bob", "Cid"]


def test_all_is_there_after_opening_again(contacts, tmp_path):
    contacts.add("Ann", ["a@example.org"], "01.02.0999")
    again = Contacts(tmp_path / "contacts.db")
    assert again.get(1) == {"name": "Ann", "emails": ["a@example.org"], "birthday": "01.02.0999"}
    again.close()
