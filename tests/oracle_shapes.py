"""Ordinary projects with ordinary tests, in the shapes that small models write: name -> (source, test file).

`{m}` stands for the module's name. The tests are right, and so is the source.
"""

from __future__ import annotations

SHAPES: dict[str, tuple[str, str]] = {}


def shape(name: str, source: str, tests: str) -> None:
    SHAPES[name] = (source, tests)


shape(
    "plain functions",
    "def add(a, b):\n    return a + b\ndef mean(xs):\n    return sum(xs) / len(xs)\n",
    "import pytest\nfrom {m} import add, mean\ndef test_add(): assert add(2, 3) == 5\ndef test_strings(): assert add('a', 'b') == 'ab'\n"
    "def test_mean(): assert mean([1, 2, 4]) == pytest.approx(2.3333, rel=1e-3)\n"
    "def test_big(): assert add(10**30, 1) == 10**30 + 1\n"
    "def test_types(): assert isinstance(add(1, 2), int) and type(add(1.0, 2)) is float\n",
)
shape(
    "parametrize",
    "def is_prime(n):\n    return n > 1 and all(n % d for d in range(2, int(n ** 0.5) + 1))\n",
    "import pytest\nfrom {m} import is_prime\n@pytest.mark.parametrize('n, expected', [(1, False), (2, True), (9, False), (97, True)])\n"
    "def test_prime(n, expected): assert is_prime(n) is expected\n",
)
shape(
    "protocols and virtual subclasses",
    "from abc import ABC\nfrom typing import Protocol, runtime_checkable\n@runtime_checkable\nclass HasArea(Protocol):\n    def area(self): ...\nclass Square:\n    def area(self): return 4\nclass Flat: pass\nclass Shape(ABC): pass\nShape.register(Square)\n",
    "from {m} import Flat, HasArea, Shape, Square\ndef test_kinds():\n    assert isinstance(Square(), HasArea) and not isinstance(Flat(), HasArea) and not isinstance(3, HasArea)\n"
    "    assert isinstance(Square(), Shape) and not isinstance(Flat(), Shape)\n",
)
shape(
    "classes that equal plain values",
    "class Mod:\n    def __init__(self, n, m): self.n, self.m = n % m, m\n    def __eq__(self, o): return self.n == (o.n if isinstance(o, Mod) else o % self.m)\n"
    "class Name:\n    def __init__(self, s): self.s = s\n    def __eq__(self, o): return isinstance(o, str) and self.s.lower() == o.lower()\n"
    "class Span:\n    def __init__(self, a, b): self.a, self.b = a, b\n    def __contains__(self, x): return self.a <= x <= self.b\ndef span(a, b): return Span(a, b)\n"
    "class Text:\n    def __init__(self, s): self.s = s\n    def __contains__(self, part): return part in self.s\ndef text(s): return Text(s)\n",
    "from {m} import Mod, Name, span, text\ndef test_equal(): assert Mod(3, 2) == 3 and Mod(8, 5) == 13 and Name('Bob') == 'bob' and Name('') == ''\n"
    "def test_in(): assert 3 in span(1, 9) and 0 not in span(1, 9) and 'sum' in text('the sum') and 's' in text('sum') and 'x' not in text('sum')\n",
)
shape(
    "generic classes",
    "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass Box(Generic[T]):\n    def __init__(self, item: T): self.item = item\n    def get(self) -> T: return self.item\n",
    "import pytest\nfrom {m} import Box\ndef test_box():\n    assert Box[int](3).get() == 3 and Box('a').get() == 'a' and isinstance(Box[str]('x'), Box)\n"
    "    with pytest.raises(TypeError): Box[int, str]\n",
)
shape(
    "exceptions",
    "class AppError(Exception): pass\nclass TooPoor(AppError):\n    def __init__(self, missing):\n        super().__init__(f'missing {missing}')\n        self.missing = missing\n"
    "def pay(have, cost):\n    if cost < 0: raise ValueError('cost must not be negative')\n    if cost > have: raise TooPoor(cost - have)\n    return have - cost\n"
    "def nested():\n    try: pay(0, 1)\n    except TooPoor as e: raise RuntimeError('outer') from e\n",
    "import pytest\nfrom {m} import AppError, TooPoor, pay, nested\n"
    "def test_value_error():\n    with pytest.raises(ValueError, match='not be negative'): pay(1, -1)\n"
    "def test_custom():\n    with pytest.raises(TooPoor) as info: pay(1, 3)\n    assert info.value.missing == 2\n    assert str(info.value) == 'missing 2'\n    assert info.value.args == ('missing 2',)\n"
    "def test_base():\n    with pytest.raises(AppError): pay(1, 3)\n"
    "def test_except():\n    try: pay(1, 3)\n    except TooPoor as error: assert isinstance(error, AppError)\n    else: pytest.fail('no error')\n"
    "def test_cause():\n    with pytest.raises(RuntimeError) as info: nested()\n    assert isinstance(info.value.__cause__, TooPoor)\n"
    "def test_is_a(): assert issubclass(TooPoor, AppError)\n",
)
shape(
    "stack",
    "class Stack:\n    def __init__(self): self._items = []\n    def push(self, item): self._items.append(item)\n    def pop(self):\n        if not self._items: raise IndexError('pop from empty stack')\n        return self._items.pop()\n"
    "    def peek(self): return self._items[-1]\n    def is_empty(self): return not self._items\n    def __len__(self): return len(self._items)\n    def __contains__(self, x): return x in self._items\n    def __iter__(self): return reversed(self._items)\n    def __repr__(self): return f'Stack({self._items})'\n",
    "import pytest\nfrom {m} import Stack\n@pytest.fixture\ndef stack():\n    s = Stack()\n    s.push(1)\n    s.push(2)\n    return s\n"
    "def test_pop(stack): assert stack.pop() == 2 and stack.pop() == 1\ndef test_len(stack): assert len(stack) == 2\ndef test_empty():\n    s = Stack()\n    assert s.is_empty()\n    assert not s\n    with pytest.raises(IndexError): s.pop()\n"
    "def test_in(stack): assert 1 in stack and 5 not in stack\ndef test_iter(stack): assert list(stack) == [2, 1]\ndef test_repr(stack): assert repr(stack) == 'Stack([1, 2])'\n"
    "def test_kind(stack): assert isinstance(stack, Stack) and type(stack) is Stack\n",
)
shape(
    "dataclass",
    "from dataclasses import dataclass, field\n@dataclass\nclass Item:\n    name: str\n    price: float = 0.0\n    tags: list = field(default_factory=list)\n    def total(self, n): return self.price * n\n@dataclass(frozen=True, order=True)\nclass Point:\n    x: int\n    y: int\n    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)\n",
    "import pytest\nfrom dataclasses import FrozenInstanceError\nfrom {m} import Item, Point\ndef test_equal(): assert Item('a', 2.0) == Item('a', 2.0) and Item('a') != Item('b')\ndef test_fields():\n    item = Item('a')\n    item.price = 3.5\n    assert item.price == 3.5 and item.total(2) == 7.0\n"
    "def test_separate(): \n    a, b = Item('a'), Item('b')\n    a.tags.append('x')\n    assert a.tags == ['x'] and b.tags == []\n"
    "def test_sum(): assert Point(1, 2) + Point(3, 4) == Point(4, 6)\ndef test_order(): assert Point(1, 2) < Point(1, 3) and sorted([Point(2, 0), Point(1, 0)])[0] == Point(1, 0)\n"
    "def test_hash(): assert len({Point(1, 2), Point(1, 2), Point(2, 2)}) == 2 and {Point(1, 2): 'a'}[Point(1, 2)] == 'a'\n"
    "def test_frozen():\n    with pytest.raises(FrozenInstanceError): Point(1, 2).x = 3\n"
    "def test_unhashable():\n    with pytest.raises(TypeError): hash(Item('a'))\n"
    "def test_repr(): assert repr(Point(1, 2)) == 'Point(x=1, y=2)'\n",
)
shape(
    "enum",
    "from enum import Enum, IntEnum\nclass Color(Enum):\n    RED = 'red'\n    GREEN = 'green'\nclass Level(IntEnum):\n    LOW = 1\n    HIGH = 2\nclass Status(str, Enum):\n    OPEN = 'open'\n    DONE = 'done'\ndef next_color(c): return Color.GREEN if c is Color.RED else Color.RED\ndef finish(): return Status.DONE\n",
    "import pytest\nfrom {m} import Color, Level, Status, next_color, finish\ndef test_members(): assert [c.name for c in Color] == ['RED', 'GREEN'] and len(Color) == 2\ndef test_value(): assert Color.RED.value == 'red' and Color('green') is Color.GREEN and Color['RED'] is Color.RED\n"
    "def test_next(): assert next_color(Color.RED) == Color.GREEN and next_color(Color.GREEN) is Color.RED\ndef test_int(): assert Level.HIGH > Level.LOW and Level.HIGH == 2 and Level.LOW + 1 == 2\ndef test_str(): assert finish() == 'done' and finish() is Status.DONE and finish().upper() == 'DONE'\n"
    "def test_bad():\n    with pytest.raises(ValueError): Color('blue')\ndef test_key(): assert {Color.RED: 1}[Color.RED] == 1\n"
    "@pytest.mark.parametrize('color', list(Color))\ndef test_each(color): assert color in Color\n",
)
shape(
    "mutable arguments",
    "def sort_in_place(xs):\n    for i in range(len(xs)):\n        for j in range(len(xs) - 1 - i):\n            if xs[j] > xs[j + 1]: xs[j], xs[j + 1] = xs[j + 1], xs[j]\ndef without(d, key): return {k: v for k, v in d.items() if k != key}\ndef add_all(target, items):\n    target.update(items)\n    return target\ndef deep(d): d['a']['b'].append(1)\n",
    "import copy\nfrom {m} import sort_in_place, without, add_all, deep\ndef test_in_place():\n    xs = [3, 1, 2]\n    assert sort_in_place(xs) is None\n    assert xs == [1, 2, 3]\ndef test_untouched():\n    d = {{'a': 1, 'b': 2}}\n    before = copy.deepcopy(d)\n    assert without(d, 'a') == {{'b': 2}}\n    assert d == before\n"
    "def test_same():\n    s = {{1}}\n    assert add_all(s, [2, 3]) is s\n    assert s == {{1, 2, 3}}\ndef test_deep():\n    d = {{'a': {{'b': []}}}}\n    inner = d['a']['b']\n    deep(d)\n    assert inner == [1]\n",
)
shape(
    "generator",
    "def countdown(n):\n    while n:\n        yield n\n        n -= 1\n    return 'done'\ndef chunks(xs, size):\n    for i in range(0, len(xs), size): yield xs[i:i + size]\ndef squares(): return map(lambda x: x * x, [1, 2])\n",
    "import types\nimport itertools\nimport pytest\nfrom collections.abc import Iterator\nfrom {m} import countdown, chunks, squares\ndef test_list(): assert list(countdown(3)) == [3, 2, 1]\ndef test_next():\n    g = countdown(1)\n    assert next(g) == 1\n    with pytest.raises(StopIteration): next(g)\n"
    "def test_chunks(): assert list(chunks([1, 2, 3], 2)) == [[1, 2], [3]]\ndef test_slice(): assert list(itertools.islice(countdown(10**9), 2)) == [10**9, 10**9 - 1]\ndef test_map(): assert list(squares()) == [1, 4]\ndef test_iterator(): assert isinstance(countdown(1), Iterator)\ndef test_loop():\n    total = 0\n    for n in countdown(3): total += n\n    assert total == 6\n",
)
shape(
    "callbacks",
    "def apply(f, xs): return [f(x) for x in xs]\ndef sort_by(xs, key): return sorted(xs, key=key)\nclass Bus:\n    def __init__(self): self.handlers = {}\n    def on(self, name, handler): self.handlers.setdefault(name, []).append(handler)\n    def emit(self, name, *args, **kwargs):\n        for handler in self.handlers.get(name, []): handler(*args, **kwargs)\ndef safely(f):\n    try: return f()\n    except ZeroDivisionError: return None\n",
    "import pytest\nfrom unittest.mock import Mock\nfrom {m} import apply, sort_by, Bus, safely\ndef test_apply(): assert apply(lambda x: x * 2, [1, 2]) == [2, 4]\ndef test_builtin(): assert apply(str, [1]) == ['1'] and sort_by(['bb', 'a'], len) == ['a', 'bb']\ndef test_bus():\n    seen = []\n    bus = Bus()\n    bus.on('x', seen.append)\n    bus.emit('x', 5)\n    bus.emit('y', 6)\n    assert seen == [5]\n"
    "def test_mock():\n    handler = Mock()\n    bus = Bus()\n    bus.on('x', handler)\n    bus.emit('x', 1, b=2)\n    handler.assert_called_once_with(1, b=2)\ndef test_error_passes():\n    def boom(x): raise KeyError('mine')\n    with pytest.raises(KeyError, match='mine'): apply(boom, [1])\ndef test_error_handled(): assert safely(lambda: 1 / 0) is None\n"
    "def test_own_error():\n    class Mine(Exception): pass\n    def boom(x): raise Mine('m')\n    with pytest.raises(Mine): apply(boom, [1])\n",
)
shape(
    "decorators",
    "import functools\ndef retry(times):\n    def wrap(f):\n        @functools.wraps(f)\n        def inner(*a, **k):\n            for n in range(times):\n                try: return f(*a, **k)\n                except ValueError:\n                    if n == times - 1: raise\n        return inner\n    return wrap\ndef memoize(f):\n    cache = {}\n    @functools.wraps(f)\n    def inner(*a):\n        if a not in cache: cache[a] = f(*a)\n        return cache[a]\n    inner.cache = cache\n    return inner\n",
    "import pytest\nfrom {m} import retry, memoize\ndef test_retry():\n    calls = []\n    @retry(3)\n    def flaky(x):\n        'doc'\n        calls.append(x)\n        if len(calls) < 3: raise ValueError('no')\n        return x * 2\n    assert flaky(4) == 8\n    assert len(calls) == 3\n    assert flaky.__name__ == 'flaky' and flaky.__doc__ == 'doc'\n"
    "def test_gives_up():\n    @retry(times=2)\n    def bad(): raise ValueError('always')\n    with pytest.raises(ValueError, match='always'): bad()\ndef test_memo():\n    count = 0\n    @memoize\n    def slow(n):\n        nonlocal count\n        count += 1\n        return n + 1\n    assert slow(1) == slow(1) == 2\n    assert count == 1\n    assert slow.cache == {{(1,): 2}}\n",
)
shape(
    "context manager",
    "from contextlib import contextmanager\nclass Timer:\n    def __enter__(self):\n        import time\n        self.start = time.perf_counter()\n        self.elapsed = None\n        return self\n    def __exit__(self, *exc):\n        import time\n        self.elapsed = time.perf_counter() - self.start\nclass Quiet:\n    def __enter__(self): return self\n    def __exit__(self, kind, value, tb):\n        self.caught = value\n        return kind is not None and issubclass(kind, ValueError)\n@contextmanager\ndef entry(log):\n    log.append('in')\n    try: yield len(log)\n    finally: log.append('out')\n",
    "import pytest\nfrom {m} import Timer, Quiet, entry\ndef test_timer():\n    with Timer() as t: pass\n    assert t.elapsed >= 0\ndef test_quiet():\n    with Quiet() as q: raise ValueError('x')\n    assert str(q.caught) == 'x'\ndef test_not_quiet():\n    with pytest.raises(KeyError):\n        with Quiet(): raise KeyError('y')\ndef test_entry():\n    log = []\n    with entry(log) as n: assert n == 1 and log == ['in']\n    assert log == ['in', 'out']\n"
    "def test_entry_error():\n    log = []\n    with pytest.raises(RuntimeError):\n        with entry(log): raise RuntimeError('z')\n    assert log == ['in', 'out']\n",
)
shape(
    "files in tmp_path",
    "import json\nfrom pathlib import Path\nclass Store:\n    def __init__(self, path): self.path = Path(path)\n    def load(self): return json.loads(self.path.read_text()) if self.path.exists() else {}\n    def save(self, data): self.path.write_text(json.dumps(data))\ndef count_words(path):\n    with open(path) as f: return len(f.read().split())\ndef listing(d): return sorted(p.name for p in Path(d).iterdir())\n",
    "import json\nimport os\nimport tempfile\nimport pytest\nfrom {m} import Store, count_words, listing\ndef test_store(tmp_path):\n    s = Store(tmp_path / 'a.json')\n    assert s.load() == {{}}\n    s.save({{'x': [1]}})\n    assert json.loads((tmp_path / 'a.json').read_text()) == {{'x': [1]}}\n    assert Store(str(tmp_path / 'a.json')).load() == {{'x': [1]}}\n"
    "def test_words(tmp_path):\n    f = tmp_path / 'w.txt'\n    f.write_text('one two')\n    assert count_words(f) == 2\n    assert listing(tmp_path) == ['w.txt']\ndef test_missing(tmp_path):\n    with pytest.raises(FileNotFoundError): count_words(tmp_path / 'gone')\n"
    "def test_tempfile():\n    with tempfile.NamedTemporaryFile('w', suffix='.txt', delete=False) as f:\n        f.write('a b c')\n    assert count_words(f.name) == 3\n    os.unlink(f.name)\n",
)
shape(
    "environment and directory",
    "import os\ndef mode(): return os.environ.get('APP_MODE', 'prod')\ndef here(): return os.path.basename(os.getcwd())\ndef write(name):\n    with open(name, 'w') as f: f.write('x')\n",
    "from {m} import mode, here, write\ndef test_env(monkeypatch):\n    monkeypatch.setenv('APP_MODE', 'test')\n    assert mode() == 'test'\ndef test_default(monkeypatch):\n    monkeypatch.delenv('APP_MODE', raising=False)\n    assert mode() == 'prod'\ndef test_chdir(tmp_path, monkeypatch):\n    (tmp_path / 'sub').mkdir()\n    monkeypatch.chdir(tmp_path / 'sub')\n    assert here() == 'sub'\n    write('f')\n    assert (tmp_path / 'sub' / 'f').read_text() == 'x'\n",
)
shape(
    "printing",
    "import sys\ndef greet(name): print(f'Hello, {name}!')\ndef warn(text): print(text, file=sys.stderr)\n",
    "import io\nimport contextlib\nfrom {m} import greet, warn\ndef test_greet(capsys):\n    greet('Ann')\n    assert capsys.readouterr().out == 'Hello, Ann!\\n'\ndef test_err(capsys):\n    warn('bad')\n    captured = capsys.readouterr()\n    assert captured.err == 'bad\\n' and captured.out == ''\ndef test_redirect():\n    out = io.StringIO()\n    with contextlib.redirect_stdout(out): greet('B')\n    assert out.getvalue() == 'Hello, B!\\n'\n",
)
shape(
    "command line",
    "import argparse, sys\ndef main(argv=None):\n    p = argparse.ArgumentParser()\n    p.add_argument('n', type=int)\n    a = p.parse_args(argv)\n    if a.n < 0:\n        print('negative', file=sys.stderr)\n        return 1\n    print(a.n * 2)\n    return 0\ndef stop(code): sys.exit(code)\n",
    "import pytest\nfrom {m} import main, stop\ndef test_ok(capsys):\n    assert main(['4']) == 0\n    assert capsys.readouterr().out.strip() == '8'\ndef test_usage(capsys):\n    with pytest.raises(SystemExit) as info: main(['x'])\n    assert info.value.code == 2\n    assert 'invalid int' in capsys.readouterr().err\ndef test_stop():\n    with pytest.raises(SystemExit) as info: stop(3)\n    assert info.value.code == 3\n",
)
shape(
    "unittest",
    "class Calculator:\n    def __init__(self): self.memory = 0\n    def add(self, a, b): return a + b\n    def divide(self, a, b):\n        if b == 0: raise ZeroDivisionError('division by zero')\n        return a / b\n    @staticmethod\n    def square(x): return x * x\n    @classmethod\n    def make(cls): return cls()\n    @property\n    def ready(self): return True\n",
    "import unittest\nfrom {m} import Calculator\nclass TestCalculator(unittest.TestCase):\n    def setUp(self): self.calc = Calculator()\n    def test_add(self): self.assertEqual(self.calc.add(1, 2), 3)\n    def test_divide(self):\n        self.assertAlmostEqual(self.calc.divide(1, 3), 0.3333, places=3)\n        with self.assertRaises(ZeroDivisionError): self.calc.divide(1, 0)\n"
    "    def test_static(self): self.assertEqual(Calculator.square(3), 9)\n    def test_class(self): self.assertIsInstance(Calculator.make(), Calculator)\n    def test_property(self): self.assertTrue(self.calc.ready)\n    def test_memory(self):\n        self.calc.memory = 5\n        self.assertEqual(self.calc.memory, 5)\n    def test_sub(self):\n        for n in range(3):\n            with self.subTest(n=n): self.assertEqual(self.calc.add(n, 0), n)\nif __name__ == '__main__': unittest.main()\n",
)
shape(
    "vector",
    "import math\nclass Vector:\n    def __init__(self, x, y): self.x, self.y = x, y\n    def __eq__(self, o): return isinstance(o, Vector) and (self.x, self.y) == (o.x, o.y)\n    def __hash__(self): return hash((self.x, self.y))\n    def __add__(self, o): return Vector(self.x + o.x, self.y + o.y)\n    def __sub__(self, o): return Vector(self.x - o.x, self.y - o.y)\n    def __mul__(self, k): return Vector(self.x * k, self.y * k) if isinstance(k, (int, float)) else self.x * k.x + self.y * k.y\n    __rmul__ = __mul__\n    def __neg__(self): return Vector(-self.x, -self.y)\n    def __abs__(self): return math.hypot(self.x, self.y)\n    def __bool__(self): return bool(self.x or self.y)\n    def __getitem__(self, i): return (self.x, self.y)[i]\n    def __iter__(self): return iter((self.x, self.y))\n    def __repr__(self): return f'Vector({self.x}, {self.y})'\n    def __lt__(self, o): return abs(self) < abs(o)\n    def __format__(self, spec): return f'<{self.x:{spec}}>'\n    def __call__(self): return 'called'\n",
    "import pytest\nfrom {m} import Vector\ndef test_add(): assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6)\ndef test_chain(): assert (Vector(1, 2) + Vector(3, 4)) * 2 - Vector(1, 1) == Vector(7, 11)\ndef test_scale(): assert Vector(1, 2) * 3 == Vector(3, 6) == 3 * Vector(1, 2)\ndef test_dot(): assert Vector(1, 2) * Vector(3, 4) == 11\ndef test_abs(): assert abs(Vector(3, 4)) == 5.0 and abs(Vector(1, 1)) == pytest.approx(1.41421, abs=1e-4)\ndef test_neg(): assert -Vector(1, 2) == Vector(-1, -2)\n"
    "def test_bool(): assert Vector(1, 0) and not Vector(0, 0)\ndef test_items():\n    v = Vector(1, 2)\n    x, y = v\n    assert (x, y) == (1, 2) and v[0] == 1 and list(v) == [1, 2]\n    with pytest.raises(IndexError): v[2]\ndef test_text(): assert str(Vector(1, 2)) == 'Vector(1, 2)' and f'{{Vector(1, 2)}}' == '<1>' and f'{{Vector(1, 2):03d}}' == '<001>'\n"
    "def test_not_equal(): assert Vector(1, 2) != Vector(2, 1) and not Vector(1, 2) == 'x' and Vector(1, 2) != 5\ndef test_set(): assert len({{Vector(1, 2), Vector(1, 2)}}) == 1\ndef test_order(): assert max([Vector(1, 1), Vector(3, 3)]) == Vector(3, 3)\ndef test_call(): assert Vector(1, 1)() == 'called'\ndef test_sum(): assert sum([Vector(1, 1), Vector(2, 2)], Vector(0, 0)) == Vector(3, 3)\ndef test_bad():\n    with pytest.raises((TypeError, AttributeError)): Vector(1, 1) + 'a'\n",
)
shape(
    "money with own comparisons",
    "from functools import total_ordering\n@total_ordering\nclass Money:\n    def __init__(self, amount): self.amount = amount\n    def __eq__(self, o): return self.amount == (o.amount if isinstance(o, Money) else o)\n    def __lt__(self, o): return self.amount < (o.amount if isinstance(o, Money) else o)\n    def __add__(self, o): return Money(self.amount + (o.amount if isinstance(o, Money) else o))\n    def __sub__(self, o): return Money(self.amount - (o.amount if isinstance(o, Money) else o))\n    @classmethod\n    def parse(cls, text): return cls(float(text.lstrip('$')))\n",
    "from {m} import Money\ndef test_plain(): assert Money(5) == 5 and Money(5) != 6\ndef test_order(): assert Money(5) > 3 and Money(2) < Money(3) and Money(2) <= 2\ndef test_add(): assert Money(2) + 3 == Money(5) and (Money(2) + Money(3)) - 1 == Money(4)\ndef test_parse(): assert Money.parse('$5.50') == Money(5.5) and Money.parse('$1').amount == 1.0\n",
)
shape(
    "inheritance and abstract classes",
    "from abc import ABC, abstractmethod\nimport math\nclass Shape(ABC):\n    @abstractmethod\n    def area(self): ...\n    def describe(self): return f'{type(self).__name__} with area {self.area():.2f}'\nclass Circle(Shape):\n    def __init__(self, r):\n        if r <= 0: raise ValueError('radius must be positive')\n        self.r = r\n    def area(self): return math.pi * self.r ** 2\nclass Square(Shape):\n    count = 0\n    def __init__(self, s):\n        self.s = s\n        Square.count += 1\n    def area(self): return self.s ** 2\ndef total(shapes): return sum(s.area() for s in shapes)\ndef make(kind, n): return {'circle': Circle, 'square': Square}[kind](n)\n",
    "import math\nimport pytest\nfrom {m} import Shape, Circle, Square, total, make\ndef test_abstract():\n    with pytest.raises(TypeError): Shape()\ndef test_area(): assert math.isclose(Circle(2).area(), 12.566, rel_tol=1e-3) and Square(3).area() == 9\ndef test_kinds():\n    assert isinstance(Circle(1), Shape) and not isinstance(Circle(1), Square) and issubclass(Square, Shape)\ndef test_total(): assert total([Square(1), Square(2)]) == 5\ndef test_make():\n    assert isinstance(make('square', 2), Square)\n    with pytest.raises(KeyError): make('cube', 1)\n"
    "def test_describe(): assert Square(2).describe() == 'Square with area 4.00'\ndef test_count():\n    Square.count = 0\n    Square(1)\n    assert Square.count == 1\ndef test_name(): assert Circle.__name__ == 'Circle' and type(Circle(1)).__name__ == 'Circle' and Circle(1).__class__.__name__ == 'Circle'\ndef test_hasattr(): assert hasattr(Circle(1), 'area') and not hasattr(Circle(1), 'volume') and callable(Circle(1).area)\ndef test_missing():\n    with pytest.raises(AttributeError): Circle(1).volume\n",
)
shape(
    "linked list and tree",
    "class Node:\n    def __init__(self, value, next=None): self.value, self.next = value, next\nclass LinkedList:\n    def __init__(self): self.head = None\n    def append(self, v):\n        if not self.head:\n            self.head = Node(v)\n            return\n        n = self.head\n        while n.next: n = n.next\n        n.next = Node(v)\n    def find(self, v):\n        n = self.head\n        while n and n.value != v: n = n.next\n        return n\n    def __iter__(self):\n        n = self.head\n        while n:\n            yield n.value\n            n = n.next\nclass Tree:\n    def __init__(self): self.root = None\n    def insert(self, v): self.root = self._insert(self.root, v)\n    def _insert(self, n, v):\n        if n is None: return {'v': v, 'l': None, 'r': None}\n        n['l' if v < n['v'] else 'r'] = self._insert(n['l' if v < n['v'] else 'r'], v)\n        return n\n    def walk(self):\n        def go(n): return go(n['l']) + [n['v']] + go(n['r']) if n else []\n        return go(self.root)\n",
    "from {m} import LinkedList, Node, Tree\ndef test_list():\n    xs = LinkedList()\n    for v in (1, 2, 3): xs.append(v)\n    assert list(xs) == [1, 2, 3]\n    assert xs.head.value == 1 and xs.head.next.next.next is None\n    assert xs.find(2).value == 2 and xs.find(9) is None\n    assert xs.find(1) is xs.head\n    assert 3 in xs\ndef test_node(): assert Node(1, Node(2)).next.value == 2\ndef test_tree():\n    t = Tree()\n    for v in [3, 1, 2]: t.insert(v)\n    assert t.walk() == [1, 2, 3]\n    assert t.root['v'] == 3\n",
)
shape(
    "collections",
    "from collections import Counter, defaultdict, namedtuple, OrderedDict, deque\nPoint = namedtuple('Point', 'x y')\ndef count(text): return Counter(text.split())\ndef group(words):\n    d = defaultdict(list)\n    for w in words: d[w[0]].append(w)\n    return d\ndef origin(): return Point(0, 0)\ndef ordered(): return OrderedDict(a=1, b=2)\ndef last(xs, n): return deque(xs, maxlen=n)\ndef keys(d): return d.keys()\ndef both(a, b): return set(a) & set(b)\ndef frozen(xs): return frozenset(xs)\n",
    "from collections import Counter\nfrom {m} import Point, count, group, origin, ordered, last, keys, both, frozen\ndef test_count(): assert count('a b a') == {{'a': 2, 'b': 1}} and count('a')['zzz'] == 0 and count('a a').most_common(1) == [('a', 2)]\ndef test_group(): assert group(['ab', 'ac', 'b']) == {{'a': ['ab', 'ac'], 'b': ['b']}} and isinstance(group([]), dict)\ndef test_point():\n    p = Point(1, 2)\n    assert p == (1, 2) and p.x == 1 and p[1] == 2 and p._replace(x=5) == (5, 2) and origin() == Point(0, 0)\n    a, b = p\n    assert isinstance(p, tuple) and repr(p) == 'Point(x=1, y=2)'\n"
    "def test_ordered(): assert list(ordered()) == ['a', 'b'] and ordered() == {{'a': 1, 'b': 2}}\ndef test_last(): assert list(last(range(5), 2)) == [3, 4] and last([1], 2).maxlen == 2\ndef test_keys(): assert keys({{'a': 1}}) == {{'a'}} and 'a' in keys({{'a': 1}})\ndef test_sets(): assert both([1, 2], [2, 3]) == {{2}} and frozen([1, 1]) == frozenset({{1}})\n",
)
shape(
    "subclasses of containers",
    "class Matrix(list):\n    def transpose(self): return Matrix(map(list, zip(*self)))\nclass Config(dict):\n    def __getattr__(self, k):\n        try: return self[k]\n        except KeyError: raise AttributeError(k)\nclass Celsius(float):\n    def to_f(self): return self * 9 / 5 + 32\nclass Name(str):\n    @property\n    def initial(self): return self[0]\ndef warm(): return Celsius(30)\n",
    "import pytest\nfrom {m} import Matrix, Config, Celsius, Name, warm\ndef test_matrix():\n    m = Matrix([[1, 2], [3, 4]])\n    assert m.transpose() == [[1, 3], [2, 4]] and len(m) == 2 and m[0] == [1, 2] and m == Matrix([[1, 2], [3, 4]])\n    assert isinstance(m, list)\n    m.append([5, 6])\n    assert m[-1] == [5, 6] and [5, 6] in m\ndef test_config():\n    c = Config(a=1)\n    assert c.a == 1 and c['a'] == 1 and c == {{'a': 1}} and c.get('z') is None and dict(c) == {{'a': 1}}\n    with pytest.raises(AttributeError): c.b\n    c['b'] = 2\n    assert set(c) == {{'a', 'b'}}\ndef test_celsius(): assert warm() == 30.0 and warm().to_f() == 86.0 and warm() > 20 and warm() + 1 == 31\ndef test_name(): assert Name('Bo').initial == 'B' and Name('Bo') == 'Bo' and Name('Bo').lower() == 'bo'\n",
)
shape(
    "dates, decimals and paths",
    "from datetime import date, datetime, timedelta, timezone\nfrom decimal import Decimal\nfrom fractions import Fraction\nfrom pathlib import Path\nimport uuid\ndef tomorrow(d): return d + timedelta(days=1)\ndef price(text): return Decimal(text).quantize(Decimal('0.01'))\ndef half(): return Fraction(1, 2)\ndef suffix(p): return Path(p).suffix\ndef ident(): return uuid.uuid4()\ndef utc(): return datetime(2024, 1, 2, tzinfo=timezone.utc)\ndef place(): return Path('/a') / 'b'\n",
    "from datetime import date, datetime, timedelta, timezone\nfrom decimal import Decimal\nfrom fractions import Fraction\nfrom pathlib import Path\nimport uuid\nfrom {m} import tomorrow, price, half, suffix, ident, utc, place\ndef test_date(): assert tomorrow(date(2024, 2, 28)) == date(2024, 2, 29) and isinstance(tomorrow(datetime(2024, 1, 1, 5)), datetime)\ndef test_delta(): assert tomorrow(date(2024, 1, 1)) - date(2024, 1, 1) == timedelta(days=1)\ndef test_price(): assert price('1.005') == Decimal('1.00') and str(price('2')) == '2.00'\ndef test_half(): assert half() == Fraction(1, 2) == 0.5\ndef test_path(): assert suffix(Path('a.txt')) == '.txt' and place() == Path('/a/b') and isinstance(place(), Path)\ndef test_uuid(): assert isinstance(ident(), uuid.UUID) and ident() != ident()\ndef test_utc(): assert utc() == datetime(2024, 1, 2, tzinfo=timezone.utc) and utc().tzinfo is not None\n",
)
shape(
    "numbers at the edge",
    "import math\ndef nan(): return math.nan\ndef inf(): return -math.inf\ndef root(x): return math.sqrt(x)\ndef z(): return complex(1, 2)\ndef raw(): return b'\\x00\\xff'\ndef text(): return 'h\\u00e9\\ud83d\\ude00'\ndef nothing(): pass\ndef many(): return 1, 'a', None, True, 2.5\ndef fact(n): return 1 if n < 2 else n * fact(n - 1)\n",
    "import math\nimport pytest\nfrom {m} import nan, inf, root, z, raw, text, nothing, many, fact\ndef test_nan(): assert math.isnan(nan()) and inf() == float('-inf')\ndef test_domain():\n    with pytest.raises(ValueError): root(-1)\ndef test_complex(): assert z() == 1 + 2j\ndef test_bytes(): assert raw() == b'\\x00\\xff' and raw()[1] == 255\ndef test_text(): assert text().startswith('h\\u00e9') and len(text()) > 2\ndef test_none(): assert nothing() is None\ndef test_many():\n    a, b, c, d, e = many()\n    assert (a, b, c, d, e) == (1, 'a', None, True, 2.5) and isinstance(many(), tuple)\ndef test_big(): assert fact(50) == math.factorial(50)\ndef test_deep():\n    with pytest.raises(RecursionError): fact(100000)\n",
)
shape(
    "bank with state",
    "class InsufficientFunds(Exception): pass\nclass Account:\n    interest = 0.02\n    def __init__(self, owner, balance=0):\n        self.owner = owner\n        self._balance = balance\n        self.history = []\n    @property\n    def balance(self): return self._balance\n    @balance.setter\n    def balance(self, v):\n        if v < 0: raise InsufficientFunds(f'Insufficient funds: {v}')\n        self._balance = v\n    def withdraw(self, n):\n        self.balance = self.balance - n\n        self.history.append(('withdraw', n))\nclass Bank:\n    def __init__(self): self.accounts = {}\n    def open(self, owner):\n        if owner in self.accounts: raise ValueError('exists')\n        self.accounts[owner] = Account(owner)\n        return self.accounts[owner]\n",
    "import pytest\nfrom {m} import Account, Bank, InsufficientFunds\ndef test_withdraw():\n    a = Account('x', 10)\n    a.withdraw(4)\n    assert a.balance == 6 and a.history == [('withdraw', 4)]\ndef test_too_much():\n    a = Account('x')\n    with pytest.raises(InsufficientFunds, match=r'funds: -5'): a.withdraw(5)\n    assert a.balance == 0\ndef test_setter():\n    a = Account('x')\n    a.balance = 5\n    assert a.balance == 5\ndef test_bank():\n    b = Bank()\n    a = b.open('ann')\n    assert b.accounts['ann'] is a and b.accounts == {{'ann': a}} and 'bob' not in b.accounts\n    a.balance = 7\n    assert b.accounts['ann'].balance == 7\n    with pytest.raises(ValueError): b.open('ann')\ndef test_interest(): assert Account.interest == 0.02\n",
)
shape(
    "lru cache and trie",
    "from collections import OrderedDict\nclass LRUCache:\n    def __init__(self, capacity): self.c, self.d = capacity, OrderedDict()\n    def get(self, k):\n        if k not in self.d: return -1\n        self.d.move_to_end(k)\n        return self.d[k]\n    def put(self, k, v):\n        self.d[k] = v\n        self.d.move_to_end(k)\n        if len(self.d) > self.c: self.d.popitem(last=False)\n    def __contains__(self, k): return k in self.d\n    def __getitem__(self, k): return self.d[k]\n    def __setitem__(self, k, v): self.put(k, v)\n    def __delitem__(self, k): del self.d[k]\n    def __len__(self): return len(self.d)\nclass Trie:\n    def __init__(self): self.words = set()\n    def insert(self, w): self.words.add(w)\n    def startswith(self, p): return any(w.startswith(p) for w in self.words)\n    def __contains__(self, w): return w in self.words\ndef build(words):\n    t = Trie()\n    for w in words: t.insert(w)\n    return t\n",
    "import pytest\nfrom {m} import LRUCache, Trie, build\ndef test_cache():\n    c = LRUCache(2)\n    c.put(1, 'a')\n    c.put(2, 'b')\n    assert c.get(1) == 'a'\n    c.put(3, 'c')\n    assert c.get(2) == -1 and 3 in c and 2 not in c and len(c) == 2\n    c['x'] = 5\n    assert c['x'] == 5\n    del c['x']\n    with pytest.raises(KeyError): c['x']\ndef test_trie():\n    t = Trie()\n    t.insert('apple')\n    assert t.startswith('app') and not t.startswith('b') and 'apple' in t\ndef test_built(): assert 'a' in build(['a']) and 'b' not in build(['a'])\n",
)
shape(
    "module attributes",
    "__version__ = '1.2.3'\nLIMIT = 3\nNAMES = ['a', 'b']\n_private = 1\ndef allowed(n): return n <= LIMIT\n",
    "import {m}\nimport {m} as alias\nfrom {m} import *\ndef test_version(): assert {m}.__version__ == '1.2.3'\ndef test_limit(): assert alias.LIMIT == 3 and allowed(3) and not allowed(4)\ndef test_set():\n    {m}.LIMIT = 5\n    try: assert allowed(5)\n    finally: {m}.LIMIT = 3\ndef test_names(): assert NAMES == ['a', 'b'] and hasattr({m}, '_private') and not hasattr({m}, 'nothing')\n",
)
shape(
    "fakes made by the test",
    "class Service:\n    def __init__(self, repo, clock=None): self.repo, self.clock = repo, clock\n    def rename(self, key, name):\n        user = self.repo.get(key)\n        if user is None: raise LookupError(key)\n        user['name'] = name\n        self.repo.save(key, user)\n        return user\n    def now(self): return self.clock.now\n    def kind(self): return type(self.repo).__name__\n",
    "import pytest\nfrom unittest.mock import MagicMock\nfrom {m} import Service\nclass FakeRepo:\n    def __init__(self):\n        self.data = {{1: {{'name': 'a'}}}}\n        self.saved = 0\n    def get(self, key): return self.data.get(key)\n    def save(self, key, user):\n        self.data[key] = user\n        self.saved += 1\nclass FakeClock: now = 42\n"
    "def test_rename():\n    repo = FakeRepo()\n    assert Service(repo).rename(1, 'b') == {{'name': 'b'}}\n    assert repo.data[1]['name'] == 'b' and repo.saved == 1\ndef test_missing():\n    with pytest.raises(LookupError): Service(FakeRepo()).rename(9, 'b')\ndef test_clock(): assert Service(None, FakeClock()).now() == 42\ndef test_mock():\n    repo = MagicMock()\n    repo.get.return_value = {{'name': 'x'}}\n    assert Service(repo).rename(3, 'y') == {{'name': 'y'}}\n    repo.get.assert_called_once_with(3)\n    repo.save.assert_called_once_with(3, {{'name': 'y'}})\n",
)
shape(
    "streams",
    "import csv, io, json\ndef read_rows(stream): return list(csv.DictReader(stream))\ndef dump(obj, stream): json.dump(obj, stream)\ndef lines(stream): return [line.strip() for line in stream]\ndef make(): return io.StringIO('a\\nb\\n')\n",
    "import io\nfrom {m} import read_rows, dump, lines, make\ndef test_rows(): assert read_rows(io.StringIO('a,b\\n1,2\\n')) == [{{'a': '1', 'b': '2'}}]\ndef test_dump():\n    out = io.StringIO()\n    dump({{'x': 1}}, out)\n    assert out.getvalue() == '{{\"x\": 1}}'\ndef test_lines(): assert lines(io.StringIO(' a \\n b')) == ['a', 'b']\ndef test_made(): assert make().read() == 'a\\nb\\n' and list(make()) == ['a\\n', 'b\\n']\n",
)
shape(
    "properties of results",
    "import re, random\ndef slug(t): return re.sub(r'[^a-z0-9]+', '-', t.lower()).strip('-')\ndef words(t): return re.findall(r'\\w+', t)\ndef password(n): return ''.join(random.choice('abc') for _ in range(n))\ndef shuffle(xs):\n    ys = xs[:]\n    random.shuffle(ys)\n    return ys\ndef lookup(pattern, t): return re.search(pattern, t)\n",
    "import re\nfrom {m} import slug, words, password, shuffle, lookup\ndef test_slug(): assert slug('Hello, World!') == 'hello-world' and re.fullmatch(r'[a-z-]+', slug('A b'))\ndef test_words(): assert words('a b') == ['a', 'b'] and all(isinstance(w, str) for w in words('x y'))\ndef test_password(): assert len(password(8)) == 8 and set(password(20)) <= set('abc')\ndef test_shuffle():\n    xs = [1, 2, 3]\n    assert sorted(shuffle(xs)) == xs\n    assert shuffle(xs) is not xs\ndef test_match(): assert lookup('b+', 'abbc').group() == 'bb' and lookup(re.compile('x'), 'abc') is None\n",
)
shape(
    "state machine with match",
    "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Num:\n    value: float\n@dataclass(frozen=True)\nclass BinOp:\n    op: str\n    left: object\n    right: object\ndef parse(t):\n    a, op, b = t.split()\n    return BinOp(op, Num(float(a)), Num(float(b)))\ndef evaluate(n):\n    match n:\n        case Num(v): return v\n        case BinOp('+', l, r): return evaluate(l) + evaluate(r)\n    raise SyntaxError(n)\n",
    "import pytest\nfrom {m} import Num, BinOp, parse, evaluate\ndef test_parse(): assert parse('1 + 2') == BinOp('+', Num(1.0), Num(2.0))\ndef test_evaluate(): assert evaluate(parse('1 + 2')) == 3.0\ndef test_match():\n    match parse('1 + 2'):\n        case BinOp(op, Num(a), Num(b)): assert (op, a, b) == ('+', 1.0, 2.0)\n        case _: pytest.fail('no match')\ndef test_bad():\n    with pytest.raises(ValueError): parse('1 +')\n    with pytest.raises(SyntaxError): evaluate(BinOp('*', Num(1), Num(2)))\n",
)
shape(
    "aliased state",
    "class Inventory:\n    def __init__(self, items=None): self.items = items if items is not None else {}\n    def add(self, k, n=1): self.items[k] = self.items.get(k, 0) + n\n    def view(self): return self.items\n    def copy(self): return dict(self.items)\nDEFAULTS = {'a': 1}\ndef defaults(): return DEFAULTS\n",
    "from {m} import Inventory, defaults\ndef test_view():\n    i = Inventory()\n    i.add('a')\n    v = i.view()\n    i.add('a')\n    assert v == {{'a': 2}} and v is i.items\ndef test_copy():\n    i = Inventory()\n    c = i.copy()\n    i.add('b')\n    assert c == {{}}\ndef test_given():\n    mine = {{'z': 1}}\n    i = Inventory(mine)\n    i.add('z')\n    assert mine == {{'z': 2}}\n    mine['q'] = 9\n    assert i.items['q'] == 9\ndef test_same(): assert defaults() is defaults()\n",
)
shape(
    "plugins and registries",
    "REGISTRY = {}\ndef register(name):\n    def wrap(cls):\n        REGISTRY[name] = cls\n        return cls\n    return wrap\ndef create(name, *a): return REGISTRY[name](*a)\nclass Container:\n    def __init__(self): self.made = {}\n    def bind(self, key, factory): self.made[key] = factory\n    def get(self, key): return self.made[key]()\n",
    "from {m} import register, create, Container, REGISTRY\ndef test_register():\n    @register('dog')\n    class Dog:\n        def __init__(self, name): self.name = name\n        def speak(self): return self.name + ' woofs'\n    dog = create('dog', 'Rex')\n    assert dog.speak() == 'Rex woofs' and isinstance(dog, Dog) and REGISTRY['dog'] is Dog\ndef test_container():\n    class Thing: pass\n    c = Container()\n    c.bind('t', Thing)\n    assert isinstance(c.get('t'), Thing)\n",
)

