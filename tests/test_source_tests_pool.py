"""Sampled test files become one: each distinct test once, nobody's helpers mixed up."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.source import tests_pool as pool
from nightshift.source.tests_pool import contradicted, drop_tests, normalised, pool_tests, unsafe_test_reason

ONE = '''"""Tests of calc."""
import os.path
import pytest
from calc import add

# rows of data
ROWS = [1, 2]


@pytest.fixture
def store(tmp_path):
    return [tmp_path]  # fresh


def test_add():
    # two and two
    assert add(2, 2) == 4


class TestStore:
    """Stores."""

    def setup_method(self):
        self.n = 1

    def test_empty(self, store):
        assert len(store) == self.n

    # the rows
    @pytest.mark.parametrize("row", ROWS)
    def test_rows(self, row):
        assert row in ROWS
'''


def test_one_sample_comes_through_with_its_comments() -> None:
    pooled = pool_tests([ONE])
    assert pooled.origin == {"test_add": (0,), "TestStore::test_empty": (0,), "TestStore::test_rows": (0,)}
    for line in ONE.split("\n")[5:]:
        assert line in pooled.text


def test_the_same_sample_again_adds_nothing() -> None:
    once, twice = pool_tests([ONE]), pool_tests([ONE, ONE])
    assert twice.text == once.text
    assert set(twice.origin.values()) == {(0, 1)}


@pytest.mark.parametrize(
    "other",
    [
        ONE.replace("test_add", "test_sum"),
        ONE.replace("    # two and two\n", '    """Adds."""\n'),
        ONE.replace("TestStore", "TestShop").replace("    # the rows\n", ""),
        ONE.replace("from calc import add", "from calc import (\n    add,\n)"),
        ONE.replace("assert add(2, 2) == 4", "assert (add(2,2)==4)"),
    ],
    ids=["name", "docstring", "class name", "import style", "layout"],
)
def test_names_comments_and_layout_make_no_new_test(other: str) -> None:
    assert pool_tests([ONE, other]).text == pool_tests([ONE]).text


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("== 4", "== 5", {"test_add_2"}),
        ("ROWS = [1, 2]", "ROWS = [3]", {"TestStore_2::test_rows"}),
        ("return [tmp_path]", "return []", {"TestStore_2::test_empty"}),
        ("self.n = 1", "self.n = 0", {"TestStore_2::test_empty", "TestStore_2::test_rows"}),
        ("from calc import add", "from other import add", {"test_add_2"}),
        ("from calc import add", "from calc import sub as add", {"test_add_2"}),
        ("assert row in ROWS", "assert row not in ROWS", {"TestStore_2::test_rows"}),
    ],
)
def test_what_a_test_uses_is_part_of_it(old: str, new: str, names: set[str]) -> None:
    assert ONE.count(old) >= 1
    pooled = pool_tests([ONE, ONE.replace(old, new)])
    assert {name for name, samples in pooled.origin.items() if samples == (1,)} == names
    assert set(pooled.origin) == set(pool.test_names(pooled.text))


def test_a_third_sample_that_agrees_with_the_second_joins_it() -> None:
    other = ONE.replace("return [tmp_path]", "return []")
    pooled = pool_tests([ONE, other, other])
    assert pooled.origin["TestStore_2::test_empty"] == (1, 2)
    assert pooled.origin["TestStore::test_empty"] == (0,)
    assert "store_3" not in pooled.text


def test_a_helper_changes_with_the_helper_it_calls() -> None:
    one = "def base():\n    return 1\n\n\ndef make():\n    return base()\n\n\ndef test_a():\n    assert make() == 1\n"
    pooled = pool_tests([one, one.replace("return 1", "return 2")])
    assert "def make_2():\n    return base_2()" in pooled.text
    assert pooled.origin == {"test_a": (0,), "test_a_2": (1,)}


RENAMED = """
import pytest

def make(n=1):
    return n

@pytest.fixture
def item():
    return make()

@pytest.fixture
def items(item):
    return [item]

def keep(make):
    return make

