"""Skeletons and gutted rewrites are refused; short, abstract and odd but complete code is not."""

import pytest

from nightshift.errors import ReplyRejected
from nightshift.source.replies import check_substance

REAL = "".join(f"def f{i}(a, b):\n    total = a * {i} + b\n    return [total, a - b, str(a)]\n\n\n" for i in range(8))
CLASS = (
    "class Store:\n    def __init__(self, path):\n        self.path = path\n        self.items = {}\n\n"
    "    def add(self, key, value):\n        self.items[key] = value\n        return len(self.items)\n\n"
    "    def get(self, key):\n        return self.items.get(key)\n\n"
    "    def drop(self, key):\n        return self.items.pop(key, None)\n"
)


def reason_of(text: str, previous: str = "") -> str | None:
    try:
        check_substance(text, previous=previous)
    except ReplyRejected as rejection:
        return rejection.reason
    return None


@pytest.mark.parametrize(
    "text",
    [
        "def add(a, b):\n    pass\n",
        "def add(a: int, b: int) -> int:\n    ...\n",
        'def add(a, b):\n    """Adds."""\n',
        "def total() -> int:\n    return None\n",
        "def add(a, b):\n    raise NotImplementedError\n",
        "def add(a, b):\n    raise NotImplementedError('later')\n",
        "class Task:\n    pass\n",
        "class Store:\n    def load(self, path):\n        pass\n\n    def save(self, path):\n        pass\n",
        REAL + "".join(f"def g{i}(a):\n    pass\n\n\n" for i in range(13)),
        "# TODO: skeleton\ndef a(x):\n    pass\ndef b(x):\n    pass\ndef c(x):\n    pass\ndef d(x):\n    return x\n",
        REAL + "# TODO: implement f9\n",
        REAL + "# ... rest of the code unchanged\n",
        REAL + "# Rest of the implementation\n",
        REAL + "# (existing methods remain unchanged)\n",
        REAL + "# other functions as before\n",
        "def f(a):\n    # your code here\n    return a\n",
        "def f(a):\n    # ...\n    return a\n",
        "def f(a):\n    # implementation goes here\n    return a\n",
        "<html>\n<!-- rest of the file unchanged -->\n</html>\n",
        "function f() {\n  // ... existing code here\n}\n",
    ],
)
def test_a_skeleton_is_refused(text: str) -> None:
    assert reason_of(text) == "stubbed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        REAL,
        CLASS,
        "def noop():\n    pass\n",
        "class NotFound(Exception):\n    pass\n\n\nclass Empty(NotFound):\n    '''Nothing there.'''\n",
        "from typing import Protocol\n\n\nclass Reader(Protocol):\n    def read(self, n: int) -> bytes: ...\n    def close(self) -> None: ...\n",
        "from abc import ABC, abstractmethod\n\n\nclass Shape(ABC):\n    @abstractmethod\n    def area(self) -> float:\n        ...\n",
        "import abc\n\n\nclass Shape(metaclass=abc.ABCMeta):\n    @abc.abstractmethod\n    def area(self) -> float: ...\n",
        "from typing import overload\n@overload\ndef f(a: int) -> int: ...\n@overload\ndef f(a: str) -> str: ...\ndef f(a):\n    return a\n",
        "class Base:\n    def area(self):\n        raise NotImplementedError\n\n\nclass Square(Base):\n    def area(self):\n        return 4\n",
        "class Plugin:\n    def load(self, path):\n        raise NotImplementedError\n\n    def save(self, path):\n        raise NotImplementedError\n",
        "class NullLogger:\n    def info(self, text):\n        pass\n\n    def warn(self, text):\n        pass\n",
        "class Missing:\n    pass\n\n\ndef get(d, k):\n    return d.get(k, Missing)\n",
        "from dataclasses import dataclass\n\n\n@dataclass\nclass Task:\n    id: int\n",
        "class Color:\n    RED = 1\n",
        "LIMIT = 3\n",
        REAL + "# TODO: add caching for large inputs\n",
        "def skip(f):\n    # skip the rest of the file, it is not ours\n    return f.read()\n",
        "def f(rows):\n    # other rows remain here\n    return rows\n",
        "def f(x):\n    '''Rest of the code unchanged.'''\n    return x\n",
        'BODY = "# TODO: implement"\n',
        '{"todo": "implement"}\n',
    ],
)
def test_complete_code_is_taken_however_short(text: str) -> None:
    assert reason_of(text) is None


@pytest.mark.parametrize(
    ("text", "previous", "reason"),
    [
        (REAL, REAL, None),
        (REAL + CLASS, REAL, None),
        ("def f0(a, b):\n    return a\n", REAL, "gutted"),
        (REAL[: len(REAL) // 3].rsplit("def", 1)[0], REAL, "gutted"),
        ("x = 1\n", CLASS, "gutted"),
        (CLASS.split("    def get")[0], CLASS, None),
        ("class Store:\n    def add(self, k, v):\n        return 1\n", CLASS + REAL, "gutted"),
        ("".join(f"def f{i}(a, b):\n    return {i}\n\n\n" for i in range(8)), REAL, "gutted"),
        ("def f(a):\n    return a\n", "def f(a):\n    b = a\n    c = b\n    return c\n", None),
        ("", "", None),
        ("a: 1\n" * 10, "a: 1\n" * 100, "gutted"),
        ("a: 1\n" * 90, "a: 1\n" * 100, None),
    ],
)
def test_a_rewrite_may_not_lose_most_of_the_file(text: str, previous: str, reason: str | None) -> None:
    assert reason_of(text, previous) == reason


def test_fewer_empty_bodies_than_before_are_progress() -> None:
    before = "def a(x):\n    pass\n\n\ndef b(x):\n    pass\n\n\ndef c(x) -> int:\n    pass\n"
    after = before.replace("def a(x):\n    pass", "def a(x):\n    return x")
    assert reason_of(before, before) == "stubbed"
    assert reason_of(after, before) is None


def test_a_placeholder_the_user_wrote_himself_may_stay() -> None:
    previous = REAL + "# TODO: implement f9\n"
    assert reason_of(previous.replace("* 3", "* 4"), previous) is None
