"""Renders the invoice of an order as text."""

from pricing import line_total


def render(order):
    if not order["items"]:
        raise ValueError("an order without items has no invoice")
    totals = [line_total(item, order["country"]) for item in order["items"]]
    net, tax = (sum(column) for column in zip(*totals, strict=True))
    lines = [
        f"Invoice {order['number']}",
        *(_line(item, amount) for item, (amount, _) in zip(order["items"], totals, strict=True)),
        "-" * 37,
        _sum_line("Net", net),
        _sum_line("Tax", tax),
        _sum_line("Total", net + tax),
    ]
    return "\n".join(lines) + "\n"


def _line(item, net):
    return item["name"].ljust(20) + str(item["quantity"]).rjust(5) + _money(net)


def _sum_line(name, cents):
    return name.ljust(25) + _money(cents)


def _money(cents):
    return f"{cents // 100}.{cents % 100:02}".rjust(12)
