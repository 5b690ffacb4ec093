"""What `test` reports, and that lying code in the tree does not make it say passed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain import Environment, ExecLimits, ExecResult, Sandbox, TestReport, Tree
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.testing.frames import Asked, normalised, report_of

FAST = ExecLimits(seconds=20.0, test_seconds=0.5)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with closing(open_sandbox(Environment(sys.executable))) as sandbox:
        yield sandbox


def run(box: Sandbox, texts: dict[str, str], nodes: Sequence[str] = ("test_a.py",), **options: object) -> TestReport:
    return box.test(Tree(texts), nodes, limits=FAST, **options)  # type: ignore[arg-type]


def outcomes(report: TestReport) -> dict[str, str]:
    return {result.node: result.outcome for result in report.results}


# Honest trees.

EVERY_OUTCOME = """
import pytest, unittest

def test_passes(): assert 1 + 1 == 2
def test_fails():
    value = [1, 2]
    assert value == [1, 3]
@pytest.fixture
def broken(): raise RuntimeError("no database")
def test_setup(broken): pass
@pytest.fixture
def messy():
    yield
    raise RuntimeError("cannot clean up")
def test_teardown(messy): pass
@pytest.mark.skip(reason="not today")
def test_skipped(): pass
@pytest.mark.xfail(reason="known")
def test_xfails(): assert False
@pytest.mark.xfail
def test_xpasses(): pass
@pytest.mark.parametrize("n", [1, 2])
def test_parameter(n): assert n == 1
class TestGroup:
    def test_inside(self): pass
class TestUnit(unittest.TestCase):
    def test_unit(self): self.assertEqual(1, 1)
    def test_sub(self):
        for n in range(3):
            with self.subTest(n=n): self.assertNotEqual(n, 1)
def test_exits(): raise SystemExit(0)
def test_leaves_a_thread():
    import threading, time
    threading.Thread(target=time.sleep, args=(60,)).start()
class Loud:
    def __del__(self): raise ValueError("in a finalizer")
