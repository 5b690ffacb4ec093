"""Pairs of versions: a right one and a wrong one, and two right ones that are written differently."""

DIFFERENT = {
    "off by one": (
        "def window(items: list[int], size: int) -> list[list[int]]:\n    return [items[i:i + size] for i in range(len(items) - size + 1)]",
        "def window(items: list[int], size: int) -> list[list[int]]:\n    return [items[i:i + size] for i in range(len(items) - size)]",
    ),
    "a bound left out": (
        "def grade(points: int) -> str:\n    return 'A' if points >= 90 else 'B' if points >= 75 else 'C'",
        "def grade(points: int) -> str:\n    return 'A' if points > 90 else 'B' if points >= 75 else 'C'",
    ),
    "wrong rounding": (
        "from math import floor\ndef to_cents(amount: float) -> int:\n    return floor(amount * 100 + 0.5)",
        "def to_cents(amount: float) -> int:\n    return int(amount * 100)",
    ),
    "division that truncates": (
        "def split(total: int, parts: int) -> list[int]:\n    low, rest = divmod(total, parts)\n    return [low + (i < rest) for i in range(parts)]",
        "def split(total: int, parts: int) -> list[int]:\n    return [total // parts] * parts",
    ),
    "no case for nothing": (
        "def mean(values: list[float]) -> float:\n    if not values:\n        return 0.0\n    return sum(values) / len(values)",
        "def mean(values: list[float]) -> float:\n    return sum(values) / len(values)",
    ),
    "leap years by four": (
        "def is_leap(year: int) -> bool:\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)",
        "def is_leap(year: int) -> bool:\n    return year % 4 == 0",
    ),
    "case is forgotten": (
        "def is_palindrome(text: str) -> bool:\n    plain = [c.lower() for c in text if c.isalnum()]\n    return plain == plain[::-1]",
        "def is_palindrome(text: str) -> bool:\n    return text == text[::-1]",
    ),
    "duplicates": (
        "def second(values: list[int]) -> int | None:\n    distinct = sorted(set(values))\n    return distinct[-2] if len(distinct) > 1 else None",
        "def second(values: list[int]) -> int | None:\n    return sorted(values)[-2] if len(values) > 1 else None",
    ),
    "the caller's list is changed": (
        "def ordered(items: list[int]) -> list[int]:\n    return sorted(items)",
        "def ordered(items: list[int]) -> list[int]:\n    items.sort()\n    return items",
    ),
    "a mutable default": (
        "def collect(item: int, into: list | None = None) -> list:\n    return [*(into or []), item]",
        "def collect(item: int, into: list = []) -> list:\n    into.append(item)\n    return into",
    ),
    "an overdrawn account": (
        ("class Account:\n    def __init__(self, balance: int = 0):\n        self._balance = balance\n"
        "    def deposit(self, amount: int) -> None:\n        self._balance += amount\n"
        "    def withdraw(self, amount: int) -> int:\n        if amount > self._balance:\n            raise ValueError\n"
        "        self._balance -= amount\n        return self._balance\n"),
        ("class Account:\n    def __init__(self, balance: int = 0):\n        self._balance = balance\n"
        "    def deposit(self, amount: int) -> None:\n        self._balance += amount\n"
        "    def withdraw(self, amount: int) -> int:\n        if amount >= self._balance:\n            raise ValueError\n"
        "        self._balance -= amount\n        return self._balance\n"),
    ),
    "the oldest is dropped instead of the one used longest ago": (
        ("from collections import OrderedDict\nclass LRU:\n    def __init__(self, size: int):\n        self._size, self._d = size, OrderedDict()\n"
        "    def put(self, key: str, value: int) -> None:\n        self._d[key] = value\n        self._d.move_to_end(key)\n"
        "        if len(self._d) > self._size:\n            self._d.popitem(last=False)\n"
        "    def get(self, key: str) -> int | None:\n        if key not in self._d:\n            return None\n"
        "        self._d.move_to_end(key)\n        return self._d[key]\n"),
        ("from collections import OrderedDict\nclass LRU:\n    def __init__(self, size: int):\n        self._size, self._d = size, OrderedDict()\n"
        "    def put(self, key: str, value: int) -> None:\n        self._d[key] = value\n"
        "        if len(self._d) > self._size:\n            self._d.popitem(last=False)\n"
        "    def get(self, key: str) -> int | None:\n        return self._d.get(key)\n"),
    ),
    "a recursion that never ends below nothing": (
        "def factorial(n: int) -> int:\n    if n < 0:\n        raise ValueError(n)\n    return 1 if n < 2 else n * factorial(n - 1)",
        "def factorial(n: int) -> int:\n    while n < 0:\n        pass\n    return 1 if n < 2 else n * factorial(n - 1)",
    ),
    "words split at one blank": (
        "def words(text: str) -> list[str]:\n    return text.split()",
        "def words(text: str) -> list[str]:\n    return text.split(' ')",
    ),
}  # fmt: skip
TESTS = {
    "the oldest is dropped instead of the one used longest ago": (
        "from it import LRU\ndef test_lru():\n    lru = LRU(2)\n    lru.put('a', 1)\n    lru.put('b', 2)\n    assert lru.get('a') == 1\n"
        "    lru.put('c', 3)\n    assert lru.get('b') is None\n"
    ),
    "leap years by four": "from it import is_leap\ndef test_it():\n    assert is_leap(1900) is False\n    assert not is_leap(2023)\n",
}
"""Tests as the run has them, which need not be right."""

