"""Our programs that run in processes of their own: a compiled copy of `inside/`, and how one of it is started.

The copy is all of ours that a jail can see. Whatever shares a process with code nobody trusts can be changed by it.
"""

from __future__ import annotations

import shutil
import sys
from compileall import compile_dir
from pathlib import Path

INSIDE = Path(__file__).parents[1] / "inside"


def copy_inside(tools: Path) -> None:
    """Compiled, so that an interpreter of our version starts faster; another one takes no notice.

    Compiled where it lies, once for all boxes, and in the copy only where nothing can be written beside the source.
    """
    package = tools / "_nightshift"
    if not sys.dont_write_bytecode:
        compile_dir(INSIDE, quiet=2)
    shutil.copytree(INSIDE, package, ignore=shutil.ignore_patterns("*.pyc.*"))  # another process is writing those
    compile_dir(package, quiet=2)
    for path in (tools, *tools.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def command_for(python: str, program: str, tools: str, *words: str, function: str = "main") -> list[str]:
    """For a program in a jail: nothing of the tree or of a user comes before the library."""
    return [python, "-P", "-s", "-c", start_code(program, function), tools, *words]


def start_code(program: str, function: str = "main") -> str:
    """For `python -c`: the first argument is the directory of the copy, which no later import can reach."""
    start = f"import sys; sys.path.append(sys.argv.pop(1)); import _nightshift.{program} as p; sys.path.pop()"
    return f"{start}; p.{function}()"