def test_unraisable(): Loud()
"""


def test_every_outcome_is_told_by_its_name(box: Sandbox) -> None:
    report = run(box, {"test_a.py": EVERY_OUTCOME})
    assert outcomes(report) == {
        "test_a.py::test_passes": "passed", "test_a.py::test_fails": "failed", "test_a.py::test_setup": "error",
        "test_a.py::test_teardown": "error", "test_a.py::test_skipped": "skipped", "test_a.py::test_xfails": "xfailed",
        "test_a.py::test_xpasses": "xpassed", "test_a.py::test_parameter[1]": "passed",
        "test_a.py::test_parameter[2]": "failed", "test_a.py::TestGroup::test_inside": "passed",
        "test_a.py::TestUnit::test_unit": "passed", "test_a.py::TestUnit::test_sub": "failed",
        "test_a.py::test_exits": "failed", "test_a.py::test_leaves_a_thread": "passed",
        "test_a.py::test_unraisable": "passed",
    }  # fmt: skip
    assert report.complete
    assert not report.passed
    assert report.collected == 15
    assert report.exec is not None
    assert report.exec.exit_code == 1
    details = {result.node.partition("::")[2]: result.detail for result in report.results}
    assert "assert [1, 2] == [1, 3]" in details["test_fails"]
    assert details["test_setup"].endswith("RuntimeError: no database")
    assert (details["test_skipped"], details["test_xfails"]) == ("Skipped: not today", "known")
    assert details["test_passes"] == ""


def test_an_honest_tree_passes(box: Sandbox) -> None:
    texts = {
        "pkg/__init__.py": "", "pkg/core.py": "def add(a, b): return a + b", "flat.py": "from pkg.core import add",
        "src/inner/__init__.py": "DEEP = 1",
        "tests/helpers.py": "THREE = 3", "tests/conftest.py": "import pytest\n@pytest.fixture\ndef one(): return 1",
        "tests/test_core.py": "from flat import add\nfrom helpers import THREE\nfrom inner import DEEP\ndef test_add(one): assert add(one, 2) == THREE + DEEP - 1",
        "test_root.py": "import pkg.core\ndef test_add(tmp_path, capsys, monkeypatch): assert pkg.core.add(1, 1) == 2",
    }  # fmt: skip
    report = run(box, texts, ["tests/test_core.py", "test_root.py"])
    assert report.passed, report
    assert [result.node for result in report.results] == ["tests/test_core.py::test_add", "test_root.py::test_add"]
    assert all(result.seconds >= 0 for result in report.results)


@pytest.mark.slow
def test_the_projects_own_configuration_counts_when_it_is_in_the_tree(box: Sandbox, tmp_path: Path) -> None:
    test = "import warnings\ndef check_a(): warnings.warn('old')"
    settings = "[tool.pytest.ini_options]\npython_functions = ['check_*']\nfilterwarnings = ['error']\naddopts = '-q -x --strict-markers'\n"
    (tmp_path / "pyproject.toml").write_text(settings)
    report = box.test(
        Tree({"test_a.py": test, "test_b.py": "def check_b(): pass"}, tmp_path), ["test_a.py", "test_b.py"]
    )
    assert outcomes(report) == {"test_a.py::check_a": "failed", "test_b.py::check_b": "passed"}
    assert report.complete


@pytest.mark.slow
def test_equal_names_in_two_files_stay_two_tests(box: Sandbox) -> None:
    report = run(
        box,
        {"a/test_x.py": "def test_same(): pass", "b/test_y.py": "def test_same(): assert 0"},
        ["a/test_x.py", "b/test_y.py"],
    )
    assert outcomes(report) == {"a/test_x.py::test_same": "passed", "b/test_y.py::test_same": "failed"}


def test_nodes_choose_tests(box: Sandbox) -> None:
    nodes = [
        "./test_a.py::test_parameter",
        "test_a.py::TestUnit",
        "test_a.py::test_parameter[1]",
        "test_a.py::test_passes",
    ]
    report = run(box, {"test_a.py": EVERY_OUTCOME}, nodes)
    assert {node.partition("::")[2] for node in outcomes(report)} == {
        "test_parameter[1]", "test_parameter[2]", "TestUnit::test_unit", "TestUnit::test_sub", "test_passes",
    }  # fmt: skip
    assert report.collected == 5


def test_no_nodes_is_nothing_collected(box: Sandbox) -> None:
    report = run(box, {"test_a.py": "def test_a(): pass"}, [])
    assert (report.collected, report.results, report.passed) == (0, (), False)


BAD_FILES = {
    "test_gone.py": (None, "there is no file test_gone.py"),
    "test_empty.py": ("", "no test was collected"),
    "test_helper.py": ("def helper(): pass", "no test was collected"),
    "test_syntax.py": ("def test_a(:", "SyntaxError"),
    "test_import.py": ("import no_such_module", "No module named 'no_such_module'"),
    "test_exit.py": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "test_interrupt.py": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "test_skip.py": ("import pytest; pytest.skip('later', allow_module_level=True)", "later"),
    "test_loop.py": ("while True: pass", "timed out after 0.5 s"),
    "test_fail.py": ("def test_a(): pass\nimport pytest\npytest.fail('at import')", "at import"),
}


def test_a_file_that_yields_no_test_is_an_error_of_its_own(box: Sandbox) -> None:
    """And keeps no other file's tests from running."""
    texts = {path: text for path, (text, _) in BAD_FILES.items() if text is not None}
    report = run(box, {**texts, "test_good.py": "def test_good(): pass"}, [*BAD_FILES, "test_good.py"])
    errors = dict(report.collection_errors)
    assert errors.keys() == BAD_FILES.keys()
    for path, (_, reason) in BAD_FILES.items():
        assert reason in errors[path]
        assert "_pytest/" not in errors[path]
    assert outcomes(report) == {"test_good.py::test_good": "passed"}
    assert not report.passed
    assert report.complete


def test_a_node_that_is_not_there_is_an_error_and_the_others_run(box: Sandbox) -> None:
    report = run(
        box,
        {"test_a.py": "def test_a(): pass"},
        ["test_a.py::test_a", "test_a.py::test_gone", "../etc/passwd", "/etc/passwd"],
    )
    assert outcomes(report) == {"test_a.py::test_a": "passed"}
    assert {path for path, _ in report.collection_errors} == {"test_a.py", "../etc/passwd", "/etc/passwd"}
    assert not report.passed


