from totals import total


def test_c1_sum():
    assert total([2, 3]) == 5


def test_c1_negative():
    assert total([-4, 1]) == -3