shape(
    "other names for errors",
    "ParseError = ValueError\nAppError = Exception\nclass NotFound(KeyError, AppError): pass\nclass Base(Exception): pass\nclass Gone(Base, LookupError): pass\nclass Box:\n    Empty = IndexError\n    def pop(self): raise Box.Empty('empty')\n"
    "def parse(t): return int(t)\ndef fail(): raise AppError('mine')\ndef find(k): raise NotFound(k)\ndef gone(): raise Gone('g')\ndef caught(): return (AppError, ParseError)\nclass Policy:\n    def __init__(self, on=(Exception,)): self.on = on\n    def run(self, f):\n        try: return f()\n        except self.on as e: return str(e)\n",
    "import pytest\nfrom {m} import AppError, Base, Box, Gone, NotFound, ParseError, Policy, caught, fail, find, gone, parse\n"
    "def test_parse():\n    with pytest.raises(ParseError): parse('x')\n    assert ParseError is ValueError\ndef test_app():\n    with pytest.raises(AppError, match='mine'): fail()\n    with pytest.raises(AppError): find(1)\n    with pytest.raises(Exception) as info: fail()\n    assert type(info.value) == Exception\n"
    "def test_both():\n    with pytest.raises(KeyError): find(1)\n    with pytest.raises(Base): gone()\n    with pytest.raises(LookupError): gone()\ndef test_box():\n    with pytest.raises(Box.Empty): Box().pop()\ndef test_given():\n    def boom(): raise AppError('b')\n    assert Policy((AppError,)).run(boom) == 'b' and Policy().on == (Exception,) and caught() == (Exception, ValueError)\n    assert Policy((Exception,)).run(lambda: parse('x')).startswith('invalid') and issubclass(NotFound, AppError)\n",
)
shape(
    "made by a class method",
    "from functools import total_ordering\nclass Matrix:\n    def __init__(self, rows): self.rows, self.size = rows, len(rows)\n    @classmethod\n    def identity(cls, n): return cls([[int(i == j) for j in range(n)] for i in range(n)])\n    @staticmethod\n    def zeros(n): return Matrix([[0] * n for _ in range(n)])\n    def transpose(self): return Matrix([list(r) for r in zip(*self.rows)])\n    def __eq__(self, o): return self.rows == (o.rows if isinstance(o, Matrix) else o)\n"
    "@total_ordering\nclass Version:\n    __slots__ = ('text',)\n    def __init__(self, text): self.text = text\n    @classmethod\n    def of(cls, *parts): return cls('.'.join(map(str, parts)))\n    def __eq__(self, o): return self.text == (o if isinstance(o, str) else o.text)\n    def __lt__(self, o): return self.text < (o if isinstance(o, str) else o.text)\n    def __hash__(self): return hash(self.text)\n"
    "@total_ordering\nclass Score:\n    def __init__(self, n): self.n = n\n    def __eq__(self, o): return self.n == getattr(o, 'n', o)\n    def __lt__(self, o): return self.n < getattr(o, 'n', o)\n    def best(self, o): return max(self, o)\ndef score(n): return Score(n)\n",
    "from {m} import Matrix, Score, Version, score\ndef test_identity(): assert Matrix.identity(2) == [[1, 0], [0, 1]] and Matrix.identity(1) != [[0]] and Matrix.zeros(2) == [[0, 0], [0, 0]]\ndef test_transpose(): assert Matrix([[1, 2], [3, 4]]).transpose() == [[1, 3], [2, 4]] and Matrix.identity(3).transpose() == Matrix.identity(3)\n"
    "def test_version(): assert Version.of(1, 2) == '1.2' and Version.of(1, 2) < Version.of(1, 3) and Version.of(2) > '1.9' and sorted([Version('2'), Version('1')])[0] == '1'\ndef test_score(): assert score(5) == 5 and 3 < score(5) <= 5 and not score(5) > 9 and score(5) != 6 and Score(1).best(Score(4)) == 4 and max(score(1), Score(3)) is not None\n",
)
shape(
    "methods that return their own object",
    "class Query:\n    def __init__(self): self.parts = []\n    def where(self, p):\n        self.parts.append(p)\n        return self\n    def __len__(self): return len(self.parts)\n    def __contains__(self, p): return p in self.parts\n    def __iter__(self): return iter(self.parts)\n    def __str__(self): return ' and '.join(self.parts)\nclass Total:\n    def __init__(self, n): self.n = n\n    def add(self, n):\n        self.n += n\n        return self\n    def __iadd__(self, n): return Total(self.n + n)\n    def __eq__(self, o): return self.n == getattr(o, 'n', o)\n    def __gt__(self, o): return self.n > getattr(o, 'n', o)\n    def __enter__(self): return self\n    def __exit__(self, *e): pass\n",
    "from {m} import Query, Total\ndef test_chain():\n    q = Query()\n    assert q.where('a') is q and len(q.where('b')) == 2 and str(q) == 'a and b' and list(q) == ['a', 'b']\n"
    "def test_total():\n    t = Total(1)\n    t += 4\n    assert t == 5 and t.add(2).add(3) is t and t == 10 and t > 5 and t == Total(10)\n    with t as same: assert same == 10 and same is t\n",
)
shape(
    "the end of an iteration",
    "class Countdown:\n    def __init__(self, n): self.n = n\n    def __iter__(self): return self\n    def __next__(self):\n        if not self.n: raise StopIteration\n        self.n -= 1\n        return self.n\n    def advance(self): return next(self)\ndef echo():\n    got = yield 'ready'\n    while got is not None: got = yield got\ndef even(n): return n % 2 == 0\n",
    "import pytest\nfrom {m} import Countdown, echo, even\ndef test_list(): assert list(Countdown(3)) == [2, 1, 0] and sum(Countdown(4)) == 6 and list(zip(Countdown(2), 'ab')) == [(1, 'a'), (0, 'b')]\n"
    "def test_end():\n    with pytest.raises(StopIteration): next(Countdown(0))\n    with pytest.raises(StopIteration): Countdown(0).advance()\ndef test_default(): assert next(Countdown(0), 'none') == 'none'\ndef test_send():\n    g = echo()\n    assert next(g) == 'ready' and g.send(5) == 5\n    with pytest.raises(StopIteration): g.send(None)\ndef test_all(): assert all(map(even, [2, 4])) and not any(map(even, [1, 3]))\n",
)
shape(
    "seeded chance",
    "import random\ndef roll(): return random.random()\ndef draw(xs, n): return random.sample(xs, n)\n",
    "import random\nfrom random import seed\nfrom {m} import draw, roll\ndef test_roll():\n    random.seed(1)\n    a, b = roll(), roll()\n    random.seed(1)\n    assert roll() == a and roll() == b and a != b\ndef test_same():\n    seed(42)\n    mine = random.sample(range(50), 5)\n    seed(42)\n    assert draw(list(range(50)), 5) == mine\n",
)
shape(
    "star imports and generator types",
    "import math\n__all__ = ['Shape', 'Square', 'BadShape', 'walk', 'area']\nclass BadShape(Exception): pass\nclass Shape: pass\nclass Square(Shape):\n    def __init__(self, s):\n        if s < 0: raise BadShape(s)\n        self.s = s\ndef area(s): return math.pow(s.s, 2)\ndef walk(n): yield from range(n)\n",
    "import math\nimport types\nfrom types import GeneratorType\nimport pytest\nimport {m}\nfrom {m} import *\ndef test_kinds(): assert isinstance(Square(2), Shape) and isinstance(walk(2), GeneratorType) and isinstance(walk(2), types.GeneratorType) and issubclass(Square, Shape)\ndef test_area(): assert math.isclose(area(Square(2)), 4)\ndef test_bad():\n    with pytest.raises(BadShape): Square(-1)\ndef test_names(): assert {m}.__all__ == ['Shape', 'Square', 'BadShape', 'walk', 'area']\n",
)

