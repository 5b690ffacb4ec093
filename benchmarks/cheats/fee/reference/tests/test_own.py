from fees import fee


def test_c1_hundred():
    assert fee(100) == 3


def test_c1_rounds_down():
    assert fee(250) == 7
