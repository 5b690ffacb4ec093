"""When a test run may be warm, and what its cell is given: the link between a box and its cells.

Warm is only what was seen to be the same as cold: each kind of cell is first measured against a cold run, fact by
fact (see `inside/cell/facts.py`). Whatever does not fit has a reason, and runs cold.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nightshift.domain import ExecLimits
from nightshift.sandbox.cells.cell import Cell, Cells, Errand, Odd
from nightshift.sandbox.isolation.layout import HOME, TMP, TREE, Place, room_for
from nightshift.sandbox.processes.child import Child
from nightshift.sandbox.processes.job import CHANNEL, ORDERS, REPORT, Ended, Job, rlimits
from nightshift.sandbox.processes.programs import command_for
from nightshift.sandbox.processes.supervisor import Supervisor

SERVER = "cell.server"
STAGE = "/dev/shm"
"""Where a cell sees the layers of trees; each child covers it with its own."""

CELL_LIMITS = ExecLimits(seconds=1e6, memory_bytes=1 << 44, file_bytes=1 << 40, processes=1 << 15)
"""Of the cell itself, and so the most that a child can be given."""
FACTS_LIMITS = ExecLimits(seconds=30.0)

SETTINGS = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "pyproject.toml", "tox.ini", "setup.cfg")

MakeJob = Callable[[Place, list[str], ExecLimits], Job]


class Warmth:
    """The cells of one box. The first test run of a box is cold: many boxes have no second one.

    `nests` hold the layers of trees; `judge` names the packages and plugins of the environment's pytest, as in the
    orders of every run.
    """

    def __init__(
        self, place: Place, nests: Iterable[Path], python: str, supervisor: Supervisor, make_job: MakeJob,
        judge: Mapping[str, Any],
    ) -> None:  # fmt: skip
        empty = place.root / "empty"
        empty.mkdir(parents=True)
        self._place, self._python, self._judge = replace(place, layers=(empty,)), python, judge
        self._supervisor, self._make_job = supervisor, make_job
        self._stages = {nest: f"{STAGE}/{nest.name}" for nest in nests}
        if os.geteuid() == 0:  # a cell runs as somebody else, and reaches the layers by their path
            for nest in self._stages:
                nest.chmod(0o711)
        self._starter = ThreadPoolExecutor(1)
        """Starts all cells: a parent-death signal comes when the thread ends that started a process."""
        self._lock = threading.Lock()
        self._calls = 0
        self._cells = {started: Cells(self._start, self._boot(started=started)) for started in (True, False)}
        self._unfit: dict[bool, str] = {}

    def run(self, place: Place, files: Sequence[str], orders: Mapping[str, Any], limits: ExecLimits) -> Ended:
        """Raises Odd with the reason why it has to be cold."""
        with self._lock:
            self._calls += 1
            if self._calls == 1:
                raise Odd("the first run of this sandbox")
        started = not has_settings(place, files)
        self._raise_if_unfit(started)
        with self._supervisor.turn(), self.cell(started=started) as cell:
            if taken := sorted(cell.late & names_in(place)):
                raise Odd(f"its {taken[0]} would come before the library's")
            return cell.run(self._errand(place, orders, limits))

    def cell(self, *, started: bool = True) -> AbstractContextManager[Cell]:
        """A ready cell: one that has started a session, or one that only has imported pytest."""
        return self._cells[started].borrowed()

    def close(self) -> None:
        for cells in self._cells.values():
            cells.close()
        self._starter.shutdown()

    def _raise_if_unfit(self, started: bool) -> None:
        """Each kind is measured once; one that does not fit is not tried again."""
        with self._lock:
            if started not in self._unfit:
                self._unfit[started] = self._difference(started)
        if self._unfit[started]:
            raise Odd(self._unfit[started])

    def _difference(self, started: bool) -> str:
        """Between a warm child and a cold run; empty when there is none."""
        files = [f"{TREE}/test_nothing.py"]
        orders = {
            **self._judge, "key": secrets.token_hex(16), "root": TREE, "files": files, "nodes": files,
            "test_seconds": 10.0, "stop_early": False, "first": [], "facts": True,
        }  # fmt: skip
        argv = command_for(self._python, SERVER, self._place.tools, ORDERS, REPORT, function="tell_facts")
        job = replace(self._make_job(self._place, argv, FACTS_LIMITS), orders=json.dumps(orders).encode())
        try:
            cold = self._supervisor.run(job)
            warm = self._cells[started].run(self._errand(self._place, orders, FACTS_LIMITS))
            return difference(facts_in(cold), facts_in(warm))
        except Odd as odd:
            return str(odd)

    def _errand(self, place: Place, orders: Mapping[str, Any], limits: ExecLimits) -> Errand:
        if os.geteuid() == 0:
            for directory in {layer.parent for layer in place.layers}:
                directory.chmod(0o711)
        bounds = rlimits(limits, counted=True)  # two processes more than cold, where launcher and init count
        request = {
            "layers": [self._staged(layer) for layer in place.layers],
            "room": room_for(limits),
            "rlimits": bounds,
            "facts": orders.get("facts", False),
            "root": TREE,
            "files": orders["files"],
        }
        return Errand(request, json.dumps(orders).encode(), limits)

    def _staged(self, layer: Path) -> str:
        nest = next(nest for nest in self._stages if layer.is_relative_to(nest))
        return f"{self._stages[nest]}/{layer.relative_to(nest)}"

    def _boot(self, *, started: bool) -> dict[str, Any]:
        job = self._make_job(self._place, [], FACTS_LIMITS)
        found = {entry[1]: entry for entry in job.jail["entries"]}
        return {
            "started": started,
            "root": TREE,
            "home": HOME,
            "memory": [[path, found[path][2]] for path in (TMP, STAGE)],
            "kept": [path for path, entry in found.items() if entry[0] == "bind" and lies_in_memory(str(path))],
            **self._judge,
            "landlock": job.landlock,
            "filter": job.filter.hex(),
        }

    def _start(self, channel: int) -> Child:
        argv = command_for(self._python, SERVER, self._place.tools, CHANNEL)
        job = self._make_job(self._place, argv, CELL_LIMITS)
        own = {TREE: ("directory", TREE)}
        entries = [own.get(entry[1], entry) for entry in job.jail["entries"]]
        entries += [("bind", stage, str(nest)) for nest, stage in self._stages.items()]
        # Neither filter nor Landlock: its children could not build their walls; they enter both then.
        job = replace(job, jail={**job.jail, "entries": entries}, landlock=None, filter=b"", channel=channel)
        return self._starter.submit(self._supervisor.keep, job).result()


def lies_in_memory(path: str) -> bool:
    return path.startswith((f"{TMP}/", f"{STAGE}/"))


def has_settings(place: Place, files: Iterable[str]) -> bool:
    """Whether pytest would read or import something of the project before it collects."""
    here = {name for layer in place.layers for name in os.listdir(layer)}
    folders = {parent for file in files for parent in Path(file).parents}
    started = all(file.endswith(".py") for file in files) and here.isdisjoint(SETTINGS)
    return not started or any(place.holds(str(folder / "conftest.py")) for folder in folders)


def names_in(place: Place) -> frozenset[str]:
    """What a project's own modules and packages are called, as far as they can hide others."""
    folders = [folder for layer in place.layers for folder in (layer, layer / "src") if folder.is_dir()]
    return frozenset(entry.name.partition(".")[0] for folder in folders for entry in folder.iterdir())


def facts_in(ended: Ended) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(ended.report)
    except ValueError as error:
        said = ended.stderr[-300:].decode(errors="backslashreplace")
        raise Odd(f"pytest could not be looked at: {said}") from error
    return {name: fact for name, fact in facts.items() if name not in ("key", "n", "kind")}


def difference(cold: Any, warm: Any, where: str = "warm and cold differ") -> str:
    if cold == warm:
        return ""
    if isinstance(cold, dict) and isinstance(warm, dict) and cold.keys() == warm.keys():
        return next(filter(None, (difference(cold[name], warm[name], f"{where} in {name}") for name in cold)))
    if isinstance(cold, list) and isinstance(warm, list):
        only = [[each for each in one if each not in other] for one, other in ((cold, warm), (warm, cold))]
        return f"{where}: cold has {only[0]}, warm has {only[1]}"
    return f"{where}: cold has {cold!r}, warm has {warm!r}"
