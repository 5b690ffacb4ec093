"""Five small modules as people write them, each with a good test file."""

INVENTORY = '''
"""Stock of a shop."""

from dataclasses import dataclass


class OutOfStock(Exception):
    pass


@dataclass(frozen=True)
class Item:
    name: str
    price: float
    quantity: int = 0


class Inventory:
    """Items by name."""

    def __init__(self, limit: int = 100):
        self._items: dict[str, Item] = {}
        self._limit = limit

    def add(self, name: str, price: float, quantity: int = 1) -> Item:
        if price < 0 or quantity <= 0:
            raise ValueError("price and quantity must make sense")
        held = self._items.get(name)
        total = quantity + (held.quantity if held else 0)
        if total > self._limit:
            raise OverflowError(name)
        self._items[name] = Item(name, price, total)
        return self._items[name]

    def remove(self, name: str, quantity: int = 1) -> Item:
        held = self._items.get(name)
        if held is None or held.quantity < quantity:
            raise OutOfStock(name)
        left = Item(name, held.price, held.quantity - quantity)
        if left.quantity == 0:
            del self._items[name]
        else:
            self._items[name] = left
        return left

    def value(self) -> float:
        return round(sum(item.price * item.quantity for item in self._items.values()), 2)

    def cheapest(self) -> Item | None:
        if not self._items:
            return None
        return min(self._items.values(), key=lambda item: (item.price, item.name))

    def __contains__(self, name: str) -> bool:
        return name in self._items
'''
INVENTORY_TESTS = """
import pytest
from inventory import Inventory, Item, OutOfStock


def test_add():
    stock = Inventory()
    assert stock.add("a", 1.5) == Item("a", 1.5, 1)
    assert stock.add("a", 2.0, 3) == Item("a", 2.0, 4)
    assert stock.add("free", 0, 1) == Item("free", 0, 1)
    assert Item("x", 1).quantity == 0


@pytest.mark.parametrize("price, quantity", [(-0.5, 1), (1, 0), (1, -1)])
def test_nonsense(price, quantity):
    with pytest.raises(ValueError):
        Inventory().add("a", price, quantity)


def test_limit():
    stock = Inventory()
    stock.add("a", 1, 100)
    with pytest.raises(OverflowError):
        stock.add("a", 1)
    assert Inventory(3).add("a", 1, 3).quantity == 3
    with pytest.raises(OverflowError):
        Inventory(3).add("a", 1, 4)


def test_remove():
    stock = Inventory()
    stock.add("a", 1, 3)
    assert stock.remove("a") == Item("a", 1, 2)
    assert stock.remove("a", 1).quantity == 1
    with pytest.raises(OutOfStock):
        stock.remove("a", 2)
    assert "a" in stock
    assert stock.remove("a").quantity == 0
    assert "a" not in stock
    with pytest.raises(OutOfStock):
        stock.remove("a")


def test_value():
    stock = Inventory()
    assert stock.value() == 0
    stock.add("a", 1.111, 2)
    stock.add("b", 2.5, 3)
    assert stock.value() == 9.72


def test_cheapest():
    stock = Inventory()
    assert stock.cheapest() is None
    stock.add("c", 2, 1)
    stock.add("b", 1, 1)
    stock.add("a", 1, 1)
    assert stock.cheapest().name == "a"
"""

INTERVALS = '''
"""Half-open intervals of integers."""


def merged(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted, overlapping and touching ones joined, empty ones dropped."""
    out: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if start >= end:
            continue
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def total(intervals: list[tuple[int, int]]) -> int:
    return sum(end - start for start, end in merged(intervals))


def contains(intervals: list[tuple[int, int]], point: int) -> bool:
    """By bisection."""
    joined = merged(intervals)
    low, high = 0, len(joined)
    while low < high:
        middle = (low + high) // 2
        if joined[middle][1] <= point:
            low = middle + 1
        else:
            high = middle
    return low < len(joined) and joined[low][0] <= point


def gaps(intervals: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """What of [start, end) is not covered."""
    out = []
    at = start
    for low, high in merged(intervals):
        if low > at and at < end:
            out.append((at, min(low, end)))
        at = max(at, high)
    if at < end:
        out.append((at, end))
    return out
'''
INTERVALS_TESTS = """
import pytest
from intervals import contains, gaps, merged, total


@pytest.mark.parametrize("given, wanted", [
    ([], []),
    ([(3, 5), (1, 2)], [(1, 2), (3, 5)]),
    ([(1, 3), (2, 5)], [(1, 5)]),
    ([(1, 3), (3, 5)], [(1, 5)]),
    ([(1, 9), (3, 5)], [(1, 9)]),
    ([(4, 4), (6, 5)], []),
    ([(4, 4), (5, 6)], [(5, 6)]),
    ([(1, 2), (3, 4), (4, 6), (0, 1)], [(0, 2), (3, 6)]),
])
def test_merged(given, wanted):
    assert merged(given) == wanted


def test_total():
    assert total([(1, 3), (2, 5), (10, 11)]) == 5
    assert total([]) == 0


def test_contains():
    many = [(1, 3), (5, 6), (8, 12)]
    assert [n for n in range(-1, 14) if contains(many, n)] == [1, 2, 5, 8, 9, 10, 11]
    assert contains([], 1) is False
    assert contains(many, 5) is True


def test_gaps():
    assert gaps([(2, 4), (6, 8)], 0, 10) == [(0, 2), (4, 6), (8, 10)]
    assert gaps([(0, 10)], 2, 5) == []
    assert gaps([(0, 5)], 2, 5) == []
    assert gaps([], 1, 2) == [(1, 2)]
    assert gaps([(8, 9)], 1, 5) == [(1, 5)]
    assert gaps([(0, 2)], 0, 3) == [(2, 3)]
    assert gaps([(0, 3), (7, 9)], 0, 3) == []
    assert gaps([(3, 4), (6, 9)], 3, 5) == [(4, 5)]
"""

