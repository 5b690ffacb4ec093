"""What `run` promises: a fresh tree, a fixed environment, bounded output, values for failures, and an end to everything."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hostile.arena import python_for_anybody, short_folder, skip_where_impossible

from nightshift.domain import Environment, ExecLimits, ExecResult, Sandbox, Tree
from nightshift.errors import Refused, SandboxUnavailable
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.environment import prepare

CHECKOUT = Path(__file__).resolve().parents[1]
OURS = Environment(sys.executable)


@pytest.fixture(
    scope="module", params=["A", *(pytest.param(t, marks=pytest.mark.slow) for t in ("A-copied", "B", "none"))]
)
def either(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Each tier that this machine can have."""
    skip_where_impossible(request.param)
    environment = Environment(python_for_anybody()) if request.param == "B" else OURS
    with (
        short_folder() as scratch,
        closing(open_sandbox(environment, scratch=scratch, parallel=4, tier=request.param)) as sandbox,
    ):
        yield sandbox


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with closing(open_sandbox(OURS, parallel=4)) as sandbox:
        yield sandbox


def python(sandbox: Sandbox, code: str, limits: ExecLimits | None = None) -> ExecResult:
    return sandbox.run(Tree({}), ["python3", "-c", code], limits=limits)


def test_a_sandbox_opens_quickly_and_says_what_it_is() -> None:
    started = time.monotonic()
    with closing(open_sandbox(OURS)) as sandbox:
        assert time.monotonic() - started < 1.0, "about 50 ms on an idle machine"
        assert sandbox.isolation.startswith("namespaces")
    with closing(open_sandbox(OURS, unsafe=True)) as sandbox:
        assert sandbox.isolation == "none (unsafe)"
        assert python(sandbox, "pass").isolation == "none (unsafe)"


