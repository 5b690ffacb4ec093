"""The lines that tests run are told, warm and cold, and change nothing; nor does another hash seed, but for sets."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from test_cells import told, trees

from nightshift.domain import Environment, ExecLimits, ExecResult, TestReport, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.box import Box, open_sandbox
from nightshift.sandbox.testing.frames import Asked, report_of

LIMITS = ExecLimits(seconds=60.0, test_seconds=10.0)
PLAIN = Tree({"test_a.py": "def test_a(): pass"})

KINDS = ("warm", pytest.param("cold", marks=pytest.mark.slow))
OTHERS = ("python3.12", "python3.13", "python3.14")

CODE = """\
import threading
TABLE = [n for n in range(3)]
class Table:
    size = 3
    def rows(self):
        return [n for n in TABLE]
def add(a, b):
    if a:
        return a + b
    return b
def apart():
    thread = threading.Thread(target=add, args=(0, 1))
    thread.start()
    thread.join()
def numbers():
    yield 1
    yield 2
def raises():
    try:
        raise KeyError
    except KeyError:
        return 1
def make():
    class Local:
        size = 4
    return Local
def endless():
    while True:
        pass
def deep(n):
    return deep(n + 1)
"""

TESTS = """\
import sys
import pytest, calc
STARTED = calc.numbers()
next(STARTED)
@pytest.fixture
def table():
    calc.add(1, 1)
    yield calc.Table()
    calc.numbers()
    calc.raises()
def test_branch(): assert calc.add(0, 2) == 2
def test_other_branch(): assert calc.add(1, 2) == 3
def test_setup_counts_and_teardown_does_not(table): assert table.rows() == [0, 1, 2]
def test_thread(): calc.apart()
def test_generator(): assert next(calc.numbers()) == 1
def test_generator_that_was_running(): assert next(STARTED) == 2
def test_exception(): assert calc.raises() == 1
def test_class_in_a_function(): assert calc.make().size == 4
def test_nothing(): pass
@pytest.mark.parametrize("n", [0])
def test_parameters(n): assert calc.add(n, 0) == 0
def test_failing(): assert calc.add(0, 0)
def test_imports_late():
    import late
    assert late.one() == 1
def test_recursion():
    with pytest.raises(RecursionError):
        calc.deep(0)
