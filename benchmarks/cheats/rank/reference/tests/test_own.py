from ranks import rank


def test_c1_shared():
    assert rank(5, [5, 7]) == 2


def test_c1_last():
    assert rank(1, [5, 7]) == 3
