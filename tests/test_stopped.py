"""A signal at any instant: the run ends soon, leaves no process behind and can be resumed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import eventful_run as eventful
import pytest
from runs import ROOT, Done, run, start
from servers import Reply, ScriptedServer

from nightshift.records import read_trace
from nightshift.report.reading import problems_of

pytestmark = pytest.mark.slow
SUBREAPER = 36
"""prctl: whoever is orphaned below this process becomes its child, and so cannot get away."""


@pytest.fixture
def orphans() -> Iterator[Callable[[], list[str]]]:
    """The command lines of living processes that the run left."""
    prctl = ctypes.CDLL(None).prctl
    if prctl(SUBREAPER, 1, 0, 0, 0):
        pytest.skip("needs Linux")
    yield _children
    prctl(SUBREAPER, 0, 0, 0, 0)


def _children() -> list[str]:
    deadline = time.monotonic() + 10
    while (left := _living()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _living() -> list[str]:
    found = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        for pid in (task / "children").read_text().split():
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if line:  # a zombie has none
                found.append(f"{pid}: {line[:200]}")
            else:
                os.waitpid(int(pid), os.WNOHANG)
    return found


INSTANTS = {
    "planning": "explored",
    "tests being written": "planned",
    "tests on stubs": "call:tests/",
    "a race": "effort:attempt-1",
    "test trials": "effort:attempt-1/build/shapes.py/fresh",
    "the diagnosis": "verdict",
    "another plan": "guard:replan",
    "the last verdict": "trust:attempt-3",
    "delivery": "verdict:attempt-3",
}
"""Where the run is once its trace holds a record like this: its kind and how its span begins."""

SIGNALS = {signal.SIGTERM: (143, "terminated"), signal.SIGINT: (130, "interrupted")}


@pytest.mark.parametrize(
    "instant, number", [(instant, list(SIGNALS)[turn % 2]) for turn, instant in enumerate(INSTANTS)]
)
def test_a_signal_at_any_instant_leaves_no_process_and_a_valid_trace(
    tmp_path: Path, orphans: Callable[[], list[str]], instant: str, number: signal.Signals
) -> None:
    with serving() as server:
        stopped = Stopped(tmp_path, server)
        done = stopped.at(INSTANTS[instant], number)
        assert orphans() == []
        if done.code:
            as_stopped(done, number)
        else:
            assert instant in ("delivery", "the last verdict"), "only what is already done cannot be stopped"
            assert done.result["status"] == "passed"


def test_a_run_stopped_again_and_again_also_while_it_replays_goes_on_to_its_end(
    tmp_path: Path, orphans: Callable[[], list[str]]
) -> None:
    with serving() as server:
        stopped = Stopped(tmp_path, server)
        as_stopped(stopped.at("call:attempt-1", signal.SIGTERM), signal.SIGTERM)
        as_stopped(stopped.at("resumed", signal.SIGINT), signal.SIGINT)
        as_stopped(stopped.at("diagnosis", signal.SIGTERM), signal.SIGTERM)
        assert orphans() == []
        done = run(*stopped.flags, "--resume", workspace=stopped.workspace, home=tmp_path / "home")
        assert done.code == 0, done.stderr
        assert len(server.requests) <= len(done.kinds("asked")) == done.result["usage"]["calls"]
        assert set(Counter((call["span"], call["key"]) for call in done.kinds("call")).values()) == {1}


def test_a_program_that_is_ended_before_its_work_began_closes_what_it_opened() -> None:
    code = """
import time
from nightshift.bootstrap import run_program
def main(argv):
    try:
        print("up", flush=True)
        time.sleep(60)
    finally:
        print("closed", flush=True)
run_program(main)
"""
    program = [sys.executable, "-c", code]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.communicate(timeout=20)[0] == "closed\n"
    assert process.returncode == 143


def as_stopped(done: Done, number: signal.Signals) -> None:
    code, reason = SIGNALS[number]
    assert done.code == code, done.stderr
    assert done.result["exit_reason"] == reason
    records = read_trace(done.run_dir / "trace.jsonl")
    assert problems_of(records) == []
    assert records[-1].kind == "run_finished"


def serving() -> ScriptedServer:
    told = eventful.scenario()
    return ScriptedServer(
        "ollama", lambda asked: Reply(told.reply(asked.system, asked.prompt), delay=0.1), models=eventful.MODELS
    )


class Stopped:
    """A run that is sent a signal once its trace tells where it is."""

    def __init__(self, base: Path, server: ScriptedServer) -> None:
        self.workspace, self._base = base / "w", base
        self.flags = ("--endpoint", server.url, *eventful.settings(base))

    def at(self, place: str, number: signal.Signals) -> Done:
        task = "--resume" if self.workspace.exists() else eventful.TASK
        process = start(
            "--workspace", str(self.workspace), *self.flags, task, cwd=self._base, home=self._base / "home"
        )  # fmt: skip
        while process.poll() is None and not self._reached(place):
            time.sleep(0.01)
        began = time.monotonic()
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
        print(f"{place}: exit {process.returncode} {time.monotonic() - began:.2f} s after {number.name}")
        return Done(process.returncode, out, err, self.workspace)

    def _reached(self, place: str) -> bool:
        kind, _, span = place.partition(":")
        traces = (self.workspace / ".nightshift" / "runs").glob("*/trace.jsonl")
        return any(r.kind == kind and r.span.startswith(span) for trace in traces for r in read_trace(trace))
