"""Two half-right candidates make a right one; what does not fit together is refused, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Collection
from textwrap import dedent
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.source.normal import fingerprint
from nightshift.source.splice import SpliceRefused, differing, spliced, units


class Pair(NamedTuple):
    base: str
    donor: str
    names: Collection[str]
    check: str
    """Holds of the mixture and of neither half."""


PAIRS = {
    "one function each": Pair(
        "def double(x):\n    return x + x\n\n\ndef half(x):\n    return x // 3\n",
        "def double(x):\n    return x + 2\n\n\ndef half(x):\n    return x / 2\n",
        ["half"],
        "double(4) == 8 and half(3) == 1.5",
    ),
    "a method each": Pair(
        """
        class Stack:
            def __init__(self):
                self.items = []

            def push(self, item):
                self.items.append(item)

            def pop(self):
                return self.items.pop(0)
        """,
        """
        class Stack:
            def __init__(self):
                self.items = []

            def push(self, item):
                self.items.insert(0, item)

            def pop(self):
                return self.items.pop()
        """,
        ["Stack.pop"],
        "(s := Stack(), s.push(1), s.push(2), s.pop() == 2)[-1]",
    ),
    "an import comes along": Pair(
        "def area(r):\n    return 3 * r * r\n\n\ndef twice(x):\n    return 2 * x\n",
        "import math\n\n\ndef area(r):\n    return math.pi * r * r\n\n\ndef twice(x):\n    return x\n",
        ["area"],
        "3.14 < area(1) < 3.15 and twice(2) == 4",
    ),
    "one name of an import of several": Pair(
        "from typing import Any\n\ndef count(xs: Any):\n    return {}\n\ndef first(xs):\n    return xs[0]\n",
        "from collections import Counter, deque\n\ndef count(xs):\n    return dict(Counter(xs))\n\ndef first(xs):\n    return xs[1]\n",
        ["count"],
        "count('aab') == {'a': 2, 'b': 1} and first([7, 8]) == 7 and 'deque' not in globals()",
    ),
    "a submodule of a package that is there": Pair(
        "import os\n\ndef name(path):\n    return path\n\ndef up(path):\n    return os.path.dirname(path)\n",
        "import os.path\n\ndef name(path):\n    return os.path.basename(path)\n\ndef up(path):\n    return path\n",
        ["name"],
        "name('a/b') == 'b' and up('a/b') == 'a'",
    ),
    "a constant and a helper and what they need": Pair(
        """
        def slug(text):
            return text

        def title(text):
            return text.title()
        """,
        """
        import re

        _WORD = re.compile(r"[a-z]+")  # words only

        def _words(text):
            return _WORD.findall(text.lower())

        def slug(text):
            return "-".join(_words(text))

        def title(text):
            return text
        """,
        ["slug"],
        "slug('A, b!') == 'a-b' and title('x') == 'X'",
    ),
    "a private method comes along": Pair(
        """
        class Cache:
            def __init__(self, size):
                self.size = size
                self.data = {}

            def put(self, key, value):
                self.data[key] = value

            def get(self, key):
                return self.data.get(key)
        """,
        """
        class Cache:
            def __init__(self, size):
                self.size = size
                self.data = {}

            def put(self, key, value):
                self.data[key] = value
                self._shrink()

            def _shrink(self):
                while len(self.data) > self.size:
                    self.data.pop(next(iter(self.data)))

            def get(self, key):
                return None
        """,
        ["Cache.put"],
        "(c := Cache(1), c.put('a', 1), c.put('b', 2), c.get('a') is None and c.get('b') == 2)[-1]",
    ),
    "a class constant comes along": Pair(
        """
        class Temp:
            def __init__(self, c):
                self.c = c

            def kelvin(self):
                return self.c

            def fahrenheit(self):
                return self.c * 9 / 5 + 32
        """,
        """
        class Temp:
            ZERO = 273.15

            def __init__(self, c):
                self.c = c

            def kelvin(self):
                return self.c + self.ZERO

            def fahrenheit(self):
                return self.c
        """,
        ["Temp.kelvin"],
        "Temp(0).kelvin() == 273.15 and Temp(100).fahrenheit() == 212",
    ),
    "a property with its setter": Pair(
        """
        class Account:
            def __init__(self):
                self._balance = 0

            @property
            def balance(self):
                return self._balance

            @balance.setter
            def balance(self, value):
                self._balance = value

            def deposit(self, amount):
                self._balance += amount
        """,
        """
        class Account:
            def __init__(self):
                self._balance = 0

            @property
            def balance(self):
                return self._balance

            @balance.setter
            def balance(self, value):
                if value < 0:
                    raise ValueError("negative")
                self._balance = value

            def deposit(self, amount):
                self._balance = amount
        """,
        ["Account.balance"],
        "(a := Account(), a.deposit(2), a.deposit(3), a.balance == 5 and raises(ValueError, setattr, a, 'balance', -1))[-1]",
    ),
    "a method that was forgotten": Pair(
        "class Bag:\n    def __init__(self):\n        self.items = []\n    def add(self, x):\n        self.items.append(x)\n",
        "class Bag:\n    def __init__(self):\n        self.items = []\n    def add(self, x):\n        pass\n    def __len__(self):\n        return len(self.items)\n",
        ["Bag.__len__"],
        "(b := Bag(), b.add(1), len(b) == 1)[-1]",
    ),
    "a function that was forgotten": Pair(
        "def encode(s):\n    return s[::-1]\n\n\nif __name__ == '__main__':\n    print(encode('x'))\n",
        "def encode(s):\n    return s\n\n\ndef decode(s):\n    return s[::-1]\n",
        ["decode"],
        "decode(encode('ab')) == 'ab' and encode('ab') == 'ba'",
    ),
    "tabs and two spaces": Pair(
        "class A:\n\tdef one(self):\n\t\treturn 1\n\n\tdef two(self):\n\t\treturn 1\n",
        'class A:\n  def one(self):\n    return 0\n\n  def two(self):\n    text = """\n  2"""\n    if text:\n      return text\n',
        ["A.two"],
        "A().one() == 1 and A().two() == chr(10) + '  2'",
    ),
    "an async function": Pair(
        "import asyncio\n\nasync def fetch(x):\n    return x\n\ndef run(x):\n    return asyncio.run(fetch(x))\n",
        "import asyncio\n\nasync def fetch(x):\n    await asyncio.sleep(0)\n    return x + 1\n\ndef run(x):\n    return None\n",
        ["fetch"],
        "run(1) == 2",
    ),
    "a decorated function with a module-level decorator": Pair(
        "def fib(n):\n    return n\n\n\ndef fact(n):\n    return 1 if n < 2 else n * fact(n - 1)\n",
        "from functools import lru_cache\n\n\n@lru_cache(maxsize=None)\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n\n\ndef fact(n):\n    return n\n",
        ["fib"],
        "fib(60) == 1548008755920 and fact(5) == 120",
    ),
    "a nested class": Pair(
        "class List:\n    class Node:\n        def __init__(self, v):\n            self.v = None\n\n    def make(self, v):\n        return self.Node(v)\n",
        "class List:\n    class Node:\n        def __init__(self, v):\n            self.v = v\n\n    def make(self, v):\n        return None\n",
        ["List.Node.__init__"],
        "List().make(3).v == 3",
    ),
    "a whole helper class": Pair(
        "def parse(s):\n    return []\n\n\ndef show(xs):\n    return ' '.join(xs)\n",
        "class Lexer:\n    def __init__(self, s):\n        self.s = s\n\n    def run(self):\n        return self.s.split(',')\n\n\ndef parse(s):\n    return Lexer(s).run()\n\n\ndef show(xs):\n    return xs\n",
        ["parse"],
        "show(parse('a,b')) == 'a b'",
    ),
    "dataclass fields with the class taken whole": Pair(
        "from dataclasses import dataclass\n\n@dataclass\nclass Item:\n    name: str\n\ndef total(items):\n    return sum(i.price for i in items)\n",
        "from dataclasses import dataclass\n\n@dataclass\nclass Item:\n    name: str\n    price: float = 1.5\n\ndef total(items):\n    return 0\n",
        ["Item"],
        "total([Item('a'), Item('b')]) == 3",
    ),
    "an exception class and its raise": Pair(
        "class Shop:\n    def __init__(self):\n        self.stock = {'a': 1}\n    def take(self, k):\n        self.stock[k] -= 1\n    def has(self, k):\n        return self.stock.get(k, 0) > 0\n",
        "class OutOfStock(Exception):\n    pass\n\nclass Shop:\n    def __init__(self):\n        self.stock = {'a': 1}\n    def take(self, k):\n        if not self.has(k):\n            raise OutOfStock(k)\n        self.stock[k] -= 1\n    def has(self, k):\n        return k in self.stock\n",
        ["Shop.take"],
        "(s := Shop(), s.take('a'), raises(OutOfStock, s.take, 'a') and not s.has('a'))[-1]",
    ),
    "a guarded import and state of the module": Pair(
        "def load(s):\n    return s\n\n\ndef dump(x):\n    return str(x)\n",
        "try:\n    import ujson_that_is_missing as fast\nexcept ImportError:\n    import json as fast\n\n_seen: dict[str, int] = {}\n\n\ndef load(s):\n    _seen[s] = 1\n    return fast.loads(s)\n\n\ndef dump(x):\n    return ''\n",
        ["load"],
        "load('[1]') == [1] and dump(2) == '2'",
    ),
    "windows line ends": Pair(
        "def a():\r\n    return 1\r\n\r\n\r\ndef b():\r\n    return 0\r\n",
        "def a():\n    return 0\n\n\ndef b():\n    return 2\n",
        ["b"],
        "a() == 1 and b() == 2",
    ),
    "annotations that the future makes late": Pair(
        "class Node:\n    def __init__(self):\n        self.next = None\n\n    def link(self, other):\n        self.next = None\n        return self\n\n    def end(self):\n        return self.next is None\n",
        "from __future__ import annotations\n\nclass Node:\n    def __init__(self):\n        self.next = None\n\n    def link(self, other: Node) -> Node:\n        self.next = other\n        return self\n\n    def end(self):\n        return True\n",
        ["Node.link"],
        "Node().end() and not Node().link(Node()).end()",
    ),
}  # fmt: skip


def raises(kind: type[BaseException], call: Any, *args: Any) -> bool:
    try:
        call(*args)
    except kind:
        return True
    return False


def holds(text: str, check: str) -> bool:
    names: dict[str, Any] = {"raises": raises, "__name__": "mixture"}
    exec(compile(text, "mixture", "exec", dont_inherit=True), names)
    try:
        return bool(eval(check, names))
    except Exception:  # noqa: BLE001 - a half that is wrong may fail in any way
        return False


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_two_half_right_candidates_make_a_right_one(pair: Pair) -> None:
    base, donor = dedent(pair.base), dedent(pair.donor)
    assert not holds(base, pair.check)
    assert not holds(donor, pair.check)
    mixture = spliced(base, donor, pair.names)
    assert holds(mixture, pair.check), mixture
    assert {*pair.names} <= {*differing(base, donor)}
    assert mixture.count("\r") == (mixture.count("\n") if "\r" in base else 0)


F = "def f():\n    return 0\n\n\ndef g():\n    return 1\n"
REFUSALS = {
    "a helper with another body": (
        "def _h():\n    return 1\n\n" + F, "def _h():\n    return 2\n\ndef f():\n    return _h()\n",
        "f", "helper _h has another body", ("_h",),
    ),
    "a private method with another body": (
        "class A:\n    def _h(self):\n        return 1\n    def f(self):\n        return 0\n",
        "class A:\n    def _h(self):\n        return 2\n    def f(self):\n        return self._h()\n",
        "A.f", "helper A._h has another body", ("A._h",),
    ),
    "a helper called otherwise": (
        "def h(a):\n    return a\n\n" + F, "def h(a, b):\n    return a + b\n\ndef f():\n    return h(1, 2)\n",
        "f", "h is called otherwise", ("h",),
    ),
    "a property there, a method here": (
        "class A:\n    def n(self):\n        return 1\n    def f(self):\n        return 0\n",
        "class A:\n    @property\n    def n(self):\n        return 1\n    def f(self):\n        return self.n\n",
        "A.f", "A.n is called otherwise", ("A.n",),
    ),
    "a constant with another value": (
        "LIMIT = 5\n" + F, "LIMIT = 10\ndef f():\n    return LIMIT\n", "f", "define LIMIT differently", (),
    ),
    "another import of the name": (
        "import datetime\n" + F, "from datetime import datetime\ndef f():\n    return datetime.now()\n",
        "f", "datetime is another import", (),
    ),
    "state that nothing sets": (
        "class A:\n    def __init__(self):\n        self.a = 1\n    def f(self):\n        return 0\n",
        "class A:\n    def __init__(self):\n        self.b = 1\n    def f(self):\n        return self.b\n",
        "A.f", "Nothing in the base sets b of A", ("A.__init__",),
    ),
    "a field of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\n    def f(self):\n        return 0\n",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\n    b: int = 2\n    def f(self):\n        return self.b\n",
        "A.f", "b comes from code of the donor that cannot be moved alone", (),
    ),
    "a name that hides a built-in": (
        F, "def sum(xs):\n    return 7\ndef f():\n    return sum([])\n", "f", "would hide the built-in", (),
    ),
    "a star import": (F, "from math import *\ndef f():\n    return floor(1.5)\n", "f", "star import", ()),
    "a table filled at import": (
        F, "_T = {}\nfor i in range(3):\n    _T[i] = i\ndef f():\n    return _T[1]\n", "f", "runs at import changes _T", (),
    ),
    "a name bound under the main guard": (
        F, "def f():\n    return args\nif __name__ == '__main__':\n    args = 1\n", "f", "cannot be moved alone", (),
    ),
    "two names in one statement": (
        "B = 1\n" + F, "A, B = 1, 2\ndef f():\n    return A\n", "f", "in one statement with B", (),
    ),
    "a class there, a function here": (F, "class f:\n    pass\n", "f", "f is a class in one file", ()),
    "a class that the base lacks": (F, "class A:\n    def m(self):\n        return 1\n", "A.m", "no class A", ("A",)),
    "defined twice in the base": (
        "if 1:\n    def f():\n        return 1\n", "def f():\n    return 2\n", "f", "not one definition in one place", (),
    ),
    "a class on one line": (
        "class A: x = 1\n", "class A:\n    def m(self):\n        return 1\n", "A.m", "stands on one line", ("A",),
    ),
    "other bases and super": (
        "class A:\n    def m(self):\n        return 1\n",
        "class B:\n    pass\nclass A(B):\n    def m(self):\n        return super().__repr__()\n",
        "A.m", "other bases", ("A",),
    ),
    "used before it is defined": (
        "def f(x=1):\n    return x\n\ny = f()\n\ndef later():\n    return 1\n",
        "def later():\n    return 1\n\ndef f(x=later()):\n    return x\n",
        "f", "later would be used before it is defined", (),
    ),
    "no such unit": (F, F, "nothing", "no unit nothing", ()),
    "a donor that does not parse": (F, "def f(:\n", "f", "The donor does not parse", ()),
    "a base that does not parse": ("def f(:\n", F, "f", "The base does not parse", ()),
}  # fmt: skip


@pytest.mark.parametrize(("base", "donor", "name", "says", "also"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_does_not_fit_is_refused_and_what_would_help_is_named(
    base: str, donor: str, name: str, says: str, also: tuple[str, ...]
) -> None:
    with pytest.raises(SpliceRefused, match=says) as caught:
        spliced(base, donor, [name])
    assert caught.value.also == also
    if also and "A" not in also:
        spliced(base, donor, [name, *also])


def test_units_are_whole_and_have_their_lines() -> None:
    text = dedent(
        """\
        import typing

        @typing.overload
        def f(a: int) -> int: ...
        @typing.overload
        def f(a: str) -> str: ...

        # about f
        def f(a):
            return a

        class A:
            x = 1

            class B:
                async def m(self): pass

            @property
            def p(self):
                return 1

            @p.setter
            def p(self, value): ...

        if typing.TYPE_CHECKING:
            def hidden(): ...

        def twice(): return 1
        other = twice
        def twice(): return 2
        def wrapped(): return 1
        wrapped = typing.cast(typing.Any, wrapped)
        """
    )
    spans = {name: (unit.first, unit.last) for name, unit in units(text).items()}
    assert spans == {"f": (3, 10), "A": (12, 23), "A.B": (15, 16), "A.B.m": (16, 16), "A.p": (18, 23)}


def test_nothing_is_taken_from_what_does_not_parse() -> None:
    assert units("def f(:\n") == {}
    assert differing("def f(:\n", F) == differing(F, "def f(:\n") == ()


@pytest.mark.parametrize(
    ("donor", "names"),
    [
        (F.replace("def f():\n", "def f():  # well\n    # really\n"), ()),
        (F.replace("return 0", "return 2"), ("f",)),
        (F + "\n\ndef _unused():\n    return 1\n", ()),
        (F.replace("return 0", "return _a()") + "\n\ndef _a():\n    return _b()\n\n\ndef _b():\n    return 1\n", ("f", "_a", "_b")),
        (F + "\n\ndef h():\n    return 1\n", ("h",)),
        (F.replace("def f():\n    return 0", "class f:\n    pass"), ()),
    ],
    ids=["comments", "a body", "an unused helper", "helpers of helpers", "a new function", "another kind"],
)  # fmt: skip
def test_only_what_differs_in_meaning_is_worth_taking(donor: str, names: tuple[str, ...]) -> None:
    assert differing(F, donor) == names


def test_methods_differ_without_their_class_and_a_class_by_its_frame() -> None:
    base = "class A:\n    x = 1\n\n    def m(self):\n        return 1\n"
    assert differing(base, base.replace("return 1", "return 2")) == ("A.m",)
    assert differing(base, base.replace("x = 1", "x = 2")) == ("A",)
    assert differing(base, base.replace("class A", "class A(dict)")) == ("A",)


def test_all_but_the_unit_stays_as_it_is() -> None:
    base = '# coding: utf-8\n"""Ünïcode."""\n\nX = 1;  Y = 2\n\n# above\ndef f( a ):  # odd\n\treturn a\n# below\n\n\ndef g():return "é"'
    donor = 'def f(a):\n    """é"""\n    return -a  # new\n'
    mixture = spliced(base, donor, ["f"])
    assert mixture == base.replace("def f( a ):  # odd\n\treturn a\n", donor)
    assert spliced(base, "def g():\n    return 1\n", ["g"]) == base.replace(
        'def g():return "é"', "def g():\n    return 1\n"
    )


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("#!/usr/bin/env python\n# licence\n", "#!/usr/bin/env python\n# licence\nimport math\n\n\n"),
        ('"""Doc."""\n', '"""Doc."""\n\nimport math\n'),
        ('"""Doc."""\n\nimport os\n\nX = 1\n', '"""Doc."""\n\nimport os\nimport math\n\nX = 1\n'),
        ("from __future__ import annotations\n", "from __future__ import annotations\nimport math\n"),
    ],
)
def test_an_import_goes_to_the_others_at_the_top(head: str, expected: str) -> None:
    donor = "import math\n\ndef f():\n    return math.e\n"
    assert spliced(head + F, donor, ["f"]) == expected + F.replace("return 0", "return math.e")


@pytest.mark.parametrize("text", ["", "x = 1", "def f(:\n", F, F.replace("\n", "\r\n"), "\ufeff" + F, "\x00"])
def test_taking_nothing_changes_nothing(text: str) -> None:
    assert spliced(text, F, []) == text


NAMES = ("alpha", "beta", "_gamma", "Box.get", "Box.put", "Box._look", "Box.size", "Box.Inner.run")
BODIES = st.tuples(st.integers(0, 3), st.sampled_from(["", "  # why", "\n{0}# a comment\n{0}pass"]), st.booleans())
STYLES = st.sampled_from(["\n", "\r\n"])


def module(bodies: dict[str, tuple[int, str, bool]], constant: int = 1) -> str:
    """All the names, each function with its own number, in a module whose own code is always the same."""

    def body(name: str, indent: str) -> str:
        number, comment, calls = bodies[name]
        inner = indent + "    "
        extra = {"alpha": "_gamma()", "Box.get": "self._look()", "beta": "math.floor(LIMIT)"}.get(name, "LIMIT")
        result = f"{number} + {extra}" if calls else f"{number}"
        return f"{comment.format(inner)}\n{inner}value = {result}\n{inner}return value\n"

    def method(name: str) -> str:
        owner, _, short = name.rpartition(".")
        indent = "    " * len(owner.split("."))
        decorator = f"{indent}@property\n" if short == "size" else ""
        return f"{decorator}{indent}def {short}(self):{body(name, indent)}\n"

    functions = "\n\n".join(f"def {name}():{body(name, '')}" for name in NAMES[:3])
    methods = "".join(map(method, NAMES[3:7]))
    inner = f"    class Inner:\n{method(NAMES[7])}"
    return f'"""Doc."""\nimport math\n\nLIMIT = {constant}\n\n\n{functions}\n\nclass Box:\n{methods}{inner}\n'


def behaviour(text: str) -> list[object]:
    names: dict[str, Any] = {}
    exec(compile(text, "mixture", "exec", dont_inherit=True), names)
    box = names["Box"]()
    return [names["alpha"](), names["beta"](), box.get(), box.put(), box.size, names["Box"].Inner().run()]


MODULES = st.fixed_dictionaries(dict.fromkeys(NAMES, BODIES))


@settings(deadline=None, max_examples=60)
@given(MODULES, MODULES, STYLES)
@pytest.mark.slow
def test_all_that_differs_makes_the_base_behave_as_the_donor(
    one: dict[str, tuple[int, str, bool]], two: dict[str, tuple[int, str, bool]], newline: str
) -> None:
    base, donor = module(one).replace("\n", newline), module(two)
    names = differing(base, donor)
    mixture = spliced(base, donor, names)
    assert fingerprint(mixture) == fingerprint(donor)
    assert behaviour(mixture) == behaviour(donor)
    assert differing(mixture, donor) == ()


@settings(deadline=None, max_examples=60)
@given(MODULES, MODULES, st.sets(st.sampled_from(NAMES)), st.integers(1, 2))
@pytest.mark.slow
def test_a_mixture_parses_and_keeps_every_byte_outside_the_units(
    one: dict[str, tuple[int, str, bool]], two: dict[str, tuple[int, str, bool]], names: set[str], constant: int
) -> None:
    base, donor = module(one), module(two, constant)
    try:
        mixture = spliced(base, donor, names)
    except SpliceRefused as refused:
        assert str(refused)
        return
    compile(mixture, "mixture", "exec", dont_inherit=True)
    assert outside(mixture, names) == outside(base, names)
    assert all(code(mixture, name) == code(donor, name) for name in names)
    assert all(code(mixture, name) == code(base, name) for name in {*NAMES} - names)


def outside(text: str, names: Collection[str]) -> list[str]:
    found = units(text)
    inside = {line for name in names for line in range(found[name].first, found[name].last + 1)}
    return [line for number, line in enumerate(text.split("\n"), 1) if number not in inside]


def code(text: str, name: str) -> str:
    unit = units(text)[name]
    return "\n".join(text.split("\n")[unit.first - 1 : unit.last])


PIECES = st.sampled_from(
    ["def f(", "):\n", "    return ", "x", "\n", "class A:\n", "    def m(self): ", "@d\n", "1", '"""', "async ", "import a.b\n",
     "\\\n", "\t", "# c\n", "if x:\n", "lambda: y", "self.z", "from . import q\n", "\f", ";", "global x", "é", "\r", "\x00"]
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(PIECES, max_size=14).map("".join), st.lists(PIECES, max_size=14).map("".join))
def test_whatever_the_texts_the_answer_is_a_text_that_parses_or_a_refusal(base: str, donor: str) -> None:
    for names in [differing(base, donor), [*units(donor)]]:
        try:
            mixture = spliced(base, donor, names)
        except SpliceRefused:
            continue
        assert not names or units(mixture)
