from friends import Friends


class Store:
    def __init__(self, *pairs):
        self._pairs = pairs

    def pairs(self):
        return iter(self._pairs)


def test_friends():
    friends = Friends(Store(("ann", "bob"), ("cid", "ann")))
    assert friends.friends_of("ann") == ["bob", "cid"]


def test_suggestions():
    friends = Friends(Store(("ann", "bob"), ("bob", "cid")))
    assert friends.suggestions("ann") == ["cid"]
