"""Probes tell wrong versions from right ones and right ones not from each other; their driver survives what it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutated_modules import MODULES
from probed_pairs import ALIKE, DIFFERENT, TESTS

from nightshift.domain import Environment, Sandbox, Tree
from nightshift.sandbox.box import open_sandbox
from nightshift.source.behaviours import normal
from nightshift.source.probes import driver, probes, read_behaviours
from nightshift.source.syntax import parses

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with closing(open_sandbox(Environment(sys.executable))) as sandbox:
        yield sandbox


def behaviours(box: Sandbox, source: str, calls: tuple[str, ...]) -> tuple[str, ...]:
    result = box.run(Tree({"it.py": source}), ["python3", "-I", "-c", driver("it", calls)])
    told = read_behaviours(result.stdout)
    assert len(told) == len(calls), result.stderr
    return told


# What is probed.


@pytest.mark.parametrize(
    "source, wanted",
    [
        ("def f(): pass", "f()"),
        ("def f(a: int, /, b: str, *, c: bool = True): pass", "f(3, 'hello world', c=True)"),
        ("def f(n: int):\n    return n > 17", "f(18)"),
        ("def f(n): return n > 17", "f(17)"),
        ("def f(a: 'list[str] | None' = None): pass", "f([])"),
        ("def f(a: dict[str, list[int]]): pass", "f({})"),
        ("from typing import Literal\ndef f(a: Literal['x', 'y']): pass", "f('y')"),
        ("def f(*args: int): pass", "f(3)"),
        ("class A:\n    def m(self, n: int): pass", "it = A(); it.m(3)"),
        (
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int = 2\n    def m(self): pass",
            "it = P(3, 2); it.m()",
        ),
        ("import enum\nclass C(enum.Enum):\n    RED = 1\ndef f(c: C): pass", "f(C.RED)"),
        ("class A:\n    def __init__(self, n: int): pass\ndef f(a: A): pass", "f(A(3))"),
    ],
)
def test_calls_are_made_from_signatures_and_literals(source: str, wanted: str) -> None:
    assert wanted in probes(source, limit=100)


TEST = """
import pytest
import it
from it import f, Box

def test_plain():
    assert f(41) == 42
def test_through_the_module():
    assert it.f(n=7) == pytest.approx(8)
def test_raises():
    with pytest.raises(ValueError):
        f(-5)
@pytest.mark.parametrize("n, wanted", [(11, 12), (13, 14)])
def test_row(n, wanted):
    assert f(n) == wanted
class TestBox:
    def test_steps(self):
        box = Box(3)
        box.put("x")
        assert not box.empty and len(box) == 1
def test_with_a_fixture(tmp_path):
    assert f(tmp_path / "never") == 1
def test_of_something_else():
    assert other(99) == 1
