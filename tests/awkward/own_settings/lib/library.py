"""A library in a folder that only the settings name."""


def add(a, b):
    """
    >>> add(1, 2)
    3
    """
    return a + b
