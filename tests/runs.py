"""Runs the real program in a process of its own, in a home of its own, against a server that speaks a scenario."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenario import TASK, Scenario
from servers import Asked, Kind, ScriptedServer

ROOT = Path(__file__).resolve().parent.parent
SHARED_STATE = "NIGHTSHIFT_TEST_STATE"


@dataclass(frozen=True)
class Done:
    """One finished program."""

    code: int
    stdout: str
    stderr: str
    workspace: Path

    @property
    def run_dir(self) -> Path:
        return max((self.workspace / ".nightshift" / "runs").iterdir())

    @property
    def result(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((self.run_dir / "result.json").read_text())
        return data

    @property
    def trace(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run_dir / "trace.jsonl").read_text().splitlines()]

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        """Those of races aside, which only name who came first."""
        return [record for record in self.trace if record["kind"] == kind and record.get("key") != "race"]


def environment(home: Path, extra: Mapping[str, str] = {}) -> dict[str, str]:
    """A fresh home; the package environments are shared by all runs of a test session, since they never differ."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {
        **kept,
        **pip,
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_DATA_HOME": str(home / "data"),
        **extra,
    }


def start(
    *args: str, cwd: Path, home: Path, extra: Mapping[str, str] = {}, program: str = "orchestrator.py"
) -> subprocess.Popen[str]:
    home.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, str(ROOT / program), *args],
        cwd=cwd, env=environment(home, extra), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip


def run(
    *args: str,
    workspace: Path,
    home: Path,
    extra: Mapping[str, str] = {},
    timeout: float = 120,
    cwd: Path | None = None,
) -> Done:
    process = start("--workspace", str(workspace), *args, cwd=cwd or workspace.parent, home=home, extra=extra)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"still running after {timeout} s:\n{err}") from None
    return Done(process.returncode, out, err, workspace)


@contextmanager
def serving(scenario: Scenario, protocol: Kind = "ollama", **options: Any) -> Iterator[ScriptedServer]:
    def reply(asked: Asked) -> str:
        return scenario.reply(asked.system, asked.prompt)

    with ScriptedServer(protocol, reply, **options) as server:
        yield server


def build(
    scenario: Scenario,
    tmp_path: Path,
    *args: str,
    protocol: Kind = "ollama",
    task: str = TASK,
    **options: Any,
) -> Done:
    """The scenario's task in an empty workspace."""
    with serving(scenario, protocol, **options) as server:
        return run("--endpoint", server.url, *args, task, workspace=tmp_path / "work", home=tmp_path / "home")
