"""The tier of macOS, on macOS: the authors have no Mac, so this is what CI can say about it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nightshift.domain import Environment, Sandbox, Tree
from nightshift.sandbox.box import open_sandbox

pytestmark = pytest.mark.skipif(sys.platform != "darwin", reason="the profile is for macOS only")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with closing(open_sandbox(Environment(sys.executable))) as sandbox:
        yield sandbox


def test_ordinary_programs_run(box: Sandbox) -> None:
    code = "import pathlib, subprocess; pathlib.Path('a').write_text('x'); print(subprocess.check_output(['cat', 'a']))"
    result = box.run(Tree({}), ["python3", "-c", code])
    assert result.stdout == "b'x'\n", result
    assert result.isolation == "weaker isolation: sandbox-exec"
    assert box.test(Tree({"test_a.py": "def test_a(tmp_path): pass"}), ["test_a.py"]).passed
    assert box.run(Tree({}), ["no-such-program"]).exit_code == 127


@pytest.mark.parametrize(
    "code",
    [
        "print(open({key!r}).read())",
        "import os; print(os.listdir(os.path.dirname({key!r})))",
        "open({key!r} + '-new', 'w')",
        "import os; os.unlink({key!r})",
        "import os; os.chmod({key!r}, 0o777)",
        "import os; os.symlink({key!r}, 'a'); open('a', 'w')",
        "import socket; socket.create_connection(('127.0.0.1', {port}))",
        "import os; os.kill({pid}, 0)",
    ],
)
def test_a_hostile_program_is_refused(code: str, box: Sandbox, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        facts = {"key": str(key), "port": server.getsockname()[1], "pid": os.getpid()}
        result = box.run(Tree({}), ["python3", "-c", code.format(**facts)])
    assert not result.ok
    assert "not permitted" in result.stderr
    assert key.read_text() == "secret"
    assert os.listdir(tmp_path) == ["key"]
