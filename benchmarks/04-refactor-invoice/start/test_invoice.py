import pytest
from invoice import render


def test_an_invoice():
    items = [
        {"name": "Bread", "kind": "food", "price": 299, "quantity": 2},
        {"name": "Chair", "kind": "other", "price": 4995, "quantity": 10},
    ]
    assert render({"number": 7, "country": "DE", "items": items}) == (
        "Invoice 7\n"
        "Bread                   2        5.98\n"
        "Chair                  10      474.53\n"
        "-------------------------------------\n"
        "Net                            480.51\n"
        "Tax                             90.57\n"
        "Total                          571.08\n"
    )


def test_an_unknown_country():
    item = {"name": "Bread", "kind": "food", "price": 299, "quantity": 2}
    with pytest.raises(ValueError, match="no tax rates for XX"):
        render({"number": 1, "country": "XX", "items": [item]})
