"""A file that cannot be imported."""

import no_such_module_at_all


def test_never():
    assert no_such_module_at_all
