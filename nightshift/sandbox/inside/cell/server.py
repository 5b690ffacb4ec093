"""The program of a warm cell: makes pytest ready once, then forks one child for each candidate.

Runs in a jail of its own with the environment's interpreter; only copies of this file and its siblings are visible
there. It runs no candidate's code: each child does, behind its own walls (see `walls.py`), and this process
outlives it only to end what the child left running. It says how the child ended, not whether to believe it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from .. import plugin

SETUP_FAILED = 125
NOT_YET = "nightshift-has-not-said.py"
"""Stands for the files to be collected until they are known."""

Call = tuple[dict[str, Any], list[int]]
"""What a child is asked, and its descriptors: orders, stdout, stderr, report."""
Foresee = Callable[[dict[str, Any]], None]
"""Prepares in the server what the child of a call will need, as far as no candidate's code has to run for it."""
Serve = Callable[[Foresee], Call]
"""Serves calls for ever; returns in the children only, behind their walls."""


def main() -> NoReturn:
    gc.disable()  # until all is imported
    channel, boot, walls = open_channel(int(sys.argv[1]))
    path = sys.path.copy()
    sys.path += boot["packages"]
    import pytest  # noqa: F401

    early = top_names()

    def serve(foresee: Foresee) -> Call:
        return serve_on(channel, walls, boot, sorted(top_names() - early), foresee)

    if boot["started"]:
        start_session(boot, serve)
    sys.path[:] = path
    request, fds = serve(lambda request: None)
    sys.argv[1:] = map(str, fds)
    if request["facts"]:
        tell_facts()
    plugin.main()


def tell_facts() -> NoReturn:
    """A cold run that only tells what its process was like when collection began: cells are measured by it."""
    orders_fd, report_fd = map(int, sys.argv[1:3])
    with open(orders_fd, encoding="utf-8") as file:
        orders = json.load(file)
    os.set_inheritable(report_fd, False)
    sys.path += orders["packages"]
    run_session(orders, plugin.teller(report_fd, orders["key"]))


def start_session(boot: dict[str, Any], serve: Serve) -> NoReturn:
    """The session of all children: what pytest does before it looks at a file is done once, here."""
    files = [os.path.join(boot["root"], NOT_YET)]
    orders = {**boot, "key": "", "files": files, "nodes": [], "test_seconds": 0.0, "stop_early": False}
    run_session(orders, plugin.teller(-1, ""), serve)


def run_session(orders: dict[str, Any], tell: plugin.Tell, serve: Serve | None = None) -> NoReturn:
    import pytest

    from ..reporters import reporters
    from .gate import Gate

    plugin.open_tree(orders)
    gate = Gate(reporters(orders, tell), orders, tell, serve)
    status = int(pytest.main(plugin.arguments(orders), plugins=[*gate.reporters, gate]))
    plugin.finish(gate.tell, status)


def open_channel(fd: int) -> tuple[Any, dict[str, Any], Any]:
    """The channel, the first message and the tools for walls; afterwards no import shows that they were loaded."""
    before = set(sys.modules)
    from . import walls
    from .channel import Channel

    channel = Channel(fd)
    boot, _ = channel.hear()
    walls.be_ready(boot)
    forget(set(sys.modules) - before)
    return channel, boot, walls


def forget(names: Iterable[str]) -> None:
    """Whoever imports them next gets them anew; those who have them keep them."""
    for name in names:
        del sys.modules[name]
        parent, _, last = name.rpartition(".")
        if parent in sys.modules:
            vars(sys.modules[parent]).pop(last, None)


def top_names() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def serve_on(channel: Any, walls: Any, boot: dict[str, Any], late: list[str], foresee: Foresee) -> Call:
    forget([name for name in sys.modules if name.startswith("_nightshift.cell")])
    streams = walls.aliases()
    gc.enable()
    gc.collect()
    gc.freeze()
    channel.say({"late": late, **walls.health()})
    while True:
        request, fds = channel.hear()
        foresee(request)
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            return enter(channel, walls, boot, request, fds, streams)
        for fd in fds:
            os.close(fd)
        channel.say({**walls.ended(child), **walls.health()})


def enter(
    channel: Any, walls: Any, boot: dict[str, Any], request: dict[str, Any], fds: list[int], streams: dict[int, int]
) -> Call:
    orders, out, err, report = fds
    try:
        channel.close()
        walls.redirect(streams, out, err)
        walls.enter(boot, request)
    except BaseException as error:  # noqa: BLE001  (whatever it was, this process must not go on as the server)
        os.write(2, f"cell: {type(error).__name__}: {error}\n".encode(errors="backslashreplace"))
        os._exit(SETUP_FAILED)
    return request, [orders, report]
