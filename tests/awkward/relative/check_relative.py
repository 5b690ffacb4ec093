from .package import answer
from .package.inner import question


def test_relative():
    assert (answer, question) == (42, "?")
    assert __name__ == "relative.test_relative" or __package__
