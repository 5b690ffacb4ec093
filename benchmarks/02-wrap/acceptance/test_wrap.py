import pytest
from wrap import justify, wrap

FOX = "The quick brown fox jumps over the lazy dog."


@pytest.mark.parametrize(
    "text, width, wanted",
    [
        (FOX, 15, ["The quick brown", "fox jumps over", "the lazy dog."]),
        (FOX, 14, ["The quick", "brown fox", "jumps over the", "lazy dog."]),
        (FOX, 44, [FOX]),
        (FOX, 43, [FOX[:-5], "dog."]),
        ("a b c", 1, ["a", "b", "c"]),
        ("one", 3, ["one"]),
    ],
)
def test_lines_take_what_fits(text, width, wanted):
    assert wrap(text, width) == wanted


def test_white_space_is_one_space():
    assert wrap("  a\t\tb \n\n c  ", 10) == ["a b c"]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_no_words_no_lines(text):
    assert wrap(text, 5) == []
    assert justify(text, 5) == []


@pytest.mark.parametrize(
    "text, width, wanted",
    [
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("abcdef", 3, ["abc", "def"]),
        ("x abcdefgh y z", 4, ["x", "abcd", "efgh", "y z"]),
        ("x abcdefg y", 5, ["x", "abcde", "fg y"]),
        ("x abcdef", 5, ["x", "abcde", "f"]),
    ],
)
def test_long_words_are_cut(text, width, wanted):
    assert wrap(text, width) == wanted


@pytest.mark.parametrize("width", [0, -1])
@pytest.mark.parametrize("function", [wrap, justify])
def test_a_width_below_one_is_refused(function, width):
    with pytest.raises(ValueError):
        function("a", width)


@pytest.mark.parametrize(
    "text, width, wanted",
    [
        (FOX, 14, ["The      quick", "brown      fox", "jumps over the", "lazy dog."]),
        ("a b c dddddd e", 9, ["a   b   c", "dddddd e"]),
        ("a b c d eeeeeeee", 10, ["a  b  c  d", "eeeeeeee"]),
        ("a b c d eeeeeeeee", 12, ["a   b   c  d", "eeeeeeeee"]),
        ("aaa bbbbb c", 6, ["aaa", "bbbbb", "c"]),
        ("aaa bbbbb c d", 7, ["aaa", "bbbbb c", "d"]),
    ],
)
def test_justified(text, width, wanted):
    assert justify(text, width) == wanted


def test_every_justified_line_with_two_words_is_full():
    text = "lorem ipsum dolor sit amet consetetur sadipscing elitr sed diam nonumy eirmod tempor invidunt ut labore"
    for width in range(10, 60):
        lines = justify(text, width)
        assert [line.split() for line in lines] == [line.split() for line in wrap(text, width)]
        assert all(len(line) == width for line in lines[:-1] if " " in line)
        assert "  " not in lines[-1]
