"""A warm cell says what a cold run says, or nothing; candidates share nothing; and nothing outlives its cell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from nightshift.domain import Environment, ExecLimits, TestReport, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.box import Box, open_sandbox
from nightshift.sandbox.cells.warmth import difference
from nightshift.sandbox.files.snapshots import MEMORY, place_for_texts
from nightshift.sandbox.isolation.layout import Place
from nightshift.sandbox.testing.early import unparsable

ROOT = Path(__file__).resolve().parent.parent
AWKWARD = Path(__file__).with_name("awkward")
LIMITS = ExecLimits(seconds=30.0, test_seconds=1.0)
PLAIN = Tree({"test_a.py": "def test_a(): pass"})
COLD = {
    "check_exit.py": "not complete",
    "check_stray.py": "left processes",
    "check_stuck.py": "ended by signal",
}
"""Files that a cell cannot judge, and what it says of them."""


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with closing(open_sandbox(Environment(sys.executable), parallel=2, tier="A")) as sandbox:
        sandbox.test(PLAIN, ["test_a.py"])
        yield sandbox


@pytest.fixture(scope="module")
def cold() -> Iterator[Box]:
    with closing(open_sandbox(Environment(sys.executable), tier="A", warm=False)) as sandbox:
        yield sandbox


def trees() -> dict[str, tuple[Tree, list[str]]]:
    """Each file for itself, and each folder as a project; `check` stands for `test` here, lest pytest collects them."""
    single = {path.name: {named(path.name): path.read_text()} for path in AWKWARD.glob("*.py")}
    folders = {path.name: path for path in AWKWARD.iterdir() if path.is_dir() and path.name != "__pycache__"}
    projects = {name: texts_of(folder, name == "relative") for name, folder in folders.items()}
    found = {name: Tree(texts) for name, texts in sorted({**single, **projects}.items())}
    return {name: (tree, [file for file in tree.texts if "test_" in file]) for name, tree in found.items()}


def texts_of(folder: Path, packaged: bool) -> dict[str, str]:
    files = [path for path in folder.rglob("*.*") if path.is_file() and "__pycache__" not in path.parts]
    start = folder.parent if packaged else folder
    return {named(str(path.relative_to(start))): path.read_text() for path in files}


def named(path: str) -> str:
    return path.replace("check_conftest", "conftest").replace("check_", "test_")


def told(report: TestReport) -> tuple[object, ...]:
    """A report without what differs from one cold run to the next, and what was printed."""
    assert report.exec
    clean = replace(report, results=tuple(replace(result, seconds=0.0) for result in report.results), exec=None)
    printed = (re.sub(r"\bin \d+\.\d+s|0x\w+", "", text) for text in (report.exec.stdout, report.exec.stderr))
    return clean, *printed


def how(report: TestReport) -> str:
    assert report.exec
    return report.exec.isolation.rpartition("seccomp, ")[2]


def test_warm_is_as_cold_and_says_what_it_was(box: Box, cold: Box) -> None:
    tree, files = trees()["check_fixtures.py"]
    warm = box.test(tree, files, limits=LIMITS)
    assert told(warm) == told(cold.test(tree, files, limits=LIMITS))
    assert how(warm) == "warm"


def test_candidates_share_nothing(box: Box) -> None:
    """Sabotage of everything that can be written to, and then a look at everything that should be fresh."""
    spoiler, spoilers = trees()["check_monkeypatch.py"]
    fresh, looks = trees()["check_first_things.py"]
    for tree, files in ((spoiler, spoilers), (fresh, looks), (fresh, looks)):
        report = box.test(tree, files, limits=LIMITS)
        assert how(report) == "warm"
    shown = {"test_order_of_a_set", "test_descriptors"}
    assert {result.node.partition("::")[2] for result in report.failures} == shown, report.failures


@pytest.mark.parametrize("kind", ["warm", "cold"])
def test_a_known_failure_comes_first_where_the_run_ends_at_it(box: Box, cold: Box, kind: str) -> None:
    sandbox = box if kind == "warm" else cold
    tests = "".join(f"def test_{kind}_{n}(): assert {n} != 3\n" for n in range(5))
    tree = Tree({"test_a.py": "def test_fine(): pass", "test_order.py": tests})
    whole, early, again = (
        sandbox.test(tree, ["test_a.py", "test_order.py"], limits=LIMITS, stop_early=stop)
        for stop in (False, True, True)
    )
    assert [result.node.partition("::")[2] for result in early.results] == [f"test_{kind}_3"]
    assert len(whole.results) == 6
    assert told(early) == told(again)
    assert not early.passed


@pytest.mark.parametrize("early", [True, False])
def test_a_file_that_does_not_parse_costs_no_pytest(box: Box, early: bool) -> None:
    tree = Tree({"test_a.py": "def test_a(:\n", "test_b.py": "def test_b(): pass"})
    alone = box.test(tree, ["test_a.py"], limits=LIMITS, stop_early=early)
    both = box.test(tree, ["test_a.py", "test_b.py"], limits=LIMITS, stop_early=early)
    assert alone.exec is None
    assert 'File "test_a.py", line 1' in dict(alone.collection_errors)["test_a.py"]
    assert not alone.passed
    assert alone.collection_errors == both.collection_errors
    assert len(both.results) == (0 if early else 1)
    assert not both.passed


def test_a_cell_outlives_the_thread_that_needed_it_first(box: Box) -> None:
    notes: list[str] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: notes.append(how(box.test(PLAIN, ["test_a.py"], limits=LIMITS))))
        thread.start()
        thread.join()
    assert notes == ["warm"] * 3


@pytest.mark.parametrize(
    ("cold", "warm", "said"),
    [
        ({"a": [1, 2]}, {"a": [1, 2]}, ""),
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [2, 3]}}, "in b in c: cold has [1], warm has [3]"),
        ({"a": 1}, {"a": 1, "b": 2}, "cold has {'a': 1}"),
        ({"a": [1, 2]}, {"a": [2, 1]}, "in a"),
    ],
)
def test_a_cell_that_differs_from_a_cold_run_is_told_where(cold: object, warm: object, said: str) -> None:
    found = difference(cold, warm)
    assert said in found
    assert bool(found) is bool(said)


def ours() -> set[str]:
    files = [*ROOT.glob("*.py"), *(ROOT / "nightshift").rglob("*.py")]
    return {path.stem for path in files if path.stem.isidentifier() and path.stem not in ("__init__", "__main__")} | {
        "nightshift"
    }


def project_of(names: set[str]) -> Tree:
    texts = {f"{name}.py": f"WHOSE = 'the project of {name}'\n" for name in names}
    test = f"import importlib\nimport pytest\n@pytest.mark.parametrize('name', {sorted(names)})\n"
    test += "def test_own(name): assert importlib.import_module(name).WHOSE == f'the project of {name}'\n"
    return Tree({**texts, "test_names.py": test})


def test_a_project_may_have_modules_named_like_each_of_ours(box: Box) -> None:
    """But for those that hide a module of the library's, where the project has to lose or the run is cold."""
    names = ours() - sys.stdlib_module_names
    assert {"config", "memory", "agents", "options", "session", "benchmark", "orchestrator", "plugin"} <= names
    report = box.test(project_of(names), ["test_names.py"], limits=LIMITS)
    assert report.passed, report.failures
    assert how(report) == "warm"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["pluggy", "iniconfig", "packaging", "pygments", "py", "pytest", "_pytest", "exceptiongroup", "attr", "tomllib",
     "code", "cmd", "pdb", "logging", "random", "unittest", "ctypes", "json", "socket", "struct", "resource", "signal"],
)  # fmt: skip
def test_a_project_may_hide_what_pytest_needs(box: Box, cold: Box, name: str) -> None:
    """Whoever wins, it is the same one."""
    tree = project_of({name})
    warm = box.test(tree, ["test_names.py"], limits=LIMITS)
    assert told(warm) == told(cold.test(tree, ["test_names.py"], limits=LIMITS)), how(warm)


