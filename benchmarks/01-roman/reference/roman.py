"""Roman numerals from 1 to 3999, in their one regular form."""

PARTS = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip


def to_roman(number: int) -> str:
    if not 1 <= number <= 3999:
        raise ValueError(f"{number} has no Roman numeral: 1 to 3999 have")
    numeral = ""
    for value, letters in PARTS:
        count, number = divmod(number, value)
        numeral += letters * count
    return numeral


def from_roman(text: str) -> int:
    numeral = rest = text.upper()
    number = 0
    for value, letters in PARTS:
        while rest.startswith(letters):
            rest = rest[len(letters) :]
            number += value
    if rest or not number or number > 3999 or to_roman(number) != numeral:
        raise ValueError(f"{text!r} is no Roman numeral")
    return number
