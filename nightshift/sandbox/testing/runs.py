"""One test run, from files and nodes to a report: by a warm cell where that is the same, else by a process of its own.

Whether code that shares its process with the tests told the truth is not known here (see `frames.py`).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from nightshift.domain import Environment, ExecLimits, TestReport, Tree
from nightshift.sandbox.cells.cell import Odd
from nightshift.sandbox.cells.warmth import Warmth
from nightshift.sandbox.interpreter.paths import judge_packages, judge_site
from nightshift.sandbox.isolation.layout import Place
from nightshift.sandbox.jails import Jails
from nightshift.sandbox.processes.job import ORDERS, REPORT, Ended, Job
from nightshift.sandbox.processes.programs import command_for
from nightshift.sandbox.testing.early import Failing, unparsable
from nightshift.sandbox.testing.frames import Asked, report_of


class Runs:
    """Those of one box; safe to use from several threads at once."""

    def __init__(self, environment: Environment, jails: Jails) -> None:
        self.warmth: Warmth | None = None
        """The warm cells, if there are any."""
        self._jails = jails
        self._failing = Failing()
        self._judge = {
            "packages": [judge_site()] if judge_packages(environment) else [],
            "plugins": [name for name in environment.packages if "pytest-" in name],
        }

    def keep_cells(self) -> None:
        """For walls that let a process of ours build more of them."""
        jails = self._jails
        place = Place(jails.nest.path / "cells", own_root=True, host_tools=jails.tools)
        self.warmth = Warmth(place, jails.nests, jails.python, jails.supervisor, self.job, self._judge)

    def run(
        self, tree: Tree, nodes: Sequence[str], limits: ExecLimits, *, stop_early: bool = False, warm: bool = True,
        lines_of: Sequence[str] = (), hash_seed: int = 0,
    ) -> TestReport:  # fmt: skip
        """With a hash seed of its own it is cold: a warm cell has its seed for life."""
        with self._jails.place(tree) as place:
            problems = [(path, problem_of(place, path, self._jails.python)) for path in files_of(nodes)]
            known = tuple((path, problem) for path, problem in problems if problem)
            there = [node for node in nodes if file_of(node) not in dict(known)]
            if not there or (known and stop_early):
                return TestReport((), 0, known)
            asked = Asked(
                secrets.token_hex(16), there, place.inside, place.tmp, limits.test_seconds, stop_early,
                lines_of=tuple(lines_of), hash_seed=hash_seed,
            )  # fmt: skip
            report = (self._warm if warm and not hash_seed else self._cold)(place, asked, limits)
            self._failing.learn(report)
            return replace(report, collection_errors=known + report.collection_errors)

    def close(self) -> None:
        if self.warmth:
            self.warmth.close()

    def job(self, place: Place, argv: list[str], limits: ExecLimits, *, hash_seed: int = 0) -> Job:
        job = self._jails.job(place, argv, limits)
        seed = {"PYTHONHASHSEED": str(hash_seed)} if hash_seed else {}
        return replace(job, env={**job.env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **seed})

    def orders(self, asked: Asked) -> dict[str, Any]:
        return {
            "key": asked.key,
            "root": asked.tree,
            "files": [os.path.join(asked.tree, path) for path in files_of(asked.nodes)],
            "nodes": list(asked.nodes),
            "test_seconds": asked.test_seconds,
            "stop_early": asked.stop_early,
            "lines_of": list(asked.lines_of),
            "first": self._failing.among(files_of(asked.nodes)) if asked.stop_early else [],
            **self._judge,
        }

    def _warm(self, place: Place, asked: Asked, limits: ExecLimits) -> TestReport:
        """By a cell if one can say it all; whatever is odd about that, the call is made again, cold."""
        if not self.warmth:
            return self._cold(place, asked, limits)
        try:
            ended = self.warmth.run(place, files_of(asked.nodes), self.orders(asked), limits)
            report = self._report(place, asked, ended, ", warm")
            if report.complete:
                return report
            raise Odd("its report is not complete")
        except Odd as odd:
            return self._cold(place, asked, limits, f", cold: {odd}")

    def _cold(self, place: Place, asked: Asked, limits: ExecLimits, note: str = "") -> TestReport:
        command = command_for(self._jails.python, "plugin", place.tools, ORDERS, REPORT)
        job = self.job(place, command, limits, hash_seed=asked.hash_seed)
        job = replace(job, orders=json.dumps(self.orders(asked)).encode())
        return self._report(place, asked, self._jails.supervisor.run(job), note)

    def _report(self, place: Place, asked: Asked, ended: Ended, note: str) -> TestReport:
        result = self._jails.result(["pytest", *asked.nodes], ended, place)
        result = replace(result, isolation=result.isolation + note)
        return report_of(asked, ended.report, result, ended.silent_seconds)


def tidy(node: str) -> str:
    path, mark, rest = node.partition("::")
    return str(PurePosixPath(path)) + mark + rest


def file_of(node: str) -> str:
    return node.partition("::")[0]


def files_of(nodes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(file_of(node) for node in nodes))


def problem_of(place: Place, path: str, python: str) -> str:
    """Why no test of this file can run; empty when only running it shows."""
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        return f"{path} does not name a file of the tree"
    return unparsable(place, path, python) if place.holds(path) else f"there is no file {path}"
