"""Every program's first and last lines, run as the separate processes they are."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
BOOTSTRAP = CHECKOUT / "nightshift" / "bootstrap.py"


def run(code: str, *, cwd: Path = CHECKOUT, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_module_parses_on_python_3_8() -> None:
    ast.parse(BOOTSTRAP.read_text(), feature_version=(3, 8))


def test_with_all_it_needs_the_program_just_goes_on() -> None:
    result = run("from nightshift.bootstrap import ensure_venv; ensure_venv(); print('on')")
    assert (result.returncode, result.stdout, result.stderr) == (0, "on\n", "")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose program runs on an interpreter without httpx."""
    (tmp_path / "nightshift").mkdir()
    (tmp_path / "nightshift" / "__init__.py").touch()
    shutil.copy(BOOTSTRAP, tmp_path / "nightshift")
    start = "import sys\nfrom nightshift.bootstrap import ensure_venv\nensure_venv()\nprint('on', sys.argv[1:])\n"
    (tmp_path / "program.py").write_text(start)
    return tmp_path


def bare(checkout: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`-S` leaves site-packages out, as a bare python3 has none of ours."""
    command = [sys.executable, "-S", str(checkout / "program.py"), *args]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)


def test_without_httpx_and_without_a_venv_it_says_make_setup(checkout: Path) -> None:
    result = bare(checkout)
    assert result.returncode == 2
    assert "make setup" in result.stderr
    assert result.stderr.count("\n") == 1


def venv_python(checkout: Path, script: str) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)


def test_without_httpx_it_becomes_the_venv_beside_it_with_the_same_arguments(checkout: Path) -> None:
    venv_python(checkout, f'exec {sys.executable} "$@"')
    result = bare(checkout, "a task", "--flag")
    assert (result.returncode, result.stdout, result.stderr) == (0, "on ['a task', '--flag']\n", "")


def test_a_venv_that_lacks_httpx_too_does_not_loop(checkout: Path) -> None:
    venv_python(checkout, f'exec {sys.executable} -S "$@"')
    result = bare(checkout)
    assert result.returncode == 2
    assert "make setup" in result.stderr


def test_an_old_python_is_told_so() -> None:
    old = "import sys; sys.version_info = (3, 8, 1)\n"
    code = f"{old}from nightshift.bootstrap import _problem; print(_problem())"
    assert "Python >= 3.11, this is 3.8.1" in run(code).stdout


@pytest.mark.parametrize(
    "body, code, said",
    [
        ("return 0", 0, ""),
        ("return 4", 4, ""),
        ("raise ConfigError('limits.calls is wrong')", 2, "limits.calls is wrong\n"),
        ("raise TaskError('no task')", 2, "no task\n"),
        ("raise Unreachable('nobody answers')", 3, "nobody answers\n"),
        ("raise BudgetExceeded('used up', 'budget_calls')", 4, "used up\n"),
        ("raise WorkspaceLocked('in use')", 5, "in use\n"),
        ("raise ExceptionGroup('', [DiskFull('full')])", 5, "full\n"),
        ("raise KeyboardInterrupt", 130, "Interrupted.\n"),
        ("raise SystemExit(2)", 2, ""),
    ],
)
def test_each_ending_has_its_exit_code_and_one_plain_sentence(body: str, code: int, said: str) -> None:
    result = run(
        f"from nightshift.bootstrap import run_program\nfrom nightshift.errors import *\ndef main(argv):\n    {body}\nrun_program(main, [])"
    )
    assert (result.returncode, result.stderr) == (code, said)


@pytest.mark.parametrize(
    "body", ["raise ValueError('x')", "raise ExceptionGroup('', [ConfigError('c'), ValueError('x')])"]
)
def test_any_other_exception_is_a_defect_with_its_traceback(body: str) -> None:
    result = run(
        f"from nightshift.bootstrap import run_program\nfrom nightshift.errors import *\ndef main(argv):\n    {body}\nrun_program(main, [])"
    )
    assert result.returncode == 70
    assert "Traceback" in result.stderr
    assert "ValueError: x" in result.stderr
    assert result.stderr.endswith("This is a defect in Nightshift itself.\n")


def test_a_reader_that_leaves_is_no_noise() -> None:
    program = "from nightshift.bootstrap import run_program\ndef main(argv):\n    print('x' * 1_000_000)\n    return 0\nrun_program(main, [])"
    command = f'{sys.executable} -c "{program}" | head -c 1'
    result = subprocess.run(["bash", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("x", "")


def test_the_arguments_are_those_of_the_process_unless_given() -> None:
    code = "import sys; sys.argv[1:] = ['a']\nfrom nightshift.bootstrap import run_program\nrun_program(lambda argv: print(argv) or 0)"
    assert run(code).stdout == "['a']\n"
