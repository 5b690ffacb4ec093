"""A queue on disk, and nightly.py as a process with a program that only pretends to work."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runs import ROOT, environment

HERE = Path(__file__).resolve().parent
FAKE = HERE / "fake_orchestrator.py"


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not so within {seconds:g} s"
        time.sleep(0.01)


@dataclass(frozen=True)
class Told:
    code: int
    stdout: str
    stderr: str

    @property
    def night(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.stdout)
        return data

    @property
    def by_name(self) -> dict[str, dict[str, Any]]:
        return {task["name"]: task for task in self.night["tasks"]}


@dataclass(frozen=True)
class Queue:
    base: Path
    pretend: bool = True
    """False: the real orchestrator."""

    @property
    def folder(self) -> Path:
        return self.base / "queue"

    @property
    def work(self) -> Path:
        return self.base / "work"

    def add(self, name: str, text: str, front: str = "") -> Path:
        self.folder.mkdir(exist_ok=True)
        self.work.mkdir(exist_ok=True)
        file = self.folder / f"{name}.md"
        file.write_text(f"+++\n{front}\n+++\n{text}\n" if front else text)
        return file

    def command(self, *args: str, program: Path = ROOT / "nightly.py", before: tuple[str, ...] = ()) -> list[str]:
        usual = (str(self.folder), "--workspace", str(self.work), "--retry-seconds", "0.05")
        fake = ("--program", str(FAKE)) if self.pretend else ()
        return [sys.executable, str(program), *before, *usual, *fake, *args]

    def start(self, *args: str, extra: Mapping[str, str] = {}, **how: Any) -> subprocess.Popen[str]:
        (self.base / "home").mkdir(exist_ok=True)
        return subprocess.Popen(
            self.command(*args, **how), env=environment(self.base / "home", extra), cwd=self.base, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *args: str, extra: Mapping[str, str] = {}, **how: Any) -> Told:
        process = self.start(*args, extra=extra, **how)
        out, err = process.communicate(timeout=120)
        return Told(process.returncode, out, err)

    def files(self) -> dict[str, list[str]]:
        """Where the task files are."""
        places = {"": self.folder, "done": self.folder / "done", "failed": self.folder / "failed"}
        return {place: sorted(file.stem for file in path.glob("*.md")) for place, path in places.items()}

    def lines(self, name: str) -> list[str]:
        """What the pretending program noted: started.txt, delivered.txt."""
        file = self.work / name
        return file.read_text().splitlines() if file.exists() else []

    def started(self) -> list[str]:
        return [line.split()[0] for line in self.lines("started.txt")]

    def pid_of(self, name: str) -> int:
        """The process of its run, once there is one."""
        lock = self.folder / ".nightly" / "locks" / f"{name}.lock"
        wait_until(lambda: lock.exists() and len(lock.read_text().split()) == 2)
        return int(lock.read_text().split()[1])

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / ".nightly" / "journal.jsonl").read_text().splitlines()]

    def runs_of(self, name: str) -> list[Path]:
        return sorted((self.work / name / ".nightshift" / "runs").iterdir())
