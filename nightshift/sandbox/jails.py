"""A fresh jail for each call: the tree it is given, the job that runs in it, and its result.

Nothing of one call reaches the next. Which walls stand around it is the tier's; whether they hold is not known here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nightshift.domain import Environment, ExecLimits, ExecResult, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.files.nests import Nest
from nightshift.sandbox.files.snapshots import Snapshots
from nightshift.sandbox.files.trees import give, write_tree
from nightshift.sandbox.isolation.layout import NAMES, Place, readable, room_for
from nightshift.sandbox.isolation.tiers import SPARE_ID, Tier
from nightshift.sandbox.processes.job import Ended, Job
from nightshift.sandbox.processes.programs import copy_inside
from nightshift.sandbox.processes.supervisor import Supervisor
from nightshift.sandbox.processes.usage import Room


class Jails:
    """Those of one box; safe to use from several threads at once."""

    def __init__(self, environment: Environment, tier: Tier, scratch: Path, texts: Path | None, parallel: int) -> None:
        self.python, self.isolation = environment.python, tier.isolation
        self.owner = SPARE_ID if tier.drop else None
        """Whom the files of a jail belong to."""
        self.nest = Nest(scratch)
        self._calls = Nest(texts) if texts else self.nest
        """Holds a directory for each call, the texts of its tree in it."""
        self.nests = tuple({nest.path: nest for nest in (self.nest, self._calls)})
        """The directories that hold all files."""
        self.tools = self.nest.path / "tools"
        copy_inside(self.tools)
        self.supervisor = Supervisor(parallel, self.tools)
        self._tier = tier
        self._snapshots = Snapshots(self.nest.path, self.owner)
        self._readable = readable(environment, self.tools)

    def run(self, tree: Tree, argv: Sequence[str], limits: ExecLimits, *, network: bool = False) -> ExecResult:
        with self.place(tree) as place:
            job = self.job(place, self._command(argv), limits, network=network)
            return self.result(argv, self.supervisor.run(job), place)

    def close(self) -> None:
        self.supervisor.close()
        for nest in {self._calls, self.nest}:
            nest.close()

    @contextmanager
    def place(self, tree: Tree) -> Iterator[Place]:
        self.supervisor.raise_if_closed()
        try:
            with self._calls.directory() as root, self._laid(tree, root) as place:
                yield place
        except OSError as error:
            self.supervisor.raise_if_closed()
            raise SandboxUnavailable(cannot_work(self._calls.path.parent, error)) from error

    def job(self, place: Place, argv: list[str], limits: ExecLimits, *, network: bool = False) -> Job:
        fence = self._tier.fence(place, self._readable, limits, network=network)
        return Job(
            argv=[*fence.before, *argv],
            env=surroundings(self.python, place),
            cwd=fence.cwd or place.inside,
            limits=limits,
            walls=fence.walls,
            jail=fence.jail,
            landlock=fence.landlock,
            filter=fence.filter,
            room=None if self._tier.layered else Room(place.root, room_for(limits), NAMES),
        )

    def result(self, argv: Sequence[str], ended: Ended, place: Place) -> ExecResult:
        return ExecResult(
            argv=tuple(argv),
            exit_code=ended.exit_code,
            stdout=place.as_inside(ended.stdout.decode("utf-8", "backslashreplace")),
            stderr=place.as_inside(ended.stderr.decode("utf-8", "backslashreplace")),
            seconds=ended.seconds,
            timed_out=ended.timed_out,
            truncated=ended.truncated,
            isolation=self.isolation,
        )

    @contextmanager
    def _laid(self, tree: Tree, root: Path) -> Iterator[Place]:
        place = Place(root, self._tier.own_root, self.tools)
        if not self._tier.layered:
            write_tree(tree, place.tree, owner=self.owner)
            self._furnish(place)
            yield place
            return
        with self._snapshots.layers(tree, root / "texts") as layers:
            yield replace(place, layers=layers)

    def _furnish(self, place: Place) -> None:
        """A temporary directory, and a way to it for the one whom root becomes."""
        os.makedirs(place.host_tmp / "home")
        if self.owner is not None:
            give(place.host_tmp, self.owner)
            for directory in (place.root, self.nest.path):
                directory.chmod(0o711)

    def _command(self, argv: Sequence[str]) -> list[str]:
        names = {"python": [self.python], "python3": [self.python], "pytest": [self.python, "-m", "pytest"]}
        return [*names.get(argv[0], argv[:1]), *argv[1:]]


def surroundings(python: str, place: Place) -> dict[str, str]:
    return {
        "PATH": f"{os.path.dirname(os.path.abspath(python))}:/usr/local/bin:/usr/bin:/bin",
        "HOME": place.home,
        "TMPDIR": place.tmp,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def cannot_work(place: Path, error: OSError) -> str:
    return f"The sandbox cannot work in {place}: {error}. Make room there or set TMPDIR."