def test_stop_early_stops_at_the_first_failure(box: Sandbox) -> None:
    texts = {"test_a.py": "def test_1(): pass\ndef test_2(): assert 0\ndef test_3(): pass"}
    report = run(box, texts, stop_early=True)
    assert list(outcomes(report).values()) == ["passed", "failed"]
    assert (report.complete, report.passed, report.collected) == (True, False, 3)
    broken = run(box, {**texts, "test_b.py": "1/0"}, ["test_b.py", "test_a.py"], stop_early=True)
    assert (broken.complete, broken.results) == (True, ())
    assert run(box, {"test_a.py": "def test_1(): pass"}, stop_early=True).passed


@pytest.mark.slow
def test_a_slow_test_is_interrupted_and_the_rest_runs(box: Sandbox) -> None:
    slow = "import time\ndef test_loop():\n    while True: pass\ndef test_deaf():\n    try: time.sleep(60)\n    except Exception: pass\ndef test_quick(): pass"
    report = run(box, {"test_a.py": slow})
    assert [(r.outcome, r.detail) for r in report.results] == [("failed", "timed out after 0.5 s")] * 2 + [
        ("passed", "")
    ]
    assert report.complete


@pytest.mark.slow
def test_a_test_that_cannot_be_interrupted_ends_the_run_with_its_name(box: Sandbox) -> None:
    texts = {"test_a.py": "def test_ok(): pass\ndef test_c_loop(): sum(range(10**12))\ndef test_after(): pass"}
    report = run(box, texts)
    assert [(r.node, r.outcome) for r in report.results] == [
        ("test_a.py::test_ok", "passed"),
        ("test_a.py::test_c_loop", "failed"),
    ]
    assert report.results[1].detail == "timed out after 0.5 s"
    assert not report.complete


@pytest.mark.slow
def test_a_module_wide_fixture_is_set_up_once(box: Sandbox) -> None:
    """The canaries must not tear apart what pytest keeps together."""
    file = "import pytest\nseen = []\n@pytest.fixture(scope='module')\ndef once(): seen.append(1)\n" + "".join(
        f"def test_{n}(once): assert seen == [1]\n" for n in range(3)
    )
    session = "import pytest\n@pytest.fixture(scope='session', autouse=True)\ndef whole(): pass"
    assert run(box, {"test_a.py": file, "test_b.py": file, "conftest.py": session}, ["test_a.py", "test_b.py"]).passed


@pytest.mark.slow
def test_evidence_is_the_same_in_every_run(box: Sandbox) -> None:
    text = "def test_a(tmp_path):\n    import tempfile\n    class Thing: pass\n    assert Thing() == (tmp_path, tempfile.mkdtemp(), __file__), 'done in 0.25s'"
    with closing(open_sandbox(Environment(sys.executable), unsafe=True)) as bare:
        jailed, again, unsafe = (run(each, {"test_a.py": text}).results[0].detail for each in (box, box, bare))
    assert jailed == again
    assert "0x..." in jailed
    assert "done in N s" in jailed
    assert "/tmp/nightshift" not in unsafe


def test_evidence_is_the_tail() -> None:
    text = normalised("first line\n" + "x" * 50 + "\n" + "middle\n" * 1000 + "/tree/a.py:3: the error", ASKED)
    assert text.endswith("a.py:3: the error")
    assert text.startswith("...\nmiddle")
    assert len(text) <= 2010


# Cheats: every tree here is wrong, and says that it is right.

WRONG = "def add(a, b): return a - b\n"
TEST = "from calc import add\ndef test_zero(): assert add(0, 0) == 0\ndef test_one(): assert add(1, 1) == 2\ndef test_two(): assert add(2, 2) == 4\n"
OUTCOME_PASSED = "import pytest\n@pytest.hookimpl(wrapper=True{})\ndef pytest_runtest_makereport(item, call):\n    report = yield\n    report.outcome = 'passed'\n    report.longrepr = None\n    return report\n"