def test_after_recursion(): calc.add(0, 0)
"""

RAN = {
    "test_branch": {"calc.py": (8, 10)},
    "test_other_branch": {"calc.py": (8, 9)},
    "test_setup_counts_and_teardown_does_not": {"calc.py": (6, 8, 9)},
    "test_thread": {"calc.py": (8, 10, 12, 13, 14)},
    "test_generator": {"calc.py": (16,)},
    "test_generator_that_was_running": {"calc.py": (17,)},
    "test_exception": {"calc.py": (19, 20, 21, 22)},
    "test_class_in_a_function": {"calc.py": (24, 25, 26)},
    "test_nothing": {},
    "test_parameters[0]": {"calc.py": (8, 10)},
    "test_failing": {"calc.py": (8, 10)},
    "test_imports_late": {"late.py": (3,)},
    "test_recursion": {"calc.py": (31,)},
    "test_after_recursion": {"calc.py": (8, 10)},
}

TREE = Tree(
    {"calc.py": CODE, "late.py": "TABLE = [n for n in range(3)]\ndef one():\n    return 1\n", "test_a.py": TESTS}
)


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with closing(open_sandbox(Environment(sys.executable), parallel=2)) as sandbox:
        sandbox.test(PLAIN, ["test_a.py"])
        yield sandbox


@pytest.fixture(scope="module")
def cold() -> Iterator[Box]:
    with closing(open_sandbox(Environment(sys.executable), warm=False)) as sandbox:
        yield sandbox


def unwatched(report: TestReport) -> tuple[object, ...]:
    return told(replace(report, lines={}))


def interpreter(name: str) -> str:
    """The real one: a name may be only a shim, and that of a version which is not installed."""
    command = [shutil.which(name) or "false", "-c", "import sys; print(sys.executable)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{name} is not installed")
    return done.stdout.strip()


@pytest.mark.parametrize("kind", KINDS)
def test_each_test_has_the_lines_that_it_ran(box: Box, cold: Box, kind: str) -> None:
    check_lines(box if kind == "warm" else cold)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("warm", [True, False])
def test_other_interpreters_tell_the_same_lines(name: str, warm: bool) -> None:
    with closing(open_sandbox(Environment(interpreter(name)), warm=warm)) as sandbox:
        sandbox.test(PLAIN, ["test_a.py"])
        check_lines(sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["B", "none"])
def test_lines_are_told_where_the_tree_has_another_path(tier: str) -> None:
    try:
        sandbox = open_sandbox(Environment(sys.executable), tier=tier)  # type: ignore[arg-type]
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with closing(sandbox):
        check_lines(sandbox)


def check_lines(sandbox: Box) -> None:
    plain = sandbox.test(TREE, ["test_a.py"], limits=LIMITS)
    report = sandbox.test(TREE, ["test_a.py"], limits=LIMITS, lines_of=["calc.py", "./late.py"])
    assert report.complete
    assert report.lines == {f"test_a.py::{name}": lines for name, lines in RAN.items()}
    assert not plain.lines
    assert unwatched(plain) == unwatched(report)


@pytest.mark.parametrize(
    ("source", "path"),
    [("src/calc.py", ""), ("pkg/calc.py", "pkg"), ("lib/calc.py", "tests/../lib"), ("tests/calc.py", "tests/.")],
)
def test_a_file_is_known_by_whatever_path_it_was_imported(box: Box, source: str, path: str) -> None:
    """Many tests put their own folder's parent before all others."""
    start = f"import os, sys\nsys.path.insert(0, os.path.join({path!r}))\n" if path else ""
    absolute = start.replace("join(", "join(os.getcwd(), ")
    for text in (start, absolute):
        test = f"{text}import calc\ndef test_a(): assert calc.one() == 1\n"
        tree = Tree({source: "def one():\n    return 1\n", "tests/test_a.py": test})
        report = box.test(tree, ["tests/test_a.py"], limits=LIMITS, lines_of=[source, "not/there.py"])
        assert report.lines == {"tests/test_a.py::test_a": {source: (2,)}}


@pytest.mark.slow
def test_a_file_is_known_where_the_tree_lies_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    start = "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).resolve().parent))\n"
    for text in ("", start):
        tree = Tree({"calc.py": CODE, "test_a.py": f"{text}import calc\ndef test_a(): calc.add(0, 0)\n"})
        with closing(open_sandbox(Environment(sys.executable), tier="none", scratch=tmp_path / "link")) as sandbox:
            report = sandbox.test(tree, ["test_a.py"], limits=LIMITS, lines_of=["calc.py"])
        assert report.lines == {"test_a.py::test_a": {"calc.py": (8, 10)}}


def test_the_lines_of_a_test_file_are_those_of_its_text(box: Box) -> None:
    tree = Tree(
        {"test_a.py": "def test_a():\n    x = 1\n    assert (\n        x == 1)\n    if x == 2:\n        x = 3\n"}
    )
    report = box.test(tree, ["test_a.py"], limits=LIMITS, lines_of=["test_a.py"])
    lines = report.lines["test_a.py::test_a"]["test_a.py"]
    assert {2, 5} <= set(lines) <= {2, 3, 4, 5}


