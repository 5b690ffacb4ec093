"""The oracle: honest programs pass it as they pass a cold run, and code that goes for its judge does not."""

from __future__ import annotations

import ast
import json
import os
import socket
import struct
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_cheats import CHEATS, HONEST, SURVIVE_COLD, TEST
from oracle_shapes import SHAPES, UNSUITED

from nightshift.checks import judge_by_tests
from nightshift.domain import Criterion, Environment, ExecLimits, TestReport, TestResult, TestsCheck, Tree
from nightshift.sandbox.box import Box, open_sandbox
from nightshift.sandbox.inside.oracle import wire
from nightshift.sandbox.inside.oracle.peer import Peer
from nightshift.sandbox.inside.oracle.tests import TestsPeer
from nightshift.sandbox.inside.oracle.wire import LinkBroken
from nightshift.sandbox.oracle.confirm import APART, Answer, confirmed, trial, why_not
from nightshift.sandbox.oracle.fit import unsuited

LIMITS = ExecLimits(seconds=60.0, test_seconds=10.0)
HASTY = ExecLimits(seconds=30.0, test_seconds=1.0)


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with closing(open_sandbox(Environment(sys.executable))) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def cold() -> Iterator[Box]:
    with closing(open_sandbox(Environment(sys.executable), warm=False)) as sandbox:
        yield sandbox


def filled(text: str, module: str) -> str:
    return text.replace("{m}", module).replace("{{", "{").replace("}}", "}")


def by_oracle(box: Box, tree: Tree, limits: ExecLimits, *files: str) -> TestReport:
    return box.oracle.ask(trial(tree, files), limits).report


def outcomes(report: TestReport) -> dict[str, str]:
    return {result.node: result.outcome for result in report.results}


def passed(report: TestReport) -> Counter[tuple[str, bool]]:
    """Parameters that come from the code may print differently."""
    return Counter((result.node.split("[")[0], result.outcome == "passed") for result in report.results)


# Honest programs.


QUICK_SHAPES = (
    "exceptions", "stack", "dataclass", "enum", "mutable arguments", "callbacks", "printing", "files in tmp_path",
)  # fmt: skip


def shapes(names: Sequence[str], change: ast.NodeTransformer | None = None) -> tuple[Tree, list[str]]:
    texts, files = {}, []
    for number, (source, tests) in enumerate(map(SHAPES.__getitem__, names)):
        changed = ast.unparse(change.visit(ast.parse(source))) if change else source
        texts[f"shape{number}.py"] = changed
        files.append(f"tests/test_shape{number}.py")
        texts[files[-1]] = filled(tests, f"shape{number}")
    return Tree(texts), files


@pytest.mark.parametrize("names", [QUICK_SHAPES, pytest.param(tuple(SHAPES), marks=pytest.mark.slow)], ids=len)
def test_ordinary_tests_of_ordinary_programs_pass_the_oracle(box: Box, names: Sequence[str]) -> None:
    tree, files = shapes(names)
    report = box.test(tree, files, limits=LIMITS, confirm=True)
    assert [(r.node, r.outcome, r.detail) for r in report.results if r.outcome != "passed"] == []
    assert report.passed
    assert report.oracle_share == 1


class Returns(ast.NodeTransformer):
    """Every function that returned something returns nothing: wrong, and still a program."""

    def visit_Return(self, node: ast.Return) -> ast.Return:
        return ast.Return(ast.Constant(None))


class Plus(ast.NodeTransformer):
    """Wrong by a sign here and there."""

    def visit_Add(self, node: ast.Add) -> ast.operator:
        return ast.Sub()

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        return ast.UnaryOp(ast.Not(), node)


@pytest.mark.slow
@pytest.mark.parametrize("change", [Returns(), Plus()], ids=["no results", "wrong signs"])
def test_wrong_programs_fail_the_same_tests_with_the_oracle_as_cold(box: Box, change: ast.NodeTransformer) -> None:
    tree, files = shapes(tuple(SHAPES), change)
    for file in files:
        cold, answer = passed(box.test(tree, [file], limits=HASTY)), box.oracle.ask(trial(tree, [file]), HASTY)
        heard = passed(answer.report)
        if answer.notes:  # a comparison that says yes to strangers counts against the program here, and not cold
            cold, heard = (Counter({k: n for k, n in each.items() if k[1]}) for each in (cold, heard))
            assert heard <= cold, file
        else:
            assert heard == cold, file


@pytest.mark.parametrize("name", UNSUITED)
def test_what_cannot_be_done_from_another_process_is_known_from_the_text(name: str) -> None:
    _, tests, word = UNSUITED[name]
    assert word in unsuited(filled(tests, "mod"), {"mod"})