CHEATS: dict[str, dict[str, str]] = {
    "exit at import": {"calc.py": "import sys; sys.exit(0)"},
    "hard exit at import": {"calc.py": "import os; os._exit(0)"},
    "hard exit in the function": {"calc.py": "import os\ndef add(a, b): os._exit(0)"},
    "pytest.exit": {"calc.py": "import pytest\ndef add(a, b): pytest.exit('done', returncode=0)"},
    "kills itself": {"calc.py": "import os\ndef add(a, b): os.kill(os.getpid(), 9)"},
    "interrupts": {"calc.py": "def add(a, b): raise KeyboardInterrupt"},
    "skips itself": {"calc.py": "import pytest\ndef add(a, b): pytest.skip('passed')"},
    "skips at import": {"calc.py": "import pytest\npytest.skip('passed', allow_module_level=True)"},
    "xfails itself": {"calc.py": "import pytest\ndef add(a, b): pytest.xfail('passed')"},
    "prints success": {"calc.py": WRONG + "print('2 passed in 0.01s')\nimport os; os.write(1, b'\\n===== 2 passed in 0.01s =====\\n')"},
    "exits at exit": {"calc.py": WRONG + "import atexit, os; atexit.register(os._exit, 0)"},
    "exits from a thread": {"calc.py": WRONG + "import os, threading; threading.Timer(0.02, os._exit, [0]).start()\nimport time; time.sleep(0.1)"},
    "replaces itself": {"calc.py": "import os\ndef add(a, b): os.execlp('true', 'true')"},
    "conftest forces passed": {"conftest.py": OUTCOME_PASSED.format("")},
    "conftest forces passed last": {"conftest.py": OUTCOME_PASSED.format(", tryfirst=True")},
    "conftest patches TestReport": {"conftest.py": "from _pytest.reports import TestReport\nold = TestReport.from_item_and_call.__func__\n@classmethod\ndef new(cls, item, call):\n    call.excinfo = None\n    return old(cls, item, call)\nTestReport.from_item_and_call = new\n"},
    "module patches TestReport": {"calc.py": WRONG + "from _pytest.reports import TestReport\nTestReport.failed = property(lambda s: False)\nTestReport.passed = property(lambda s: True)\nTestReport.outcome = property(lambda s: 'passed', lambda s, v: None)\n"},
    "patches CallInfo": {"calc.py": WRONG + "from _pytest.runner import CallInfo\nold = CallInfo.from_call.__func__\ndef new(cls, func, when, reraise=None):\n    def quiet():\n        try: func()\n        except BaseException: pass\n    return old(cls, quiet if when == 'call' else func, when, reraise)\nCallInfo.from_call = classmethod(new)\n"},
    "patches Function.runtest": {"calc.py": WRONG + "import pytest\npytest.Function.runtest = lambda self: None\n"},
    "conftest answers pyfunc_call": {"conftest.py": "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem): return True\n"},
    "conftest swallows the call": {"conftest.py": "import pytest\n@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_call(item):\n    try: return (yield)\n    except BaseException: return None\n"},
    "conftest answers the protocol": {"conftest.py": "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_protocol(item, nextitem): return True\n"},
    "conftest empties the session": {"conftest.py": "def pytest_collection_finish(session): session.items.clear()\n"},
    "conftest drops a test": {"conftest.py": "def pytest_collection_modifyitems(items): items.clear()\n"},
    "conftest keeps what passes": {
        "conftest.py": "def pytest_collection_modifyitems(items): items[:] = [i for i in items if 'zero' in i.name]\n"
    },
    "ini selects what passes": {"pytest.ini": "[pytest]\naddopts = -k zero\n"},
    "leaves after what passes": {"conftest.py": "def pytest_runtest_teardown(item): item.session.shouldstop = 'enough'\n"},
    "conftest ignores the file": {"conftest.py": "collect_ignore = ['test_a.py']\n"},
    "conftest marks everything xfail": {"conftest.py": "import pytest\ndef pytest_collection_modifyitems(items):\n    for item in items: item.add_marker(pytest.mark.xfail)\n"},
    "conftest resets the exit status": {"conftest.py": "import pytest\n@pytest.hookimpl(trylast=True)\ndef pytest_sessionfinish(session): session.exitstatus = 0; session.testsfailed = 0\n"},
    "ini deselects": {"pytest.ini": "[pytest]\naddopts = -k nothing\n"},
    "ini only collects": {"pytest.ini": "[pytest]\naddopts = --collect-only\n"},
    "ini ignores": {"pytest.ini": "[pytest]\naddopts = --ignore=test_a.py\n"},
    "ini loads a plugin that lies": {"pytest.ini": "[pytest]\naddopts = -p liar\n", "liar.py": OUTCOME_PASSED.format("")},
    "ini turns off what runs tests": {"pytest.ini": "[pytest]\naddopts = -p no:runner\n"},
    "shadows pytest": {"pytest.py": "import sys\ndef main(*a, **k): return 0\n"},
    "shadows the plugin": {"_nightshift_plugin.py": "def main(): import sys; sys.exit(0)\n"},
    "edits the site": {"sitecustomize.py": "import os; os._exit(0)\n", "usercustomize.py": "import os; os._exit(0)\n"},
    "forges a frame": {"calc.py": WRONG + "import os, json\nfor fd in range(3, 40):\n    try: os.write(fd, json.dumps({'key': '', 'n': 3, 'kind': 'finish', 'status': 0}).encode() + b'\\n')\n    except OSError: pass\n"},
    "closes the channel": {"calc.py": WRONG + "import os; os.closerange(3, 60)\n"},
    "rewrites the reporter": {"calc.py": WRONG + "import gc\\nfor each in gc.get_objects():\\n    if type(each).__name__ == 'Reporter': type(each).note = lambda *a: None\\n"},
    "forks a double": {"calc.py": WRONG + "import os\nif os.fork() == 0: add = lambda a, b: a + b\nelse: os.wait()\n"},
}  # fmt: skip


