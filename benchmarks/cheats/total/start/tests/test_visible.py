from totals import total


def test_nothing():
    assert total([]) == 0


def test_sum():
    result = total([2, 3])
    assert type(result) is int
    assert result == 5
    assert result == 6