@pytest.mark.parametrize(
    ("argv", "exit_code"),
    [
        (["python3", "-c", "raise SystemExit(7)"], 7),
        (["python", "-c", "pass"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill -15 $$"], 143),
        (["sh", "-c", "kill -13 $$"], 141),
        (["no-such-program"], 127),
        (["./folder/no-such-program"], 127),
        (["./data.txt"], 126),
        (["./folder"], 126),
        (["a\0b"], 126),
        (["sh", "run.sh"], 5),
    ],
)
def test_every_end_is_an_exit_code_as_a_shell_gives_it(either: Sandbox, argv: list[str], exit_code: int) -> None:
    tree = Tree({"data.txt": "no program", "folder/x": "", "run.sh": "exit 5"})
    result = either.run(tree, argv)
    assert (result.exit_code, result.argv, result.timed_out) == (exit_code, tuple(argv), False)


@pytest.mark.slow
@pytest.mark.parametrize("unsafe", [False, True])
def test_pytest_as_a_command_is_the_interpreters_own(unsafe: bool, tmp_path: Path) -> None:
    with closing(open_sandbox(prepare((), cache=tmp_path), unsafe=unsafe)) as sandbox:
        tree = Tree({"test_a.py": "def test_a(): pass"})
        result = sandbox.run(tree, ["pytest", "-q", "-p", "no:cacheprovider"])
    assert result.exit_code == 0
    assert "1 passed" in result.stdout


def test_the_environment_is_built_from_nothing(either: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    lines = either.run(Tree({}), ["env"]).stdout.splitlines()
    found = dict(line.split("=", 1) for line in lines)
    path = found.pop("PATH").split(":")
    assert path[0] in (os.path.realpath(Path(sys.executable).parent), "/usr/bin")
    assert found == {
        "HOME": "/tmp/home", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    } | {name: found[name] for name in ("PWD", "SHLVL", "_") if name in found}  # fmt: skip


def test_home_and_the_temporary_directory_can_be_written(either: Sandbox) -> None:
    code = "import tempfile, pathlib; pathlib.Path.home().joinpath('x').write_text('x'); tempfile.NamedTemporaryFile('w').write('x')"
    assert python(either, code).ok


def test_each_call_gets_a_fresh_tree(either: Sandbox) -> None:
    tree = Tree({"a.txt": "first"})
    changed = either.run(tree, ["sh", "-c", "echo changed > a.txt; echo x > new; rm -f b; cat a.txt"])
    again = either.run(tree, ["sh", "-c", "cat a.txt; ls"])
    assert (changed.stdout, again.stdout) == ("changed\n", "firsta.txt\n")


def test_the_tree_is_the_base_with_the_texts_in_place(either: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_text("old")
    (tmp_path / "pkg" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "pkg" / "run.sh").chmod(0o755)
    result = either.run(
        Tree({"pkg/a.py": "new", "deep/er/b.py": "b"}, tmp_path),
        ["sh", "-c", "cat pkg/a.py deep/er/b.py; ./pkg/run.sh"],
    )
    assert result.stdout == "newbran\n"
    assert (tmp_path / "pkg" / "a.py").read_text() == "old"


def test_nothing_of_ours_can_be_imported(box: Sandbox) -> None:
    names = [path.stem for path in CHECKOUT.glob("*.py")] + ["nightshift"]
    code = f"import importlib.util as u, os; print([n for n in {names} if u.find_spec(n)], os.path.exists({str(CHECKOUT / 'nightshift')!r}))"
    assert python(box, code).stdout == "[] False\n"


def test_a_project_may_name_its_modules_like_ours(box: Sandbox) -> None:
    names = [path.stem for path in CHECKOUT.glob("*.py")] + ["domain", "errors", "nightshift", "box", "plugin"]
    texts = {f"{name}.py": f"NAME = 'mine {name}'" for name in names}
    code = "\n".join(f"import {name}; assert {name}.NAME == 'mine {name}'" for name in names)
    assert python(box, "pass").ok
    assert box.run(Tree({**texts, "main.py": code}), ["python3", "main.py"]).ok
    assert box.test(
        Tree({**texts, "tests/test_all.py": f"def test_all():\n    {code.replace(chr(10), chr(10) + '    ')}\n"}),
        ["tests/test_all.py"],
    ).passed


def test_output_is_cut_in_the_middle_and_stays_text(either: Sandbox) -> None:
    limits = ExecLimits(output_bytes=1000)
    result = python(either, "print('start'); print('x' * 5000); print('end')", limits)
    assert result.truncated
    assert result.stdout.startswith("start\nxxx")
    assert result.stdout.endswith("xxx\nend\n")
    assert "bytes left out" in result.stdout
    assert len(result.stdout) < 1100
    odd = python(either, r"import sys; sys.stdout.buffer.write(b'caf\xe9 \xf0\x9f\x8c\x99')")
    assert (odd.stdout, odd.truncated) == ("caf\\xe9 \N{CRESCENT MOON}", False)


def test_a_flood_ends_its_process(either: Sandbox) -> None:
    result = python(either, "while True: print('x' * 10_000)", ExecLimits(seconds=20, output_bytes=4096))
    assert result.exit_code == 137
    assert result.truncated
    assert not result.timed_out
    assert result.seconds < 5
    assert "64 times its output limit" in result.stderr


def test_the_memory_of_all_processes_together_is_bounded(box: Sandbox) -> None:
    code = "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        x = b'x' * (60 << 20); time.sleep(9)\ntime.sleep(9)"
    result = python(box, code, ExecLimits(seconds=20, memory_bytes=120 << 20))
    assert result.exit_code == 137
    assert "more than 120 MB together" in result.stderr
    assert result.seconds < 5


def test_stdin_is_empty(either: Sandbox) -> None:
    assert python(either, "import sys; print(repr(sys.stdin.read()))").stdout == "''\n"


def test_an_orphan_that_holds_the_output_is_not_waited_for(either: Sandbox) -> None:
    started = time.monotonic()
    result = either.run(Tree({}), ["sh", "-c", "sleep 3 & echo done"])
    assert (result.stdout, result.exit_code) == ("done\n", 0)
    assert time.monotonic() - started < 1.5


def test_calls_from_several_threads_run_side_by_side(box: Sandbox) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: python(box, f"import time; time.sleep(0.2); print({n})"), range(8)))
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(8)]
    assert 0.4 <= time.monotonic() - started < 1.6, "four at a time"


def test_closing_ends_what_runs_and_refuses_what_comes_after(tmp_path: Path) -> None:
    sandbox = open_sandbox(OURS, scratch=tmp_path, parallel=2)
    failures: list[str] = []

    def work() -> None:
        try:
            python(sandbox, "import time; time.sleep(60)")
        except SandboxUnavailable as error:
            failures.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    sandbox.close()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 1.0
    assert len(failures) == 3
    assert "closed" in failures[0]
    assert not list(tmp_path.iterdir())
    with pytest.raises(SandboxUnavailable, match="closed"):
        python(sandbox, "pass")
    sandbox.close()


@pytest.mark.slow
def test_no_descriptor_or_tree_is_left_behind(tmp_path: Path) -> None:
    with closing(open_sandbox(OURS, scratch=tmp_path)) as sandbox:
        python(sandbox, "pass")
        before = len(os.listdir("/proc/self/fd")), sum(1 for _ in tmp_path.rglob("*"))
        for code in ("pass", "1/0", "import os; os.kill(os.getpid(), 9)", "print('x' * 10**6)"):
            python(sandbox, code)
        python(sandbox, "while True: pass", ExecLimits(seconds=0.2))
        sandbox.test(Tree({"test_a.py": "def test_a(): pass"}), ["test_a.py"])
        assert (len(os.listdir("/proc/self/fd")), sum(1 for _ in tmp_path.rglob("*"))) == before


@pytest.mark.parametrize("path", ["../x.py", "/etc/x", "a/../../x", ".git/config", "a/.git/hooks/x", "", "a\0b"])
def test_a_path_that_leaves_the_tree_is_refused(box: Sandbox, path: str) -> None:
    with pytest.raises(Refused, match="cannot hold"):
        box.run(Tree({path: "x"}), ["true"])


def test_a_scratch_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SandboxUnavailable, match="TMPDIR"):
        open_sandbox(OURS, scratch=tmp_path / "file")


def test_init_and_its_privileges_are_out_of_reach(box: Sandbox) -> None:
    code = (
        "import os\nfor number in (9, 2):\n    try: os.kill(1, number)\n    except PermissionError: pass\n"
        "for name in ('environ', 'mem', 'fd/0', 'maps'):\n    try: open(f'/proc/1/{name}', 'rb').read(); print(name)\n    except OSError: pass\n"
        "caps = [int(line.split()[1], 16) for line in open('/proc/self/status') if line.startswith('Cap')]\n"
        "print(os.getuid() != 0, caps)"
    )
    assert python(box, code).stdout == "True [0, 0, 0, 0, 0]\n"


def test_an_interpreter_that_is_not_there_is_no_sandbox() -> None:
    with pytest.raises(SandboxUnavailable, match=r"no-such-python.*--unsafe-no-sandbox"):
        open_sandbox(Environment("/usr/bin/no-such-python"))


def test_an_environment_behind_a_linked_folder_is_found(tmp_path: Path) -> None:
    real, linked = tmp_path / "environment", tmp_path / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", real], check=True)
    (next(real.glob("lib/python3*/site-packages")) / "only_here.py").write_text("")
    linked.symlink_to(real)
    with closing(open_sandbox(Environment(str(linked / "bin" / "python3")), warm=False)) as box:
        assert box.run(Tree({}), ("python3", "-c", "import only_here")).ok