def test_item(item, items):
    make_it = {"make": make(2)}
    assert keep(make=3) == 3
    assert [make for make in [1]] == [1]
    assert (lambda item: item)(4) == 4
    assert items == [item] and make_it["make"] == 2

@pytest.mark.usefixtures("item")
@pytest.mark.parametrize("make, x", [(1, 2)])
def test_own_make(make, x, request):
    assert make == 1 and request.getfixturevalue("item")

class TestIt:
    def test_method(self, item):
        def inner(item):
            return item
        assert inner(item=5) == 5 and make(item)
"""


def run_pytest(folder: Path, text: str) -> str:
    (folder / "test_pool.py").write_text(text)
    (folder / "calc.py").write_text("def add(a, b):\n    return a + b\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), "test_pool.py"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return run.stdout


@pytest.mark.slow
def test_renaming_reaches_fixtures_and_stops_at_shadows(tmp_path: Path) -> None:
    """The pooled module runs: every test passes with its own sample's helpers."""
    samples = [RENAMED, RENAMED.replace("def make(n=1):\n    return n", "def make(n=1):\n    return n * 1"), ONE]
    pooled = pool_tests(samples)
    out = run_pytest(tmp_path, pooled.text)
    assert "10 passed" in out, out + pooled.text
    assert {"test_item", "test_item_2"} <= set(pooled.origin)


def test_imports_come_first_future_ones_before_all_and_path_changes_before_the_projects() -> None:
    one = "from calc import add\nfrom __future__ import annotations\nimport sys\n"
    one = "from __future__ import annotations\nimport os\nimport sys\nHERE = os.getcwd()\nsys.path.insert(0, HERE)\nfrom calc import add\ndef test_a():\n    assert add\n"
    two = "import json\nfrom calc import sub, add as plus\nfrom calc import *\ndef test_b():\n    assert json and sub and plus\n"
    lines = [line for line in pool_tests([two, one]).text.split("\n") if line]
    assert lines[:9] == [
        "from __future__ import annotations", "import json", "import os", "import sys",
        "HERE = os.getcwd()", "sys.path.insert(0, HERE)",
        "from calc import *", "from calc import sub, add as plus, add", "def test_b():",
    ]  # fmt: skip


def test_statements_without_a_name_are_kept_once_and_the_main_guard_is_left_out() -> None:
    one = "import random\nrandom.seed(1)\ndef test_a():\n    assert random\nif __name__ == '__main__':\n    raise SystemExit\n"
    text = pool_tests([one, one]).text
    assert text.count("random.seed(1)") == 1
    assert "__main__" not in text


def test_statements_that_share_a_line_are_parted() -> None:
    assert "a = 1\n" in pool_tests(["a = 1; b = 2\ndef test_a():\n    assert a < b\n"]).text


def test_a_test_class_others_derive_from_is_kept_whole() -> None:
    one = "class TestBase:\n    n = 1\n    def test_n(self):\n        assert self.n\n\n\nclass TestTwo(TestBase):\n    n = 2\n    def test_two(self):\n        assert self.n == 2\n"
    pooled = pool_tests([one, one.replace("n = 1", "n = 3")])
    assert pooled.origin == {
        "TestBase::test_n": (0,), "TestTwo::test_two": (0,), "TestBase_2::test_n": (1,), "TestTwo_2::test_two": (1,),
    }  # fmt: skip
    assert "class TestTwo_2(TestBase_2)" in pooled.text


def test_nested_classes_and_overridden_methods() -> None:
    one = "class TestA:\n    class TestB:\n        def test_x(self):\n            assert 1\n    def test_y(self):\n        assert 2\n    def test_y(self):\n        assert 3\n"
    two = one.replace("assert 1", "assert 4")
    pooled = pool_tests([one, two])
    assert pooled.origin == {"TestA::TestB::test_x": (0,), "TestA::test_y": (0, 1), "TestA_2::TestB::test_x": (1,)}
    assert set(pool.test_names(pooled.text)) == set(pooled.origin)


def test_a_sample_that_does_not_parse_is_the_callers_mistake() -> None:
    with pytest.raises(SyntaxError):
        pool_tests(["def (:"])
    assert pool_tests([]).text == ""


