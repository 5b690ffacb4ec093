"""What a mirror in the tests' process does when it meets a plain value: the operators that a test decides by.

A class decides what its own operators mean, but not whether it equals a plain value that a test expects: an
object that the code *answered* with does not see such a value before it has shown what it holds (`==`, `<`, `in`,
`-` with plain operands are settled here, or not at all). An object that the test itself *made*, by calling a class
under its CapWords name, may, until the code gives it back. What a class says of two of its own objects is taken as
its meaning, once it was seen to tell them from strangers.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from itertools import islice
from random import SystemRandom
from string import ascii_lowercase
from typing import Any

from .classes import Peer, is_mirror, mark_made

NUMERIC = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift", "and",
           "or", "xor")  # fmt: skip
ARITHMETIC = tuple(f"__{prefix}{name}__" for name in NUMERIC for prefix in ("", "r", "i"))
ORDER = ("__lt__", "__le__", "__gt__", "__ge__")
SCALED = frozenset({"__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__matmul__", "__rmatmul__", "__mod__"})
"""What two objects of a class may make something else than a third one by: a product may be a number."""
STRANGERS = 3
CHANCE = SystemRandom()
"""No seed of a test makes what is asked foreseeable."""
NUMBERS = (int, float)
LOOKED_AT = 100_000
"""Items of an iterable that are compared before it is taken for endless."""


def on_value(peer: Peer, name: str, base: type) -> Callable[..., Any]:
    """Of a subclass of a plain type: its own way only where a test made it, else the plain one."""

    def method(self: Any, *others: Any) -> Any:
        if peer.trusts(self) or any(map(is_mirror, others)):
            return peer.ask("operate", name, self, *others)
        plain = getattr(base, name, None)
        return plain(self, *others) if plain else NotImplemented

    return method


def guarded(peer: Peer, name: str) -> Callable[..., Any]:
    """An operator with an operand that may be what the test expects."""

    def method(self: Any, *others: Any) -> Any:
        mirrors = all(map(is_mirror, others))
        if not mirrors and not peer.trusts(self):
            plain = plain_of(peer, self)
            act = getattr(type(plain), name, None)
            return act(plain, *others) if plain is not None and act else settled(peer, name, self, *others)
        made = peer.trusts(self)  # before the answer, which may be this very object
        result = peer.ask("operate", name, self, *others)
        closed = name in ARITHMETIC and not (mirrors and name in SCALED)
        return mark_made(result) if closed and type(result) is type(self) and made else result

    return method


def settled(peer: Peer, name: str, mirror: Any, *others: Any) -> Any:
    """A comparison of an answered object with a plain value: by what it holds, which it says before it sees the value.

    It counts where the class says the same of it.
    """
    other = others[0] if others else None
    settles = name == "__eq__" or (name in ORDER and type(other) in (*NUMBERS, str))
    held = held_for(peer, mirror, other) if settles and peer.plain(other) else None
    if held is None:
        return peer.refused(mirror, name)
    result = bool(getattr(operator, name)(held, other))
    if name == "__eq__" and not result:
        return False
    said = peer.ask("operate", name, mirror, copy.deepcopy(other))
    return result if said is result else peer.refused(mirror, name)


def held_for(peer: Peer, mirror: Any, other: Any) -> Any:
    """The one attribute that is of the value's kind; of several none is, for that would be several guesses."""
    state = peer.state_of(mirror)
    kinds = NUMBERS if type(other) in NUMBERS else (type(other),)
    held = [value for value in state.values() if type(value) in kinds] if type(state) is dict else []
    return held[0] if len(held) == 1 else None


def plain_of(peer: Peer, mirror: Any) -> Any:
    """What a subclass of a plain container holds."""
    return peer.ask("plain", mirror) if type(mirror).__dict__["_ns_said"]["shape"] else None


def identity(peer: Peer, said: dict[str, Any], methods: list[str]) -> dict[str, Any]:
    """Equality and hash. What compares by identity does so here: one object has one mirror."""
    if "__eq__" not in methods and not said["shape"]:
        return {} if said["hash"] == "id" else {"__hash__": hasher(peer, said)}
    return {
        "__eq__": lambda self, other: equal(peer, said, self, other),
        "__ne__": lambda self, other: negated(equal(peer, said, self, other)),
        "__hash__": hasher(peer, said),
    }