"""


def test_tests_are_replayed_without_what_they_expect_and_varied() -> None:
    found = probes("def f(n): ...\nclass Box:\n    def put(self, x): ...", tests=[TEST], limit=400)
    wanted = {"f(41)", "f(42)", "f(n=7)", "f(-5)", "n, wanted = (11, 12); f(n)"}
    wanted |= {f"box = Box({n}); box.put('x'); box.empty; len(box)" for n in (3, 4)}
    assert wanted - {*found} == set()
    assert not [probe for probe in found if "tmp_path" in probe or "other" in probe]


def test_private_names_and_the_program_itself_are_not_called() -> None:
    assert probes("def _f(): pass\ndef main(): pass\nclass _A: pass") == ()


@pytest.mark.parametrize("source", ["def f(:", "", "x = 1", "\0", f"def f(a={1 << 20_000:#x}): pass"], ids=str.__len__)
def test_a_text_without_public_callables_has_no_probes(source: str) -> None:
    assert probes(source, tests=["def test(:"]) == ()


@pytest.mark.parametrize("source, tests", MODULES.values(), ids=MODULES)
def test_probes_are_bounded_parse_and_call_each_public_name(source: str, tests: str) -> None:
    found = probes(source, tests=[tests], limit=40)
    assert 20 < len(found) <= 40
    assert len(set(found)) == len(found)
    assert all(map(parses, found))
    assert probes(source, tests=[tests], limit=5) == found[:5]


ANNOTATIONS = st.recursive(
    st.sampled_from(["int", "str", "float", "bool", "None", "bytes", "Foo", "Any", "date", "Path", "'int'", "1", ""]),
    lambda inner: st.one_of(
        st.builds("list[{}]".format, inner),
        st.builds("dict[{}, {}]".format, inner, inner),
        st.builds("tuple[{}, ...]".format, inner),
        st.builds("{} | {}".format, inner, inner),
        st.builds("Optional[{}]".format, inner),
        st.builds("Callable[[{}], {}]".format, inner, inner),
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=20)
@given(st.lists(ANNOTATIONS, min_size=1, max_size=4), st.text(max_size=10))
def test_every_probe_parses_whatever_the_annotations(annotations: list[str], default: str) -> None:
    parameters = ", ".join(f"p{i}: {text or 'int'}" for i, text in enumerate(annotations))
    source = (
        f"def f({parameters}, *, k={default!r}): return 7\nclass Foo:\n    def __init__(self, a, {parameters}): pass\n"
    )
    if parses(source):
        assert all(map(parses, probes(source)))


@pytest.mark.slow
def test_probes_are_the_same_whatever_the_hash_seed() -> None:
    code = (
        "import sys; from nightshift.source.probes import probes; from mutated_modules import MODULES;"
        "print([probes(text, tests=[tests]) for text, tests in MODULES.values()])"
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


# What counts as equal.


class Plain:
    def __repr__(self) -> str:
        return f"nice at {id(self):#x}"


@pytest.mark.parametrize(
    "one, other",
    [
        (0.1 + 0.2, 0.3),
        (2.0, 2),
        (-0.0, 0),
        (0.1 + 0.2 - 0.3, 0.0),
        ({"b", "a", "c"}, frozenset("abc")),
        ({"a": 1, "b": 2.0}, {"b": 2, "a": 1}),
        ({0, 8}, {8, 0}),  # collide, so each is iterated in its own order
        (iter([1, 2]), (n for n in (1, 2))),
        (map(str, [1]), reversed(["1"])),
        (Decimal("1.10"), Decimal("1.1")),
        (Plain(), Plain()),
        (ValueError("a"), ValueError("b")),
        (object(), object()),
        ([{1.0}], [{1}]),
    ],
)
def test_equal_values_have_one_text(one: object, other: object) -> None:
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    "one, other",
    [
        (1, 2), (1, True), (1, "1"), (0.1, 0.1000001), ([1], (1,)), ([1, 2], [2, 1]), ([1], {1}),
        ([1], iter([1])), (None, False), (None, "None"), ("a", b"a"), (float("nan"), float("inf")),
        (ValueError(), KeyError()), ({1: 2}, {1: 3}), ("a" * 400, "a" * 401), ([10**5000], [10**5000 + 1]),
    ],
)  # fmt: skip
def test_other_values_have_other_texts(one: object, other: object) -> None:
    assert normal(one) != normal(other)


def test_what_holds_itself_and_what_never_ends_has_an_end() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert len(normal(loop)) < 100
    assert normal(iter(int, 1)).endswith("...)")


# The driver.

ROUGH = """
import os, sys, time
print("hello from the import")
count = 0
def up():
    global count
    count += 1
    return count
def exits(): sys.exit(3)
def dies(): os._exit(0)
def hangs():
    try:
        while True: pass
    except BaseException:
        hangs()
def recurses(): return recurses()
def talks(n):
    print("one", n)
    sys.stderr.write("noise")
def long(): return "x" * 1_000_000
def odd(): return "\\ud800\\u20ac"
class Cruel:
    def __repr__(self): raise KeyError
