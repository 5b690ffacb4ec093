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
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from nightshift.domain import Environment, ExecLimits, ExecResult, TestReport, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.cell import Odd
from nightshift.sandbox.cell_use import Warmth
from nightshift.sandbox.early import Failing, unparsable
from nightshift.sandbox.frames import Asked, report_of
from nightshift.sandbox.layout import NAMES, Place, judge_packages, judge_site, readable, room_for
from nightshift.sandbox.oracle import confirmed, control
from nightshift.sandbox.oracle_run import Oracle
from nightshift.sandbox.probe import PROBE_LIMITS, weakness
from nightshift.sandbox.snapshots import Snapshots, place_for_texts
from nightshift.sandbox.supervise import ORDERS, REPORT, Ended, Job, Supervisor
from nightshift.sandbox.tiers import SPARE_ID, Tier, TierName, candidates
from nightshift.sandbox.trees import Nest, give, write_tree
from nightshift.sandbox.usage import Room

TEST_LIMITS = ExecLimits(seconds=120.0)
INSIDE = (
    "plugin", "reporters", "oracle_wire", "oracle_twins", "oracle_facts", "oracle_classes", "oracle_guards",
    "oracle_mirrors", "oracle_values", "oracle_peer", "oracle_tests", "oracle_code",
    "cell_server", "cell_walls", "cell_gate", "cell_facts", "cell_rewritten", "kernel", "landlock", "namespaces",
)  # fmt: skip
"""The modules that run in the jail, as a package of their own; they import nothing else of ours."""
START = "import sys; sys.path.append(sys.argv.pop(1)); from _nightshift import plugin as p; sys.path.pop(); p.main()"


def open_sandbox(
    environment: Environment,
    *,
    unsafe: bool = False,
    scratch: Path | None = None,
    parallel: int = os.cpu_count() or 1,
    tier: TierName | None = None,
    warm: bool = True,
) -> Box:
    """Tries the tiers this machine may have, strongest first. Raises SandboxUnavailable when none holds.

    `tier` asks for that one and no other; `unsafe` is the user's own choice of none. Without `warm` every test
    run is a process of its own. A `scratch` holds all files; else texts are written to memory where there is room.
    """
    if unsafe or tier == "none":
        return make_box(environment, Tier("none"), scratch, parallel, warm=warm)
    reasons = []
    for candidate, reason in candidates():
        if tier not in (None, candidate.name):
            continue
        if not reason:
            box = make_box(environment, candidate, scratch, parallel, warm=warm)
            reason = box.weakness()
            if not reason:
                return box
            box.close()
        reasons.append(f"{candidate.name}: {reason}")
    raise SandboxUnavailable(
        f"No sandbox can be had on this machine ({'; '.join(reasons)}), so nothing is run. Allow unprivileged user "
        "namespaces, or accept that generated code runs with all your rights: --unsafe-no-sandbox."
    )


def make_box(environment: Environment, tier: Tier, scratch: Path | None, parallel: int, *, warm: bool = True) -> Box:
    place = scratch or Path(tempfile.gettempdir())
    texts = place_for_texts() if scratch is None and tier.layered else None
    try:
        return Box(environment, tier, place, parallel, warm=warm, texts=texts)
    except OSError as error:
        raise SandboxUnavailable(cannot_work(place, error)) from error


def cannot_work(place: Path, error: OSError) -> str:
    return f"The sandbox cannot work in {place}: {error}. Make room there or set TMPDIR."