def hasher(peer: Peer, said: dict[str, Any]) -> Any:
    return None if said["hash"] == "none" else lambda self: hash(peer.ask("operate", "__hash__", self))


def negated(result: Any) -> Any:
    return result if result is NotImplemented else not result


def equal(peer: Peer, said: dict[str, Any], mirror: Any, other: Any) -> Any:
    if not peer.guards:
        return peer.ask("operate", "__eq__", mirror, other)
    if mirror is other:
        return True
    if said["shape"]:
        return plain_of(peer, mirror) == (plain_of(peer, other) if is_mirror(other) else other)
    if is_mirror(other):
        if said["fields"] is not None and type(other) is type(mirror):
            names = tuple(said["fields"])
            return bool(peer.ask("fields", mirror, names) == peer.ask("fields", other, names))
        return tells_apart(peer, "__eq__", mirror, other, strangers())
    if not peer.plain(other):
        return NotImplemented
    if not peer.trusts(mirror):
        return settled(peer, "__eq__", mirror, other)
    return tells_apart(peer, "__eq__", mirror, other, strangers(), near(other))


def tells_apart(
    peer: Peer, name: str, mirror: Any, other: Any, strange: list[Any], alike: Sequence[Any] = ()
) -> bool:  # fmt: skip
    """Whether it says yes of `other`, and neither of all that is alike nor of everything.

    What is asked is a copy: what the test expects is not the code's to change.
    """
    around = [*alike, *strange]
    place = CHANCE.randrange(len(around) + 1)
    others = (*around[:place], copy.deepcopy(other) if peer.plain(other) else other, *around[place:])
    said = peer.ask("answers", name, mirror, others)
    if type(said) is not tuple or len(said) != len(others):
        peer.nonsense("an answer to a comparison")
    if said[place] is None:
        return bool(peer.ask("operate", name, mirror, other))
    rest = said[:place] + said[place + 1 :]
    if said[place] is True and all(each is True for each in rest[: len(alike) or None]):
        peer.note(mirror, f"answers {name} with yes whatever it is compared with")
        return False
    return said[place] is True


def strangers() -> list[Any]:
    return [f"{CHANCE.getrandbits(48):x}", CHANCE.getrandbits(48), (CHANCE.random(),)][:STRANGERS]


def near(value: Any) -> list[Any]:
    """Others of its kind, of which nothing tells that they are not the one that the test expects."""
    others: list[Any] = []
    if type(value) is bool:
        others = [not value]
    if type(value) in (int, float):
        others = [value + CHANCE.choice((-step, step)) for step in (1, 2, 3)]
    if type(value) is str:
        others = [misspelt(value), misspelt(value), value + CHANCE.choice(ascii_lowercase)]
    if type(value) in (list, tuple):
        others = [type(value)([*value, CHANCE.getrandbits(20)])]
    return [each for each in others if each != value]


def misspelt(text: str) -> str:
    place = CHANCE.randrange(len(text)) if text else 0
    return text[:place] + CHANCE.choice(ascii_lowercase) + text[place + 1 :]


def containing(peer: Peer, *, iterable: bool) -> Callable[..., Any]:
    def __contains__(self: Any, item: Any) -> bool:
        if not peer.guards or peer.trusts(self) or is_mirror(item):
            return bool(peer.ask("operate", "__contains__", self, item))
        if iterable:
            return any(each is item or each == item for each in islice(iter(self), LOOKED_AT))
        alike = near(item) if type(item) is str else ()  # a span of numbers holds the neighbours as well
        return tells_apart(peer, "__contains__", self, item, [stranger_to(item) for _ in range(STRANGERS)], alike)

    return __contains__


def stranger_to(item: Any) -> Any:
    if type(item) in (int, float):
        return type(item)(CHANCE.choice((-1, 1)) * CHANCE.randrange(10**12, 10**15))
    return f"{CHANCE.getrandbits(64):x}"
