"""A queue of tasks for cron: every *.md file of a folder is one task, done one after the other.

    python3 nightly.py ~/nightshift-queue --workspace ~/code

The first line of a file may be `workspace: DIR`; else each task works in a folder of its own under --workspace.
A file that is done moves to done/, one that is not stays; each is told with its exit code and where it worked.
Does not order tasks or share a budget between them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nightshift.bootstrap import ensure_venv, run_program

ensure_venv()

from nightshift.errors import ConfigError
from nightshift.workspace import slug

ORCHESTRATOR = Path(__file__).resolve().parent / "orchestrator.py"
WORST_FIRST = (143, 130, 70, 5, 3, 2, 4, 1, 0)
"""RULES of the contract: a queue ends with its worst code."""


@dataclass(frozen=True, slots=True)
class Job:
    file: Path
    workspace: Path
    task: str


def jobs_in(queue: Path, workspace: Path) -> list[Job]:
    """The waiting tasks in the order of their names."""
    if not queue.is_dir():
        raise ConfigError(f"{queue} is not a folder: make it and put one task into each *.md file")
    return [_job(file, workspace) for file in sorted(queue.glob("*.md"))]


def _job(file: Path, workspace: Path) -> Job:
    text = file.read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    if first.startswith("workspace:"):
        return Job(file, Path(first.removeprefix("workspace:").strip()).expanduser(), rest.strip())
    return Job(file, workspace / slug(file.stem), text.strip())


def do(job: Job, flags: Sequence[str]) -> int:
    job.workspace.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        str(ORCHESTRATOR),
        "--workspace",
        str(job.workspace),
        "--task-file",
        "-",
        *flags,
    ]
    return subprocess.run(command, input=job.task, text=True, check=False).returncode


def main(argv: Sequence[str]) -> int:
    options, flags = _parser().parse_known_args(argv)
    codes = [0]
    for job in jobs_in(options.queue, options.workspace):
        code = do(job, flags)
        codes.append(code)
        print(f"{job.file.name}: exit {code}, in {job.workspace}")
        if code == 0:
            done = job.file.parent / "done"
            done.mkdir(exist_ok=True)
            job.file.rename(done / job.file.name)
        if code in (130, 143):
            break
    return min(codes, key=lambda code: WORST_FIRST.index(code) if code in WORST_FIRST else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nightly.py",
        description="Does a queue of tasks, one *.md file each. Other options are passed on to orchestrator.py.",
        epilog="example:\n  0 22 * * *  python3 nightly.py ~/queue --workspace ~/code --max-minutes 90 --quiet",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("queue", nargs="?", type=Path, default=Path("queue"), help="folder of tasks (default: ./queue)")
    parser.add_argument("--workspace", type=Path, default=Path.cwd(), help="where tasks without a folder get theirs")
    return parser


if __name__ == "__main__":
    run_program(main)