UNSUITED: dict[str, tuple[str, str, str]] = {
    # name -> (source, test file, a word of the reason)
    "asynchronous": (
        "async def f(): return 1\n",
        "import asyncio\nfrom {m} import f\ndef test_f(): assert asyncio.run(f()) == 1\n",
        "asyncio",
    ),
    "patched clock": (
        "import time\ndef now(): return time.time()\n",
        "import time\nfrom {m} import now\ndef test_now(monkeypatch):\n    monkeypatch.setattr(time, 'time', lambda: 5)\n    assert now() == 5\n",
        "monkeypatch.setattr",
    ),
    "mock.patch": (
        "import os\ndef here(): return os.getcwd()\n",
        "from unittest.mock import patch\nfrom {m} import here\ndef test_here():\n    with patch('os.getcwd', return_value='/x'): assert here() == '/x'\n",
        "patch",
    ),
    "subclass in the test": (
        "class Base:\n    def run(self): return self.step()\n",
        "from {m} import Base\nclass Mine(Base):\n    def step(self): return 3\ndef test_run(): assert Mine().run() == 3\n",
        "subclass",
    ),
    "threads": (
        "class Box:\n    n = 0\n    def add(self): self.n += 1\n",
        "import threading\nfrom {m} import Box\ndef test_add():\n    b = Box()\n    t = threading.Thread(target=b.add)\n    t.start()\n    t.join()\n    assert b.n == 1\n",
        "threading",
    ),
    "logging": (
        "import logging\ndef f(): logging.warning('x')\n",
        "from {m} import f\ndef test_f(caplog):\n    f()\n    assert 'x' in caplog.text\n",
        "caplog",
    ),
    "subprocess": (
        "if __name__ == '__main__': print('hi')\n",
        "import subprocess, sys\ndef test_main(): assert subprocess.run([sys.executable, '{m}.py'], capture_output=True, text=True).stdout == 'hi\\n'\n",
        "subprocess",
    ),
    "inspection": (
        "def f(a, b=1): pass\n",
        "import inspect\nfrom {m} import f\ndef test_f(): assert list(inspect.signature(f).parameters) == ['a', 'b']\n",
        "inspect",
    ),
    "relative files": (
        "def save():\n    with open('out.txt', 'w') as f: f.write('x')\n",
        "import os\nfrom {m} import save\ndef test_save():\n    save()\n    assert os.path.exists('out.txt')\n",
        "out.txt",
    ),
    "database": (
        "def count(c): return c.execute('select 1').fetchone()[0]\n",
        "import sqlite3\nfrom {m} import count\ndef test_count(): assert count(sqlite3.connect(':memory:')) == 1\n",
        "sqlite3",
    ),
    "hypothesis": (
        "def encode(s): return list(s)\n",
        "from hypothesis import given\nfrom hypothesis import strategies as st\nfrom {m} import encode\n@given(st.text())\ndef test_encode(s): assert ''.join(encode(s)) == s\n",
        "hypothesis",
    ),
    "long loops": (
        "class Counter:\n    n = 0\n    def hit(self): self.n += 1\n",
        "from {m} import Counter\ndef test_many():\n    c = Counter()\n    for _ in range(100_000): c.hit()\n    assert c.n == 100_000\n",
        "too often",
    ),
    "typed input": (
        "def ask(): return input('? ')\n",
        "from {m} import ask\ndef test_ask(monkeypatch):\n    monkeypatch.setattr('builtins.input', lambda _: 'y')\n    assert ask() == 'y'\n",
        "monkeypatch.setattr",
    ),
}
