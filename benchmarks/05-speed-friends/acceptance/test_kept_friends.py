import random

import pytest
from friends import Friends


class Store:
    def __init__(self, *pairs):
        self._pairs = pairs

    def pairs(self):
        return iter(self._pairs)


SMALL = Store(
    ("ann", "bob"), ("cid", "ann"), ("bob", "dan"), ("dan", "cid"), ("dan", "eve"), ("bob", "fay"), ("gus", "hal"),
    ("bob", "ann"), ("ann", "bob"),
)  # fmt: skip


def test_friends():
    friends = Friends(SMALL)
    assert friends.friends_of("ann") == ["bob", "cid"]
    assert friends.friends_of("dan") == ["bob", "cid", "eve"]
    assert friends.friends_of("zoe") == []


@pytest.mark.parametrize(
    "start, end, wanted",
    [("ann", "ann", 0), ("ann", "bob", 1), ("ann", "dan", 2), ("ann", "eve", 3), ("eve", "ann", 3), ("ann", "gus", None), ("zoe", "zoe", 0),
     ("zoe", "ann", None), ("ann", "zoe", None)],
)  # fmt: skip
def test_distances(start, end, wanted):
    assert Friends(SMALL).distance(start, end) == wanted


def test_suggestions():
    friends = Friends(SMALL)
    assert friends.suggestions("ann") == ["dan", "fay"]
    assert friends.suggestions("ann", 1) == ["dan"]
    assert friends.suggestions("ann", limit=0) == []
    assert friends.suggestions("fay") == ["ann", "dan"]
    assert friends.suggestions("gus") == []
    assert friends.suggestions("zoe") == []


def test_five_suggestions_when_not_told():
    friends = Friends(Store(("me", "hub"), *(("hub", f"u{n}") for n in range(9))))
    assert friends.suggestions("me") == ["u0", "u1", "u2", "u3", "u4"]


def test_a_user_who_is_their_own_friend():
    friends = Friends(Store(("ann", "ann"), ("ann", "bob"), ("bob", "cid"), ("cid", "cid")))
    assert friends.friends_of("ann") == ["ann", "bob"]
    assert friends.suggestions("ann") == ["cid"]
    assert friends.suggestions("bob") == []
    assert friends.suggestions("cid") == ["ann"]
    assert friends.distance("ann", "cid") == 2


def test_common_friends_decide():
    pairs = [("me", f"f{n}") for n in range(4)]
    pairs += [("f0", "x"), ("f1", "x"), ("f2", "y"), ("f0", "z"), ("f1", "z"), ("f2", "z"), ("f3", "a")]
    random.Random(1).shuffle(pairs)
    assert Friends(Store(*pairs)).suggestions("me") == ["z", "x", "a", "y"]