SLUGS = '''
"""Names for addresses."""

import re
import unicodedata

MAX_LENGTH = 20


def slug(title: str, *, separator: str = "-", limit: int = MAX_LENGTH) -> str:
    """Lower-case letters and digits; words joined, cut at a word where that is possible."""
    if not separator:
        raise ValueError("a separator is needed")
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii")
    words = re.findall(r"[a-z0-9]+", plain.lower())
    if not words:
        return "untitled"
    out = words[0][:limit]
    for word in words[1:]:
        if len(out) + len(separator) + len(word) > limit:
            break
        out += separator + word
    return out


def unique(title: str, taken: set[str]) -> str:
    """The slug, numbered from 2 where it is taken."""
    base = slug(title)
    name = base
    for number in range(2, len(taken) + 2):
        if name not in taken:
            break
        name = f"{base}-{number}"
    taken.add(name)
    return name


def title_of(name: str) -> str:
    words = [word for word in name.split("-") if word]
    if words and words[-1].isdigit() and len(words) > 1:
        words.pop()
    return " ".join(words).capitalize()
'''
SLUGS_TESTS = """
import pytest
from slugs import MAX_LENGTH, slug, title_of, unique


@pytest.mark.parametrize("title, wanted", [
    ("Hello, World!", "hello-world"),
    ("  A  b2 ", "a-b2"),
    ("Café crème", "cafe-creme"),
    ("", "untitled"),
    ("!!!", "untitled"),
    ("x" * 30, "x" * 20),
    ("one two three four five", "one-two-three-four"),
    ("abcdefghij klmnopqrs", "abcdefghij-klmnopqrs"),
    ("abcdefghij klmnopqrst u", "abcdefghij"),
])
def test_slug(title, wanted):
    assert slug(title) == wanted


def test_options():
    assert slug("a b", separator="__") == "a__b"
    assert slug("ab cd", separator="--", limit=6) == "ab--cd"
    assert slug("ab cd", separator="--", limit=5) == "ab"
    assert MAX_LENGTH == 20
    with pytest.raises(ValueError):
        slug("a", separator="")


def test_unique():
    taken = set()
    assert [unique("A b", taken) for _ in range(4)] == ["a-b", "a-b-2", "a-b-3", "a-b-4"]
    assert taken == {"a-b", "a-b-2", "a-b-3", "a-b-4"}
    assert unique("c", {"x", "c"}) == "c-2"


def test_title():
    assert title_of("hello-world") == "Hello world"
    assert title_of("hello-world-2") == "Hello world"
    assert title_of("-a--b") == "A b"
    assert title_of("42") == "42"
    assert title_of("") == ""
"""

CALCULATOR = '''
"""Arithmetic in text: + - * / and parentheses."""

import operator
import re

_OPERATORS = {"+": (1, operator.add), "-": (1, operator.sub), "*": (2, operator.mul), "/": (2, operator.truediv)}


class BadExpression(ValueError):
    pass


def tokens(text: str) -> list[str]:
    found = re.findall(r"\\d+\\.?\\d*|[-+*/()]", text)
    if "".join(found) != text.replace(" ", ""):
        raise BadExpression(text)
    return found


def evaluate(text: str) -> float:
    """The value; BadExpression for what is no expression, ZeroDivisionError where it says so."""
    given = tokens(text)
    if not given:
        raise BadExpression("nothing")
    value, rest = _sum(given, 1)
    if rest:
        raise BadExpression(text)
    return value


def _sum(given: list[str], level: int) -> tuple[float, list[str]]:
    value, rest = _atom(given)
    while rest and rest[0] in _OPERATORS and _OPERATORS[rest[0]][0] >= level:
        rank, apply = _OPERATORS[rest[0]]
        other, rest = _sum(rest[1:], rank + 1)
        value = apply(value, other)
    return value, rest


def _atom(given: list[str]) -> tuple[float, list[str]]:
    if not given:
        raise BadExpression("ends too early")
    first, rest = given[0], given[1:]
    if first == "-":
        value, rest = _atom(rest)
        return -value, rest
    if first == "(":
        value, rest = _sum(rest, 1)
        if not rest or rest[0] != ")":
            raise BadExpression("no closing parenthesis")
        return value, rest[1:]
    if first in "+*/)":
        raise BadExpression(first)
    return float(first), rest
'''
CALCULATOR_TESTS = """
import pytest
from calculator import BadExpression, evaluate, tokens


@pytest.mark.parametrize("text, wanted", [
    ("1", 1), ("1 + 2", 3), ("7-2-1", 4), ("2*3+4", 10), ("2+3*4", 14), ("(2+3)*4", 20), ("8/4/2", 1),
    ("-3", -3), ("--3", 3), ("2*-3", -6), ("1.5*2", 3), ("((1))", 1), ("-(1+2)", -3), ("2-(3-4)*5", 7),
])
def test_evaluate(text, wanted):
    assert evaluate(text) == wanted


@pytest.mark.parametrize("text", ["", "1+", "(1", "1)", "a", "1 $ 2", "*2", "+1", "/1", ")", "1 2", "(1+2", "(1 2)", "1..2"])
def test_bad(text):
    with pytest.raises(BadExpression):
        evaluate(text)


def test_zero():
    with pytest.raises(ZeroDivisionError):
        evaluate("1/0")


def test_tokens():
    assert tokens("1+ 2.5*(3)") == ["1", "+", "2.5", "*", "(", "3", ")"]
    assert tokens("") == []
"""

