import pytest

pytest_plugins = ["my_plugin"]


def pytest_addoption(parser):
    parser.addoption("--size", default="large")


def pytest_configure(config):
    config.addinivalue_line("markers", "heavy: a marker")


def pytest_sessionstart(session):
    session.config.started = True


def pytest_collection_modifyitems(items):
    items.reverse()


@pytest.fixture
def size(request):
    return request.config.getoption("--size")