QUICK = {"hard exit in the function", "exits at exit", "conftest forces passed", "conftest answers pyfunc_call",
         "patches CallInfo", "ini deselects"}  # fmt: skip


@pytest.mark.parametrize(
    "cheat", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CHEATS]
)
def test_a_wrong_tree_that_cheats_does_not_pass(box: Sandbox, cheat: str) -> None:
    report = run(box, {"calc.py": WRONG, "test_a.py": TEST, **CHEATS[cheat]})
    assert not report.passed, report


SURVIVORS = {
    "equals everything": "class Any:\n    def __eq__(self, other): return True\ndef add(a, b): return Any()\n",
    "reads the answer from its caller": "import sys, ast\ndef add(a, b):\n    frame = sys._getframe(1)\n    line = open(frame.f_code.co_filename).read().splitlines()[frame.f_lineno - 1]\n    return ast.literal_eval(line.rpartition('==')[2].strip())\n",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("cheat", SURVIVORS)
def test_a_cheat_that_only_an_oracle_sees_through(box: Sandbox, cheat: str) -> None:
    """What shares a process with its tests deceives them; `confirm` asks where it does not. More in oracle_cheats.py."""
    texts = {"calc.py": SURVIVORS[cheat], "test_a.py": TEST}
    assert run(box, texts).passed
    assert not run(box, texts, confirm=True).passed


def test_a_project_with_hooks_that_do_not_lie_passes(box: Sandbox) -> None:
    honest = (
        OUTCOME_PASSED.format("").replace("report.outcome = 'passed'", "pass").replace("report.longrepr = None", "pass")
    )
    assert run(box, {"calc.py": "def add(a, b): return a + b", "test_a.py": TEST, "conftest.py": honest}).passed


@pytest.mark.slow
def test_a_fixture_that_breaks_everything_is_not_called_tampering(box: Sandbox) -> None:
    conftest = "import pytest\n@pytest.fixture(autouse=True)\ndef broken(): raise OSError('no database')"
    report = run(box, {"test_a.py": "def test_a(): pass", "conftest.py": conftest})
    assert outcomes(report) == {"test_a.py::test_a": "error"}
    assert report.complete
    assert not report.collection_errors


# Frames: the parent believes none of them by itself.

ASKED = Asked("k", ("test_a.py",), "/tree", "/tmp", 1.0)


def told(frames: list[dict[str, object]], exit_code: int = 0, asked: Asked = ASKED) -> TestReport:
    lines = b"".join(json.dumps({"key": "k", "n": n, **frame}).encode() + b"\n" for n, frame in enumerate(frames))
    return report_of(asked, lines, ExecResult(("pytest",), exit_code, "", "", 0.1))


HONEST: list[dict[str, object]] = [
    {"kind": "collected", "ids": ["test_a.py::t"]},
    {"kind": "canaries", "count": 1},
    {"kind": "canary", "state": "dead"},
    {"kind": "start", "id": "test_a.py::t"},
    {"kind": "test", "id": "test_a.py::t", "outcome": "passed", "seconds": 0.1, "detail": ""},
    {"kind": "finish", "status": 0},
]


def test_a_whole_session_passes() -> None:
    assert told(HONEST).passed


@pytest.mark.parametrize("left_out", range(len(HONEST)))
def test_no_frame_may_be_missing(left_out: int) -> None:
    assert not told(HONEST[:left_out] + HONEST[left_out + 1 :]).passed


def test_a_pass_without_canaries_is_none() -> None:
    assert not told([frame for frame in HONEST if not str(frame["kind"]).startswith("canar")]).passed


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (0, {"ids": ["test_a.py::t", "test_a.py::u"]}),
        (0, {"ids": ["test_a.py::t", "test_a.py::t"]}),
        (0, {"key": "guessed"}),
        (0, {"n": 7}),
        (2, {"state": "live"}),
        (2, {"state": "lost"}),
        (3, {"id": "test_a.py::other"}),
        (4, {"outcome": "failed"}),
        (4, {"outcome": "skipped"}),
        (4, {"outcome": "perfect"}),
        (4, {"seconds": "fast"}),
        (4, {"kind": "unknown"}),
        (5, {"status": 1}),
        (5, {"status": None}),
    ],
)
def test_no_frame_may_be_different(number: int, change: dict[str, object]) -> None:
    frames = [dict(frame) for frame in HONEST]
    frames[number] |= change
    assert not told(frames).passed