@pytest.mark.slow
def test_our_own_tests_say_the_same_warm_and_cold(box: Box, cold: Box) -> None:
    names = ("source_edits", "source_graph", "source_replies", "limits", "packing", "llm_wire", "policy", "dataset")
    files = [f"tests/test_{name}.py" for name in names]
    tree = Tree({}, ROOT)
    limits = ExecLimits(seconds=240.0, test_seconds=60.0)
    warm = box.test(tree, files, limits=limits)
    assert told(warm)[0] == told(cold.test(tree, files, limits=limits))[0]
    assert warm.exec
    if any("hypothesis" in text for text in (warm.exec.stderr, *dict(warm.collection_errors).values())):
        pytest.skip("the jail's interpreter has no hypothesis: it said the same of what is left")
    assert how(warm) == "warm"
    assert len(warm.results) > 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tree", "files"), [(name, *case) for name, case in trees().items()], ids=list(trees())
)
def test_an_awkward_file_gets_the_same_report_warm_and_cold(
    box: Box, cold: Box, name: str, tree: Tree, files: list[str]
) -> None:
    limits = replace(LIMITS, test_seconds=0.5 if name in ("check_slow.py", "check_stuck.py") else 10.0)
    wanted = told(cold.test(tree, files, limits=limits))
    first, second = (box.test(tree, files, limits=limits) for _ in range(2))
    assert told(first) == wanted
    assert told(second) == wanted
    assert COLD.get(name, "warm") in how(first), how(first)


