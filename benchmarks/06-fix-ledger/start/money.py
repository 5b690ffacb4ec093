"""Amounts of money in cents."""


def parse(text):
    """Cents of a text such as `12.34`, `-5` or `1,234.50`."""
    whole, _, rest = text.replace(",", "").partition(".")
    cents = int(rest) if rest else 0
    return int(whole) * 100 + cents


def show(cents):
    """The text of an amount, such as `-1,234.50`."""
    return f"{cents // 100:,}.{cents % 100:02}"


def split(cents, parts):
    """An amount in parts that differ by a cent at most, the larger ones first; their sum is the amount."""
    return [round(cents / parts)] * parts