ALIKE = {
    "the order of a set": (
        "def letters(text: str) -> set[str]:\n    return {c for c in text if c.isalpha()}",
        "def letters(text: str) -> set[str]:\n    found = set()\n    for c in reversed(text):\n        if c.isalpha():\n            found.add(c)\n    return frozenset(found)",
    ),
    "the order of a dict and its kind": (
        "from collections import Counter\ndef count(words: list[str]) -> dict[str, int]:\n    return Counter(words)",
        "def count(words: list[str]) -> dict[str, int]:\n    return {w: words.count(w) for w in sorted(words)}",
    ),
    "noise of floats": (
        "def mean(values: list[float]) -> float:\n    return sum(values) / len(values) if values else 0.0",
        "from math import fsum\ndef mean(values: list[float]) -> float:\n    return fsum(v / len(values) for v in values)",
    ),
    "one iterator and another": (
        "from collections.abc import Iterator\ndef pairs(items: list[int]) -> Iterator[tuple[int, int]]:\n    return zip(items, items[1:])",
        "from collections.abc import Iterator\ndef pairs(items: list[int]) -> Iterator[tuple[int, int]]:\n    for i in range(len(items) - 1):\n        yield items[i], items[i + 1]",
    ),
    "a whole float and an int": (
        "def area(width: float, height: float) -> float:\n    return width * height",
        "def area(width: float, height: float) -> float:\n    return float(height) * float(width)",
    ),
    "messages of exceptions": (
        "def parse(text: str) -> int:\n    try:\n        return int(text)\n    except ValueError:\n        raise ValueError(f'{text!r} is no number') from None",
        "def parse(text: str) -> int:\n    return int(text)",
    ),
    "private names and helpers": (
        ("class Stack:\n    def __init__(self):\n        self._items = []\n    def push(self, item: int) -> None:\n        self._items.append(item)\n"
        "    def pop(self) -> int:\n        return self._items.pop()\n    def __len__(self) -> int:\n        return len(self._items)\n"),
        ("class Stack:\n    def __init__(self):\n        self.head, self.size = None, 0\n    def push(self, item: int) -> None:\n"
        "        self.head, self.size = (item, self.head), self.size + 1\n    def pop(self) -> int:\n        if not self.head:\n            raise IndexError('empty')\n"
        "        (item, self.head), self.size = self.head, self.size - 1\n        return item\n    def __len__(self) -> int:\n        return self.size\n"
        "    def __repr__(self):\n        return f'Stack of {self.size}'\n"),
    ),
    "loops and recursion": (
        "def flat(items: list) -> list:\n    out = []\n    for item in items:\n        out += flat(item) if isinstance(item, list) else [item]\n    return out",
        ("def flat(items: list) -> list:\n    stack, out = [*reversed(items)], []\n    while stack:\n        top = stack.pop()\n"
        "        if isinstance(top, list):\n            stack.extend(reversed(top))\n        else:\n            out.append(top)\n    return out"),
    ),
    "a namedtuple and a tuple": (
        ("from typing import NamedTuple\nclass _Extremes(NamedTuple):\n    low: int\n    high: int\n"
        "def extremes(values: list[int]) -> tuple[int, int]:\n    return _Extremes(min(values), max(values))"),
        ("class _Extremes(tuple):\n    pass\ndef extremes(values: list[int]) -> tuple[int, int]:\n    ordered = sorted(values)\n    if not ordered:\n        raise ValueError\n"
        "    return ordered[0], ordered[-1]"),
    ),
    "instances of a class that only one prints nicely": (
        "class Point:\n    def __init__(self, x: int, y: int):\n        self.x, self.y = x, y\ndef origin() -> Point:\n    return Point(0, 0)",
        ("class Point:\n    def __init__(self, x: int, y: int):\n        self.x, self.y = x, y\n    def __repr__(self):\n        return f'P{self.x}'\n"
        "def origin() -> Point:\n    return Point(x=0, y=0)"),
    ),
    "numbers drawn at random from one seed": (
        "import random\ndef roll(sides: int) -> int:\n    return random.randint(1, sides)",
        "from random import randint\ndef roll(sides: int) -> int:\n    result = randint(1, sides)\n    return result",
    ),
    "awaited or not at once": (
        "import asyncio\nasync def double(n: int) -> int:\n    return n * 2",
        "import asyncio\nasync def double(n: int) -> int:\n    await asyncio.sleep(0)\n    return n + n",
    ),
}  # fmt: skip