SERVED = """
import sys
from pathlib import Path
from nightshift.domain import Environment, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.box import open_sandbox
box = open_sandbox(Environment(sys.executable), scratch=Path(sys.argv[1]) if sys.argv[1] else None, tier="A")
print(*box.nests)
quick, endless = (Tree({"test_a.py": f"def test_a():\\n    {body}"}) for body in ("pass", "while True: pass"))
for _ in range(3):
    report = box.test(quick, ["test_a.py"])
print(report.exec.isolation, flush=True)
box.test(endless, ["test_a.py"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("scratch", ["a folder", ""])
def test_killing_nightshift_leaves_no_process_of_a_cell_and_no_file_after_the_next_start(
    tmp_path: Path, scratch: str
) -> None:
    place = str(tmp_path) if scratch else ""
    command = [sys.executable, "-c", SERVED.replace("\\\\n", "\\n"), place]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        nests = [Path(nest) for nest in process.stdout.readline().split()]
        assert process.stdout.readline().endswith("warm\n")
        wait_until(lambda: len(below(process.pid)) >= 4)  # launcher, init, fork server, the endless child
        family = below(process.pid)
        process.kill()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in family))
    assert not scratch or all(nest.exists() for nest in nests)  # others may sweep a shared place before us
    open_sandbox(Environment(sys.executable), scratch=Path(place) if place else None, tier="A").close()
    assert not any(nest.exists() for nest in nests)


def below(root: int) -> list[int]:
    """All descendants; a child is listed with the thread that started it."""
    found, todo = [], [root]
    while todo:
        for task in Path(f"/proc/{todo.pop()}/task").iterdir():
            children = [int(each) for each in (task / "children").read_text().split()]
            found += children
            todo += children
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


@pytest.mark.slow
def test_closing_ends_a_cell_that_is_at_work(tmp_path: Path) -> None:
    others = below(os.getpid())
    sandbox = open_sandbox(Environment(sys.executable), scratch=tmp_path, tier="A")
    for _ in range(2):
        assert sandbox.test(PLAIN, ["test_a.py"]).passed
    ended: list[BaseException] = []

    def work() -> None:
        with pytest.raises(SandboxUnavailable) as caught:
            sandbox.test(Tree({"test_a.py": "def test_a():\n    while True: pass"}), ["test_a.py"])
        ended.append(caught.value)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    sandbox.close()
    thread.join(10)
    assert ended
    assert not list(tmp_path.iterdir())
    assert below(os.getpid()) == others


@pytest.mark.skipif(not place_for_texts(), reason="there is little room in memory here")
def test_texts_lie_in_memory_unless_a_place_is_given(tmp_path: Path) -> None:
    sandboxes = [open_sandbox(Environment(sys.executable), scratch=place, tier="A") for place in (None, tmp_path)]
    parents = [[nest.parent for nest in sandbox.nests] for sandbox in sandboxes]
    for sandbox in sandboxes:
        sandbox.close()
    assert parents[0][-1] == MEMORY
    assert parents[1] == [tmp_path]
    assert not any(nest.exists() for sandbox in sandboxes for nest in sandbox.nests)


def test_the_error_of_a_file_is_that_of_what_it_holds_now(tmp_path: Path) -> None:
    place = Place(tmp_path, own_root=True, host_tools=tmp_path, layers=(tmp_path,))
    found = []
    for text in ("def a(:", "def a(): pass", "def b(:", "def a(:"):
        (tmp_path / "test_a.py").write_text(text)
        found.append(unparsable(place, "test_a.py", sys.executable))
    assert [bool(each) for each in found] == [True, False, True, True]
    assert found[0] == found[3] != found[2]


def test_a_module_is_found_that_a_tree_has_and_the_one_before_had_not(box: Box) -> None:
    """What the cell knows of the empty tree it started with, or of another's, says nothing of this one."""
    for name in ("first", "src/second", "package/third", "first"):
        module = name.removeprefix("src/").replace("/", ".")
        test = f"import importlib\ndef test_a(): assert importlib.import_module({module!r}).HERE\n"
        report = box.test(Tree({f"{name}.py": "HERE = True", "test_a.py": test}), ["test_a.py"], limits=LIMITS)
        assert report.passed, report.failures
        assert how(report) == "warm"
