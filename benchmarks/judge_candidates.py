"""What the sandbox is given to judge, from one thread or several: a source file beside a file of twelve small tests."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nightshift.domain import Tree

FILE = "test_solution.py"
TESTS = "import pytest\n\nfrom solution import add\n\n" + "".join(
    f"def test_{number}():\n    assert add({number}, 1) == {number + 1}\n\n" for number in range(12)
)
SOURCE = "def add(a, b):\n    return a + b  # candidate {}\n"


def candidate(number: int) -> Tree:
    return Tree({"solution.py": SOURCE.format(number), FILE: TESTS})


def at_once(threads: int, act: Callable[[int], object], times: int) -> None:
    def work(first: int) -> None:
        for number in range(first, first + times):
            act(number)

    workers = [threading.Thread(target=work, args=(thread * times,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
