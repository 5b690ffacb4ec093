"""The sandbox as the rest of Nightshift sees it: `open_sandbox` gives one that was just seen to hold.

Every call gets a fresh copy of its tree and a fresh jail; nothing of one call reaches the next. Kernel bugs
are out of scope, and so is the truthfulness of code that shares a process with its tests (see `frames.py`).
"""

from __future__ import annotations

import json
import os
import py_compile
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from nightshift.domain import Environment, ExecLimits, ExecResult, TestReport, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.frames import Asked, report_of
from nightshift.sandbox.layout import HOME, TMP, TOOLS, TREE, entries, judge_packages, judge_site, readable
from nightshift.sandbox.probe import weakness
from nightshift.sandbox.seccomp import seccomp_filter
from nightshift.sandbox.supervise import ORDERS, REPORT, Ended, Job, Supervisor
from nightshift.sandbox.trees import Nest, write_tree

SPARE_ID = 65534
"""Whom root becomes in a jail: root is above process limits and file permissions."""
TEST_LIMITS = ExecLimits(seconds=120.0)
PLUGIN = Path(__file__).with_name("plugin.py")
START = "import sys; sys.path.append(sys.argv.pop(1)); import _nightshift_plugin as p; sys.path.pop(); p.main()"


@dataclass(frozen=True, slots=True)
class Walls:
    """What stands around a process. `none` is the user's own choice only."""

    none: bool = False
    overlay: bool = True
    """Writes to the tree go to memory, bounded; else to the copy on disk."""

    @property
    def drop(self) -> bool:
        """Root must not stay root in there."""
        return not self.none and os.geteuid() == 0

    @property
    def ids(self) -> tuple[int, int]:
        return (SPARE_ID, SPARE_ID) if self.drop else (os.geteuid(), os.getegid())

    @property
    def isolation(self) -> str:
        if self.none:
            return "none (unsafe)"
        return "namespaces + seccomp" if seccomp_filter() else "namespaces"


def open_sandbox(
    environment: Environment,
    *,
    unsafe: bool = False,
    scratch: Path | None = None,
    parallel: int = os.cpu_count() or 1,
) -> Box:
    """Tries the walls this machine may have, strongest first. Raises SandboxUnavailable when none holds."""
    if unsafe:
        return make_box(environment, Walls(none=True), scratch, parallel)
    reasons = []
    for walls in (Walls(), Walls(overlay=False)):
        box = make_box(environment, walls, scratch, parallel)
        reason = box.weakness()
        if not reason:
            return box
        box.close()
        reasons.append(reason)
    raise SandboxUnavailable(
        f"No sandbox can be had on this machine ({reasons[0]}), so nothing is run. Allow unprivileged user "
        "namespaces, or accept that generated code runs with all your rights: --unsafe-no-sandbox."
    )


def make_box(environment: Environment, walls: Walls, scratch: Path | None, parallel: int) -> Box:
    place = scratch or Path(tempfile.gettempdir())
    try:
        return Box(environment, walls, place, parallel)
    except OSError as error:
        raise SandboxUnavailable(cannot_work(place, error)) from error


def cannot_work(place: Path, error: OSError) -> str:
    return f"The sandbox cannot work in {place}: {error}. Make room there or set TMPDIR."


