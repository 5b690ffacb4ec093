"""Runs pytest inside the jail and tells what happened through a private descriptor.

Started with two descriptors as arguments, orders and report. Only a copy of this file is visible in there; it
imports nothing of ours. Frames are JSON lines that carry the key of the orders. It cannot promise that code
in its own process tells the truth: the canaries, tests that must fail, show most liars; the parent checks the
rest.
"""

from __future__ import annotations

import faulthandler
import importlib.metadata
import json
import os
import random
import re
import signal
import sys
import types
from collections.abc import Callable, Generator
from typing import Any, NoReturn

GRACE_SECONDS = 2.0
DETAIL_CHARS = 8000
RANK = ("passed", "xpassed", "xfailed", "skipped", "error", "failed")
"""The outcome of a test is the worst its phases and subtests came to."""

LATE = "timed out after {:g} s"
FIRST_FAILURE = "stopping after the first failure"

Tell = Callable[..., None]
Wrapper = Generator[None, Any, Any]


def main() -> NoReturn:
    orders_fd, report_fd = map(int, sys.argv[1:3])
    with open(orders_fd, encoding="utf-8") as file:
        orders = json.load(file)
    os.set_inheritable(report_fd, False)
    tell = teller(report_fd, orders["key"])
    sys.path += orders["packages"]
    import pytest

    root = orders["root"]
    sys.path[:0] = [path for path in (root, os.path.join(root, "src")) if os.path.isdir(path)]
    sys.argv = ["pytest", *orders["files"]]
    arguments = [
        "--rootdir", root, "--confcutdir", root, "-p", "no:cacheprovider", "--continue-on-collection-errors",
        "--tb=short", "--color=no", "-q", *plugin_options(orders["plugins"]), *orders["files"],
    ]  # fmt: skip
    status = int(pytest.main(arguments, plugins=[*reporters(orders, tell)]))
    tell("finish", status=status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a thread or an exit handler left behind has no say any more


def teller(fd: int, key: str) -> Tell:
    """Frames are numbered; a fork of the test process is not heard."""
    speaker, numbers = os.getpid(), iter(range(1 << 62))

    def tell(kind: str, **fields: Any) -> None:
        if os.getpid() != speaker:
            return
        frame = {"key": key, "n": next(numbers), "kind": kind, **fields}
        data = json.dumps(frame).encode() + b"\n"
        while data:
            data = data[os.write(fd, data) :]

    return tell


def plugin_options(distributions: list[str]) -> list[str]:
    """Autoload is off; the plugins the environment was asked for by name are loaded all the same."""
    wanted = {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
    if not wanted:
        return []
    points = importlib.metadata.entry_points(group="pytest11")
    named = [p.name for p in points if p.dist and re.sub(r"[-_.]+", "-", p.dist.name).lower() in wanted]
    return [word for name in named for word in ("-p", name)]


class TimedOut(BaseException):
    """Not an Exception: the code under test must not catch it by accident."""


def reporters(orders: dict[str, Any], tell: Tell) -> tuple[object, object]:
    """Made in a function because pytest may only be imported once sys.path is complete."""
    import pytest
    from _pytest.runner import runtestprotocol

    seconds: float = orders["test_seconds"]
    errors_fd = os.dup(2)

    def expire(*_: object) -> NoReturn:
        raise TimedOut(LATE.format(seconds))

    signal.signal(signal.SIGALRM, expire)

    def limited() -> Wrapper:
        """Interrupts code that takes too long, again and again; ends the process when that does not help."""
        faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=errors_fd)
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()

    class Canaries:
        """Tests that must fail: run like any other, but neither shown nor counted by the session."""

        def __init__(self) -> None:
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
            left, right = random.sample(range(1000), 2)

            def body() -> None:
                self.sung += 1
                assert left == right

            body.__name__ = name = f"test_{word[::-1]}"
            node = f"{beside.nodeid.rpartition('/')[0]}/test_{word}.py".lstrip("/")
            module = pytest.Module.from_parent(beside.parent, path=beside.path, name=f"test_{word}.py", nodeid=node)
            module.obj = types.ModuleType(f"test_{word}")
            return pytest.Function.from_parent(module, name=name, callobj=body)

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
            if not any(item is canary for canary in self.items):
                return None
            sung = self.sung
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            failed = any(report.failed for report in reports)
            tell("canary", state="live" if not failed else "dead" if self.sung > sung else "lost")
            return True

    canaries = Canaries()

    class Reporter:
        def __init__(self) -> None:
            self.ids: set[str] = set()
            self.outcome, self.detail, self.spent = "passed", "", 0.0

        def pytest_sessionstart(self, session: pytest.Session) -> None:
            session.config.option.maxfail = 0
            self.session = session

        # Collection.

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_make_collect_report(self, collector: pytest.Collector) -> Wrapper:
            try:
                return (yield from limited())
            except (SystemExit, KeyboardInterrupt) as stop:
                what = f"{type(stop).__name__}: {stop} (raised while the file was being imported)"
                return pytest.CollectReport(collector.nodeid, "failed", what, [])

        @pytest.hookimpl(tryfirst=True)
        def pytest_collectreport(self, report: pytest.CollectReport) -> None:
            if not report.passed:
                text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
                if orders["stop_early"] and report.failed:
                    self.session.shouldfail = FIRST_FAILURE
                tell("unloaded", id=report.nodeid, skipped=report.skipped, detail=text[-DETAIL_CHARS:])

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Wrapper:
            """What is collected is counted before any other plugin can take tests away."""
            items[:] = [item for item in items if chosen(item.nodeid, orders["nodes"])]
            self.ids = {item.nodeid for item in items}
            tell("collected", ids=[item.nodeid for item in items])
            result = yield
            canaries.plant(items)
            tell("canaries", count=len(canaries.items))
            return result

        # Running.

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_protocol(self, item: pytest.Item) -> Wrapper:
            if item.nodeid not in self.ids:
                return (yield)
            self.outcome, self.detail, self.spent = "passed", "", 0.0
            tell("start", id=item.nodeid)
            result = yield
            tell("test", id=item.nodeid, outcome=self.outcome, seconds=self.spent, detail=self.detail)
            if orders["stop_early"] and self.outcome in ("failed", "error"):
                item.session.shouldfail = FIRST_FAILURE
            return result

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_setup(self, item: pytest.Item) -> Wrapper:
            return (yield from limited())

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_call(self, item: pytest.Item) -> Wrapper:
            return (yield from limited())

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_teardown(self, item: pytest.Item) -> Wrapper:
            return (yield from limited())

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Wrapper:
            report: pytest.TestReport = yield
            if item.nodeid in self.ids:
                self.note(report, call)
            return report

        def note(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
            self.spent += report.duration
            outcome, detail = judged(report)
            if call.excinfo is not None and call.excinfo.errisinstance(TimedOut):
                outcome, detail = "failed", str(call.excinfo.value)
            if RANK.index(outcome) > RANK.index(self.outcome):
                self.outcome, self.detail = outcome, detail[-DETAIL_CHARS:]

    return Reporter(), canaries


def judged(report: Any) -> tuple[str, str]:
    if hasattr(report, "wasxfail"):
        return ("xpassed" if report.passed else "xfailed"), str(report.wasxfail)
    if report.skipped:
        return "skipped", str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if report.failed:
        return ("failed" if report.when == "call" else "error"), report.longreprtext
    return "passed", ""


def chosen(node: str, nodes: list[str]) -> bool:
    """A node names itself, the parameters of a test, or everything inside a class, a file or a directory."""
    return any(node == name or node.startswith((f"{name}::", f"{name}[", f"{name}/")) for name in nodes)
