"""The pytest plugins that stand watch over a session: what ran and how it ended, limits of time, and canaries.

Runs inside the jail, beside code that nobody trusts (see `plugin.py`).
"""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import types
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

import pytest
from _pytest.runner import runtestprotocol

from .lines import Lines, lines_asked
from .plugin import Tell

GRACE_SECONDS = 2.0
DETAIL_CHARS = 8000
RANK = ("passed", "xpassed", "xfailed", "skipped", "error", "failed")
"""The outcome of a test is the worst its phases and subtests came to."""

LATE = "timed out after {:g} s"
FIRST_FAILURE = "stopping after the first failure"

Wrapper = Generator[None, Any, Any]


def reporters(orders: dict[str, Any], tell: Tell) -> tuple[object, object]:
    """What is registered last is called first, so the reporter sees canaries as strangers."""
    canaries = Canaries(tell)
    return Reporter(orders, tell, canaries), canaries


class TimedOut(BaseException):
    """Not an Exception: the code under test must not catch it by accident."""


class Limit:
    """Interrupts code that takes too long, again and again; ends the process when that does not help."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.light = False
        """The process is ended by its processor time: faulthandler starts a thread for every phase of a test."""
        self.errors_fd = os.dup(2)
        signal.signal(signal.SIGALRM, self.expire)

    def expire(self, *_: object) -> NoReturn:
        raise TimedOut(LATE.format(self.seconds))

    def around(self) -> Wrapper:
        self.arm()
        signal.setitimer(signal.ITIMER_REAL, self.seconds, 0.5)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.disarm()

    def arm(self) -> None:
        if self.light:
            signal.setitimer(signal.ITIMER_VIRTUAL, self.seconds + GRACE_SECONDS)
        else:
            faulthandler.dump_traceback_later(self.seconds + GRACE_SECONDS, exit=True, file=self.errors_fd)

    def disarm(self) -> None:
        if self.light:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        else:
            faulthandler.cancel_dump_traceback_later()


class Canary(pytest.Function):
    def repr_failure(self, excinfo: object, *_: object, **__: object) -> str:
        return ""  # nobody reads it, and looking for the source takes longer than ten tests


class Canaries:
    """Tests that must fail: run like any other, but neither shown nor counted by the session."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.items: list[pytest.Item] = []
        self.sung = 0

    def plant(self, items: list[pytest.Item]) -> None:
        """At the end and where two files meet, so that no module-wide fixture is torn apart."""
        if not items:
            return
        files = [item.getparent(pytest.Module) for item in items]
        if files[0] is None:
            return
        borders = [0, *(i for i in range(1, len(items)) if files[i] is not files[i - 1])]
        for place in (len(items), random.choice(borders)):
            canary = self.hatch(files[0])
            self.items.append(canary)
            items.insert(place, canary)

    def hatch(self, beside: pytest.Module) -> pytest.Item:
        """In a module of its own, with the path of a real one: by it pytest finds the conftests to ask."""
        word = "".join(random.choices("aeioubdgklmnprst", k=7))
        node = f"{beside.nodeid.rpartition('/')[0]}/test_{word}.py".lstrip("/")
        module = pytest.Module.from_parent(beside.parent, path=beside.path, name=f"test_{word}.py", nodeid=node)
        module.obj = types.ModuleType(f"test_{word}")
        name = f"test_{word[::-1]}"
        return Canary.from_parent(module, name=name, callobj=self.song(name))

    def song(self, name: str) -> Callable[[], None]:
        left, right = random.sample(range(1000), 2)

        def body() -> None:
            self.sung += 1
            assert left == right

        body.__name__ = name
        return body

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        if not any(item is canary for canary in self.items):
            return None
        sung = self.sung
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        failed = any(report.failed for report in reports)
        self.tell("canary", state="live" if not failed else "dead" if self.sung > sung else "lost")
        return True


