"""What one text says is read once, whatever it holds; what it means in a project follows the project."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from nightshift.source.facts import facts, facts_or_nothing, packed
from nightshift.source.graph import affected, import_graph
from nightshift.source.interfaces import changed_names, interface_of, missing_from, parse_interface, signatures

ROOT = Path(__file__).resolve().parent.parent


def test_a_text_is_read_once_and_an_equal_one_not_again() -> None:
    text = "import a\ndef f(): ...\n"
    assert facts(text) is facts("".join(list(text)))
    assert facts(text) is not facts(text + "#")


def test_what_does_not_parse_says_nothing() -> None:
    assert facts_or_nothing("import a\ndef (").statements == ()
    with pytest.raises(SyntaxError):
        facts("import a\ndef (")


@pytest.mark.parametrize("text", ["x = 1\n", "def (", "a" + "()" * 50])
@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_left_as_it_was(on: bool, text: str) -> None:
    (gc.enable if on else gc.disable)()
    try:
        facts_or_nothing(text + f"# {on}")
        assert gc.isenabled() is on
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "text",
    [
        "if a:\n    x = 0\n" + "".join(f"elif a == {i}:\n    x = {i}\n" for i in range(1500)) + "else:\n    import m\n",
        "import m\ndef f(a=" + "1 + " * 700 + "1): ...",
        "import m\nx = " + "[" * 90 + "]" * 90,
    ],
    ids=["elif", "sum", "lists"],
)
def test_deep_nesting_hides_no_import(text: str) -> None:
    assert import_graph({"m.py": "", "user.py": text}).imports("user.py") == {"m.py"}
    interface_of(text)


# What an interface holds


@pytest.mark.parametrize(
    "stub",
    [
        "def f(a, /, b, *c, d, e=1, **g): ...",
        "def f(a, /, b=1, *, c: int, d: x = ()) -> None: ...",
        "async def f(a: dict[str, list[int]] = {}, *args: int) -> AsyncIterator[int]: ...",
        "def f(a=lambda x: x + 1, b=-1.5, c='x', d=b'y', e=(1, 2), f=..., g=A.b, h=None, i=True): ...",
        "@app.route('/x', methods=['GET'])\n@cache\ndef f(a): ...",
        "@dataclass(frozen=True, slots=True)\nclass C:\n    a: int\n    b: str = ''\n    c: list[int] = field(default_factory=list)\n    d: ClassVar[int] = 3\n    e: InitVar[int] = 4",
        "@dataclasses.dataclass\nclass C(Base, Generic[T]):\n    a: int",
        "class C(Base, metaclass=Meta): ...",
        "class P(NamedTuple):\n    x: int\n    y: int = 0",
        "class Color(Enum):\n    RED = 1\n    BLUE = 'b'",
        "class C:\n    a = 1\n    @property\n    def size(self) -> int: ...\n    @classmethod\n    def make(cls, a): ...\n    @staticmethod\n    def go(a): ...\n    def __len__(self): ...",
        "__all__ = ['A', 'B']\nA: int = 3\nB = {'a': [1, None]}",
        "from .a import b\nfrom ..c import d as e\nfrom . import f\nfrom .g import *",
    ],
)  # fmt: skip
def test_what_a_stub_may_say_is_read_and_written_as_it_stands(stub: str) -> None:
    assert signatures(stub) == stub + "\n"


@pytest.mark.parametrize(
    ("text", "stub"),
    [
        ("if TYPE_CHECKING:\n    from .a import B\nelse:\n    B = object", "from .a import B\nB = ..."),
        ("try:\n    from .fast import f\nexcept ImportError:\n    def f(a): ...", "from .fast import f\ndef f(a): ..."),
        ("try:\n    LIMIT = 1\nexcept E:\n    LIMIT = 2", "LIMIT = 1"),
        ("if sys.version_info > (3, 12):\n    def f(a): ...\nelse:\n    def f(b): ...", "def f(a): ..."),
        ("def f(a): ...\ndef f(b): ...", "def f(b): ..."),
        ("A = B = 3", "A = 3\nB = 3"),
        ("A, (B, *C) = 1, (2, 3)", "A = ...\nB = ...\nC = ..."),
        ("A = compute()", "A = ..."),
        ("A = 'x' * 3", "A = ..."),
        (f"A = '{'x' * 300}'", "A = ..."),
        ("_a = 1\n__version__ = '1'\ndef _f(): ...\nclass _C: ...", ""),
        ("__all__ = ['a']\n__all__ += ['b']\n__all__.append('c')\n__all__.extend(('d',))", "__all__ = ['a', 'b', 'c', 'd']"),
        ("__all__ = ['a']\n__all__ += other.__all__", "__all__ = ['a']"),
        ("__all__: list[str] = ['a']", "__all__ = ['a']"),
        ("__all__ = ('a',)", "__all__ = ['a']"),
        ("__all__ = None", ""),
        ("__all__ = 3", ""),
        ("__all__ = names()", ""),
        ("import os\nfrom re import sub\nfrom .x import y\n__all__ = ['os', 'sub']", "import os\nfrom re import sub\nfrom .x import y\n__all__ = ['os', 'sub']"),
        ("@dataclass\nclass C:\n    a: int\n    _: KW_ONLY\n    b: int\n    c: int = 3\n    d: list = field(default_factory=list)\n    e: int = field()",
         "@dataclass\nclass C:\n    a: int\n    b: int = field(kw_only=True)\n    c: int = field(default=3, kw_only=True)\n    d: list = field(kw_only=True, default_factory=list)\n    e: int = field(kw_only=True)"),
        ("class C:\n    class Inner: ...\n    def __init__(self, a: int):\n        self.a, self.b = a, 1\n        if a:\n            self.c = a", "class C:\n    Inner = ...\n    a = ...\n    b = ...\n    c: int = ...\n    def __init__(self, a: int): ..."),
        ("@overload\ndef f(a: int): ...\n@overload\ndef f(a: str): ...\ndef f(a): ...", "def f(a): ..."),
        ("class C:\n    @property\n    def x(self): ...\n    @x.setter\n    def x(self, v): ...", "class C:\n    @property\n    def x(self): ..."),
    ],
)  # fmt: skip
def test_what_stands_in_branches_and_other_spellings(text: str, stub: str) -> None:
    assert signatures(text) == (stub + "\n" if stub else "")


def test_a_module_that_makes_names_up_lacks_none() -> None:
    demand = parse_interface("def f(a)\nclass C\nLIMIT: int")
    assert missing_from(interface_of("def __getattr__(name): ..."), demand) == ()


def test_fields_after_the_marker_are_taken_by_keyword() -> None:
    source = interface_of("@dataclass\nclass C:\n    a: int\n    _: KW_ONLY\n    b: int\n    c: int = 3\n")
    assert missing_from(source, parse_interface("class C:\n    def __init__(self, a, *, b, c=3)")) == ()
    assert "`b` by position" in missing_from(source, parse_interface("class C:\n    def __init__(self, a, b)"))[0]
    without = interface_of("@dataclass\nclass C:\n    a: int\n    b: int\n    c: int = 3\n")
    assert changed_names(without, source) == {"C"}


# What imports mean in a project


@pytest.mark.parametrize(
    ("paths", "importer", "text", "loads"),
    [
        ("ns/a.py", "app.py", "import ns.a", "ns/a.py"),
        ("ns/deep/a.py", "app.py", "from ns.deep import a", "ns/deep/a.py"),
        ("ns/a.py", "ns/b.py", "from . import a", "ns/a.py"),
        ("src/p/__init__.py src/p/a.py", "tests/t.py", "from p.a import x", "src/p/__init__.py src/p/a.py"),
        ("src/p/__init__.py src/p/a.py", "src/p/b.py", "from .a import x", "src/p/__init__.py src/p/a.py"),
        ("libs/one/p/__init__.py libs/one/p/a.py", "libs/one/p/b.py", "from p.a import x", "libs/one/p/__init__.py libs/one/p/a.py"),
        ("libs/one/p/__init__.py libs/one/p/q/__init__.py libs/one/p/a.py", "libs/one/p/q/b.py", "import p.a", "libs/one/p/__init__.py libs/one/p/a.py"),
        ("tools/near.py", "tools/b.py", "import near", "tools/near.py"),
        ("tools/json.py", "tools/b.py", "import json", ""),
        ("a.py a/__init__.py", "app.py", "import a", "a/__init__.py"),
        ("a/__init__.py a.py", "app.py", "import a", "a/__init__.py"),
        ("p/__init__.py p/a.py", "p/b.py", "from .. import p", "p/__init__.py"),
        ("p/__init__.py p/a.py", "p/b.py", "from ... import p", ""),
        ("p/__init__.py p/a.py", "p/b.py", "from .a import *", "p/__init__.py p/a.py"),
        ("p/__init__.py p/a.py", "p/__init__.py", "from . import a", "p/a.py"),
        ("p/__init__.py", "app.py", "import p.missing", "p/__init__.py"),
        ("p/__init__.py", "app.py", "from p.missing import x", "p/__init__.py"),
        ("m.py", "app.py", "try:\n    import m\nexcept ImportError:\n    pass", "m.py"),
        ("m.py", "app.py", "try:\n    pass\nexcept* E:\n    import m", "m.py"),
        ("m.py", "app.py", "try:\n    pass\nfinally:\n    import m", "m.py"),
        ("m.py", "app.py", "if TYPE_CHECKING:\n    import m", "m.py"),
        ("m.py", "app.py", "match x:\n    case 1:\n        import m", "m.py"),
        ("m.py", "app.py", "async def f():\n    async with x:\n        async for y in z:\n            import m", "m.py"),
        ("m.py", "app.py", "class C:\n    def f(self):\n        while 1:\n            pass\n        else:\n            import m", "m.py"),
        ("m.py", "app.py", "x = [importlib.import_module('m')]", "m.py"),
        ("m.py", "app.py", "x = __import__('m', fromlist=['y'])", "m.py"),
        ("m.py", "app.py", "x = import_module(name)  # 'm'", ""),
        ("m.py", "app.py", "import_module = 'import m'", ""),
    ],
)  # fmt: skip
def test_what_an_import_loads(paths: str, importer: str, text: str, loads: str) -> None:
    texts = {**dict.fromkeys(paths.split(), ""), importer: text}
    assert import_graph(texts).imports(importer) == {*loads.split()}


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("import p\np.a.f", True),
        ("import p\np.a.g", False),
        ("import p\np.a.f = 1", False),
        ("import p\np.a.f.x = 1", True),
        ("import p.a\nx = p.a", True),
        ("import p as q\nq.a.f", True),
        ("from p import *", True),
        ("from p import f", True),
        ("from p import renamed", True),
        ("from p import other", False),
        ("from hub import f", True),
        ("from hub import g", False),
        ("from hub import *", True),
        ("from cycle import f", True),
        ("from elsewhere import f", False),
        ("from hidden import f", False),
        ("from twice import near", True),
        ("from twice import far", True),
        ("import ns\nns.mod.f", False),
    ],
)
def test_a_changed_name_is_followed_through_what_passes_it_on(text: str, hit: bool) -> None:
    texts = {
        "p/__init__.py": "from .a import f, f as renamed\nother = 1\n",
        "p/a.py": "import p\nf = 1\ng = p.f\n",
        "hub.py": "from p import *\nfrom p.a import g\n",
        "cycle.py": "from p.a import f\nfrom cycle import *\n",
        "hidden.py": "from p.a import *\nfrom elsewhere import f\n",
        "twice.py": "from p.a import f as near\nfrom hub import f as far\n",
        "ns/mod.py": "f = 1\n",
        "elsewhere.py": "f = 1\n",
        "user.py": text,
    }
    assert ("user.py" in affected(texts, {"p/a.py": {"f"}})) is hit
    assert "p/a.py" not in affected(texts, {"p/a.py": {"f"}})
    assert ("user.py" in affected(texts, {"ns/mod.py": {"f"}})) is ("ns.mod" in text)


def test_the_same_text_means_something_else_when_the_files_are_others() -> None:
    user = {"p/user.py": "import a\nfrom .a import x\n"}
    assert import_graph(user).imports("p/user.py") == set()
    assert import_graph({**user, "p/a.py": ""}).imports("p/user.py") == {"p/a.py"}
    assert import_graph({**user, "p/a.py": "", "a.py": ""}).imports("p/user.py") == {"a.py", "p/a.py"}
    assert import_graph(user).imports("p/user.py") == set()


def test_what_one_process_read_another_remembers_and_anything_damaged_is_ignored() -> None:
    """The same imports without parsing; the interface still to be had."""
    text = "import a.b as c\nfrom . import d\nimport_module('e')\ndef f(x: int): ...\n"
    data = packed([text, "import never_read\n"] if facts(text) else [])
    code = (
        "import ast, sys; from nightshift.source.facts import facts, remember\n"
        "data = sys.stdin.buffer.read(); damaged = data[:-3] + b'xxx'\n"
        "assert not remember(damaged) and not remember(b'') and not remember(b'x' * 99) and remember(data)\n"
        f"parse, ast.parse = ast.parse, None\nfound = facts({text!r})\nast.parse = parse\n"
        "print(found.statements, found.calls, found.interface)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    read = facts(text)
    assert done.stdout.decode() == f"{read.statements} {read.calls} {read.interface}\n"
    assert b"never_read" not in data
