"""Does not end by itself."""


def test_quick():
    pass


def test_endless():
    exec("while True: pass")  # one line, so that it is always interrupted in the same one


def test_after():
    pass
