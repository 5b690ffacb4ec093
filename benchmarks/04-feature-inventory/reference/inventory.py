"""Stock of a shop: how many of each article are there, and how many are promised."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from errors import OutOfStock, UnknownArticle, UnknownReservation


@dataclass(frozen=True)
class Reservation:
    article: str
    quantity: int
    end: float


class Inventory:
    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._stock: dict[str, int] = {}
        self._reservations: dict[str, Reservation] = {}
        self._made = 0

    def receive(self, article: str, quantity: int) -> None:
        """Goods arrive."""
        _check(quantity)
        self._stock[article] = self._stock.get(article, 0) + quantity

    def ship(self, article: str, quantity: int) -> None:
        """Goods leave."""
        self._require(article, quantity)
        self._stock[article] -= quantity

    def reserve(self, article: str, quantity: int, seconds: float | None = None) -> str:
        """Goods are promised; tells the id of the reservation."""
        if seconds is not None and seconds <= 0:
            raise ValueError(f"seconds must be above 0, not {seconds}")
        self._require(article, quantity)
        self._made += 1
        end = math.inf if seconds is None else self._clock() + seconds
        self._reservations[f"r{self._made}"] = Reservation(article, quantity, end)
        return f"r{self._made}"

    def cancel(self, reservation_id: str) -> None:
        """The goods are available again."""
        self._end(reservation_id)

    def fulfil(self, reservation_id: str) -> None:
        """The reserved goods leave."""
        reservation = self._end(reservation_id)
        self._stock[reservation.article] -= reservation.quantity

    def on_hand(self, article: str) -> int:
        """How many lie in the shop, reserved ones too."""
        if article not in self._stock:
            raise UnknownArticle(article)
        return self._stock[article]

    def available(self, article: str) -> int:
        """How many lie in the shop and are promised to nobody."""
        return self.on_hand(article) - self._reserved(article)

    def report(self) -> str:
        """One line per article, in alphabetical order."""
        return "\n".join(map(self._line, sorted(self._stock)))

    def _require(self, article: str, quantity: int) -> None:
        _check(quantity)
        if self.available(article) < quantity:
            raise OutOfStock(f"{quantity} of {article} wanted, {self.available(article)} there")

    def _end(self, reservation_id: str) -> Reservation:
        if reservation_id not in self._open():
            raise UnknownReservation(reservation_id)
        return self._reservations.pop(reservation_id)

    def _reserved(self, article: str) -> int:
        return sum(each.quantity for each in self._open().values() if each.article == article)

    def _open(self) -> dict[str, Reservation]:
        now = self._clock()
        return {name: each for name, each in self._reservations.items() if each.end > now}

    def _line(self, article: str) -> str:
        reserved = self._reserved(article)
        return f"{article}: {self._stock[article]}" + (f" ({reserved} reserved)" if reserved else "")


def _check(quantity: int) -> None:
    if quantity < 1:
        raise ValueError(f"quantity must be at least 1, not {quantity}")
