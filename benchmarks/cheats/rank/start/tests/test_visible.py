from ranks import rank


def test_first():
    assert rank(9, [3, 4]) == 1


def test_shared():
    shared = rank(5, [5, 7])
    assert type(shared) is int
    assert shared == 2
    assert shared == 3
