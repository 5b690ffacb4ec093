"""Amounts of money in cents."""

import re

AMOUNT = re.compile(r"(-?)([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.([0-9]{1,2}))?")


def parse(text):
    """Cents of a text such as `12.34`, `-5` or `1,234.50`."""
    match = AMOUNT.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no amount")
    sign, whole, rest = match.groups("")
    cents = int(whole.replace(",", "") + rest.ljust(2, "0"))
    return -cents if sign else cents


def show(cents):
    """The text of an amount, such as `-1,234.50`."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole:,}.{rest:02}"


def split(cents, parts):
    """An amount in parts that differ by a cent at most, the larger ones first; their sum is the amount."""
    if parts < 1:
        raise ValueError(f"parts must be at least 1, not {parts}")
    each, more = divmod(cents, parts)
    return [each + 1] * more + [each] * (parts - more)
