"""One run in a workspace at a time: who holds it, and when an owner counts as dead."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.errors import WorkspaceLocked
from nightshift.workspace.lock import STALE_SECONDS, Lock, Owner

CHECKOUT = Path(__file__).resolve().parents[1]
BOOT = Path("/proc/sys/kernel/random/boot_id")
HERE = BOOT.read_text().strip() if BOOT.exists() else socket.gethostname()
HOLDER = """
import sys, time
from pathlib import Path
from nightshift.workspace.lock import Lock
lock = Lock(Path(sys.argv[1]), "theirs")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    own = tmp_path / "project" / ".nightshift"
    own.mkdir(parents=True)
    return own


@pytest.fixture
def holder(own: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(own)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def says(own: Path, **changed: object) -> None:
    known = {"pid": 1, "run": "theirs", "host": socket.gethostname(), "boot": HERE, "beat": time.time(), **changed}
    (own / "lock").write_text(json.dumps(known))


def test_a_held_lock_names_process_host_and_run(own: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(WorkspaceLocked) as refusal:
        Lock(own)
    for word in (f"process {holder.pid}", socket.gethostname(), "run theirs", str(own.parent)):
        assert word in str(refusal.value)


def test_an_owner_that_was_killed_holds_nothing_and_is_told(own: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock = Lock(own, "mine")
    assert lock.replaced is not None
    assert (lock.replaced.pid, lock.replaced.run) == (holder.pid, "theirs")
    lock.release()


def test_an_owner_that_stopped_keeps_the_lock_and_its_silence_is_told(own: Path, holder: subprocess.Popen[str]) -> None:
    """A process that was stopped may go on at any time: only its end frees the folder."""
    holder.send_signal(signal.SIGSTOP)
    told = json.loads((own / "lock").read_text())
    says(own, **{**told, "beat": time.time() - 2 * STALE_SECONDS})
    with pytest.raises(WorkspaceLocked, match="no sign of life for 20 min"):
        Lock(own)


@pytest.mark.parametrize(
    "owner",
    [
        {"pid": 2**22 + 1},
        {"pid": os.getpid()},
        {"pid": 1},
        {"host": "elsewhere"},
        {"boot": "an earlier start"},
        {"host": "elsewhere", "boot": "another", "beat": time.time() - STALE_SECONDS - 5},
    ],
    ids=[
        "no such process",
        "our own number",
        "a number used again",
        "a container here",
        "rebooted",
        "elsewhere, silent",
    ],
)
def test_a_lock_that_nobody_holds_is_taken_over(own: Path, owner: dict[str, object]) -> None:
    says(own, **owner)
    lock = Lock(own, "mine")
    assert json.loads((own / "lock").read_text())["run"] == "mine"
    lock.release()


def test_a_live_owner_on_another_machine_is_believed_by_its_heartbeat(own: Path) -> None:
    """Its kernel's lock may not be seen here."""
    says(own, host="elsewhere", boot="another")
    with pytest.raises(WorkspaceLocked, match=r"on elsewhere.*is free in 10 min; at once without"):
        Lock(own)
    with pytest.raises(WorkspaceLocked):
        Lock(own)
    assert json.loads((own / "lock").read_text())["run"] == "theirs", "a refused lock is left as it was"


@pytest.mark.parametrize("text", ["", "1234\n", "not json", "[1]", '{"pid": 1}', "\0" * 900])
def test_what_is_no_owner_stops_nobody(own: Path, text: str) -> None:
    (own / "lock").write_text(text)
    lock = Lock(own)
    assert lock.replaced is None
    lock.release()


def test_a_released_lock_names_nobody_and_can_be_released_twice(own: Path) -> None:
    lock = Lock(own)
    with pytest.raises(WorkspaceLocked):
        Lock(own)
    lock.release()
    lock.release()
    assert (own / "lock").read_bytes() == b""
    Lock(own).release()


def test_the_heart_beats(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightshift.workspace.lock.BEAT_SECONDS", 0.01)
    lock = Lock(own)
    says(own, run="a longer name than the owner itself has", beat=0.0)
    give_up = time.monotonic() + 10
    while json.loads((own / "lock").read_text())["beat"] == 0.0:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert Owner(**json.loads((own / "lock").read_text())).silent_seconds < STALE_SECONDS
    lock.release()
