"""Scopes, finalizers and parameters of fixtures."""

from typing import ClassVar

import pytest

events = []


@pytest.fixture(scope="session")
def once():
    events.append("session")
    yield 1
    events.append("session over")


@pytest.fixture(scope="module", params=["a", "b"])
def letter(request, once):
    events.append(request.param)
    return request.param * once


@pytest.fixture(autouse=True)
def numbered(request):
    yield
    events.append(request.node.name)


class TestClass:
    state: ClassVar[list[int]] = []

    @pytest.fixture(autouse=True, scope="class")
    def fill(self, request):
        request.cls.state.append(len(request.cls.state))

    def test_letter(self, letter):
        assert letter in "ab"
        assert self.state == [0]

    def test_again(self, letter):
        assert events.count("session") == 1


@pytest.mark.parametrize("left", [1, 2], ids=["one", "two words"])
@pytest.mark.parametrize(("right", "wanted"), [(1, 2), pytest.param(5, 0, marks=pytest.mark.xfail)])
def test_table(left, right, wanted):
    assert right + 1 == wanted


@pytest.mark.skipif(True, reason="not here")
def test_skipped():
    raise AssertionError


def test_missing_fixture(nobody_made_this):
    raise AssertionError


def test_assertion_is_explained():
    numbers = {"a": [1, 2, 3]}
    assert numbers["a"] == [1, 2, 4], "with a message"


def test_error_in_a_helper():
    def divide(number):
        return number / 0

    divide(1)