class Box:
    """Implements `domain.Sandbox`; safe to use from several threads at once."""

    def __init__(self, environment: Environment, walls: Walls, scratch: Path, parallel: int) -> None:
        self.isolation = walls.isolation
        self._environment, self._walls = environment, walls
        self._nest = Nest(scratch)
        self._supervisor = Supervisor(parallel, self._nest.path)
        self._tools = self._nest.path / "tools"
        copy_plugin(self._tools)
        self._readable = readable(environment, self._tools)

    def run(
        self, tree: Tree, argv: Sequence[str], *, limits: ExecLimits | None = None, network: bool = False
    ) -> ExecResult:
        if not argv:
            raise ValueError("argv is empty: name the program to run")
        with self._place(tree) as place:
            job = self._job(place, self._command(argv), limits or ExecLimits(), network=network)
            return self._result(argv, self._supervisor.run(job), place)

    def test(
        self, tree: Tree, nodes: Sequence[str], *, limits: ExecLimits | None = None, stop_early: bool = False
    ) -> TestReport:
        limits = limits or TEST_LIMITS
        nodes = [tidy(node) for node in nodes]
        with self._place(tree) as place:
            problems = [(path, not_there(place.tree, path)) for path in files_of(nodes)]
            missing = tuple((path, problem) for path, problem in problems if problem)
            there = [node for node in nodes if file_of(node) not in dict(missing)]
            if not there:
                return TestReport((), 0, missing)
            asked = Asked(secrets.token_hex(16), there, place.inside, place.tmp, limits.test_seconds, stop_early)
            command = [self._environment.python, "-P", "-s", "-c", START, place.tools, ORDERS, REPORT]
            job = self._job(place, command, limits)
            job = replace(job, orders=self._orders(asked), env={**job.env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
            ended = self._supervisor.run(job)
            result = self._result(["pytest", *there], ended, place)
            report = report_of(asked, ended.report, result, ended.silent_seconds)
            return replace(report, collection_errors=missing + report.collection_errors)

    def close(self) -> None:
        self._supervisor.close()
        self._nest.close()

    def weakness(self) -> str:
        """Why these walls cannot be used here; empty when they hold."""
        try:
            return weakness(lambda tree, argv, limits: self.run(tree, argv, limits=limits), self._nest.path)
        except SandboxUnavailable as error:
            return str(error)

    @contextmanager
    def _place(self, tree: Tree) -> Iterator[Place]:
        self._supervisor.raise_if_closed()
        try:
            with self._nest.directory() as root:
                place = Place(root, self._walls.none, self._tools)
                owner = SPARE_ID if self._walls.drop else None
                write_tree(tree, place.tree, owner=owner)
                if self._walls.none:
                    for path in (place.home, place.tmp):
                        os.makedirs(path, exist_ok=True)
                yield place
        except OSError as error:
            self._supervisor.raise_if_closed()
            raise SandboxUnavailable(cannot_work(self._nest.path.parent, error)) from error

    def _job(self, place: Place, argv: list[str], limits: ExecLimits, *, network: bool = False) -> Job:
        jail: dict[str, Any] | None = None
        if not self._walls.none:
            uid, gid = self._walls.ids
            overlay = self._walls.overlay
            seen = entries(self._readable, place.tree, limits, uid=uid, overlay=overlay, network=network)
            jail = {"uid": uid, "gid": gid, "drop": self._walls.drop, "network": network, "entries": seen}
        env = surroundings(self._environment.python, place)
        return Job(argv, env, place.inside, limits, jail, seccomp_filter() if jail else b"")

    def _command(self, argv: Sequence[str]) -> list[str]:
        python = self._environment.python
        names = {"python": [python], "python3": [python], "pytest": [python, "-m", "pytest"]}
        return [*names.get(argv[0], argv[:1]), *argv[1:]]

    def _orders(self, asked: Asked) -> bytes:
        orders = {
            "key": asked.key,
            "root": asked.tree,
            "files": list(dict.fromkeys(os.path.join(asked.tree, file_of(node)) for node in asked.nodes)),
            "nodes": list(asked.nodes),
            "test_seconds": asked.test_seconds,
            "stop_early": asked.stop_early,
            "packages": [judge_site()] if judge_packages(self._environment) else [],
            "plugins": [name for name in self._environment.packages if "pytest-" in name],
        }
        return json.dumps(orders).encode()

    def _result(self, argv: Sequence[str], ended: Ended, place: Place) -> ExecResult:
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where one call happens: its directory on the host, and how the process in it names things."""

    root: Path
    bare: bool
    """No jail: the host's names are the process's names."""
    host_tools: Path

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def inside(self) -> str:
        return str(self.tree) if self.bare else TREE

    @property
    def home(self) -> str:
        return str(self.root / "tmp" / "home") if self.bare else HOME

    @property
    def tmp(self) -> str:
        return str(self.root / "tmp") if self.bare else TMP

    @property
    def tools(self) -> str:
        return str(self.host_tools) if self.bare else TOOLS

    def as_inside(self, text: str) -> str:
        """The same names whether there is a jail or not."""
        return text.replace(str(self.tree), TREE).replace(str(self.root / "tmp"), TMP) if self.bare else text


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


def copy_plugin(tools: Path) -> None:
    """Compiled as well: an interpreter of our version then starts faster, another one takes no notice."""
    tools.mkdir()
    copy = tools / "_nightshift_plugin.py"
    shutil.copyfile(PLUGIN, copy)
    py_compile.compile(str(copy), doraise=True)
    for path in (tools, *tools.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def tidy(node: str) -> str:
    path, mark, rest = node.partition("::")
    return str(PurePosixPath(path)) + mark + rest


def file_of(node: str) -> str:
    return node.partition("::")[0]


def files_of(nodes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(file_of(node) for node in nodes))


def not_there(tree: Path, path: str) -> str:
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        return f"{path} does not name a file of the tree"
    return "" if (tree / path).exists() else f"there is no file {path}"
