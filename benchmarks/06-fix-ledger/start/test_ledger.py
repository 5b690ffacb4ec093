from ledger import Ledger
from money import parse, show


def test_money():
    assert parse("12.34") == 1234
    assert show(123450) == "1,234.50"


def test_a_transfer():
    ledger = Ledger()
    ledger.open("ann")
    ledger.open("bob")
    ledger.deposit("ann", 500, "2024-01-01")
    ledger.transfer("ann", "bob", 200, "2024-01-02")
    assert (ledger.accounts["ann"].balance, ledger.accounts["bob"].balance) == (300, 200)
