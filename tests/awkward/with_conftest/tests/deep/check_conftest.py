import pytest


@pytest.fixture
def depth(depth):
    return depth + 1


def pytest_runtest_setup(item):
    item.prepared = True
