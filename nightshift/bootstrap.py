"""The first and last thing every program does: find a fitting interpreter, turn an ending into an exit code.

This file must parse, and `ensure_venv` run, on Python 3.8 with nothing installed.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

REEXECUTED = "_NIGHTSHIFT_REEXECUTED"
DEFECT = 70
INTERRUPTED = 130


def ensure_venv() -> None:
    """Returns when this interpreter can run Nightshift; else becomes the checkout's .venv or exits with 2."""
    problem = _problem()
    already = os.environ.pop(REEXECUTED, None)
    if problem is None:
        return
    venv = Path(__file__).resolve().parents[1] / ".venv" / "bin" / "python"
    if already is None and venv.exists():
        os.environ[REEXECUTED] = "1"
        os.execv(str(venv), [str(venv), *sys.argv])
    sys.stderr.write(problem + "\n")
    sys.exit(2)


def _problem() -> str | None:
    if sys.version_info < (3, 11):  # noqa: UP036  an older interpreter is just what this finds out
        version = ".".join(map(str, sys.version_info[:3]))
        return f"Nightshift needs Python >= 3.11, this is {version}: run `make setup PYTHON=python3.12`."
    if importlib.util.find_spec("httpx") is None:
        return "Nightshift needs httpx, which this Python does not have: run `make setup` in its checkout."
    return None


def run_program(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> NoReturn:
    """Runs `main` and exits with its code, or with the one that the contract gives to what it raised."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal of another encoding shows an escape for what it lacks; it must not end a run.
            stream.reconfigure(errors="backslashreplace")
    # Until a program knows better: what it opened is closed, and what it started is ended.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        code = main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = _say("Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        code = _reader_left()
    except Exception as error:
        code = _code_of(error)
        raise SystemExit(code) from error
    sys.exit(code)


def _code_of(error: Exception) -> int:
    from nightshift.errors import NightshiftError  # not at the top: it does not import on Python 3.8

    leaves = list(_leaves(error))
    known = [leaf for leaf in leaves if isinstance(leaf, NightshiftError)]
    if known and len(known) == len(leaves):
        return _say(str(known[0]), known[0].exit_code)
    traceback.print_exception(type(error), error, error.__traceback__)
    return _say("This is a defect in Nightshift itself.", DEFECT)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside a group, as asyncio.TaskGroup raises them; any other error is its own leaf."""
    inner = getattr(error, "exceptions", None)
    if inner is None:
        yield error
    for each in inner or ():
        yield from _leaves(each)


def _say(sentence: str, code: int) -> int:
    sys.stderr.write(sentence + "\n")
    return code


def _reader_left() -> int:
    """Whoever read our output is gone; without a new stdout Python would complain again while it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return INTERRUPTED