# Any samples


BODIES = [
    "assert add(1, 2) == 3",
    "assert add(1, 2) == 4",
    "x = helper()\n    assert x",
    "assert CONST",
    "assert thing",
]
HELPERS = ["def helper():\n    return 1", "def helper():\n    return CONST", "def helper():\n    return 2"]
CONSTS = ["CONST = 1", "CONST = [2]"]
THINGS = ["@pytest.fixture\ndef thing():\n    return helper()", "@pytest.fixture\ndef thing():\n    return CONST"]


@st.composite
def samples(draw: st.DrawFn) -> str:
    parts = ["import pytest\nfrom calc import add"]
    parts += [draw(st.sampled_from(CONSTS)), draw(st.sampled_from(HELPERS)), draw(st.sampled_from(THINGS))]
    tests = draw(
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(BODIES)), max_size=4, unique_by=lambda t: t[0])
    )
    parts += [f"def test_{name}({'thing' if 'thing' in body else ''}):\n    {body}" for name, body in tests]
    if draw(st.booleans()):
        methods = [
            f"    def test_{name}(self):\n        assert add(1, {draw(st.integers(0, 2))})"
            for name in draw(st.sets(st.sampled_from("xyz"), min_size=1))
        ]
        parts.append("class TestC:\n" + "\n\n".join(methods))
    return "\n\n\n".join(parts) + "\n"


def meanings(text: str) -> dict[str, str]:
    """Test -> its body with the definitions it uses, however far, written out under fixed names."""
    tree = ast.parse(text)
    named = {
        getattr(n, "name", None) or n.targets[0].id: n
        for n in tree.body
        if hasattr(n, "name") or isinstance(n, ast.Assign)
    }

    def expand(node: ast.AST) -> str:
        used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        used += [n.arg for n in ast.walk(node) if isinstance(n, ast.arg)]
        text = (
            ast.unparse(node.body if isinstance(node, ast.Module) else node).split("(", 1)[-1]
            if hasattr(node, "name")
            else ast.unparse(node.value)
        )
        for name in sorted(set(used) & set(named), key=len, reverse=True):
            text = text.replace(name, f"<{expand(named[name])}>")
        return text

    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            found[node.name] = expand(node)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{m.name}": expand(m) for m in node.body}
    return found


@settings(deadline=None, max_examples=60)
@given(st.lists(samples(), min_size=1, max_size=4))
@pytest.mark.slow
def test_every_distinct_test_is_pooled_exactly_once(texts: list[str]) -> None:
    pooled = pool_tests(texts)
    ours = meanings(pooled.text)
    each = [meanings(text) for text in texts]
    wanted = {meaning for found in each for meaning in found.values()}
    assert sorted(ours.values()) == sorted(wanted)
    assert set(pooled.origin) == set(ours) == set(pool.test_names(pooled.text))
    for name, indices in pooled.origin.items():
        assert indices == tuple(i for i, found in enumerate(each) if ours[name] in found.values())


# One file


def test_normalised_ignores_what_does_nothing() -> None:
    assert normalised("def test_a():\n    '''D'''\n    assert f( 1)  # c\n") == normalised(
        "def test_b():\n    assert f(1)\n"
    )
    assert normalised("def helper():\n    return 1\n") != normalised("def other():\n    return 1\n")


def test_names_are_the_ends_of_node_ids() -> None:
    text = (
        ONE
        + "async def test_later(): ...\nclass Helper:\n    def test_no(self): ...\nclass T(unittest.TestCase):\n    def test_yes(self): ...\n"
    )
    assert pool.test_names(text) == (
        "test_add",
        "TestStore::test_empty",
        "TestStore::test_rows",
        "test_later",
        "T::test_yes",
    )


