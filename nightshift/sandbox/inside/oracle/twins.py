"""Containers that both processes of the oracle have: each frame brings the twins up to date.

So a list that is filled by a callee is filled for its caller, and one list stays one list on both sides.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from . import wire
from .wire import Frame, LinkBroken

ONLY_US = 3
"""References to a container that nobody but this end's table holds, seen from the loop that counts them."""


class Twin:
    """A shared container and the items it had when both ends last agreed on them."""

    __slots__ = ("agreed", "container", "name")

    def __init__(self, name: str, container: Any) -> None:
        self.name, self.container = name, container
        self.agreed: list[Any] | None = None

    def changed(self) -> bool:
        now, agreed = wire.items_of(self.container), self.agreed
        return agreed is None or len(now) != len(agreed) or any(map(_differ, now, agreed))


def _differ(left: object, right: object) -> bool:
    return left is not right and not (type(left) is int and left == right and type(right) is int)


class Twins:
    """The table of one end; the numbers are the same at both."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._new_numbers = numbers
        self.known: dict[int, Twin] = {}
        self._numbers: dict[int, int] = {}

    def number(self, name: str, container: Any) -> int:
        number = self._numbers.get(id(container))
        if number is None:
            number = next(self._new_numbers)
            self._keep(number, Twin(name, container))
        return number

    def tell(self, frame: Frame, encode: Callable[[Any], Any]) -> list[tuple[Twin, list[Any]]]:
        """Puts into the frame what changed. Encoding one container may add others to the table; they follow.

        Returns what both ends agree on once the frame is sent.
        """
        changes: list[Any] = []
        agreed: list[tuple[Twin, list[Any]]] = []
        told: set[int] = set()
        while todo := [(number, twin) for number, twin in self.known.items() if number not in told]:
            told.update(number for number, _ in todo)
            for number, twin in todo:
                if twin.changed():
                    items = wire.items_of(twin.container)
                    changes.append([number, twin.name, [*map(encode, items)], encode(trait_of(twin.container))])
                    agreed.append((twin, items))
        frame["h"], frame["u"] = changes, self._forget()
        return agreed

    def hear(self, frame: Frame, decode: Callable[[Any], Any]) -> None:
        for number, name, _, trait in frame["h"]:
            if number not in self.known:
                self._keep(number, Twin(name, empty(name, decode(trait))))
        for number, _, items, _ in frame["h"]:
            twin = self.known[number]
            wire.refill(twin.container, [*map(decode, items)])
            twin.agreed = wire.items_of(twin.container)
        for number in frame["u"]:
            del self._numbers[id(self.known.pop(number).container)]

    def _keep(self, number: int, twin: Twin) -> None:
        self.known[number] = twin
        self._numbers[id(twin.container)] = number

    def _forget(self) -> list[int]:
        """Containers that only the tables know; the other end may keep its twin, which then is on its own."""
        gone = []
        for number, twin in [*self.known.items()]:
            container = twin.container
            if twin.agreed is not None and sys.getrefcount(container) <= ONLY_US and not twin.changed():
                gone.append(number)
                del self.known[number], self._numbers[id(container)]
        return gone


def trait_of(container: Any) -> Any:
    """What it has besides its items."""
    return container.maxlen if type(container) is deque else getattr(container, "default_factory", None)


def empty(name: str, trait: Any) -> Any:
    if name not in wire.CONTAINERS:
        raise LinkBroken(f"{name} is no container")
    kind = wire.found(name)
    if name == "collections:defaultdict":
        return kind(trait)
    return kind(maxlen=trait) if name == "collections:deque" else kind()
