"""Interfaces: read from what models and people write, compared by what callers can rely on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.source.interfaces import (
    changed_names,
    interface_of,
    missing_from,
    parse_interface,
    render,
    signatures,
)
from nightshift.source.shapes import Class, Function, Interface, Parameter, Variable


@pytest.mark.parametrize(
    ("text", "stub"),
    [
        ("def add(a: int, b: int) -> int", "def add(a: int, b: int) -> int: ..."),
        ("def add(a, b):", "def add(a, b): ..."),
        ("def add(a, b) -> int  # adds", "def add(a, b) -> int: ..."),
        ("def add(a, b);", "def add(a, b): ..."),
        ("async def go(a: str = 'x # y')", "async def go(a: str='x # y'): ..."),
        ("def f(\n    a: int,\n    b: dict[str, int] = {},\n) -> None", "def f(a: int, b: dict[str, int]={}) -> None: ..."),
        ("def f(a):\n    '''Does it.'''\ndef g(b)", "def f(a): ...\ndef g(b): ..."),
        ("class X", "class X: ..."),
        ("class NotFound(Exception)", "class NotFound(Exception): ..."),
        ("class X:\n    '''Doc.'''\n    a: int\n    def m(self, b) -> str\n    def n(self)", "class X:\n    a: int\n    def m(self, b) -> str: ...\n    def n(self): ..."),
        ("class X:\n    def m(self)\n        '''Doc.'''\n    def n(self): ...", "class X:\n    def m(self): ...\n    def n(self): ..."),
        ("class X: ...\n    def m(self)", "class X:\n    def m(self): ..."),
        ("@dataclass\nclass T\n    id: int\n    tags: list = field(default_factory=list)", "@dataclass\nclass T:\n    id: int\n    tags: list = field(default_factory=list)"),
        ("```python\ndef add(a)\n```", "def add(a): ..."),
        ("    def add(a)\n    def sub(a)", "def add(a): ...\ndef sub(a): ..."),
        ("LIMIT: int\nNAMES = ('a', 'b')\ndef f()", "LIMIT: int\nNAMES = ('a', 'b')\ndef f(): ..."),
        ("from .models import Task\ndef f(t: Task)", "from .models import Task\ndef f(t: Task): ..."),
        ("def f(a: 'Task') -> 'list[Task]'", "def f(a: Task) -> list[Task]: ..."),
        ("def _hidden(a)\ndef shown(a)", "def shown(a): ..."),
        ("def add(a)\r\ndef sub(a)\r\n", "def add(a): ...\ndef sub(a): ..."),
        ("# only words", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_models_leave_out_of_a_stub_is_filled_in(text: str, stub: str) -> None:
    assert parse_interface(text) == parse_interface(stub) == interface_of(stub)


@pytest.mark.parametrize(
    "text",
    [
        "class X: add(self, a), sub(self, a)",
        "class X:\n    add(self, a)\n    sub(self, a)",
        "add(a, b)",
        "add(a: int, b: int) -> int",
        "- def add(a, b)",
        "def add(a, b) -> int, def sub(a, b)",
        "a function that adds two numbers",
        "def add(a, b",
        "def (a)",
        "x" + "(" * 300 + ")" * 300,
    ],
)
def test_what_is_no_signature_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write one definition per line, such as `def add"):
        parse_interface(text)


SOURCE = '''
from __future__ import annotations
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload
from .models import Task as Item
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Store", "load"]
__all__ += ["LIMIT"]
LIMIT: int = 3
_private = 1
A, B = 1, 2
BIG = [1] * 3

@dataclass(frozen=True)
class Point:
    """A point."""
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)

class Store(Base, metaclass=Meta):
    kind = "file"

    def __init__(self, path: "Path", mode: str = "r"):
        self.path = path
        self.count: int = 0
        self._secret = 1

    @property
    def size(self) -> int:
        return 1

    @size.setter
    def size(self, value): ...

    def _hidden(self): ...

    async def save(self, *items: str, force: bool = False, **more) -> None:
        """Saves."""

try:
    def load(path, /, strict=True):
        return 1
except ImportError:
    def load(path):
        return 2

@overload
def conv(a: int) -> int: ...
def conv(a): return a
'''

RENDERED = """from .models import Task as Item
__all__ = ['Store', 'load', 'LIMIT']
LIMIT: int = 3
A = ...
B = ...
BIG = ...
@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)
class Store(Base, metaclass=Meta):
    kind = 'file'
    path: Path = ...
    count: int = ...
    def __init__(self, path: Path, mode: str = 'r'): ...
    @property
    def size(self) -> int: ...
    async def save(self, *items: str, force: bool = False, **more) -> None: ...
