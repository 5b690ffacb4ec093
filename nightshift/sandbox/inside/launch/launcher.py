"""Puts one process behind its walls: the program of a bare interpreter, never part of a Nightshift process.

Reads a plan (see `processes/job.py`) from stdin, builds the jail it describes and becomes, at the bottom of it,
the command. Imports little, since each start pays for it.

It does not judge whether the jail holds: `probe.py` does, from outside.
"""

from __future__ import annotations

import marshal
import os
import resource
import sys
import warnings  # noqa: F401  (os.execvpe needs it, and then the library may be out of reach)

from . import landlock, namespaces, reaper
from .kernel import (
    PR_SET_NO_NEW_PRIVS,
    die_with_parent,
    install_filter,
    libc,
    prctl,
)

TYPE_CHECKING = False  # importing typing would take as long as starting the interpreter
if TYPE_CHECKING:
    from typing import Any, NoReturn

SETUP_FAILED, CANNOT_EXECUTE, NOT_FOUND = 125, 126, 127
SIGPIPE, SIGINT, SIGXFSZ = 13, 2, 25


def main() -> NoReturn:
    with open(0, "rb", closefd=False) as stdin:
        plan = marshal.loads(stdin.read())
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.set_inheritable(plan["status"], False)
    try:
        if plan["walls"] != "reaper":  # that one must outlive its parent, to sweep
            die_with_parent()
        if os.getppid() != plan["parent"]:
            os._exit(SETUP_FAILED)
        if plan["walls"]:
            ENTER[plan["walls"]](plan["jail"], plan["leash"])
        os.close(plan["leash"])
        execute(plan)
    except (OSError, ValueError) as error:
        os.write(plan["status"], f"{type(error).__name__}: {error}".encode(errors="backslashreplace"))
        os._exit(SETUP_FAILED)


ENTER = {"namespaces": namespaces.enter, "reaper": reaper.enter}


def execute(plan: dict[str, Any]) -> NoReturn:
    os.chdir(plan["cwd"])
    set_limits(plan)
    for number in (SIGPIPE, SIGXFSZ, SIGINT):
        libc.signal(number, 0)  # an ignored signal would stay ignored in the command
    if sys.platform == "linux":
        prctl(PR_SET_NO_NEW_PRIVS, 1, "no new privileges")
    if plan["landlock"]:
        landlock.restrict(**plan["landlock"])
    if plan["filter"]:
        install_filter(plan["filter"])
    os.write(plan["status"], b"ok")
    become_command(plan["argv"], plan["env"])


def set_limits(plan: dict[str, Any]) -> None:
    for kind, bound in plan["rlimits"]:
        if kind == resource.RLIMIT_NPROC and plan["walls"] == "reaper":
            bound += reaper.threads_of(os.getuid())
        hard = resource.getrlimit(kind)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, bound))


def become_command(argv: list[str], env: dict[str, str]) -> NoReturn:
    try:
        os.execvpe(argv[0], argv, env)
    except (FileNotFoundError, NotADirectoryError):
        os.write(2, os.fsencode(f"{argv[0]}: not found\n"))
        os._exit(NOT_FOUND)
    except (OSError, ValueError) as error:
        os.write(2, os.fsencode(f"{argv[0]}: {error}\n"))
        os._exit(CANNOT_EXECUTE)