class Box:
    """Implements `domain.Sandbox`; safe to use from several threads at once."""

    def __init__(
        self, environment: Environment, tier: Tier, scratch: Path, parallel: int, *, warm: bool = True,
        texts: Path | None = None,
    ) -> None:  # fmt: skip
        self.isolation = tier.isolation
        self._environment, self._tier = environment, tier
        self._owner = SPARE_ID if tier.drop else None
        self._nest = Nest(scratch)
        self._calls = Nest(texts) if texts else self._nest
        """Holds a directory for each call, the texts of its tree in it."""
        self.nests = tuple({nest.path: nest for nest in (self._nest, self._calls)})
        """The directories that hold all its files."""
        self._snapshots = Snapshots(self._nest.path, self._owner)
        self._supervisor = Supervisor(parallel, self._nest.path)
        self._failing = Failing()
        self._tools = self._nest.path / "tools"
        copy_plugin(self._tools)
        self._readable = readable(environment, self._tools)
        place = Place(self._nest.path / "cells", tier.own_root, self._tools)
        fits = warm and tier.name == "A"
        self.oracle = Oracle(
            environment.python, self._supervisor, self._place, self._nest.directory, self._pytest_job,
            self._orders, self._result, self._owner,
        )  # fmt: skip
        self._judge = {
            "packages": [judge_site()] if judge_packages(environment) else [],
            "plugins": [name for name in environment.packages if "pytest-" in name],
        }
        job = self._pytest_job
        cells = (place, self.nests, environment.python, self._supervisor, job, self._judge)
        self.warmth = Warmth(*cells) if fits else None
        """The warm cells, where the walls allow them."""

    def run(
        self, tree: Tree, argv: Sequence[str], *, limits: ExecLimits | None = None, network: bool = False
    ) -> ExecResult:
        if not argv:
            raise ValueError("argv is empty: name the program to run")
        with self._place(tree) as place:
            job = self._job(place, self._command(argv), limits or ExecLimits(), network=network)
            return self._result(argv, self._supervisor.run(job), place)

    def test(
        self,
        tree: Tree,
        nodes: Sequence[str],
        *,
        limits: ExecLimits | None = None,
        stop_early: bool = False,
        confirm: bool = False,
    ) -> TestReport:
        limits = limits or TEST_LIMITS
        nodes = [tidy(node) for node in nodes]
        report = self._tested(tree, nodes, limits, stop_early)
        if not (confirm and report.passed):
            return report

        def cold(rest: Sequence[str]) -> TestReport:
            known = list(rest) == nodes and not self.warmth
            return report if known else self._tested(tree, rest, limits, warm=False)

        if not self._oracle_works:
            return cold(nodes)
        scratch = self._tier.name not in ("bubblewrap", "macos")
        return confirmed(report, tree, nodes, lambda trial: self.oracle.ask(trial, limits), cold, scratch=scratch)

    @cached_property
    def _oracle_works(self) -> bool:
        """Seen with a program of ours: where it does not, an honest one must not fail for it."""
        return self.oracle.ask(control(), TEST_LIMITS).report.passed

    def _tested(
        self, tree: Tree, nodes: Sequence[str], limits: ExecLimits, stop_early: bool = False, *, warm: bool = True
    ) -> TestReport:
        with self._place(tree) as place:
            python = self._environment.python
            problems = [(path, not_there(place, path) or unparsable(place, path, python)) for path in files_of(nodes)]
            known = tuple((path, problem) for path, problem in problems if problem)
            there = [node for node in nodes if file_of(node) not in dict(known)]
            if not there or (known and stop_early):
                return TestReport((), 0, known)
            asked = Asked(secrets.token_hex(16), there, place.inside, place.tmp, limits.test_seconds, stop_early)
            report = (self._warm if warm else self._cold)(place, asked, limits)
            self._failing.learn(report)
            return replace(report, collection_errors=known + report.collection_errors)

    def close(self) -> None:
        if self.warmth:
            self.warmth.close()
        self._supervisor.close()
        for nest in {self._calls, self._nest}:
            nest.close()

    def weakness(self) -> str:
        """Why these walls cannot be used here; empty when they hold."""
        try:
            return weakness(self._nest.path, self._examine)
        except SandboxUnavailable as error:
            return str(error)

    def _examine(self, tree: Tree, argv: Sequence[str]) -> ExecResult:
        return self.run(tree, argv, limits=PROBE_LIMITS)

    @contextmanager
    def _place(self, tree: Tree) -> Iterator[Place]:
        self._supervisor.raise_if_closed()
        try:
            with self._calls.directory() as root:
                place = Place(root, self._tier.own_root, self._tools)
                if self._tier.layered:
                    with self._snapshots.layers(tree, root / "texts") as layers:
                        yield replace(place, layers=layers)
                else:
                    write_tree(tree, place.tree, owner=self._owner)
                    self._furnish(place)
                    yield place
        except OSError as error:
            self._supervisor.raise_if_closed()
            raise SandboxUnavailable(cannot_work(self._calls.path.parent, error)) from error

    def _furnish(self, place: Place) -> None:
        """A temporary directory, and a way to it for the one whom root becomes."""
        os.makedirs(place.host_tmp / "home")
        if self._owner is not None:
            give(place.host_tmp, self._owner)
            for directory in (place.root, self._nest.path):
                directory.chmod(0o711)

    def _job(self, place: Place, argv: list[str], limits: ExecLimits, *, network: bool = False) -> Job:
        fence = self._tier.fence(place, self._readable, limits, network=network)
        return Job(
            argv=[*fence.before, *argv],
            env=surroundings(self._environment.python, place),
            cwd=fence.cwd or place.inside,
            limits=limits,
            walls=fence.walls,
            jail=fence.jail,
            landlock=fence.landlock,
            filter=fence.filter,
            room=None if self._tier.layered else Room(place.root, room_for(limits), NAMES),
        )

    def _command(self, argv: Sequence[str]) -> list[str]:
        python = self._environment.python
        names = {"python": [python], "python3": [python], "pytest": [python, "-m", "pytest"]}
        return [*names.get(argv[0], argv[:1]), *argv[1:]]

    def _warm(self, place: Place, asked: Asked, limits: ExecLimits) -> TestReport:
        """By a cell if one can say it all; whatever is odd about that, the call is made again, cold."""
        if not self.warmth:
            return self._cold(place, asked, limits)
        try:
            ended = self.warmth.run(place, files_of(asked.nodes), self._orders(asked), limits)
            report = self._report(place, asked, ended, ", warm")
            if report.complete:
                return report
            raise Odd("its report is not complete")
        except Odd as odd:
            return self._cold(place, asked, limits, f", cold: {odd}")

    def _cold(self, place: Place, asked: Asked, limits: ExecLimits, note: str = "") -> TestReport:
        command = [self._environment.python, "-P", "-s", "-c", START, place.tools, ORDERS, REPORT]
        job = replace(self._pytest_job(place, command, limits), orders=json.dumps(self._orders(asked)).encode())
        return self._report(place, asked, self._supervisor.run(job), note)

    def _report(self, place: Place, asked: Asked, ended: Ended, note: str) -> TestReport:
        result = self._result(["pytest", *asked.nodes], ended, place)
        result = replace(result, isolation=result.isolation + note)
        return report_of(asked, ended.report, result, ended.silent_seconds)

    def _pytest_job(self, place: Place, argv: list[str], limits: ExecLimits) -> Job:
        job = self._job(place, argv, limits)
        return replace(job, env={**job.env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})

    def _orders(self, asked: Asked) -> dict[str, Any]:
        return {
            "key": asked.key,
            "root": asked.tree,
            "files": list(dict.fromkeys(os.path.join(asked.tree, file_of(node)) for node in asked.nodes)),
            "nodes": list(asked.nodes),
            "test_seconds": asked.test_seconds,
            "stop_early": asked.stop_early,
            "first": self._failing.among(files_of(asked.nodes)) if asked.stop_early else [],
            **self._judge,
        }

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
    package = tools / "_nightshift"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in INSIDE:
        copy = package / f"{name}.py"
        shutil.copyfile(Path(__file__).with_name(copy.name), copy)
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


def not_there(place: Place, path: str) -> str:
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        return f"{path} does not name a file of the tree"
    return "" if place.holds(path) else f"there is no file {path}"
