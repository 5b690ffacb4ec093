from prices import discounted


def test_small():
    assert discounted(999) == 999


def test_large():
    assert discounted(1005) == 904
