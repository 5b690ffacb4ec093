"""What a process is like at the moment pytest begins to collect: a warm child and a cold run must not differ."""

from __future__ import annotations

import builtins
import gc
import locale
import logging
import os
import re
import resource
import signal
import sys
import tempfile
import threading
import warnings
from typing import Any

import pytest


def facts(config: pytest.Config) -> dict[str, Any]:
    return {fact.__name__: fact(config) for fact in FACTS}


def interpreter(config: pytest.Config) -> dict[str, Any]:
    return {
        "path": sys.path,
        "argv": sys.argv,
        "flags": repr(sys.flags),
        "version": sys.version,
        "hash": hash("nightshift"),
        "recursion": sys.getrecursionlimit(),
        "switch": sys.getswitchinterval(),
        "finders": [repr(type(finder)) for finder in sys.meta_path],
        "hooks": len(sys.path_hooks),
        "builtins": sorted(vars(builtins)),
        "hooks of output": [without_address(hook) for hook in (sys.displayhook, sys.excepthook)],
        "threads": threading.active_count(),
        "gc": [gc.isenabled(), *gc.get_threshold()],
        "locale": [*locale.getlocale(), sys.stdout.encoding, sys.getfilesystemencoding()],
        "temporary": tempfile.gettempdir(),
        "streams": [[stream.isatty(), stream.line_buffering] for stream in (sys.stdin, sys.stdout, sys.stderr)],
    }


def process(config: pytest.Config) -> dict[str, Any]:
    with open("/proc/self/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    mask = os.umask(0o22)
    os.umask(mask)
    handlers = {str(int(number)): signal.getsignal(number) for number in signal.valid_signals()}
    bounds = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "ids": [*os.getresuid(), *os.getresgid(), *os.getgroups()],
        "session": os.getsid(0) == os.getpid() == os.getpgid(0),
        "umask": mask,
        "status": {name: status.get(name, "") for name in STATUS},
        "handlers": {number: without_address(handler) for number, handler in handlers.items()},
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in bounds},
        "open": len(os.listdir("/proc/self/fd")),
        "nice": os.nice(0),
    }


def surroundings(config: pytest.Config) -> dict[str, Any]:
    seen: dict[str, Any] = {place: sorted(os.listdir(place)) for place in PLACES}
    stats = {place: os.stat(place) for place in PLACES}
    seen["owners"] = {place: [stat.st_mode, stat.st_uid, stat.st_gid] for place, stat in stats.items()}
    return seen


def started_pytest(config: pytest.Config) -> dict[str, Any]:
    manager = config.pluginmanager
    given = config.invocation_params
    return {
        "plugins": sorted(name for name, plugin in manager.list_name_plugin() if plugin and not name.isdigit()),
        "all plugins": len(manager.get_plugins()),
        "options": {name: without_address(value) for name, value in sorted(vars(config.option).items())},
        "arguments": [list(config.args), str(config.args_source), list(given.args), str(given.dir)],
        "root": [str(config.rootpath), str(config.inipath)],
    }


def reporting(config: pytest.Config) -> dict[str, Any]:
    root = logging.getLogger()
    return {
        "warnings": [repr(each) for each in warnings.filters],
        "handlers": [type(handler).__name__ for handler in root.handlers],
        "level": root.level,
    }


def without_address(value: object) -> str:
    return re.sub(r" at 0x\w+", "", repr(value))


FACTS = (interpreter, process, surroundings, started_pytest, reporting)
PLACES = ("/", "/dev", "/dev/shm", "/tmp", "/tmp/home", "/tree", "/etc", "/judge")
STATUS = ("CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "SigBlk", "SigIgn")
