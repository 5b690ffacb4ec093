"""The least that running a test file can cost: a fork of a warm interpreter just calls its functions.

Reads a folder per line from stdin, and answers with the number of tests that passed there. No walls, no report.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest  # noqa: F401  (the test file imports it: it shall be there already)


def serve() -> None:
    gc.freeze()
    for line in sys.stdin:
        read, write = os.pipe()
        if not os.fork():
            os.write(write, b"%d\n" % passed(Path(line.strip())))
            os._exit(0)
        os.close(write)
        told = os.read(read, 100)
        os.close(read)
        os.wait()
        os.write(1, told)


def passed(folder: Path) -> int:
    sys.path.insert(0, str(folder))
    names: dict[str, object] = {"__name__": "test_solution"}
    file = folder / "test_solution.py"
    exec(compile(file.read_text(), str(file), "exec"), names)
    tests = [each for name, each in names.items() if name.startswith("test_") and callable(each)]
    for test in tests:
        test()
    return len(tests)


if __name__ == "__main__":
    serve()
