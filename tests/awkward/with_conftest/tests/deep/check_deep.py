import pytest


def test_fixtures(size, plugged, depth):
    assert (size, plugged, depth) == ("large", "in", 2)


def test_hooks(request):
    assert request.config.started
    assert request.node.prepared


@pytest.mark.heavy
def test_explained():
    assert b"a" == b"b"