@pytest.mark.parametrize("name", SHAPES)
def test_ordinary_tests_suit_the_oracle(name: str) -> None:
    assert unsuited(filled(SHAPES[name][1], "mod"), {"mod"}) == ""


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200))
def test_any_text_suits_or_has_a_reason(text: str) -> None:
    assert isinstance(unsuited(text, {"mod"}), str)


# Which channel, and what a disagreement says.


@pytest.mark.slow
def test_each_result_names_its_channel(box: Box) -> None:
    """A file that does not suit is judged cold; the share says how much the oracle judged."""
    cold = "import inspect\nfrom calc import add\ndef test_add(): assert add(1, 1) == 2\n"
    tree = Tree({"calc.py": HONEST, "test_a.py": TEST, "test_b.py": cold})
    report = box.test(tree, ["test_a.py", "test_b.py"], confirm=True)
    assert report.passed
    assert {(r.node.partition("::")[0], r.channel) for r in report.results} == {
        ("test_a.py", "oracle"), ("test_b.py", "cold"),
    }  # fmt: skip
    assert report.oracle_share == 0.75
    check = TestsCheck("test_a.py", ("test_a.py::test_one",))
    assert judge_by_tests(Criterion("c1", "adds", check), check, report).channel == "oracle"
    check = TestsCheck("test_b.py", ("test_a.py::test_one", "test_b.py"))
    assert judge_by_tests(Criterion("c1", "adds", check), check, report).channel == "cold"


def test_a_pass_that_only_a_shared_process_gives_is_a_failure_with_a_name(box: Box) -> None:
    files, tests = CHEATS["equals everything"]
    report = box.test(Tree({**files, "test_a.py": tests}), ["test_a.py"], confirm=True)
    assert not report.passed
    assert {r.outcome for r in report.results} == {"failed"}
    detail = report.results[0].detail
    assert detail.startswith(APART)
    assert "an object of the class Any was to settle __eq__ with a plain value" in detail


@pytest.mark.slow
def test_what_a_test_gives_away_and_cannot_cross_makes_the_file_cold(box: Box) -> None:
    """And that is for the test to bring about: no answer of the code does."""
    source = "def name(module): return module.__name__\n"
    tests = "import math\nfrom calc import name\ndef test_name(): assert name(math) == 'math'\n"
    tree = Tree({"calc.py": source, "test_a.py": tests, "test_b.py": "def test_b(): pass"})
    report = box.test(tree, ["test_a.py", "test_b.py"], confirm=True)
    assert report.passed
    assert {r.node: r.channel for r in report.results} == {
        "test_a.py::test_name": "cold", "test_b.py::test_b": "oracle",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path, text", [("conftest.py", "x = 1"), ("tests/conftest.py", "x = 1"), ("tests/__init__.py", "x = 1")]
)
def test_configuration_around_a_test_keeps_the_oracle_away(path: str, text: str) -> None:
    tree = Tree({"calc.py": HONEST, "tests/test_a.py": TEST, path: text})
    assert why_not(tree, ["tests/test_a.py"]) == {"tests/test_a.py": f"{path} takes part in it"}
    assert why_not(Tree({**tree.texts, path: "\n"}), ["tests/test_a.py"]) == {}


@pytest.mark.parametrize(
    "folder, module, node", [("pkg/", "pkg.calc", "pkg/tests/test_a.py"), ("", "calc", "tests/test_a.py")]
)
def test_the_text_of_the_codes_own_package_does_not_keep_the_oracle_away(folder: str, module: str, node: str) -> None:
    test = TEST.replace("calc", module)
    texts = {f"{folder}__init__.py": '"""A package."""', f"{folder}calc.py": HONEST, node: test}
    assert why_not(Tree(texts), [node]) == {}


def test_the_tests_and_the_code_do_not_see_each_others_files(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "core.py").write_text("SECRET = 1")
    (tmp_path / "test_old.py").write_text("def test_old(): pass")
    tree = Tree({"src/deep/__init__.py": "x = 1", "calc.py": HONEST, "test_a.py": TEST, "data.txt": "d"}, tmp_path)
    parts = trial(tree, ["test_a.py"])
    assert {path for path, text in parts.tests.texts.items() if text} == {"test_a.py", "data.txt"}
    assert {path for path, text in parts.code.texts.items() if text} == {"src/deep/__init__.py", "calc.py", "data.txt"}
    assert parts.tests.texts["pkg/core.py"] == parts.code.texts["test_old.py"] == ""
    assert parts.modules == {
        "calc": False, "deep": True, "pkg": True, "pkg.core": False, "src": True, "src.deep": True,
    }  # fmt: skip