CACHE = '''
"""The values used last."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

logger = logging.getLogger(__name__)


class Cache:
    def __init__(self, size: int = 3, *, clock: Callable[[], float] | None = None, ttl: float | None = None):
        if size < 1:
            raise ValueError("a cache holds something")
        self._held: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()
        self._size = size
        self._clock = clock
        self._ttl = ttl
        self.hits = 0
        self.misses = 0

    def get(self, key: Hashable, default: Any = None) -> Any:
        if key not in self._held or self._is_old(key):
            self.misses += 1
            self._held.pop(key, None)
            return default
        self.hits += 1
        self._held.move_to_end(key)
        return self._held[key][0]

    def put(self, key: Hashable, value: Any) -> None:
        self._held[key] = (value, self._now())
        self._held.move_to_end(key)
        if len(self._held) > self._size:
            gone, _ = self._held.popitem(last=False)
            logger.debug("dropped %s", gone)

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"Cache({len(self)} of {self._size})"

    @property
    def rate(self) -> float:
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0

    def _now(self) -> float:
        return self._clock() if self._clock else 0.0

    def _is_old(self, key: Hashable) -> bool:
        return self._ttl is not None and self._now() - self._held[key][1] >= self._ttl


def cached(size: int = 2) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    cache = Cache(size)
    missing = object()

    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*args: Hashable) -> Any:
            value = cache.get(args, missing)
            if value is missing:
                value = function(*args)
                cache.put(args, value)
            return value

        return inner

    return decorator
'''
CACHE_TESTS = """
import pytest
from cache import Cache, cached


def test_it_forgets_the_one_used_longest_ago():
    cache = Cache()
    for key in "abc":
        cache.put(key, key.upper())
    assert cache.get("a") == "A"
    cache.put("d", "D")
    assert len(cache) == 3
    assert cache.get("b") is None
    assert cache.get("b", 7) == 7
    assert [cache.get(key) for key in "acd"] == ["A", "C", "D"]


def test_putting_again_counts_as_use():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    cache.put("c", 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (3, None, 4)


def test_rate():
    cache = Cache(1)
    assert cache.rate == 0.0
    cache.put("a", 1)
    cache.get("a"), cache.get("a"), cache.get("b"), cache.get("a")
    assert (cache.hits, cache.misses, cache.rate) == (3, 1, 0.75)


def test_size():
    with pytest.raises(ValueError):
        Cache(0)
    assert len(Cache(1)) == 0


def test_time():
    now = [10.0]
    cache = Cache(clock=lambda: now[0], ttl=5)
    cache.put("a", 1)
    now[0] = 14.9
    assert cache.get("a") == 1
    now[0] = 15.0
    assert cache.get("a") is None
    assert len(cache) == 0


def test_no_time():
    now = [0.0]
    cache = Cache(clock=lambda: now[0])
    cache.put("a", 1)
    now[0] = 1e9
    assert cache.get("a") == 1


def test_cached():
    calls = []

    @cached()
    def double(n):
        calls.append(n)
        return n * 2

    assert [double(1), double(1), double(2), double(1)] == [2, 2, 4, 2]
    assert calls == [1, 2]
    double(3), double(2)
    assert calls == [1, 2, 3, 2]
"""

MODULES = {
    "inventory": (INVENTORY.lstrip(), INVENTORY_TESTS),
    "intervals": (INTERVALS.lstrip(), INTERVALS_TESTS),
    "slugs": (SLUGS.lstrip(), SLUGS_TESTS),
    "calculator": (CALCULATOR.lstrip(), CALCULATOR_TESTS),
    "cache": (CACHE.lstrip(), CACHE_TESTS),
}
"""Name -> (source, tests)."""
