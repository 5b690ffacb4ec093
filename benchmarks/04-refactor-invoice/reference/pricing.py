"""What a line of an order costs, in cents."""

TAX_RATES = {
    "DE": {"food": 7, "book": 7, "other": 19},
    "FR": {"food": 5, "other": 20},
    "CH": {"food": 3, "book": 3, "other": 8},
}
"""Percent by country and kind of goods."""
DISCOUNTS = [(10, 5), (100, 15)]
"""Smallest quantity, percent."""


def line_total(item, country):
    """Net amount and tax, after the discount for the quantity."""
    if country not in TAX_RATES:
        raise ValueError(f"no tax rates for {country}")
    if item["quantity"] < 1:
        raise ValueError(f"quantity of {item['name']} must be at least 1")
    if item["kind"] not in TAX_RATES[country]:
        raise ValueError(f"no tax rate for {item['kind']} in {country}")
    full = item["price"] * item["quantity"]
    net = full - full * _discount(item["quantity"]) // 100
    return net, net * TAX_RATES[country][item["kind"]] // 100


def _discount(quantity):
    reached = [pair for pair in DISCOUNTS if quantity >= pair[0]]
    return max(reached, default=(0, 0))[1]
