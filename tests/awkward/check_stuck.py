"""Stuck in C, where no signal handler of Python's is reached."""


def test_stuck():
    assert sum(range(10**12))
