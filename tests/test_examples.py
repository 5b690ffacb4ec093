"""The examples for cron and systemd are what the programs themselves would write, and name options that exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from runs import ROOT, environment

EXAMPLES = ROOT / "examples"
HOME = "/home/me"
UNITS = sorted(path.name for path in EXAMPLES.glob("nightshift*"))


def command_in(text: str) -> list[str]:
    """What a unit starts, in a home folder."""
    found = re.search(r"^ExecStart=(.+)$", text, re.M)
    assert found
    return shlex.split(found[1].replace("%h", HOME))


def cron_line() -> str:
    (line,) = [line for line in (EXAMPLES / "crontab").read_text().splitlines() if not line.startswith("#")]
    return line


def printed(tmp_path: Path) -> str:
    """By `nightly.py --install-cron`, for the same queue and end of the night, in our home."""
    (tmp_path / "queue").mkdir()
    command = [
        sys.executable,
        str(ROOT / "nightly.py"),
        str(tmp_path / "queue"),
        "--until",
        "07:00",
        "--install-cron",
        "--at",
        "22:00",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(tmp_path), timeout=30, check=True)
    told = done.stdout.replace(str(ROOT / "nightly.py"), f"{HOME}/nightshift/nightly.py").replace(str(tmp_path), HOME)
    return told.replace(sys.executable, f"{HOME}/nightshift/.venv/bin/python")


def test_the_crontab_line_is_the_one_that_install_cron_prints(tmp_path: Path) -> None:
    line = next(line for line in printed(tmp_path).splitlines() if line.startswith("0 22 "))
    told = shlex.split(line.partition(" # nightshift queue")[0])
    assert shlex.split(cron_line().replace('"$HOME"', HOME)) == told


def test_the_units_do_what_install_cron_would_install(tmp_path: Path) -> None:
    told = printed(tmp_path)
    service, timer = ((EXAMPLES / f"nightshift.{kind}").read_text() for kind in ("service", "timer"))
    assert command_in(told) == command_in(service)
    for line in ("Type=oneshot", "KillMode=mixed", "TimeoutStopSec=120"):
        assert line in told
        assert line in service
    for line in ("OnCalendar=*-*-* 22:00:00", "Persistent=true", "WantedBy=timers.target"):
        assert line in told
        assert line in timer


@pytest.mark.parametrize("unit", [name for name in UNITS if name.endswith(".service")])
def test_every_option_of_a_unit_exists(unit: str) -> None:
    """The program itself reads them: with --help at the end it does nothing else."""
    _, *words = command_in((EXAMPLES / unit).read_text())
    asked = [word.replace(f"{HOME}/nightshift", str(ROOT)) for word in words]
    done = subprocess.run(
        [sys.executable, *asked, "--help"], capture_output=True, text=True, cwd=ROOT, timeout=30, check=True
    )
    assert not [word for word in asked if word.startswith("--") and word not in done.stdout]


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_accepts_the_unit(unit: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for name in UNITS:
        text = (EXAMPLES / name).read_text().replace("%h/nightshift/.venv/bin/python", sys.executable)
        (tmp_path / name).write_text(text.replace("%h/nightshift", str(ROOT)))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)]
    env = {**environment(tmp_path), "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    own = [line for line in done.stderr.splitlines() if "nightshift" in line]
    assert (done.returncode, own) == (0, []), done.stderr
