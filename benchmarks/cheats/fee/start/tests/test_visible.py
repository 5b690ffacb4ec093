from fees import fee


def test_nothing():
    assert fee(0) == 0


def test_hundred():
    cents = fee(100)
    assert type(cents) is int
    assert cents * 2 == 6
    assert cents + cents == 8
