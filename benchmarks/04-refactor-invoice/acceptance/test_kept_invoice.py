import pytest
from invoice import render


def item(name="Bread", kind="food", price=299, quantity=2):
    return {"name": name, "kind": kind, "price": price, "quantity": quantity}


def sums(country, *items):
    lines = render({"number": 1, "country": country, "items": list(items)}).splitlines()
    return [line.split()[-1] for line in lines[-3:]]


def test_the_whole_text():
    items = [item(), item("Chair", "other", 4995, 10), item("A very long name indeed", "book", 5, 1)]
    assert render({"number": "X-7", "country": "DE", "items": items}) == (
        "Invoice X-7\n"
        "Bread                   2        5.98\n"
        "Chair                  10      474.53\n"
        "A very long name indeed    1        0.05\n"
        "-------------------------------------\n"
        "Net                            480.56\n"
        "Tax                             90.57\n"
        "Total                          571.13\n"
    )


@pytest.mark.parametrize(
    "country, kind, wanted",
    [("DE", "food", "70.00"), ("DE", "book", "70.00"), ("DE", "other", "190.00"), ("FR", "food", "50.00"),
     ("FR", "other", "200.00"), ("CH", "food", "30.00"), ("CH", "book", "30.00"), ("CH", "other", "80.00")],
)  # fmt: skip
def test_taxes(country, kind, wanted):
    assert sums(country, item(kind=kind, price=100_000, quantity=1))[1] == wanted


@pytest.mark.parametrize("quantity, net", [(9, "90.00"), (10, "95.00"), (99, "940.50"), (100, "850.00"), (1, "10.00")])
@pytest.mark.parametrize("country", ["DE", "FR", "CH"])
def test_discounts(country, quantity, net):
    assert sums(country, item(price=1000, quantity=quantity))[0] == net


def test_cents_are_rounded_line_by_line():
    assert sums("DE", item(price=33, quantity=11), item(price=33, quantity=11)) == ["6.90", "0.48", "7.38"]


@pytest.mark.parametrize(
    "country, wrong, message",
    [
        ("XX", item(), "no tax rates for XX"),
        ("XX", item(quantity=0), "no tax rates for XX"),
        ("FR", item(kind="book"), "no tax rate for book in FR"),
        ("DE", item(kind="toy"), "no tax rate for toy in DE"),
        ("CH", item(quantity=0), "quantity of Bread must be at least 1"),
        ("CH", item(kind="toy", quantity=0), "quantity of Bread must be at least 1"),
    ],
)
def test_errors(country, wrong, message):
    with pytest.raises(ValueError) as caught:
        render({"number": 1, "country": country, "items": [wrong]})
    assert str(caught.value) == message


def test_an_order_without_items():
    with pytest.raises(ValueError) as caught:
        render({"number": 1, "country": "XX", "items": []})
    assert str(caught.value) == "an order without items has no invoice"
