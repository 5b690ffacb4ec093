"""Runs pytest inside the jail and tells what happened through a private descriptor.

Started with two descriptors as arguments, orders and report, and with a channel when the code under test lives in
another process (see `oracle/`). Only copies of this file and its siblings are visible in there (see `__init__.py`);
they import nothing else of ours. Frames are JSON lines that carry the key of the orders. It cannot promise that code
in its own process tells the truth: the canaries, tests that must fail, show most liars; the parent checks the
rest.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

Tell = Callable[..., None]
MOST_HELD = 1 << 16


def main() -> NoReturn:
    orders_fd, report_fd, *link = map(int, sys.argv[1:])
    with open(orders_fd, encoding="utf-8") as file:
        orders = json.load(file)
    for fd in (report_fd, *link):
        os.set_inheritable(fd, False)
    tell = teller(report_fd, orders["key"])
    sys.path += orders["packages"]
    import pytest

    from .reporters import reporters

    open_tree(orders)
    watching = [*reporters(orders, tell), *(linked(channel, orders, tell) for channel in link)]
    finish(tell, int(pytest.main(arguments(orders), plugins=watching)))


def linked(channel: int, orders: dict[str, Any], tell: Tell) -> object:
    """The code under test is at the other end of the channel."""
    from .oracle import tests

    return tests.connect(channel, orders, tell)


def open_tree(orders: dict[str, Any]) -> None:
    """After pytest and what it needs were imported: a project may have modules of the same names."""
    root = orders["root"]
    sys.path[:0] = [path for path in (root, os.path.join(root, "src")) if os.path.isdir(path)]
    sys.argv = ["pytest", *orders["files"]]


def arguments(orders: dict[str, Any]) -> list[str]:
    root = orders["root"]
    return [
        "--rootdir", root, "--confcutdir", root, "-p", "no:cacheprovider", "--continue-on-collection-errors",
        "--tb=short", "--color=no", "-q", *plugin_options(orders["plugins"]), *orders["files"],
    ]  # fmt: skip


def finish(tell: Tell, status: int) -> NoReturn:
    tell("finish", status=status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a thread or an exit handler left behind has no say any more


def teller(fd: int, key: str, *, at_once: bool = True) -> Tell:
    """Frames are numbered; a fork of the test process is not heard. Held ones are lost with their process."""
    speaker, numbers = os.getpid(), iter(range(1 << 62))
    held = bytearray()

    def tell(kind: str, **fields: Any) -> None:
        if os.getpid() != speaker:
            return
        frame = {"key": key, "n": next(numbers), "kind": kind, **fields}
        held.extend(json.dumps(frame).encode() + b"\n")
        while held and (at_once or kind == "finish" or len(held) > MOST_HELD):
            del held[: os.write(fd, held)]

    return tell


def plugin_options(distributions: list[str]) -> list[str]:
    """Autoload is off; the plugins the environment was asked for by name are loaded all the same."""
    wanted = {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
    if not wanted:
        return []
    points = importlib.metadata.entry_points(group="pytest11")
    named = [p.name for p in points if p.dist and re.sub(r"[-_.]+", "-", p.dist.name).lower() in wanted]
    return [word for name in named for word in ("-p", name)]
