import pytest


@pytest.fixture
def depth():
    return 1
