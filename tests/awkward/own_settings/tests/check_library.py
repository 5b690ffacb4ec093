"""
>>> add(1, 1)
3
"""

import warnings

import pytest
from library import add


def test_add():
    assert add(1, 2) == 3


def test_warnings_are_errors():
    warnings.warn("no", UserWarning, stacklevel=1)


@pytest.mark.known
def test_marked():
    pass
