import random

import pytest
from friends import Friends


class Name(str):
    """A name that counts how often it is looked at."""

    __slots__ = ()
    looks = 0

    def __eq__(self, other):
        Name.looks += 1
        return str.__eq__(self, other)

    def __lt__(self, other):
        Name.looks += 1
        return str.__lt__(self, other)

    def __hash__(self):
        Name.looks += 1
        return str.__hash__(self)


class Store:
    def __init__(self, pairs):
        self._pairs = pairs
        self.calls = self.given = 0

    def pairs(self):
        self.calls += 1
        for pair in self._pairs:
            self.given += 1
            assert self.given <= 2 * len(self._pairs), "the store is read again and again"
            yield pair


@pytest.fixture
def store():
    chance = random.Random(7)
    names = [f"user{n:04}" for n in range(2000)]
    pairs = {tuple(sorted(chance.sample(names, 2))) for _ in range(8000)}
    return Store([(Name(a), Name(b)) for a, b in sorted(pairs)])


def test_the_store_is_read_once_and_late(store):
    friends = Friends(store)
    assert store.calls == 0
    for number in range(20):
        name = Name(f"user{number:04}")
        friends.friends_of(name)
        friends.suggestions(name)
        friends.distance(name, Name("user0500"))
    assert store.calls == 1


def test_names_are_looked_at_rarely(store):
    friends = Friends(store)
    Name.looks = 0
    for number in range(20):
        name = Name(f"user{number:04}")
        assert friends.friends_of(name)
        assert len(friends.suggestions(name)) == 5
        assert friends.distance(name, Name("user0500")) in range(1, 9)
    assert Name.looks <= 5_000_000


def test_lists_belong_to_the_caller(store):
    friends = Friends(store)
    first = friends.friends_of(Name("user0001"))
    wanted = list(first)
    first.clear()
    assert friends.friends_of(Name("user0001")) == wanted
    assert store.calls == 1


def test_a_stranger_costs_nothing_more(store):
    friends = Friends(store)
    for _ in range(3):
        assert friends.friends_of(Name("nobody")) == []
        assert friends.suggestions(Name("nobody")) == []
        assert friends.distance(Name("nobody"), Name("user0001")) is None
        assert friends.distance(Name("nobody"), Name("nobody")) == 0
    assert store.calls <= 1


def test_an_empty_store_is_read_once():
    store = Store([])
    friends = Friends(store)
    assert [friends.friends_of("a"), friends.suggestions("a"), friends.friends_of("b")] == [[], [], []]
    assert store.calls <= 1


def test_every_user_is_asked_for_every_question(store):
    friends = Friends(store)
    for number in range(2000):
        name = Name(f"user{number:04}")
        known = friends.friends_of(name)
        assert not set(known) & set(friends.suggestions(name, 3))
    assert store.calls == 1