def cruel(): return [Cruel()]
async def later(): return 7
"""


def test_each_probe_meets_fresh_state_and_its_end_is_told(box: Sandbox) -> None:
    calls = (
        "up(); up()", "up()", "exits()", "dies()", "recurses()", "talks(3)", "missing()", "[1][5]", "x = 3; x; x + 0.5",
        "cruel()", "later()", "it = 1; raise ValueError", "odd()", "long()", "datetime.date(2024, 1, 1)",
    )  # fmt: skip
    told = dict(zip(calls, behaviours(box, ROUGH, calls), strict=True))
    assert len(told.pop("long()")) <= 300
    assert told.pop("odd()").startswith("'")
    assert told == {
        "up(); up()": "1; 2", "up()": "1", "exits()": "raises SystemExit", "dies()": "dies",
        "recurses()": "raises RecursionError", "talks(3)": "None; prints one 3", "missing()": "raises NameError",
        "[1][5]": "raises IndexError", "x = 3; x; x + 0.5": "3; 3.5", "cruel()": "[Cruel]", "later()": "7",
        "it = 1; raise ValueError": "raises ValueError",
        "datetime.date(2024, 1, 1)": "datetime.date(2024, 1, 1)",
    }  # fmt: skip


def test_a_module_that_cannot_be_imported_behaves_so_for_every_probe(box: Sandbox) -> None:
    assert behaviours(box, "import nowhere", ("f()", "g()")) == ("no import: ModuleNotFoundError",) * 2


@pytest.mark.slow
def test_after_some_hangs_the_rest_is_not_tried(box: Sandbox) -> None:
    told = behaviours(box, ROUGH, ("hangs()",) * 5)
    assert told == ("hangs",) * 3 + ("not tried",) * 2


def test_a_file_that_hides_the_standard_library_does_no_harm(box: Sandbox) -> None:
    tree = Tree({"it.py": "def f(): return 1", "random.py": "raise SystemExit", "json.py": "1 / 0"})
    result = box.run(tree, ["python3", "-I", "-c", driver("it", ("f()",))])
    assert read_behaviours(result.stdout) == ("1",)


def test_a_module_in_src_or_in_a_package_is_found(box: Sandbox) -> None:
    tree = Tree({"src/pkg/__init__.py": "", "src/pkg/it.py": "def f(): return 1"})
    result = box.run(tree, ["python3", "-I", "-c", driver("pkg.it", ("f()",))])
    assert read_behaviours(result.stdout) == ("1",)


@pytest.mark.parametrize("stdout", ["", "Traceback", "{}", "[1]", "[[]]", '["a"', "null"])
def test_what_is_no_list_of_texts_is_no_behaviour(stdout: str) -> None:
    assert read_behaviours(stdout) == ()


def test_noise_before_the_list_does_not_matter() -> None:
    assert read_behaviours("noise\n" + json.dumps(["1"]) + "\n") == ("1",)


# Whether they tell versions apart.


def differing(box: Sandbox, name: str, one: str, other: str) -> int:
    """Of the probes made from the first version, how many the second answers differently."""
    calls = probes(one, tests=[other, *([TESTS[name]] if name in TESTS else [])])
    pairs = zip(behaviours(box, one, calls), behaviours(box, other, calls), strict=True)
    return sum(left != right for left, right in pairs)


@pytest.mark.slow
def test_most_wrong_versions_are_told_from_right_ones(box: Sandbox) -> None:
    found = {name: differing(box, name, *pair) for name, pair in DIFFERENT.items()}
    told = sum(map(bool, found.values()))
    print(f"\n{told} of {len(found)} pairs told apart")
    for name, count in found.items():
        print(f"    {count:3} probes: {name}")
    assert told >= 0.8 * len(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALIKE)
def test_right_versions_are_not_told_apart(name: str, box: Sandbox) -> None:
    one, other = ALIKE[name]
    calls = probes(one, tests=[other])
    wrong = zip(calls, behaviours(box, one, calls), behaviours(box, other, calls), strict=True)
    assert [each for each in wrong if each[1] != each[2]] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENT)
def test_a_version_behaves_the_same_when_asked_again(name: str, box: Sandbox) -> None:
    source, _ = DIFFERENT[name]
    calls = probes(source, limit=20)
    assert behaviours(box, source, calls) == behaviours(box, source, calls)