def test_packages_are_imported_in_every_way(box: Box) -> None:
    tests = (
        "import pkg.core\nimport pkg.core as c\nfrom pkg import core, VERSION\nfrom pkg.core import twice\n"
        "from deep import DEEP\ndef test_all(): assert pkg.core.twice(2) == c.twice(2) == core.twice(2) == twice(2) == 4\n"
        "def test_names(): assert VERSION == '1' and DEEP == 3\n"
    )
    texts = {
        "pkg/__init__.py": "VERSION = '1'", "pkg/core.py": "from .util import two\ndef twice(x): return x * two()",
        "pkg/util.py": "def two(): return 2", "src/deep/__init__.py": "DEEP = 3",
        "tests/__init__.py": "", "tests/test_a.py": tests,
    }  # fmt: skip
    report = box.test(Tree(texts), ["tests/test_a.py"], confirm=True)
    assert report.passed, report
    assert report.oracle_share == 1


# Cheats.

QUICK = {"equals everything", "hard exit in the function", "patches what raises", "forges mock.ANY by name"}


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CHEATS])
def test_no_cheat_passes_the_oracle(box: Box, name: str) -> None:
    files, tests = CHEATS[name]
    tree = Tree({**files, "test_a.py": tests})
    if why_not(tree, ["test_a.py"]):
        assert name == "brings a conftest"
        return
    assert not by_oracle(box, tree, HASTY, "test_a.py").passed


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "asks a fake for what cannot cross",
        "asks a fake for a list of what cannot cross",
        "exports what pytest takes up",
    ],
)
def test_nothing_that_the_code_does_sends_a_file_to_the_cold_channel(box: Box, name: str) -> None:
    files, tests = CHEATS[name]
    assert not box.oracle.ask(trial(Tree({**files, "test_a.py": tests}), ["test_a.py"]), HASTY).unsupported


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEATS)
def test_the_cheats_that_survive_a_cold_run_are_known_by_name(cold: Box, name: str) -> None:
    """They could win where a test file does not suit the oracle: then the channel says cold."""
    files, tests = CHEATS[name]
    report = cold.test(Tree({**files, "test_a.py": tests}), ["test_a.py"], limits=HASTY)
    assert report.passed is (name in SURVIVE_COLD)


def test_the_honest_control_passes(box: Box) -> None:
    report = box.test(Tree({"calc.py": HONEST, "test_a.py": TEST}), ["test_a.py"], limits=HASTY, confirm=True)
    assert report.passed
    assert report.oracle_share == 1


def test_the_oracle_that_sees_other_tests_does_not_confirm() -> None:
    ordinary = TestReport((TestResult("test_a.py::test_x", "passed"), TestResult("test_a.py::test_y", "passed")), 2)
    tree = Tree({"test_a.py": "def test_x(): pass"})
    half = TestReport((TestResult("test_a.py::test_x", "passed"),), 1)
    report = confirmed(ordinary, tree, ["test_a.py"], lambda _: Answer(half, {}), lambda _: ordinary)
    assert not report.passed
    assert {r.detail for r in report.results} == {f"{APART}: the oracle saw other tests"}


# Values.


class Holder(Peer):
    """An end that lets everything be done to what it holds; enough to see what crosses."""

    guards = False

    def shared_name(self, value: Any) -> str:
        return wire.public_name(value)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.decimals(allow_nan=False) | st.fractions() | st.dates() | st.timedeltas() | st.uuids() | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    | st.sets(st.integers(), max_size=4) | st.frozensets(st.text(), max_size=4) | st.lists(inner, max_size=3).map(deque),
    max_leaves=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def echo() -> Iterator[Peer]:
    """One end, with another behind it that hands back what it is given."""
    ours, theirs = socket.socketpair()
    asking, answering = Holder(ours.fileno(), 2), Echo(theirs.fileno(), 1)
    thread = threading.Thread(target=serve, args=(answering, theirs))
    thread.start()
    yield asking
    ours.shutdown(socket.SHUT_RDWR)
    thread.join()
    ours.close()


class Echo(Holder):
    def perform(self, operation: str, arguments: list[Any]) -> Any:
        return arguments[0] if operation == "echo" else super().perform(operation, arguments)


def serve(peer: Peer, its_end: socket.socket) -> None:
    with closing(its_end), suppress(LinkBroken):
        peer.serve()


@settings(deadline=None, max_examples=60)
@given(value=PLAIN)
def test_plain_values_cross_unchanged(echo: Peer, value: Any) -> None:
    back = echo.ask("echo", value)
    assert back == value
    assert type(back) is type(value)


def test_containers_cross_with_their_identity(echo: Peer) -> None:
    for value in ([1], {"a": [2]}, {3}, deque([1], 2), OrderedDict(b=1, a=2), Counter("aab"), defaultdict(list, a=[1])):
        assert echo.ask("echo", value) is value
    circle: list[Any] = []
    circle.append(circle)
    assert echo.ask("echo", circle)[0] is circle


