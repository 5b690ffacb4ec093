"""The sandbox as the rest of Nightshift sees it: `open_sandbox` gives one that was just seen to hold.

Every call gets a fresh copy of its tree and a fresh jail; nothing of one call reaches the next. Kernel bugs
are out of scope, and so is the truthfulness of code that shares a process with its tests (see `testing/frames.py`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from nightshift.domain import Environment, ExecLimits, ExecResult, TestReport, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.files.snapshots import place_for_texts
from nightshift.sandbox.isolation.probe import PROBE_LIMITS, weakness
from nightshift.sandbox.isolation.tiers import Tier, TierName, candidates
from nightshift.sandbox.jails import Jails, cannot_work
from nightshift.sandbox.oracle.confirm import confirmed, control
from nightshift.sandbox.oracle.run import Oracle
from nightshift.sandbox.testing.runs import Runs, tidy

TEST_LIMITS = ExecLimits(seconds=120.0)


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
    environment = replace(environment, python=_in_its_real_folder(environment.python))
    place = scratch or Path(tempfile.gettempdir())
    texts = place_for_texts() if scratch is None and tier.layered else None
    try:
        return Box(environment, tier, place, parallel, warm=warm, texts=texts)
    except OSError as error:
        raise SandboxUnavailable(cannot_work(place, error)) from error


def _in_its_real_folder(python: str) -> str:
    """A linked `.venv` is followed; the interpreter's own name is not, for that is what makes it the `.venv`'s."""
    folder, name = os.path.split(python)
    return os.path.join(os.path.realpath(folder), name) if folder else python


class Box:
    """Implements `domain.Sandbox`; safe to use from several threads at once."""

    def __init__(
        self, environment: Environment, tier: Tier, scratch: Path, parallel: int, *, warm: bool = True,
        texts: Path | None = None,
    ) -> None:  # fmt: skip
        self._tier = tier
        self._jails = jails = Jails(environment, tier, scratch, texts, parallel)
        self._runs = runs = Runs(environment, jails)
        if warm and tier.name == "A":
            runs.keep_cells()
        self.isolation, self.nests, self.warmth = jails.isolation, jails.nests, runs.warmth
        self.oracle = Oracle(
            jails.python, jails.supervisor, jails.place, jails.nest.directory, runs.job, runs.orders, jails.result,
            jails.owner,
        )  # fmt: skip

    def run(
        self, tree: Tree, argv: Sequence[str], *, limits: ExecLimits | None = None, network: bool = False
    ) -> ExecResult:
        if not argv:
            raise ValueError("argv is empty: name the program to run")
        return self._jails.run(tree, argv, limits or ExecLimits(), network=network)

    def test(
        self,
        tree: Tree,
        nodes: Sequence[str],
        *,
        limits: ExecLimits | None = None,
        stop_early: bool = False,
        confirm: bool = False,
        lines_of: Sequence[str] = (),
        hash_seed: int = 0,
    ) -> TestReport:
        if not 0 <= hash_seed < 1 << 32:
            raise ValueError(f"hash_seed is {hash_seed}: Python takes one from 0 to {(1 << 32) - 1}")
        limits = limits or TEST_LIMITS
        nodes = [tidy(node) for node in nodes]
        run = partial(self._runs.run, tree, limits=limits, hash_seed=hash_seed)
        report = run(nodes, stop_early=stop_early, lines_of=[tidy(path) for path in lines_of])
        if not (confirm and report.passed):
            return report

        def cold(rest: Sequence[str]) -> TestReport:
            known = list(rest) == nodes and not self.warmth and not lines_of
            return report if known else run(rest, warm=False)

        if not self._oracle_works:
            return replace(cold(nodes), lines=report.lines)
        oracle = replace(self.oracle, make_job=partial(self._runs.job, hash_seed=hash_seed))
        scratch = self._tier.name not in ("bubblewrap", "macos")
        proof = confirmed(report, tree, nodes, lambda trial: oracle.ask(trial, limits), cold, scratch=scratch)
        return replace(proof, lines=report.lines)

    @cached_property
    def _oracle_works(self) -> bool:
        """Seen with a program of ours: where it does not, an honest one must not fail for it."""
        return self.oracle.ask(control(), TEST_LIMITS).report.passed

    def close(self) -> None:
        self._runs.close()
        self._jails.close()

    def weakness(self) -> str:
        """Why these walls cannot be used here; empty when they hold."""
        try:
            return weakness(self.nests[0], self._examine)
        except SandboxUnavailable as error:
            return str(error)

    def _examine(self, tree: Tree, argv: Sequence[str]) -> ExecResult:
        return self.run(tree, argv, limits=PROBE_LIMITS)