class Reporter:
    """Tells what was collected, what started and how each test ended."""

    def __init__(self, orders: dict[str, Any], tell: Tell, canaries: Canaries) -> None:
        self.nodes: list[str] = orders["nodes"]
        self.stop_early: bool = orders["stop_early"]
        self.first: list[str] = orders.get("first", [])
        self.lines: Lines | None = lines_asked(orders)
        self.limit = Limit(orders["test_seconds"])
        self.tell, self.canaries = tell, canaries
        self.ids: set[str] = set()
        self.outcome, self.detail, self.spent = "passed", "", 0.0

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        session.config.option.maxfail = 0
        self.session = session

    # Collection.

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Wrapper:
        try:
            return (yield from self.limit.around())
        except (SystemExit, KeyboardInterrupt) as stop:
            what = f"{type(stop).__name__}: {stop} (raised while the file was being imported)"
            return pytest.CollectReport(collector.nodeid, "failed", what, [])

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
            if self.stop_early and report.failed:
                self.session.shouldfail = FIRST_FAILURE
            self.tell("unloaded", id=report.nodeid, skipped=report.skipped, detail=text[-DETAIL_CHARS:])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Wrapper:
        """What is collected is counted before any other plugin can take tests away."""
        asked = [item for item in items if chosen(item.nodeid, self.nodes)]
        items[:] = failing_first(as_asked(asked, self.nodes), self.first)
        self.ids = {item.nodeid for item in items}
        self.tell("collected", ids=[item.nodeid for item in items])
        result = yield
        self.canaries.plant(items)
        self.tell("canaries", count=len(self.canaries.items))
        return result

    # Running.

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Wrapper:
        if item.nodeid not in self.ids:
            return (yield)
        self.outcome, self.detail, self.spent = "passed", "", 0.0
        self.tell("start", id=item.nodeid)
        if self.lines:
            self.lines.begin()
        result = yield
        if self.lines and (ran := self.lines.ran()) is not None:
            self.tell("lines", id=item.nodeid, ran=ran)
        self.tell("test", id=item.nodeid, outcome=self.outcome, seconds=self.spent, detail=self.detail)
        if self.stop_early and self.outcome in ("failed", "error"):
            item.session.shouldfail = FIRST_FAILURE
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Wrapper:
        with self.watched():
            return (yield from self.limit.around())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Wrapper:
        with self.watched():
            return (yield from self.limit.around())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Wrapper:
        return (yield from self.limit.around())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Wrapper:
        report: pytest.TestReport = yield
        if item.nodeid in self.ids:
            self.note(report, call)
        return report

    def watched(self) -> AbstractContextManager[None]:
        return self.lines.around() if self.lines else nullcontext()

    def note(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        self.spent += report.duration
        outcome, detail = judged(report)
        if call.excinfo is not None and call.excinfo.errisinstance(TimedOut):
            outcome, detail = "failed", str(call.excinfo.value)
        if RANK.index(outcome) > RANK.index(self.outcome):
            self.outcome, self.detail = outcome, detail[-DETAIL_CHARS:]


def failing_first(items: list[pytest.Item], first: list[str]) -> list[pytest.Item]:
    """File by file, so that what a file has in common is set up once."""
    if not first:
        return items
    ranks = {node: rank for rank, node in enumerate(first)}
    own = {item: ranks.get(item.nodeid, len(ranks)) for item in items}
    files: dict[str, int] = {}
    for item, rank in own.items():
        file = item.nodeid.partition("::")[0]
        files[file] = min(rank, files.get(file, rank))
    return sorted(items, key=lambda item: (files[item.nodeid.partition("::")[0]], own[item]))


def judged(report: Any) -> tuple[str, str]:
    if hasattr(report, "wasxfail"):
        return ("xpassed" if report.passed else "xfailed"), str(report.wasxfail)
    if report.skipped:
        return "skipped", str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if report.failed:
        return ("failed" if report.when == "call" else "error"), report.longreprtext
    return "passed", ""


def as_asked(items: list[pytest.Item], nodes: list[str]) -> list[pytest.Item]:
    """In the order of the names that were given: of tests that lean on each other another order tells."""
    return sorted(items, key=lambda item: next(i for i, name in enumerate(nodes) if chosen(item.nodeid, [name])))


def chosen(node: str, nodes: list[str]) -> bool:
    """A node names itself, the parameters of a test, or everything inside a class, a file or a directory."""
    return any(node == name or node.startswith((f"{name}::", f"{name}[", f"{name}/")) for name in nodes)