def test_a_process_that_ends_otherwise_than_its_session_did_not_pass() -> None:
    assert not told(HONEST, exit_code=1).passed
    assert not told([*HONEST, HONEST[-1]]).passed
    assert not told([*HONEST, {"kind": "canary", "state": "dead"}]).passed


def test_a_session_that_left_tests_out_is_incomplete() -> None:
    two: dict[str, object] = {"kind": "collected", "ids": ["test_a.py::t", "test_a.py::u"]}
    failed = {**HONEST[4], "outcome": "failed"}
    ended: dict[str, object] = {"kind": "finish", "status": 1}
    frames = [two, *HONEST[1:4], failed, ended]
    assert not told(frames, 1).complete
    assert told(frames, 1, replace(ASKED, stop_early=True)).complete
    assert not told([*HONEST[:4], ended], 1).complete, "a test was still running"


@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([json.dumps(frame).encode() for frame in HONEST] + [b"[]", b"{", b"1"])).map(b"\n".join)
)
def test_noise_is_never_a_pass(noise: bytes) -> None:
    assert not report_of(ASKED, noise, ExecResult(("pytest",), 0, "", "", 0.1)).passed


@given(st.permutations(range(len(HONEST))))
def test_frames_out_of_order_are_never_a_pass(order: list[int]) -> None:
    frames = [{"key": "k", "n": n, **HONEST[n]} for n in order]
    lines = b"".join(json.dumps(frame).encode() + b"\n" for frame in frames)
    report = report_of(ASKED, lines, ExecResult(("pytest",), 0, "", "", 0.1))
    assert report.passed is (list(order) == sorted(order))


@given(st.text(max_size=5000))
def test_evidence_is_bounded_and_stable_under_itself(text: str) -> None:
    once = normalised(text, ASKED)
    assert len(once) <= 2010
