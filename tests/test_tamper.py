"""Code that goes at what judges it: nothing it changes lasts, and what it changes while it is judged does not count.

Every check has a fresh copy of the tree, in which the accepted tests are written anew from values that no jail sees.
The tables attack through `judge` and, last, through the workspace, which delivers nothing that somebody else touched.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from nightshift.acceptance import Accepted
from nightshift.domain import (
    CommandCheck,
    Criterion,
    Environment,
    ExecLimits,
    Plan,
    Sandbox,
    ScriptCheck,
    Step,
    TestsCheck,
    Tree,
    Verdict,
)
from nightshift.errors import Refused, Tampered
from nightshift.judge import UserTests, judge
from nightshift.policy.watch import TAMPERED, watched
from nightshift.sandbox.box import open_sandbox
from nightshift.workspace import open_workspace

LIMITS = ExecLimits(seconds=30, test_seconds=5)
A, B = "tests/test_a.py", "tests/test_b.py"
TESTS = {
    A: "from calc import add\n\n\ndef test_c1_a():\n    assert add(2, 2) == 4\n",
    # With a program of its own it does not suit the oracle, so it is judged in one process with the code.
    B: "import subprocess, sys\nfrom calc import add\n\n\ndef test_c1_b():\n"
    "    assert subprocess.run([sys.executable, '-c', 'pass']).returncode == 0\n    assert add(2, 3) == 5\n",
}
ACCEPTED = Accepted(TESTS, frozenset({f"{A}::test_c1_a", f"{B}::test_c1_b"}))
PLAN = Plan(
    "adds",
    (
        Step("calc.py", "source", "adds", "def add(a: int, b: int) -> int: ..."),
        *(Step(path, "test", "tests", "", ("calc.py",)) for path in TESTS),
    ),
    (Criterion("c1", "adds", TestsCheck(A, tuple(sorted(ACCEPTED.nodes)))),),
)
RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return 4\n"
PASSES = (
    "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
    "    outcome = yield\n    outcome.get_result().outcome = 'passed'\n"
)
VACUOUS = {
    A: "def test_c1_a():\n    pass\n",
    B: "def test_c1_b():\n    pass\n",
}
TARGETS: Mapping[str, Mapping[str, str]] = {
    "its tests": VACUOUS,
    "a conftest.py": {"conftest.py": PASSES, "tests/conftest.py": PASSES},
    "a sitecustomize.py": {"sitecustomize.py": "import os\nos._exit(0)\n", "usercustomize.py": "import os\nos._exit(0)\n"},
    "a pytest.ini": {"pytest.ini": "[pytest]\naddopts = --collect-only\n", "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--co'\n"},
    "a .pth": {"x.pth": "import os; os._exit(0)\n"},
    "its own source": {"calc.py": RIGHT},
    "a module of the standard library": {"subprocess.py": "def run(*a, **k):\n    return type('R', (), {'returncode': 0})\n"},
}  # fmt: skip


def writes(files: Mapping[str, str], then: str = WRONG) -> str:
    """A module that writes these files as soon as it is imported, wherever it may, and then goes on."""
    return (
        f"import pathlib\nfor name, text in {dict(files)!r}.items():\n    for root in (pathlib.Path(__file__).parent, pathlib.Path()):\n"
        f"        try:\n            (root / name).parent.mkdir(exist_ok=True)\n            (root / name).write_text(text)\n"
        f"        except OSError:\n            pass\n{then}"
    )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    box = open_sandbox(Environment(sys.executable))
    yield box
    box.close()


def judged(sandbox: Sandbox, code: str, base: Path | None = None, plan: Plan = PLAN) -> Verdict:
    return judge(plan, ACCEPTED, UserTests(), Tree({"calc.py": code}, base), sandbox, LIMITS)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_right_code_passes(sandbox: Sandbox) -> None:
    assert judged(sandbox, RIGHT).passed


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_wrong_code_that_rewrites_what_judges_it_does_not_pass(sandbox: Sandbox, target: str) -> None:
    verdict = judged(sandbox, writes(TARGETS[target]))
    assert not verdict.passed
    assert verdict.score[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_that_judged_code_writes_reaches_the_tree_or_the_next_check(
    sandbox: Sandbox, tmp_path: Path, target: str
) -> None:
    """A criterion that writes is followed by one that would fail for every file that is there and was not."""
    names = [name for name in TARGETS[target] if name != "calc.py"]
    unspoilt = f"import os\nassert not [n for n in {names!r} if n not in {sorted(TESTS)!r} and os.path.exists(n)]\n"
    tests = f"assert 'assert add' in open({A!r}).read() + open({B!r}).read()\n"
    own = "assert 'return 4' in open('calc.py').read()\n"
    criteria = (
        Criterion("c1", "writes", CommandCheck(("python3", "-c", "import calc"))),
        Criterion("c2", "finds nothing", CommandCheck(("python3", "-c", unspoilt + tests + own))),
        Criterion("c3", "finds nothing", ScriptCheck(unspoilt + tests + own)),
    )
    base = tmp_path / "base"
    base.mkdir()
    (base / "kept.txt").write_text("kept")
    before = content(base)
    verdict = judged(sandbox, writes(TARGETS[target]), base, Plan("x", PLAN.steps, criteria))
    assert [result.passed for result in verdict.results] == [True, True, True], verdict.results
    assert content(base) == before


PYTEST = f"{shlex.quote(sys.executable)} -m pytest -q -p no:cacheprovider tests"
TWO_STEPS = f"python3 -c 'import calc' && {PYTEST}"


def exit_code(sandbox: Sandbox, code: str, command: str, tests: Mapping[str, str] = TESTS) -> tuple[int, str]:
    result = sandbox.run(Tree({"calc.py": code, **tests}), watched(command), limits=LIMITS)
    return result.exit_code, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("target", ["its tests", "a conftest.py"])
def test_a_users_command_that_the_code_made_succeed_is_no_success(sandbox: Sandbox, target: str) -> None:
    """Here code and tests share a copy, and one step of the command may write what the next one reads."""
    plain = sandbox.run(Tree({"calc.py": writes(TARGETS[target]), **TESTS}), ("sh", "-c", TWO_STEPS), limits=LIMITS)
    assert plain.exit_code == 0, "the attack works when nobody watches"
    code, said = exit_code(sandbox, writes(TARGETS[target]), TWO_STEPS)
    assert code == TAMPERED
    assert "tampered: while it ran" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "command, status",
    [
        (PYTEST, 0),
        ("echo >> tests/test_a.py", 0),
        ("echo 'x = 1' > fresh.py; mkdir out; touch out/test_new.py", 0),
        ("exit 3", 3),
        ("no-such-program", 127),
        ("kill -9 $$", 137),
        ("rm tests/test_a.py", TAMPERED),
        ("echo 'assert 0' >> tests/test_a.py; exit 4", 4),
        ("cp tests/test_a.py x; echo > tests/test_a.py; cp x tests/test_a.py", TAMPERED),
        ("echo > CONFTEST.py", TAMPERED),
        ("cd tests && echo > conftest.py", TAMPERED),
    ],
)
def test_a_watched_command_ends_as_it_would_unless_it_succeeded_by_tampering(
    sandbox: Sandbox, command: str, status: int
) -> None:
    """A formatter may lay out a test anew, and any program may write files that judge nothing."""
    assert exit_code(sandbox, RIGHT, command)[0] == status


def test_a_skipped_or_expected_failure_is_no_pass(sandbox: Sandbox) -> None:
    for line in ("pytest.skip('later')", "pytest.xfail('known')"):
        text = f"import pytest\nfrom calc import add\n\n\ndef test_c1_a():\n    {line}\n    assert add(2, 2) == 4\n"
        accepted = Accepted({A: text}, frozenset({f"{A}::test_c1_a"}))
        plan = Plan("x", PLAN.steps[:2], (Criterion("c1", "x", TestsCheck(A, (f"{A}::test_c1_a",))),))
        assert not judge(plan, accepted, UserTests(), Tree({"calc.py": RIGHT}), sandbox, LIMITS).passed


# The workspace between the start and the delivery, where anybody may write.


def edit(file: Path) -> None:
    file.write_text("def add(a, b):\n    return 'bent'\n")


def vanish(file: Path) -> None:
    file.unlink()


def become_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/hostname")


def hard_link(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("bent")
    file.unlink()
    os.link(other, file)


def same_size_and_time(file: Path) -> None:
    before = file.stat()
    file.write_text(file.read_text().replace("+", "-"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("repository", [False, True])
@pytest.mark.parametrize("attack", [edit, vanish, become_link, hard_link, same_size_and_time])
def test_a_tree_that_somebody_touched_is_not_delivered(
    tmp_path: Path, attack: Callable[[Path], None], repository: bool
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "calc.py").write_text("old\n")
    if repository:
        for args in (
            ("init", "-q"),
            ("add", "-A"),
            ("-c", "user.name=U", "-c", "user.email=u@e", "commit", "-qm", "x"),
        ):
            subprocess.run(["git", *args], cwd=folder, check=True)
    with open_workspace(folder, run_id="r", trees=tmp_path / "trees") as workspace:
        workspace.write("calc.py", RIGHT)
        attack(workspace.root / "calc.py")
        with pytest.raises(Tampered) as refusal:
            workspace.deliver()
        assert refusal.value.exit_code == 5
        assert refusal.value.exit_reason == "tampered"
        assert workspace.branch is None
    assert (folder / "calc.py").read_text() == "old\n"


@pytest.mark.parametrize("attack", [edit, vanish, become_link, same_size_and_time])
def test_a_target_that_changed_since_the_start_is_not_written_over(
    tmp_path: Path, attack: Callable[[Path], None]
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "calc.py").write_text("a + b\n")
    (folder / "b.py").write_text("b\n")
    with open_workspace(folder, run_id="r", trees=tmp_path / "trees") as workspace:
        workspace.write("b.py", "new\n")
        workspace.write("calc.py", RIGHT)
        attack(folder / "calc.py")
        before = content(folder)
        with pytest.raises(Refused, match="changed while the run was at work; nothing was written"):
            workspace.deliver()
        assert content(folder) == before