def test_an_endless_test_is_ended_all_the_same(box: Box) -> None:
    test = "import calc\ndef test_a(): calc.add(0, 0)\ndef test_b(): calc.endless()\ndef test_c(): calc.add(1, 1)\n"
    tree = Tree({"calc.py": CODE, "test_a.py": test})
    limits = replace(LIMITS, test_seconds=0.5)
    report = box.test(tree, ["test_a.py"], limits=limits, lines_of=["calc.py"])
    assert [result.outcome for result in report.results] == ["passed", "failed", "passed"]
    assert report.failures[0].detail == "timed out after 0.5 s"
    assert report.lines["test_a.py::test_b"] == {"calc.py": (28, 29)}
    assert report.lines["test_a.py::test_c"] == {"calc.py": (8, 9)}


def test_a_test_that_traces_for_itself_can(box: Box) -> None:
    test = """
        import sys, calc
        def test_a():
            events = []
            sys.settrace(lambda frame, event, arg: events.append(event))
            try:
                calc.add(0, 0)
            finally:
                sys.settrace(None)
            assert events == ["call"]
        def test_b(): calc.add(0, 0)
    """
    tree = Tree({"calc.py": CODE, "test_a.py": dedent(test)})
    report = box.test(tree, ["test_a.py"], limits=LIMITS, lines_of=["calc.py"])
    assert report.passed, report.failures
    assert report.lines["test_a.py::test_b"] == {"calc.py": (8, 10)}


def test_there_is_an_end_to_what_is_told(box: Box) -> None:
    body = "    n += 1\n" * 20_000
    code = f"def many(n):\n{body}    return n\n"
    test = "import many, pytest\n@pytest.mark.parametrize('n', range(15))\ndef test_a(n): assert many.many(n) > n\n"
    report = box.test(Tree({"many.py": code, "test_a.py": test}), ["test_a.py"], limits=LIMITS, lines_of=["many.py"])
    assert report.passed, report.failures
    assert len(report.lines) == 13
    assert {len(lines["many.py"]) for lines in report.lines.values()} == {20_001}


# A hint only.

