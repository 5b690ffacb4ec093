import pytest
from cache import Cache


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def counts(cache):
    return {name: number for name, number in cache.stats().items() if number}


def test_values_are_kept_and_replaced():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("a", 2)
    assert cache.get("a") == 2
    assert len(cache) == 1
    assert cache.get("b") is None
    assert cache.get("b", 7) == 7


def test_the_least_recently_used_goes():
    cache = Cache(2)
    for key in "abc":
        cache.put(key, key)
    assert [key in cache for key in "abc"] == [False, True, True]
    assert counts(cache) == {"evictions": 1}


def test_getting_is_use():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert ["a" in cache, "b" in cache, "c" in cache] == [True, False, True]


def test_putting_again_is_use_and_evicts_nothing():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    assert len(cache) == 2
    cache.put("c", 4)
    assert [cache.get("a"), cache.get("b"), cache.get("c")] == [3, None, 4]


def test_looking_is_no_use():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert "a" in cache
    assert len(cache) == 2
    cache.put("c", 3)
    assert "a" not in cache


def test_entries_expire_at_their_time(clock):
    cache = Cache(9, ttl=10, clock=clock)
    cache.put("a", 1)
    clock.now += 9.5
    assert cache.get("a") == 1
    clock.now += 0.5
    assert cache.get("a", "gone") == "gone"
    assert "a" not in cache
    assert len(cache) == 0
    assert counts(cache) == {"hits": 1, "misses": 1, "expirations": 1}


def test_getting_does_not_prolong_and_putting_does(clock):
    cache = Cache(9, ttl=10, clock=clock)
    cache.put("a", 1)
    cache.put("b", 2)
    clock.now += 6
    cache.get("a")
    cache.put("b", 3)
    clock.now += 6
    assert ["a" in cache, "b" in cache] == [False, True]


def test_an_entry_has_its_own_ttl(clock):
    cache = Cache(9, ttl=10, clock=clock)
    cache.put("short", 1, ttl=2)
    cache.put("long", 2, ttl=100)
    clock.now += 50
    assert [cache.get("short"), cache.get("long")] == [None, 2]
    without = Cache(9, clock=clock)
    without.put("a", 1, ttl=5)
    without.put("b", 2)
    clock.now += 10_000
    assert len(without) == 1


def test_expired_entries_make_room_first(clock):
    cache = Cache(2, clock=clock)
    cache.put("old", 1)
    cache.put("brief", 2, ttl=1)
    clock.now += 1
    cache.put("new", 3)
    assert cache.get("old") == 1
    assert counts(cache) == {"hits": 1, "expirations": 1}


def test_deleting(clock):
    cache = Cache(2, ttl=5, clock=clock)
    cache.put("a", 1)
    cache.put("none", None)
    assert cache.delete("a") is True
    assert cache.delete("a") is False
    assert cache.delete("none") is True
    cache.put("b", 2)
    clock.now += 5
    assert cache.delete("b") is False
    assert counts(cache) == {"expirations": 1}


def test_computing_once():
    cache, calls = Cache(2), []

    def compute():
        calls.append(1)

    assert cache.get_or_compute("a", compute) is None
    assert cache.get_or_compute("a", compute) is None
    assert calls == [1]
    assert counts(cache) == {"hits": 1, "misses": 1}


def test_a_computed_value_is_returned_and_kept(clock):
    cache = Cache(2, ttl=3, clock=clock)
    assert cache.get_or_compute("a", lambda: 5) == 5
    assert cache.get_or_compute("a", lambda: 6) == 5
    clock.now += 3
    assert cache.get_or_compute("a", lambda: 7) == 7


def test_a_failed_computation_stores_nothing():
    cache = Cache(2)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute("a", lambda: 1 / 0)
    assert "a" not in cache
    assert len(cache) == 0
    assert counts(cache) == {"misses": 1}


def test_computing_is_use():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get_or_compute("a", lambda: 9)
    cache.put("c", 3)
    assert "a" in cache


def test_stats_has_all_four_and_notices_what_expired(clock):
    cache = Cache(9, ttl=1, clock=clock)
    assert cache.stats() == {"hits": 0, "misses": 0, "evictions": 0, "expirations": 0}
    cache.put("a", 1)
    cache.put("b", 1)
    clock.now += 2
    assert cache.stats()["expirations"] == 2
    assert cache.stats()["expirations"] == 2


@pytest.mark.parametrize("capacity, ttl", [(0, None), (-1, 5), (1, 0), (1, -2)])
def test_limits_must_make_sense(capacity, ttl):
    with pytest.raises(ValueError):
        Cache(capacity, ttl)


def test_a_small_capacity_and_ttl_are_fine(clock):
    cache = Cache(1, ttl=0.5, clock=clock)
    cache.put("a", 1)
    assert cache.get("a") == 1
