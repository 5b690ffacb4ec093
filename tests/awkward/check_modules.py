"""What is imported before the first line of a project is."""

import sys

MODULES = sorted(sys.modules)


def test_modules():
    print(*MODULES, sep="\n")
    raise AssertionError("to show them")