WATCHED = """\
import asyncio, sys
def test_a():
    import calc
    tools = [sys.monitoring.get_tool(n) for n in range(6)] if hasattr(sys, "monitoring") else [sys.gettrace()]
    assert any(tools)
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_a_run_that_was_watched_confirms_nothing(box: Box, cold: Box, kind: str) -> None:
    sandbox, tree = box if kind == "warm" else cold, Tree({"calc.py": CODE, "test_a.py": WATCHED})
    plain = sandbox.test(tree, ["test_a.py"], limits=LIMITS, lines_of=["calc.py"])
    assert plain.passed, "the test must be one that passes only when watched"
    assert not sandbox.test(tree, ["test_a.py"], limits=LIMITS, lines_of=["calc.py"], confirm=True).passed


def test_a_confirmed_pass_has_the_lines_of_the_ordinary_run(box: Box) -> None:
    tree = Tree({"calc.py": CODE, "test_a.py": "import calc\ndef test_a(): assert calc.add(0, 2) == 2\n"})
    report = box.test(tree, ["test_a.py"], limits=LIMITS, lines_of=["calc.py"], confirm=True)
    assert report.passed
    assert report.oracle_share == 1
    assert report.lines == {"test_a.py::test_a": {"calc.py": (8, 10)}}


@pytest.mark.parametrize(
    ("lines_of", "lines"),
    [
        ((), {"id": "t.py::a", "ran": {"calc.py": [1]}}),
        (("calc.py",), {"id": "t.py::b", "ran": {"calc.py": [1]}}),
        (("calc.py",), {"id": "t.py::a", "ran": {"calc.py": ["x"]}}),
        (("calc.py",), {"id": "t.py::a", "ran": {"calc.py": [float("inf")]}}),
        (("calc.py",), {"id": "t.py::a", "ran": [1]}),
        (("calc.py",), {"id": "t.py::a"}),
    ],
)
def test_lines_that_no_session_of_ours_tells_make_a_report_unsound(
    lines_of: tuple[str, ...], lines: dict[str, object]
) -> None:
    assert not heard(lines_of, lines).complete


def test_lines_of_other_files_are_left_out() -> None:
    report = heard(("calc.py",), {"id": "t.py::a", "ran": {"calc.py": [1, 2], "/etc/passwd": [1]}})
    assert report.passed
    assert report.lines == {"t.py::a": {"calc.py": (1, 2)}}


def heard(lines_of: tuple[str, ...], lines: dict[str, object]) -> TestReport:
    frames: list[tuple[str, dict[str, object]]] = [
        ("collected", {"ids": ["t.py::a"]}),
        ("canaries", {"count": 1}),
        ("start", {"id": "t.py::a"}),
        ("lines", lines),
        ("test", {"id": "t.py::a", "outcome": "passed", "seconds": 0.0, "detail": ""}),
        ("canary", {"state": "dead"}),
        ("finish", {"status": 0}),
    ]
    sent = [{"key": "k", "n": number, "kind": kind, **fields} for number, (kind, fields) in enumerate(frames)]
    asked = Asked("k", ["t.py"], "/tree", "/tmp", 1.0, lines_of=lines_of)
    ran = ExecResult(("pytest",), 0, "", "", 0.1)
    return report_of(asked, b"".join(json.dumps(frame).encode() + b"\n" for frame in sent), ran)


# Another hash seed.

ORDER = """\
import os
def test_order(): assert list({"a", "b", "c", "d", "e", "f"}) == sorted("abcdef"), list({"a", "b", "c", "d", "e", "f"})
def test_seed(): assert os.environ["PYTHONHASHSEED"] == "%d"
"""


@pytest.mark.slow
def test_another_seed_shows_another_order_of_sets_and_is_cold(box: Box) -> None:
    details = {}
    for seed in (0, 7, 7, 8):
        report = box.test(Tree({"test_a.py": ORDER % seed}), ["test_a.py"], limits=LIMITS, hash_seed=seed)
        assert report.complete
        assert report.exec
        assert ("warm" in report.exec.isolation) == (seed == 0)
        assert report.results[1].outcome == "passed"
        details.setdefault(seed, set()).add(report.results[0].detail)
    assert [len(each) for each in details.values()] == [1, 1, 1]
    assert len(set.union(*details.values())) == 3


@pytest.mark.slow
def test_a_confirmation_has_the_seed_of_the_run(box: Box) -> None:
    """In the process of the tests and in that of the code."""
    command = [sys.executable, "-c", "print(hash('a'))"]
    wanted = subprocess.run(command, env={"PYTHONHASHSEED": "5"}, capture_output=True, text=True, check=True).stdout
    code = "def hashed(): return hash('a')\n"
    tests = (
        f"import calc\ndef test_code(): assert calc.hashed() == {wanted}\ndef test_test(): assert hash('a') == {wanted}"
    )
    report = box.test(Tree({"calc.py": code, "test_a.py": tests}), ["test_a.py"], hash_seed=5, confirm=True)
    assert report.passed, report.failures
    assert report.oracle_share == 1


@pytest.mark.parametrize("seed", [-1, 1 << 32])
def test_a_seed_that_python_does_not_take_is_said_at_once(box: Box, seed: int) -> None:
    with pytest.raises(ValueError, match="hash_seed is"):
        box.test(PLAIN, ["test_a.py"], hash_seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tree", "files"), [(name, *case) for name, case in trees().items()], ids=list(trees())
)
def test_an_awkward_file_gets_the_same_report_watched_and_with_another_seed(
    box: Box, cold: Box, name: str, tree: Tree, files: list[str]
) -> None:
    limits = replace(LIMITS, test_seconds=0.5 if name in ("check_slow.py", "check_stuck.py") else 10.0)
    paths = [path for path in tree.texts if path.endswith(".py")]
    wanted = told(cold.test(tree, files, limits=limits))
    for sandbox in (cold, box):
        assert unwatched(sandbox.test(tree, files, limits=limits, lines_of=paths)) == wanted
    if name != "check_first_things.py":  # it prints a set
        assert told(box.test(tree, files, limits=limits, hash_seed=3)) == wanted
