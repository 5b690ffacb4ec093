"""The jail holds for an ordinary user as well as for root; in CI everything else runs as root."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
SOMEBODY = 54321
SANDBOX = ("attacks", "leaves_nothing", "lines", "run", "tiers", "verdict")
FILES = [*(f"test_sandbox_{name}.py" for name in SANDBOX), "test_cells.py"]


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="this run is an ordinary user's already")
@pytest.mark.parametrize("file", FILES)
def test_an_ordinary_user_is_as_safe_as_root(file: str) -> None:
    home = Path(tempfile.mkdtemp(dir="/tmp"))  # short: the path of a unix socket holds 108 bytes
    os.chown(home, SOMEBODY, SOMEBODY)
    env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": os.path.dirname(os.path.dirname(pytest.__file__)),
           "PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(home / "hypothesis")}  # fmt: skip

    def somebody(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, user=SOMEBODY, group=SOMEBODY, extra_groups=[], env=env, cwd=CHECKOUT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip

    try:
        python = next(
            p
            for p in sorted(glob.glob("/usr/bin/python3.1[1-9]"))
            if somebody(p, "-c", "import pytest, hypothesis").returncode == 0
        )
    except (StopIteration, PermissionError):
        pytest.skip("an ordinary user can reach neither an interpreter in /usr/bin nor this checkout")
    done = somebody(
        python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={home / 'base'}", f"tests/{file}"
    )
    shutil.rmtree(home, ignore_errors=True)
    assert done.returncode == 0, done.stdout[-4000:]
