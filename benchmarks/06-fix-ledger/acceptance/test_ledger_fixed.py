from decimal import Decimal

import pytest
from ledger import Ledger
from money import parse, show, split


@pytest.fixture
def ledger():
    ledger = Ledger()
    for name in ("ann", "bob", "cid"):
        ledger.open(name)
    ledger.deposit("ann", 1000, "2024-01-10")
    return ledger


def state(ledger):
    return {name: (account.balance, list(account.entries)) for name, account in ledger.accounts.items()}


def refused(ledger, error, function, *values):
    seen, before = [], state(ledger)
    ledger.on_booking(lambda name, cents: seen.append(name))
    with pytest.raises(error):
        function(*values)
    assert state(ledger) == before
    assert seen == []


@pytest.mark.parametrize(
    "text, cents",
    [("12.5", 1250), ("-0.50", -50), ("-1.25", -125), ("0.5", 50), ("-0.5", -50), ("-1,000.05", -100_005)],
)
def test_amounts(text, cents):
    assert parse(text) == cents


def test_wrong_amounts():
    for text in (
        "",
        "1.234",
        ".5",
        "5.",
        "1,23",
        "--1",
        " 1",
        "1 ",
        "x",
        "1,2345",
        ",123",
        "1.-5",
        "1_0",
        "+1",
        "1.5\n",
        "١",
    ):
        with pytest.raises(ValueError):
            parse(text)


@pytest.mark.parametrize("cents, text", [(-5, "-0.05"), (-123_450, "-1,234.50"), (-199, "-1.99")])
def test_negative_texts(cents, text):
    assert show(cents) == text


@pytest.mark.parametrize(
    "cents, parts, wanted",
    [(1000, 3, [334, 333, 333]), (5, 4, [2, 1, 1, 1]), (-5, 2, [-2, -3]), (1, 3, [1, 0, 0]), (10**20 + 1, 2, [5 * 10**19 + 1, 5 * 10**19])],
)  # fmt: skip
def test_splitting_loses_nothing(cents, parts, wanted):
    assert split(cents, parts) == wanted
    assert split(cents, 1) == [cents]


def test_splitting_in_no_parts():
    for parts in (0, -1):
        with pytest.raises(ValueError):
            split(100, parts)


def test_a_name_is_opened_once(ledger):
    refused(ledger, ValueError, ledger.open, "ann")


def test_the_limit_is_how_far_an_account_is_overdrawn(ledger):
    ledger.open("dan", 500)
    ledger.transfer("dan", "bob", 500, "2024-01-01")
    assert ledger.accounts["dan"].balance == -500
    refused(ledger, ValueError, ledger.transfer, "dan", "bob", 1, "2024-01-02")
    ledger.deposit("dan", 1, "2024-01-03")


def test_money_comes_in_below_the_limit(ledger):
    ledger.transfer("ann", "bob", 1000, "2024-01-11")
    ledger.transfer("bob", "cid", 1000, "2024-01-12")
    ledger.undo("ann")
    assert ledger.accounts["bob"].balance == -1000
    ledger.deposit("bob", 5, "2024-01-13")
    assert ledger.accounts["bob"].balance == -995


def test_amounts_are_above_zero(ledger):
    for cents in (0, -5):
        refused(ledger, ValueError, ledger.deposit, "ann", cents, "2024-01-11")
        refused(ledger, ValueError, ledger.transfer, "ann", "bob", cents, "2024-01-11")


def test_a_transfer_to_nobody_changes_nothing(ledger):
    refused(ledger, KeyError, ledger.transfer, "ann", "zoe", 5, "2024-01-11")
    refused(ledger, KeyError, ledger.transfer, "zoe", "ann", 5, "2024-01-11")


def test_a_transfer_to_itself_is_refused(ledger):
    refused(ledger, ValueError, ledger.transfer, "ann", "ann", 5, "2024-01-11")


def test_entries_are_in_the_order_of_days(ledger):
    ledger.deposit("ann", 7, "2024-01-05")
    ledger.deposit("ann", 3, "2024-01-10")
    ledger.deposit("ann", 1, "2024-01-05")
    assert [(day[-2:], cents) for day, cents, _ in ledger.accounts["ann"].entries] == [
        ("05", 7),
        ("05", 1),
        ("10", 1000),
        ("10", 3),
    ]


def test_undo_finds_the_other_side(ledger):
    ledger.transfer("ann", "bob", 300, "2024-01-11")
    ledger.deposit("bob", 50, "2024-01-12")
    ledger.undo("ann")
    assert state(ledger)["ann"] == (1000, [("2024-01-10", 1000, "deposit")])
    assert state(ledger)["bob"] == (50, [("2024-01-12", 50, "deposit")])


def test_undo_without_entries(ledger):
    refused(ledger, ValueError, ledger.undo, "bob")


def test_statements_of_a_time(ledger):
    ledger.deposit("ann", 5, "2024-01-11")
    ledger.deposit("ann", 1, "2024-01-12")
    second, third = "2024-01-11 deposit: 0.05 = 10.05", "2024-01-12 deposit: 0.01 = 10.06"
    assert ledger.statement("ann", "2024-01-11") == [second, third]
    assert ledger.statement("ann", first="2024-01-11", last="2024-01-11") == [second]
    assert ledger.statement("ann", last="2024-01-12")[1:] == [second, third]
    assert ledger.statement("ann", first="2024-01-12") == [third]


def test_interest_is_rounded_half_up(ledger):
    ledger.deposit("bob", 50, "2024-01-11")
    ledger.deposit("cid", 49, "2024-01-11")
    ledger.interest(1, "2024-12-31")
    assert [account.balance for account in ledger.accounts.values()] == [1010, 51, 49]
    ledger.interest(Decimal("1.25"), "2025-12-31")
    assert [account.balance for account in ledger.accounts.values()] == [1023, 52, 50]


def test_interest_is_exact(ledger):
    ledger.deposit("bob", 10**18 + 50, "2024-01-11")
    ledger.interest(1, "2024-12-31")
    assert ledger.accounts["bob"].balance == 10**18 + 50 + 10**16 + 1


def test_debts_bear_no_interest(ledger):
    ledger.open("dan", 5000)
    ledger.transfer("dan", "bob", 5000, "2024-01-11")
    ledger.interest(Decimal("0.5"), "2024-12-31")
    assert [account.balance for account in ledger.accounts.values()] == [1005, 5025, 0, -5000]
    assert len(ledger.accounts["cid"].entries) == 0


def test_a_listener_belongs_to_its_ledgers(ledger):
    seen = []

    def listener(name, cents):
        seen.append((name, cents))

    other = Ledger()
    other.open("x")
    for each in (ledger, other, ledger):
        each.on_booking(listener)
    ledger.deposit("bob", 5, "2024-01-11")
    other.deposit("x", 6, "2024-01-11")
    assert seen == [("bob", 5), ("x", 6)]


def test_listeners_see_all_entries(ledger):
    seen = []
    ledger.on_booking(
        lambda name, cents: seen.append((name, cents, [each.balance for each in ledger.accounts.values()]))
    )
    ledger.transfer("ann", "bob", 400, "2024-01-11")
    assert seen == [("ann", -400, [600, 400, 0]), ("bob", 400, [600, 400, 0])]
    seen.clear()
    ledger.interest(50, "2024-12-31")
    assert seen == [("ann", 300, [900, 600, 0]), ("bob", 200, [900, 600, 0])]
    seen.clear()
    ledger.undo("bob")
    assert seen == []