@pytest.mark.parametrize(
    ("names", "gone"),
    [
        (["test_add"], "def test_add():\n    # two and two\n    assert add(2, 2) == 4\n\n\n"),
        (["TestStore::test_empty"], "    def test_empty(self, store):\n        assert len(store) == self.n\n\n"),
        (
            ["TestStore::test_rows[1]"],
            '\n    # the rows\n    @pytest.mark.parametrize("row", ROWS)\n    def test_rows(self, row):\n        assert row in ROWS\n',
        ),
        (["TestStore::test_empty", "TestStore::test_rows"], "\n\n" + ONE[ONE.index("class TestStore") :]),
        ([], ""),
    ],
)
def test_dropping_a_test_leaves_the_rest_as_it_was(names: list[str], gone: str) -> None:
    assert drop_tests(ONE, names) == ONE.replace(gone, "") if gone else ONE


def test_a_string_above_a_dropped_test_is_no_comment() -> None:
    text = 'X = """\n# kept"""\ndef test_a():\n    assert X\n'
    assert drop_tests(text, ["test_a"]) == 'X = """\n# kept"""\n'


def test_dropping_an_unknown_test_is_an_error() -> None:
    with pytest.raises(ValueError, match="no test test_none"):
        drop_tests(ONE, ["test_none"])


# Claims


def claims(*values: str, call: str = "add(1, 2)") -> list[str]:
    return [
        f"from calc import add, Calc\nimport calc\n\n\ndef test_{i}():\n    assert {call} == {v}\n"
        for i, v in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (claims("3", "3", "4"), ("test_2",)),
        (claims("4", "3", "3", "3"), ("test_0",)),
        (claims("3", "4"), ()),
        (claims("3", "4", "5"), ()),
        (claims("3", "3", "4", "4"), ()),
        (claims("3", "3.0", "4"), ("test_2",)),
        (claims("[1]", "[1]", "[2]"), ("test_2",)),
        (claims("True", "True", "False", call="calc.ok('x')"), ("test_2",)),
        (claims("3", "3", "4", call="Calc(1).add(2)"), ()),
        (claims("3", "3", "4", call="Calc(1)"), ()),
        (claims("3", "3", "4", call="counter()"), ()),
        (claims("3", "3", "4", call="calc.next_id()"), ()),
        (claims("3", "3", "4", call="add(1, x)"), ()),
        (claims("3", "3", "4", call="local(1, 2)"), ()),
        (claims("3", "3", "x"), ()),
        ([*claims("3", "3"), claims("4")[0] + "    assert add(1, 2) == 3\n"], ()),
        ([*claims("3", "3"), claims("4")[0] + "    assert add(2, 2) == 4\n"], ("test_0_2",)),
        ([], ()),
    ],
)
def test_a_claim_falls_only_when_most_others_agree_on_another(files: list[str], names: tuple[str, ...]) -> None:
    assert contradicted(files) == names


# Safety


SAFE = "import pytest\nfrom calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"