def load(path, /, strict=True): ...
def conv(a): ...
"""


def test_signatures_are_all_that_others_may_rely_on_and_nothing_else() -> None:
    assert signatures(SOURCE) == RENDERED


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
PEM = "-----BEGIN RSA PRIVATE KEY-----\\nPLANTED\\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("API_KEY = 'PLANTED'", "API_KEY = ..."),
        ("API_KEY: str = 'PLANTED'", "API_KEY: str = ..."),
        ("apiToken = b'PLANTED'", "apiToken = ..."),
        ("DB_PASSWORD = 'PLANTED'", "DB_PASSWORD = ..."),
        ("PASSWD = 'PLANTED'", "PASSWD = ..."),
        ("SENTRY_DSN = 'PLANTED'", "SENTRY_DSN = ..."),
        ("BASIC_AUTH = ('user', 'PLANTED')", "BASIC_AUTH = ..."),
        ("CREDENTIALS = ['PLANTED']", "CREDENTIALS = ..."),
        ("SECRETS = {'a': 'PLANTED'}", "SECRETS = ..."),
        ("SECRET_KEY = 81726354999", "SECRET_KEY = ..."),
        ("CONFIG = {'host': 'x', 'db_password': 'PLANTED'}", "CONFIG = ..."),
        ("A = 'AKIAIOSFODNN7PLANTED'", "A = ..."),
        ("A = 'ghp_PLANTED1234567890abcdef'", "A = ..."),
        ("A = 'sk-PLANTED-1234567890'", "A = ..."),
        (f"A = '{JWT}'", "A = ..."),
        (f"A = '{PEM}'", "A = ..."),
        ("A = 'postgresql+psycopg://bob:PLANTED@db.internal/x'", "A = ..."),
        ("A = 'redis://:PLANTED@localhost'", "A = ..."),
        ("A = ['x', 'sk-PLANTED-1234567890']", "A = ..."),
        ("def f(password='PLANTED'): ...", "def f(password=...): ..."),
        ("def f(a, *, api_key: str = 'PLANTED'): ...", "def f(a, *, api_key: str = ...): ..."),
        (f"def f(a='{PEM}'): ...", "def f(a=...): ..."),
        ("def f(a=connect(password='PLANTED')): ...", "def f(a=...): ..."),
        ("class C:\n    token = 'PLANTED'", "class C:\n    token = ..."),
        ("class C:\n    def __init__(self, token='PLANTED'): self.token = token", "class C:\n    token = ...\n    def __init__(self, token=...): ..."),
        ("@dataclass\nclass C:\n    secret: str = 'PLANTED'", "@dataclass\nclass C:\n    secret: str = ..."),
        ("@dataclass\nclass C:\n    url: str = field(default='amqp://a:PLANTED@b')", "@dataclass\nclass C:\n    url: str = ..."),
        ("@dataclass\nclass C:\n    secret: str = field(default='PLANTED')", "@dataclass\nclass C:\n    secret: str = ..."),
        ("@guard('sk-PLANTED-1234567890')\ndef f(): ...", "@guard('...')\ndef f(): ..."),
        (f"@guard('{PEM}')\ndef f(a): ...", "@guard('...')\ndef f(a): ..."),
        ("class C(Base, url='http://a:PLANTED@b/c'): ...", "class C(Base, url='...'): ..."),
    ],
)  # fmt: skip
def test_a_hard_coded_secret_is_never_shown(source: str, rendered: str) -> None:
    assert signatures(source) == rendered + "\n"
    assert "PLANTED" not in rendered
    assert render(parse_interface(rendered)) == rendered + "\n"


@pytest.mark.parametrize(
    "source",
    [
        "MONKEY = 'ape'", "AUTHOR = 'me'", "KEYBOARD = 'qwerty'", "MAX_TOKENS = 4096", "USE_AUTH = True", "TOKEN = ''",
        "API_KEY = None", "KEYS = []", "URL = 'http://localhost:8080/a@b'", "A = 'task-management-tool'", "A = 'a.b.c'",
        "MAIL = 'me@example.org'", "A = {'name': 'x'}", "def sort(items, key=None): ...", "def f(keys=(), auth=False): ...",
        "@dataclass\nclass C:\n    tokens: list[str] = field(default_factory=list)", "@app.get('/users/{id}')\ndef f(): ...",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_shown(source: str) -> None:
    assert signatures(source) == source + "\n"


@pytest.mark.parametrize(
    ("source", "required"),
    [
        ("def f(a, b=1, *, c=2): ...", "def f(a)"),
        ("def f(a, b): ...", "def f(a: int, b: str) -> None"),
        ("def f(a=1): ...", "def f(a)"),
        ("def f(*args, **kwargs): ...", "def f(a, b=1, *, c)"),
        ("def f(a, c, b=1): ...", "def f(a, c, b=2)"),
        ("def f(a, b): ...", "def f(a, /, b)"),
        ("def f(other, b): ...", "def f(a, /, b)"),
        ("def f(a, k): ...", "def f(a, *, k)"),
        ("from .x import f", "def f(a)"),
        ("from .x import *", "def f(a)\nclass X"),
        ("f = partial(g, 1)", "def f(a)"),
        ("class X(Unknown): ...", "class X:\n    a: int\n    def m(self)"),
        ("class B:\n    def m(self): ...\nclass X(B): ...", "class X:\n    def m(self)"),
        ("class X:\n    def __init__(self, a):\n        self.a = a", "class X:\n    a: int\n    def __init__(self, a: int)"),
        ("@dataclass\nclass X:\n    a: int\n    b: str = ''", "class X:\n    def __init__(self, a: int, b: str = '')"),
        ("class X:\n    def __init__(self, a, b=''):\n        self.a = a\n        self.b = b", "@dataclass\nclass X:\n    a: int\n    b: str = ''"),
        ("class X:\n    def __init__(self, *args, **kw): ...\n    def __getattr__(self, n): ...", "@dataclass\nclass X:\n    a: int"),
        ("class B:\n    a: int = 1\n@dataclass\nclass X:\n    a: int\n    b: int\n    c: int = 0", "@dataclass\nclass X:\n    a: int\n    b: int"),
        ("class X(NamedTuple):\n    a: int", "class X:\n    def __init__(self, a)"),
        ("class X:\n    @staticmethod\n    def m(a): ...", "class X:\n    def m(self, a)"),
        ("class X:\n    @property\n    def size(self): ...", "class X:\n    size: int"),
        ("class X:\n    @cached_property\n    def size(self): ...", "class X:\n    @property\n    def size(self)"),
        ("class X(str, Enum):\n    A = 'a'", "class X(Enum):\n    A = 'b'"),
        ("class E(ValueError): ...", "class E(Exception)"),
        ("class E(ValueError): ...", "class E(Exception):\n    def __init__(self, message: str)"),
        ("@define\nclass X:\n    a: int", "@dataclass\nclass X:\n    a: int"),
        ("LIMIT = 4", "LIMIT: int = 3"),
        ("if True:\n    def f(a): ...\nelse:\n    f = None", "def f(a)"),
        ("@lru_cache\ndef f(a): ...", "def f(a)"),
        (SOURCE, RENDERED),
    ],
)  # fmt: skip
def test_more_than_demanded_is_fine(source: str, required: str) -> None:
    assert missing_from(interface_of(source), parse_interface(required)) == ()


@pytest.mark.parametrize(
    ("source", "required", "says"),
    [
        ("", "def f(a)", "function `f` is missing"),
        ("", "class X", "class `X` is missing"),
        ("", "LIMIT: int", "name `LIMIT` is missing"),
        ("", "from .models import Task", "import it from .models"),
        ("def f(a): ...", "def f(a, b)", "lacks the parameter `b`"),
        ("def f(b, a): ...", "def f(a, b)", "must take `a` as parameter 1, not `b`"),
        ("def f(x, b): ...", "def f(a, b)", "must take `a` as parameter 1, not `x`"),
        ("def f(a, b, c): ...", "def f(a, b)", "demands the extra parameter `c`"),
        ("def f(a, *, c): ...", "def f(a)", "demands the extra parameter `c`"),
        ("def f(a, b): ...", "def f(a, b=1)", "must give `b` a default"),
        ("def f(a, *, b): ...", "def f(a, *, b=1)", "must give `b` a default"),
        ("def f(a, *, b): ...", "def f(a, b)", "must take `b` by position"),
        ("def f(a, b, /): ...", "def f(a, b)", "must take `a` by keyword too"),
        ("def f(a): ...", "def f(a, *, k)", "lacks the keyword parameter `k`"),
        ("def f(a): ...", "def f(a, *rest)", "must accept *rest"),
        ("def f(*args): ...", "def f(a, b)", "lacks the parameter `a`"),
        ("def f(a): ...", "async def f(a)", "must be `async def`"),
        ("async def f(a): ...", "def f(a)", "must be a plain `def`"),
        ("def f(a): ...", "@contextmanager\ndef f(a)", "must be decorated with @contextmanager"),
        ("class f: ...", "def f(a)", "must be a function, not a class"),
        ("def X(): ...", "class X", "must be a class, not a function"),
        ("class X: ...", "class X:\n    def m(self)", "class `X` lacks the method `m`"),
        ("class X: ...", "class X:\n    a: int", "class `X` lacks the field `a`"),
        ("class X: ...", "class X:\n    def __init__(self, a)", "lacks the parameter `a`"),
        ("class X:\n    def m(self, b): ...", "class X:\n    def m(self, a)", "`X.m` must take `a` as parameter 1"),
        ("class X:\n    def m(self): ...", "class X:\n    @property\n    def m(self)", "must be a property"),
        ("class X:\n    @property\n    def m(self): ...", "class X:\n    def m(self)", "must not be a property"),
        ("class X:\n    def m(self, a): ...", "class X:\n    @staticmethod\n    def m(a)", "must be a static method"),
        ("class X:\n    async def m(self): ...", "class X:\n    def m(self)", "must be a plain `def`"),
        ("@dataclass\nclass X:\n    b: int\n    a: int", "@dataclass\nclass X:\n    a: int\n    b: int", "as parameter 1"),
        ("@dataclass\nclass X:\n    a: int\n    b: int", "@dataclass\nclass X:\n    a: int\n    b: int = 0", "must give `b` a default"),
        ("@dataclass\nclass X:\n    a: int = field(init=False)", "@dataclass\nclass X:\n    a: int", "lacks the parameter `a`"),
        ("class E: ...", "class E(Exception)", "must derive from Exception"),
        ("class B: ...\nclass X(B): ...", "class X:\n    def m(self)", "lacks the method `m`"),
        ("class X(Unknown):\n    def m(self, b): ...", "class X:\n    def m(self, a)", "must take `a`"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_a_sentence(source: str, required: str, says: str) -> None:
    problems = missing_from(interface_of(source), parse_interface(required))
    assert len(problems) == 1
    assert says in problems[0]


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("def f(a): return 1", "def f(a):\n    '''Doc.'''\n    return 2", set()),
        ("def f(a): ...", "def f(a): ...\ndef g(): ...", set()),
        ("def f(a): ...", "def f(b): ...", {"f"}),
        ("def f(a): ...", "def f(a=1): ...", {"f"}),
        ("def f(a=1): ...", "def f(a=2): ...", {"f"}),
        ("def f(a) -> int: ...", "def f(a) -> str: ...", {"f"}),
        ("def f(a): ...", "async def f(a): ...", {"f"}),
        ("def f(a): ...", "@cache\ndef f(a): ...", {"f"}),
        ("def f(a): ...", "", {"f"}),
        ("def f(a): ...\ndef g(): ...", "def g(): ...", {"f"}),
        ("def _f(a): ...", "", set()),
        ("class X:\n    a: int\n    def m(self): ...", "class X:\n    a: str\n    def m(self): ...", {"X"}),
        ("class X:\n    def m(self): ...", "class X:\n    def m(self): ...\n    def n(self): ...", {"X"}),
        ("class X(A): ...", "class X(B): ...", {"X"}),
        ("class X:\n    def __init__(self):\n        self.a = 1", "class X:\n    def __init__(self):\n        self.b = 1", {"X"}),
        ("class X:\n    def _m(self): ...", "class X: ...", set()),
        ("LIMIT = 3", "LIMIT = 4", {"LIMIT"}),
        ("NOW = f()", "NOW = g()", set()),
        ("LIMIT: int = 3", "LIMIT: float = 3", {"LIMIT"}),
        ("from .x import f", "", {"f"}),
        ("from .x import f", "from .y import f", {"f"}),
        ("def f(): ...", "from .y import f", {"f"}),
        ("def f(x: 'A'): ...", "def f(x: A): ...", set()),
        ("__all__ = ['f', 'g']\ndef f(): ...\ndef g(): ...", "__all__ = ['f']\ndef f(): ...\ndef g(): ...", {"g"}),
    ],
)  # fmt: skip
def test_a_name_changes_with_what_its_users_see_of_it(old: str, new: str, changed: set[str]) -> None:
    assert changed_names(interface_of(old), interface_of(new)) == changed


def test_a_module_meets_its_own_interface_and_nothing_in_it_changed() -> None:
    interface = interface_of(SOURCE)
    assert missing_from(interface, interface) == ()
    assert changed_names(interface, interface) == frozenset()


# Any interface


NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta", "omega", "kind", "path"])
ANNOTATIONS = st.sampled_from([None, "int", "str | None", "dict[str, list[int]]", "Task"])
LITERALS = st.sampled_from(["None", "0", "'x'", "(1, 2)", "[]", "-1.5"])


@st.composite
def parameters(draw: st.DrawFn) -> tuple[Parameter, ...]:
    names = draw(st.lists(NAMES, unique=True, max_size=6))
    kinds = sorted(draw(st.lists(st.sampled_from(range(3)), min_size=len(names), max_size=len(names))))
    default_from = draw(st.integers(0, 6))
    found = []
    for i, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        word = ("positional-only", "standard", "keyword-only")[kind]
        optional = i >= default_from if kind < 2 else draw(st.booleans())
        found.append(Parameter(name, word, draw(ANNOTATIONS), draw(LITERALS) if optional else None))
    if draw(st.booleans()):
        at = sum(p.kind != "keyword-only" for p in found)
        found.insert(at, Parameter("args", "var-positional", draw(ANNOTATIONS)))
    if draw(st.booleans()):
        found.append(Parameter("kwargs", "var-keyword", draw(ANNOTATIONS)))
    return tuple(found)


def by_name(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(strategy, max_size=4, unique_by=lambda item: item.name).map(tuple)


FUNCTIONS = st.builds(
    Function, NAMES, parameters(), ANNOTATIONS, st.sampled_from([(), ("cache",), ("app.route('/x')",)]), st.booleans()
)
METHODS = FUNCTIONS.map(
    lambda f: Function("m_" + f.name, (Parameter("self", "positional-only"), *f.parameters), f.returns, (), f.is_async)
)
VARIABLES = st.builds(
    Variable, NAMES, st.sampled_from(["int", "list[str]"]), st.one_of(st.none(), LITERALS, st.just("..."))
)
CLASSES = st.builds(
    Class, NAMES.map(str.title), st.sampled_from([(), ("Base",), ("Exception", "metaclass=Meta")]),
    st.sampled_from([(), ("dataclass(frozen=True)",)]), by_name(VARIABLES), by_name(METHODS),
)  # fmt: skip
INTERFACES = st.builds(
    Interface,
    by_name(FUNCTIONS),
    by_name(CLASSES),
    by_name(VARIABLES.map(lambda v: Variable(v.name.upper(), v.annotation, v.value))),
)


@settings(deadline=None, max_examples=60)
@given(INTERFACES)
@pytest.mark.slow
def test_round_trip(interface: Interface) -> None:
    """What is rendered is read back equal, with or without the colons and bodies of its definitions."""
    text = render(interface)
    assert parse_interface(text) == interface
    assert parse_interface(text.replace(": ...\n", "\n")) == interface
    assert missing_from(interface, interface) == ()


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet=st.sampled_from("def class():,->*/=@#'\"\n\t abX"), max_size=60))
def test_whatever_a_plan_says_the_answer_is_an_interface_or_advice(text: str) -> None:
    try:
        parse_interface(text)
    except ValueError as error:
        assert "Write one definition per line" in str(error)
