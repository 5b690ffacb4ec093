from contacts import Contacts


def test_adding(tmp_path):
    contacts = Contacts(tmp_path / "contacts.db")
    number = contacts.add("Ann", ["a@example.org", "b@example.org"], "24.12.1990")
    assert contacts.get(number) == {"name": "Ann", "emails": ["a@example.org", "b@example.org"], "birthday": "24.12.1990"}
    contacts.close()
