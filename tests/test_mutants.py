"""Mutants: what is changed, what is left alone, and that good tests kill most of them."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutated_modules import MODULES

from nightshift.domain import Environment, ExecLimits, Sandbox, Tree
from nightshift.sandbox.box import open_sandbox
from nightshift.source.mutants import KINDS, mutants
from nightshift.source.normal import fingerprint
from nightshift.source.syntax import parses

ROOT = Path(__file__).resolve().parents[1]


def changes(text: str, kind: str) -> set[str]:
    return {mutant.what for mutant in mutants(text, limit=200) if mutant.kind == kind}


@pytest.mark.parametrize(
    "kind, text, wanted",
    [
        ("comparison", "def f(a, b): return a < b", {"a < b -> a <= b", "a < b -> a >= b"}),
        ("comparison", "def f(a, b): return a in b", {"a in b -> a not in b"}),
        ("comparison", "def f(a): return a is None", {"a is None -> a is not None"}),
        ("arithmetic", "def f(a, b): return -a + b", {"-a + b -> -a - b", "-a -> a"}),
        ("arithmetic", "def f(a):\n    a += 1", {"a += 1 -> a -= 1"}),
        ("arithmetic", "def f(a): return a + 'x', f'{a}' + a, 'x' % a", set()),
        ("arithmetic", "Number = int | float", set()),
        ("boundary", "def f(a): return a > 3", {"3 -> 4", "3 -> 2"}),
        ("boundary", "def f(n): return range(n)", {"n -> n + 1", "n -> n - 1"}),
        ("boundary", "def f(a, k): return a[:k]", {"k -> k + 1", "k -> k - 1"}),
        ("boundary", "def f(a): return a[-1]", {"-1 -> 0", "-1 -> -2"}),
        ("boolean", "def f(a, b): return [a and b]", {"a and b -> a or b"}),
        ("boolean", "def f(a):\n    if not a: return 1", {"not a -> a"}),
        ("boolean", "def f(a):\n    if a: return 1", {"a -> not a"}),
        ("boolean", "def f(a): return [x for x in a if x.y]", {"x.y -> not x.y"}),
        ("return", "def f(a) -> bool: return g(a)", {"g(a) -> not g(a)", "g(a) -> None"}),
        ("return", "def f(a) -> list[int]: return g(a)", {"g(a) -> []", "g(a) -> None"}),
        ("return", "def f(a): return {**a}", {"{**a} -> {}", "{**a} -> None"}),
        ("return", "def f(a): return None", set()),
        ("constant", "def f(a=True): g(2, 'x', '')", {"True -> False", "2 -> 3", "'x' -> ''", "'' -> 'mutant'"}),
        ("exception", "def f():\n    raise ValueError('x')", {"raise ValueError('x') -> pass", "ValueError -> RuntimeError"}),
        ("exception", "def f():\n    raise NotImplementedError", set()),
        ("call", "def f(a):\n    a.clear()", {"a.clear() -> pass"}),
        ("call", "async def f(a):\n    await a.clear()", {"await a.clear() -> pass"}),
    ],
)  # fmt: skip
def test_every_kind_makes_its_own_changes(kind: str, text: str, wanted: set[str]) -> None:
    assert changes(text, kind) == wanted


@pytest.mark.parametrize(
    "text",
    [
        '"""Module of 3."""',
        'def f():\n    """Adds 1 < 2."""',
        "if __name__ == '__main__':\n    main(1 < 2)",
        "class A:\n    def __repr__(self): return 'A' + str(self.x > 1)",
        "def f():\n    logger.info('x %s', 1)\n    self._log.debug('y')\n    warnings.warn('z')",
        "x: Literal['a', 'b']\ndef f(a: Literal[1]) -> Tuple[2]: ...",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    X = 1",
        "@cache(maxsize=3)\ndef f(): ...",
        "__all__ = ['a', 'b']",
        "T = TypeVar('T', bound='X')",
        "def f(a): f'{a + 1} {a[0]}'",
        "while x < 1:\n    x += 1\n    q.append(x)",
    ],
)
def test_what_tests_rarely_see_and_what_would_hang_is_left_alone(text: str) -> None:
    assert mutants(text) == ()


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("x = (a + b) * c", "x = (a - b) * c"),
        ("x = not a.b < c", "x = not (a.b <= c)"),
        ("def f(a):\n    é = 'ß' if a and a else 'ü'; return é < 3", "    é = 'ß' if a and a else 'ü'; return é <= 3"),
        ("x = [\n    a  # one\n    + b\n]", "    a - b\n"),
        ("if (a\n        and b):\n    c = 1", "if (a or b):"),
        ("x = a if b and c else d", "x = a if b or c else d"),
        ("x = f(a ** -1)", "x = f(a ** 0)"),
        ("s = 'a'\r\ny = 1 < z\r\n", "y = 1 <= z\r\n"),
    ],
)
def test_a_change_is_put_where_it_belongs_and_nowhere_else(text: str, wanted: str) -> None:
    assert any(wanted in mutant.text for mutant in mutants(text))


def test_a_mutant_differs_from_the_file_in_one_place() -> None:
    text = MODULES["inventory"][0]
    for mutant in mutants(text, limit=100):
        old, new = text.split("\n"), mutant.text.split("\n")
        touched = [line for line in difflib.ndiff(old, new) if line.startswith("- ")]
        assert len(touched) == 1
        assert old[mutant.line - 1] == touched[0][2:]


@pytest.mark.parametrize("text", [text for text, _ in MODULES.values()], ids=MODULES)
def test_the_first_few_are_spread_over_functions_and_kinds(text: str) -> None:
    found = mutants(text, limit=12)
    assert len(found) == 12
    assert len({mutant.kind for mutant in found}) >= 5
    assert max(Counter(mutant.line for mutant in found).values()) <= 4


def test_only_the_given_lines_are_changed() -> None:
    text = MODULES["inventory"][0]
    wanted = {mutant.line for mutant in mutants(text, limit=200) if mutant.line % 2}
    found = mutants(text, lines=wanted, limit=200)
    assert {mutant.line for mutant in found} == wanted
    assert mutants(text, lines=()) == ()


@pytest.mark.parametrize(
    "text",
    ["def f(:", "", "x = 1\ry = 2\r", "x = \0", "x = " + "-" * 500 + "y", f"x = 1 < {1 << 20_000:#x}"],
    ids=str.__len__,
)
def test_a_text_that_cannot_be_changed_safely_has_no_mutants(text: str) -> None:
    assert mutants(text) == ()


NUMBERS = st.sampled_from(["0", "-1", "3", "2.5", "n", "len(s)", "é", "s[0]"])
TEXTS = st.sampled_from(["''", "'a'", "'ß\\n'", "s", "s[1:-1]", "f'{n} {s!r:>3}'", "b'x'"])
EXPRESSIONS = st.recursive(
    NUMBERS | TEXTS | st.sampled_from(["True", "None", "[]", "{'k': 1}"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "//", "%", "**", "|", "<", "<=", "==", "in", "is", "and", "or"]), inner),
        st.builds("(not {})".format, inner),
        st.builds("(-{})".format, inner),
        st.builds("[{} for x in {} if {}]".format, inner, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("g({}, k={}).a".format, inner, inner),
        st.builds("(\n  {})[{}:{}]".format, inner, inner, inner),
        st.builds("(lambda x: {})".format, inner),
    ),
    max_leaves=6,
)  # fmt: skip
STATEMENTS = st.recursive(
    st.builds("return {}".format, EXPRESSIONS)
    | st.builds("ä = {}; g({})".format, EXPRESSIONS, EXPRESSIONS)
    | st.builds("raise ValueError({})".format, EXPRESSIONS),
    lambda inner: st.builds(
        lambda head, test, body: f"{head.format(test)}\n" + "\n".join("    " + line for line in body.split("\n")),
        st.sampled_from(["if {}:", "while {}:", "for x in {}:", "with {}:"]),
        EXPRESSIONS,
        inner,
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=20)
@given(st.lists(STATEMENTS, min_size=1, max_size=3))
def test_every_mutant_parses_and_is_another_program(statements: list[str]) -> None:
    body = "\n".join("    " + line for text in statements for line in text.split("\n"))
    text = f"def f(s, n) -> int:\n    '''Doc.'''\n{body}\n"
    if parses(text):  # a line break inside a string would not
        for mutant in mutants(text):
            assert parses(mutant.text)
            assert fingerprint(mutant.text) != fingerprint(text)
            assert mutant.kind in KINDS


def test_mutants_are_the_same_whatever_the_hash_seed() -> None:
    code = (
        "import sys; from nightshift.source.mutants import mutants; from mutated_modules import MODULES;"
        "print([m for text, _ in MODULES.values() for m in mutants(text)])"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "01"
    }
    assert len(told) == 1


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with closing(open_sandbox(Environment(sys.executable))) as sandbox:
        yield sandbox


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_good_tests_kill_most_mutants(name: str, box: Sandbox) -> None:
    text, tests = MODULES[name]
    limits = ExecLimits(seconds=20, test_seconds=2)

    def passes(source: str) -> bool:
        tree = Tree({f"{name}.py": source, "test_it.py": tests})
        return box.test(tree, ["test_it.py"], limits=limits, stop_early=True).passed

    assert passes(text)
    found = mutants(text)
    alive = [mutant for mutant in found if passes(mutant.text)]
    print(f"\n{name}: {len(found) - len(alive)} of {len(found)} mutants killed")
    for mutant in alive:
        print(f"    alive: line {mutant.line}, {mutant.kind}: {mutant.what}")
    assert len(alive) <= 0.2 * len(found)
