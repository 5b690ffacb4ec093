import pytest


@pytest.fixture
def plugged():
    return "in"


def pytest_assertrepr_compare(op, left, right):
    return ["not the same at all"] if op == "==" and isinstance(left, bytes) else None