@pytest.mark.parametrize(
    "text",
    [
        SAFE,
        "import pytest\ndef test_a():\n    with pytest.raises(ValueError):\n        f()\n",
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(1, 1)\n",
        "from unittest.mock import Mock\ndef test_a():\n    m = Mock()\n    m()\n    m.assert_called_once()\n",
        SAFE + "\n\nif __name__ == '__main__':\n    import sys\n    sys.exit(pytest.main())\n",
        SAFE + "\n\ndef test_exit():\n    with pytest.raises(SystemExit):\n        main(['--help'])\n",
        SAFE + "\n\ndef test_exit(monkeypatch):\n    import sys\n    monkeypatch.setattr(sys, 'argv', [])\n    sys.exit\n",
        SAFE + "\n\ndef test_loaded():\n    import sys\n    assert 'calc' in sys.modules\n",
        SAFE + "\n\n@pytest.mark.parametrize('x', [1])\ndef test_x(x, monkeypatch):\n    monkeypatch.setattr('builtins.input', lambda: 1)\n    skip = 1\n",
        SAFE + "\n\ndef test_env(monkeypatch):\n    monkeypatch.setattr('os.environ', {})\n",
    ],
)  # fmt: skip
def test_an_honest_test_file_may_run(text: str) -> None:
    assert unsafe_test_reason(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def test_a(:", "does not parse"),
        ("", "contains no test"),
        ("def helper():\n    assert 1\n", "contains no test"),
        ("def test_a():\n    pass\n", "asserts nothing"),
        ("from calc import add\ndef test_a():\n    add(1, 2)\n    print('ok')\n", "asserts nothing"),
        (SAFE + "import sys\nsys.exit(0)\n", "sys.exit"),
        (SAFE + "from sys import exit as leave\nleave()\n", "sys.exit"),
        (SAFE + "raise SystemExit\n", "SystemExit"),
        (SAFE + "class TestX:\n    quit()\n", "quit"),
        (SAFE + "def test_b():\n    import os\n    os._exit(0)\n", "os._exit"),
        (SAFE + "from os import _exit\ndef test_b():\n    _exit(0)\n", "os._exit"),
        (SAFE + "def test_b():\n    pytest.skip('later')\n", "pytest.skip"),
        (SAFE + "from pytest import skip as s\ndef test_b():\n    s('later')\n", "pytest.skip"),
        (SAFE + "import pytest as p\n@p.mark.skipif(True, reason='x')\ndef test_b():\n    assert 0\n", "pytest.mark.skipif"),
        (SAFE + "@pytest.mark.skip\ndef test_b():\n    assert 0\n", "pytest.mark.skip"),
        (SAFE + "pytestmark = [pytest.mark.xfail]\n", "pytest.mark.xfail"),
        (SAFE + "from pytest import mark\n@mark.xfail\ndef test_b():\n    assert 0\n", "pytest.mark.xfail"),
        (SAFE + "x = pytest.importorskip('x')\n", "pytest.importorskip"),
        (SAFE + "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.xfail)])\ndef test_b(x):\n    assert 0\n", "xfail"),
        (SAFE + "import unittest\nclass T(unittest.TestCase):\n    @unittest.skip('x')\n    def test_b(self): ...\n", "unittest.skip"),
        (SAFE + "import unittest\nclass T(unittest.TestCase):\n    def test_b(self):\n        self.skipTest('x')\n", "skipTest"),
        (SAFE + "def test_b():\n    pytest.exit('done', 0)\n", "pytest.exit"),
        (SAFE + "test_add.__test__ = False\n", "__test__"),
        (SAFE + "__test__ = False\n", "__test__"),
        (SAFE + "import sys\nsys.modules['calc'] = None\n", "sys.modules"),
        (SAFE + "from sys import modules\nmodules['calc'] = None\n", "sys.modules"),
        (SAFE + "import sys\ndef test_b(monkeypatch):\n    monkeypatch.setitem(sys.modules, 'calc', None)\n", "sys.modules"),
        (SAFE + "from unittest.mock import patch\ndef test_b():\n    with patch.dict('sys.modules', {}):\n        pass\n", "sys.modules"),
        (SAFE + "pytest.raises = None\n", "pytest.raises"),
        (SAFE + "import _pytest.runner\n_pytest.runner.x = 1\n", "_pytest"),
        (SAFE + "from _pytest.reports import TestReport\nTestReport.outcome = 'passed'\n", "_pytest"),
        (SAFE + "import builtins\nbuiltins.isinstance = lambda *a: True\n", "builtins.isinstance"),
        (SAFE + "setattr(pytest, 'raises', None)\n", "changes pytest"),
        (SAFE + "def test_b(monkeypatch):\n    monkeypatch.setattr('pytest.raises', None)\n", "changes pytest"),
        (SAFE + "def pytest_runtest_makereport(item, call):\n    ...\n", "pytest_runtest_makereport"),
        (SAFE + "pytest_plugins = ['x']\n", "pytest_plugins"),
        (SAFE + "if True:\n    def pytest_collection_modifyitems(items):\n        items.clear()\n", "pytest_collection_modifyitems"),
        (SAFE + "x = " + "[" * 199 + "]" * 199 + "\n", "deeply"),
    ],
)  # fmt: skip
def test_a_test_file_that_bends_the_rules_is_refused_in_a_sentence(text: str, says: str) -> None:
    reason = unsafe_test_reason(text)
    assert reason is not None
    assert says in reason
    assert reason.endswith(".")
    assert "\n" not in reason
