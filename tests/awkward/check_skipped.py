"""A file that is skipped as a whole."""

import pytest

pytest.importorskip("no_such_module_at_all")


def test_never():
    pass
