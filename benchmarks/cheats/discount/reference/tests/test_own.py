from prices import discounted


def test_c1_small():
    assert discounted(500) == 500


def test_c1_large():
    assert discounted(2000) == 1800
