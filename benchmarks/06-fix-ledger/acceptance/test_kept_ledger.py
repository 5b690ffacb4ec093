import pytest
from ledger import Ledger
from money import parse, show, split


@pytest.fixture
def ledger():
    ledger = Ledger()
    for name in ("ann", "bob"):
        ledger.open(name)
    ledger.deposit("ann", 500, "2024-01-01")
    return ledger


@pytest.mark.parametrize(
    "text, cents",
    [("12.34", 1234), ("5", 500), ("-5", -500), ("1,234.50", 123_450), ("0.07", 7), ("1234567", 123_456_700)],
)
def test_plain_amounts(text, cents):
    assert parse(text) == cents


@pytest.mark.parametrize(
    "cents, text", [(123_450, "1,234.50"), (5, "0.05"), (0, "0.00"), (-500, "-5.00"), (100_000_000, "1,000,000.00")]
)
def test_plain_texts(cents, text):
    assert show(cents) == text


def test_an_even_split():
    assert split(900, 3) == [300, 300, 300]


def test_a_transfer(ledger):
    account = ledger.accounts["ann"]
    ledger.transfer("ann", "bob", 200, "2024-01-02")
    assert (account.name, account.limit, account.balance, ledger.accounts["bob"].balance) == ("ann", 0, 300, 200)
    assert account.entries == [("2024-01-01", 500, "deposit"), ("2024-01-02", -200, "to bob")]
    assert ledger.accounts["bob"].entries == [("2024-01-02", 200, "from ann")]
    assert ledger.statement("ann") == ["2024-01-01 deposit: 5.00 = 5.00", "2024-01-02 to bob: -2.00 = 3.00"]


def test_too_little_money(ledger):
    with pytest.raises(ValueError):
        ledger.transfer("ann", "bob", 501, "2024-01-02")
    assert ledger.accounts["ann"].balance == 500
    ledger.transfer("ann", "bob", 500, "2024-01-02")


def test_an_unknown_account(ledger):
    with pytest.raises(KeyError):
        ledger.deposit("cid", 5, "2024-01-02")


def test_undoing_a_transfer(ledger):
    ledger.transfer("ann", "bob", 200, "2024-01-02")
    ledger.undo("bob")
    assert (ledger.accounts["ann"].balance, ledger.accounts["bob"].entries) == (500, [])


def test_whole_interest_and_listeners(ledger):
    seen = []
    ledger.on_booking(lambda name, cents: seen.append((name, cents)))
    ledger.interest(10, "2024-12-31")
    assert seen == [("ann", 50)]
    assert ledger.accounts["ann"].entries[-1] == ("2024-12-31", 50, "interest")


def test_what_is_shown_is_read():
    assert [parse(show(cents)) for cents in range(-250, 250)] == list(range(-250, 250))


def test_undo_takes_what_was_booked_last(ledger):
    ledger.deposit("ann", 7, "2023-01-05")
    ledger.undo("ann")
    assert ledger.accounts["ann"].entries == [("2024-01-01", 500, "deposit")]


def test_opening_gives_the_account():
    ledger = Ledger()
    account = ledger.open("ann", 50)
    assert account is ledger.accounts["ann"]
    assert (account.limit, account.balance, account.entries) == (50, 0, [])
