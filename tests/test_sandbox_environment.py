"""The task's environment: names checked before anything happens, built once, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from nightshift.domain import Environment, Tree
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.environment import EnvironmentUnavailable, importable, prepare
from nightshift.sandbox.interpreter.installed import site_packages
from nightshift.sandbox.interpreter.requirements import DEFAULT_ALLOWED, RequirementRefused, checked, normal


def refuse_to_install(python: str, requirements: Sequence[str]) -> None:
    raise EnvironmentUnavailable("no network")


def write_module(python: str, requirements: Sequence[str]) -> None:
    for name in requirements:
        (site_packages(python)[0] / f"{name.split('>')[0]}.py").write_text("VALUE = 42")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="module")
def plain(cache: Path) -> Environment:
    return prepare((), cache=cache, installer=refuse_to_install)


@pytest.mark.parametrize(
    "good",
    [
        "flask",
        "Flask",
        "flask>=3",
        "flask == 3.0.*",
        "flask>=2,<4",
        "uvicorn[standard]>=0.2",
        "python_dateutil",
        "PyYAML~=6.0",
    ],
)
def test_allowed_names_with_versions_are_taken(good: str) -> None:
    assert checked(good, DEFAULT_ALLOWED) == good.replace(" ", "")


@pytest.mark.parametrize(
    "bad",
    [
        "", " ", "flaskk", "evil", "--index-url=http://evil", "-r requirements.txt", "-e .", "./flask", "/tmp/flask", "flask @ http://evil/x.whl",
        "git+https://evil/flask", "http://evil/flask.whl", "flask; python_version > '3'", "flask\nevil", "flask evil", "flask,evil",
        "flask --pre", "flask>=3 --index-url x", "../flask", "flask==", "flask>=1,", "flask#egg=x", "flask.whl", "fla sk", "flask[../x]",
    ],
)  # fmt: skip
def test_everything_else_is_refused_before_anything_happens(bad: str, tmp_path: Path) -> None:
    with pytest.raises(RequirementRefused):
        prepare(["flask", bad], cache=tmp_path / "cache", installer=write_module)
    assert not (tmp_path / "cache").exists()


def test_the_list_can_be_widened_and_names_are_compared_as_pypi_does(tmp_path: Path) -> None:
    with pytest.raises(RequirementRefused, match="not on the list of allowed packages"):
        prepare(["My_Package"], cache=tmp_path, installer=refuse_to_install)
    assert checked("My_Package", {normal("my.package")}) == "My_Package"
    assert all(normal(name) == name for name in DEFAULT_ALLOWED)


@pytest.mark.slow
def test_without_requirements_it_holds_pytest_alone_and_needs_no_index(plain: Environment) -> None:
    assert {"pytest", "pluggy", "packaging", "iniconfig", "pygments"} == set(importable(plain))
    with closing(open_sandbox(plain)) as box:
        found = box.run(Tree({}), ["python3", "-c", "import httpx"])
        assert "No module named 'httpx'" in found.stderr
        tree = Tree({"test_a.py": "def test_a(): pass"})
        assert box.test(tree, ["test_a.py"]).passed
        assert box.run(tree, ["sh", "-c", "pytest -q test_a.py -p no:cacheprovider && python -m pytest --version"]).ok


def test_an_environment_is_built_once(cache: Path, plain: Environment) -> None:
    assert prepare((), cache=cache, installer=refuse_to_install) == plain
    ran: list[str] = []

    def installer(python: str, requirements: Sequence[str]) -> None:
        ran.append(python)
        write_module(python, requirements)

    first = prepare(["rich", "click"], cache=cache, installer=installer)
    assert prepare(["click", "rich", "click"], cache=cache, installer=refuse_to_install) == first
    assert len(ran) == 1
    assert first != plain
    with closing(open_sandbox(first)) as box:
        assert box.run(Tree({}), ["python3", "-c", "import rich, click; print(rich.VALUE)"]).stdout == "42\n"


@pytest.mark.slow
def test_half_an_environment_is_built_anew(cache: Path) -> None:
    def fail_halfway(python: str, requirements: Sequence[str]) -> None:
        write_module(python, ["half"])
        raise EnvironmentUnavailable("the connection broke")

    with pytest.raises(EnvironmentUnavailable, match=r"tqdm.*the connection broke.*network"):
        prepare(["tqdm"], cache=cache, installer=fail_halfway)
    environment = prepare(["tqdm"], cache=cache, installer=write_module)
    site = site_packages(environment.python)[0]
    assert (site / "tqdm.py").exists()
    assert not (site / "half.py").exists()


@pytest.mark.slow
def test_two_runs_do_not_build_the_same_twice(cache: Path) -> None:
    ran: list[str] = []

    def installer(python: str, requirements: Sequence[str]) -> None:
        ran.append(python)
        write_module(python, requirements)

    threads = [
        threading.Thread(target=prepare, args=(["arrow"],), kwargs={"cache": cache, "installer": installer})
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ran) == 1


def test_a_cache_that_cannot_be_written_leaves_the_present_interpreter(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert prepare((), cache=tmp_path / "file") == Environment(sys.executable)
    with pytest.raises(EnvironmentUnavailable, match="click"):
        prepare(["click"], cache=tmp_path / "file")


@pytest.mark.slow
def test_an_interpreter_without_pytest_borrows_ours_and_nothing_else() -> None:
    """Only pytest's own packages are seen, and after everything the interpreter has itself."""
    bare = [
        python
        for python in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/bin/python3.11")
        if lacks_pytest(python)
    ]
    if not bare:
        pytest.skip("every interpreter here has a pytest of its own")
    with closing(open_sandbox(Environment(bare[0]))) as box:
        texts = {
            "test_a.py": "import pytest, importlib.util\ndef test_a(): assert importlib.util.find_spec('httpx') is None"
        }
        assert box.test(Tree(texts), ["test_a.py"]).passed
        assert box.run(Tree({}), ["sh", "-c", "exit 5"]).exit_code == 5, "the launcher's own library is not in there"


def lacks_pytest(python: str) -> bool:
    """A modern interpreter that runs, but not this."""
    code = "import sys, importlib.util as u; sys.exit(u.find_spec('pytest') is not None or sys.version_info < (3, 11))"
    return os.path.exists(python) and subprocess.run([python, "-I", "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.pypi
def test_a_package_from_the_users_own_index_can_be_imported(tmp_path: Path) -> None:
    try:
        environment = prepare(["click>=8"], cache=tmp_path)
    except EnvironmentUnavailable as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no package index: {error}")
    assert {"click", "pytest"} <= set(importable(environment))
    with closing(open_sandbox(environment)) as box:
        assert box.run(Tree({}), ["python3", "-c", "import click"]).ok
