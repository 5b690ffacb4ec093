import pytest
from roman import from_roman, to_roman

KNOWN = {
    1: "I", 2: "II", 3: "III", 4: "IV", 5: "V", 6: "VI", 9: "IX", 14: "XIV", 40: "XL", 44: "XLIV", 50: "L", 90: "XC",
    99: "XCIX", 100: "C", 400: "CD", 500: "D", 649: "DCXLIX", 900: "CM", 1000: "M", 1994: "MCMXCIV", 2024: "MMXXIV",
    3999: "MMMCMXCIX",
}  # fmt: skip


def test_known_numbers_are_written():
    assert {number: to_roman(number) for number in KNOWN} == KNOWN


def test_known_numerals_are_read():
    assert {from_roman(text): text for text in KNOWN.values()} == KNOWN


def test_every_number_comes_back():
    assert [from_roman(to_roman(number)) for number in range(1, 4000)] == list(range(1, 4000))


def test_numerals_differ():
    assert len({to_roman(number) for number in range(1, 4000)}) == 3999


@pytest.mark.parametrize("number", [0, -1, 4000, 10_000])
def test_numbers_out_of_range_are_refused(number):
    with pytest.raises(ValueError):
        to_roman(number)


@pytest.mark.parametrize("text, number", [("xiv", 14), ("mcmxciv", 1994), ("Mm", 2000)])
def test_small_letters_are_read(text, number):
    assert from_roman(text) == number


@pytest.mark.parametrize(
    "text", ["", " ", "A", "X1", "IIII", "IC", "VX", "IVI", "VV", "IXIV", "MMMM", "XCX", "X ", "-V"]
)
def test_all_else_is_refused(text):
    with pytest.raises(ValueError):
        from_roman(text)
