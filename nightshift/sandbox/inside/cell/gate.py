"""Where a warm session waits: a pytest plugin whose hook returns in each child, which then collects and runs.

Public hooks only; what else of pytest is touched (its capture, its clock) is named in `Gate.start`. A pytest in
which that does not work fails in the child, and the call is repeated cold.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from .. import plugin
from ..lines import lines_asked
from .rewritten import Rewritten

Serve = Callable[[Callable[[dict[str, Any]], None]], tuple[dict[str, Any], list[int]]]


class Gate:
    def __init__(
        self, reporters: tuple[Any, Any], orders: dict[str, Any], tell: plugin.Tell, serve: Serve | None
    ) -> None:
        self.reporters, self.orders, self.tell, self.serve = reporters, orders, tell, serve

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        session.config.pluginmanager.unregister(self)
        if self.serve:
            self.stop_capture(session)
            inspect.getmodule(Gate)  # fills its table of modules, which takes longer than ten tests
            _, (orders_fd, report_fd) = self.serve(Rewritten(session.config).foresee)
            with open(orders_fd, encoding="utf-8") as file:
                self.orders = json.load(file)
            # All at the end: a run that does not come so far is repeated cold, and each frame would wake the parent.
            self.tell = plugin.teller(report_fd, self.orders["key"], at_once=bool(self.orders.get("facts")))
            self.start(session)
        if self.orders.get("facts"):
            modules = sorted(name for name in sys.modules if not name.startswith("_nightshift.cell"))
            from .facts import facts  # not sooner: it imports what a cold run does not

            self.tell("facts", modules=modules, **facts(session.config))
            os._exit(0)

    def stop_capture(self, session: pytest.Session) -> None:
        """Its files would be shared by all children."""
        self.capture = session.config.pluginmanager.getplugin("capturemanager")
        self.capture.stop_global_capturing()

    def start(self, session: pytest.Session) -> None:
        """The session becomes the one that a cold start with these orders would have made."""
        root = self.orders["root"]
        sys.path.remove(root)  # the empty tree's; this one may have a src as well
        for path in (root, os.path.join(root, "src")):
            sys.path_importer_cache.pop(path, None)
        plugin.open_tree(self.orders)
        self.capture.start_global_capturing()
        self.capture.suspend_global_capture()
        config = session.config
        files = self.orders["files"]
        config.args = list(files)
        config.option.file_or_dir = list(files)
        given = config.invocation_params
        config.invocation_params = type(given)(args=plugin.arguments(self.orders), plugins=given.plugins, dir=given.dir)
        terminal = config.pluginmanager.getplugin("terminalreporter")
        terminal._session_start = type(terminal._session_start)()
        reporter, canaries = self.reporters
        for name in ("nodes", "stop_early", "first"):
            setattr(reporter, name, self.orders[name])
        reporter.lines = lines_asked(self.orders)
        reporter.limit.seconds, reporter.limit.light = self.orders["test_seconds"], True
        reporter.tell = canaries.tell = self.tell