def test_what_nobody_holds_any_more_is_forgotten(echo: Peer) -> None:
    before = len(echo._twins.known), len(echo._exports)
    for number in range(50):
        echo.ask("echo", [number, {"n": [number]}])
        echo.ask("echo", object())
    echo.ask("echo", None)
    assert len(echo._twins.known) <= before[0] + 6
    assert len(echo._exports) <= before[1] + 60


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("itbnycvgkmfexrqahduzs"), inner, max_size=2),
    max_leaves=15,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(junk=JUNK, whole=st.booleans(), kind=st.sampled_from("rxq"))
def test_whatever_the_code_says_is_a_value_or_the_end_of_the_link(junk: Any, whole: bool, kind: str) -> None:
    """Nothing it says makes the tests' process do anything."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        frame = {kind: junk, "a": [], "d": [], "h": [], "z": [], "u": [], "s": None} if whole else junk
        body = json.dumps(frame).encode()
        theirs.sendall(struct.pack("<I", len(body)) + body)
        theirs.shutdown(socket.SHUT_WR)
        peer = TestsPeer(ours.fileno(), "/nowhere", lambda *_, **__: None, ())
        try:
            peer.ask("get", None, "x")
        except (LinkBroken, ValueError):
            assert peer.broken


def test_the_code_learns_little_of_what_it_is_given() -> None:
    """It may call a function; what the function can see is not for it."""
    peer = TestsPeer(0, "/nowhere", lambda *_, **__: None, ())

    def given_away() -> int:
        return 7

    assert peer.perform("call", [given_away, (), (), ()]) == 7
    for operation, name in (
        ("get", "__globals__"),
        ("get", "__code__"),
        ("set", "__name__"),
        ("fields", ("x",)),
        ("plain", ""),
    ):
        with pytest.raises(AttributeError):
            peer.perform(operation, [given_away, name, ""])


def test_the_tests_own_surroundings_reach_the_code_but_not_their_names(tmp_path: Path) -> None:
    peer = TestsPeer(0, "/nowhere", lambda *_, **__: None, ())
    news = peer.news()
    assert news["directory"] == os.getcwd()
    assert not [name for name in news["environment"] if name.startswith("PYTEST_")]
    assert peer.news() is None, "they are told once"


@pytest.mark.parametrize(
    "name", ["os:_exit", "builtins:eval", "unittest.mock:ANY", "unittest.mock:Mock", "antigravity:x"]
)
def test_the_code_can_name_nothing_that_acts(name: str) -> None:
    peer = TestsPeer(0, "/nowhere", lambda *_, **__: None, ())
    with pytest.raises(LinkBroken):
        peer.decode({"g": name})


@pytest.mark.slow
def test_a_test_that_swallows_the_end_of_the_code_does_not_pass(box: Box) -> None:
    tests = "from calc import add\ndef test_a():\n    try: add(1, 1)\n    except BaseException: pass\n"
    tree = Tree({"calc.py": "import os\ndef add(a, b): os._exit(0)\n", "test_a.py": tests})
    report = by_oracle(box, tree, HASTY, "test_a.py")
    assert outcomes(report) == {"test_a.py::test_a": "passed"}
    assert not report.complete


@pytest.mark.slow
def test_what_an_answer_of_the_code_says_of_a_plain_value_counts_where_it_holds_that_value(box: Box) -> None:
    """It shows what it holds before it sees the value. A class that the test calls is asked without that."""
    source = (
        "class Num:\n    def __init__(self, n, m=None): self.n, self.m = n, m\n"
        "    def __eq__(self, o): return self.n == getattr(o, 'n', o)\n"
        "def two(): return Num(2)\ndef either(): return Num(2, 3)\ndef three(): return Num(3)\n"
    )
    tests = (
        "from calc import Num, either, three, two\ndef test_made(): assert Num(2, 3) == 2\n"
        "def test_own(): assert either() == Num(2)\ndef test_held(): assert two() == 2\n"
        "def test_other(): assert three() == 2\ndef test_two_guesses(): assert either() == 2\n"
    )
    report = by_oracle(box, Tree({"calc.py": source, "test_a.py": tests}), HASTY, "test_a.py")
    assert list(outcomes(report).values()) == ["passed", "passed", "passed", "failed", "failed"]


def test_where_the_walls_share_no_directory_temporary_files_keep_the_oracle_away() -> None:
    tree = Tree({"calc.py": HONEST, "test_a.py": TEST, "test_b.py": "def test_b(tmp_path): pass"})
    assert list(why_not(tree, ["test_a.py", "test_b.py"], scratch=False)) == ["test_b.py"]
