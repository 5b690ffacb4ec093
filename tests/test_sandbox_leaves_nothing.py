"""Whatever happens, nothing is left: no process, no tree, no lock, after an end, a time limit, or a kill of Nightshift."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hostile.arena import CHECKOUT, command_lines, python_for_anybody, short_folder, skip_where_impossible

from nightshift.domain import Environment, ExecLimits, Tree
from nightshift.sandbox.box import Box, open_sandbox
from nightshift.sandbox.files.nests import Nest, orphaned
from nightshift.sandbox.files.trees import PREFIX
from nightshift.sandbox.isolation.tiers import TierName

TIERS = ["A", pytest.param("B", marks=pytest.mark.slow)]
DAEMON = (
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
    "        os.execlp('sh', 'sh', '-c', 'sleep 60; : MARK')\n    os._exit(0)\ntime.sleep(60)"
)


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> TierName:
    skip_where_impossible(request.param)
    return request.param


@pytest.fixture
def scratch() -> Iterator[Path]:
    with short_folder() as folder:
        folder.chmod(0o711)
        yield folder


def opened(tier: TierName, scratch: Path) -> Box:
    python = sys.executable if tier == "A" else python_for_anybody()
    return open_sandbox(Environment(python), scratch=scratch, tier=tier)


def running(word: str) -> list[int]:
    return [pid for pid, line in command_lines().items() if word.encode() in line]


def daemons(mark: str) -> list[int]:
    return [pid for pid, line in command_lines().items() if mark.encode() in line and line.startswith(b"sh")]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with suppress(OSError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("while True: pass", marks=pytest.mark.slow),
        "import signal\nfor n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: signal.pause()",
        pytest.param("import os\nif os.fork() == 0: os.setsid()\nwhile True: pass", marks=pytest.mark.slow),
        pytest.param(
            "import threading\nthreading.Thread(target=lambda: print(sum(range(10**12)))).start()",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_wall_clock_ends_everything(tier: TierName, scratch: Path, code: str) -> None:
    with closing(opened(tier, scratch)) as sandbox:
        started = time.monotonic()
        result = sandbox.run(Tree({"a.py": code}), ["python3", "a.py"], limits=ExecLimits(seconds=0.3))
        assert result.timed_out
        assert not result.ok
        assert result.exit_code == 137
        assert time.monotonic() - started < 1.5


NIGHTSHIFT = """
import sys
from pathlib import Path
from nightshift.domain import Environment, Tree
from nightshift.sandbox.box import open_sandbox
python, tier, scratch, code = sys.argv[1:]
sandbox = open_sandbox(Environment(python), tier=tier, scratch=Path(scratch))
sandbox.run(Tree({"a.py": code}), ["python3", "a.py"])
"""


def start_nightshift(tier: TierName, scratch: Path, code: str) -> subprocess.Popen[bytes]:
    python = sys.executable if tier == "A" else python_for_anybody()
    return subprocess.Popen([sys.executable, "-c", NIGHTSHIFT, python, tier, str(scratch), code], cwd=CHECKOUT)


def test_a_killed_nightshift_leaves_no_process_and_its_trees_are_swept(tier: TierName, scratch: Path) -> None:
    mark = uuid.uuid4().hex
    nightshift = start_nightshift(tier, scratch, DAEMON.replace("MARK", mark))
    wait_until(lambda: bool(daemons(mark)))
    assert list(scratch.iterdir())
    nightshift.kill()
    nightshift.wait()
    wait_until(lambda: not running(mark))
    with closing(opened(tier, scratch)):
        assert len(list(scratch.iterdir())) == 1, "only the new sandbox's own nest is left"
    assert not list(scratch.iterdir())


def test_a_nest_whose_maker_was_killed_before_it_held_the_lock_is_swept(scratch: Path) -> None:
    (scratch / f"{PREFIX}unheld").mkdir()
    held = Nest(scratch)
    assert list(scratch.iterdir()) == [held.path]
    held.close()


def test_makers_and_sweepers_at_once_never_take_each_others_nest(scratch: Path) -> None:
    def make(_: int) -> bool:
        nest = Nest(scratch)
        (nest.path / "work").write_text("kept")
        Nest(scratch).close()
        whole = (nest.path / "work").exists()
        nest.close()
        return whole

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(make, range(100)))
    assert not list(scratch.iterdir())


@pytest.mark.slow
def test_a_nightshift_killed_at_any_moment_leaves_nothing(tier: TierName, scratch: Path) -> None:
    mounts = Path("/proc/self/mounts").read_text()
    for moment in range(24):
        mark = uuid.uuid4().hex
        nightshift = start_nightshift(tier, scratch, DAEMON.replace("MARK", mark))
        time.sleep(0.06 + moment * 0.01)
        nightshift.send_signal(signal.SIGKILL)
        nightshift.wait()
        wait_until(lambda mark=mark: not running(mark))  # type: ignore[misc]
    # A child that was just being started holds the lock for a moment longer than its parent.
    wait_until(lambda: all(orphaned(nest) for nest in scratch.iterdir()))
    with closing(opened(tier, scratch)):
        assert len(list(scratch.iterdir())) == 1
    assert not list(scratch.iterdir())
    assert Path("/proc/self/mounts").read_text() == mounts


def test_a_killed_launcher_takes_its_command_along(tier: TierName, scratch: Path) -> None:
    mark = uuid.uuid4().hex
    with closing(opened(tier, scratch)) as sandbox, ThreadPoolExecutor(1) as pool:
        result = pool.submit(sandbox.run, Tree({}), ["sh", "-c", f"sleep 60; : {mark}"])
        wait_until(lambda: bool(running(mark)))
        os.kill(min(running(str(scratch / "nightshift"))), signal.SIGKILL)
        assert result.result(5).exit_code == 137
        wait_until(lambda: not running(mark))


@pytest.mark.slow
def test_a_daemon_that_outlived_both_nightshift_and_its_launcher_is_ended_by_the_next_start(
    tier: TierName, scratch: Path
) -> None:
    """Only without a pid namespace can there be one at all."""
    mark = uuid.uuid4().hex
    nightshift = start_nightshift(tier, scratch, DAEMON.replace("MARK", mark))
    wait_until(lambda: bool(daemons(mark)))
    launchers = running(str(scratch / "nightshift"))
    for pid in launchers:
        os.kill(pid, signal.SIGSTOP)
    nightshift.kill()
    nightshift.wait()
    for pid in launchers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with closing(opened(tier, scratch)):
        wait_until(lambda: not running(mark))
    assert not list(scratch.iterdir())
