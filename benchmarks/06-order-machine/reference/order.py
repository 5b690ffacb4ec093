"""An order from its beginning to its end."""

from collections import Counter
from typing import Any

from machine import Machine, Transition


class Order:
    def __init__(self, lines: dict[str, int], price: int = 100) -> None:
        if not lines or min(lines.values()) < 1:
            raise ValueError("an order has lines, and quantities from 1")
        self.total = price * sum(lines.values())
        self.change = self.refund = 0
        self._remaining = Counter(lines)
        self._machine = Machine("new", self._transitions(), final=["cancelled", "returned"])

    @property
    def state(self) -> str:
        return self._machine.state

    @property
    def remaining(self) -> dict[str, int]:
        return dict(+self._remaining)

    def pay(self, amount: int) -> None:
        self._machine.fire("pay", amount=amount)

    def ship(self, articles: dict[str, int]) -> None:
        is_last = Counter(articles) == self._remaining
        self._machine.fire("ship_last" if is_last else "ship", articles=articles)

    def deliver(self) -> None:
        self._machine.fire("deliver")

    def cancel(self) -> None:
        self._machine.fire("cancel")

    def send_back(self) -> None:
        self._machine.fire("send_back")

    def _transitions(self) -> list[Transition]:
        shipping = [
            Transition(event, source, target, self._can_ship, self._shipped)
            for event, target in (("ship", "partly_shipped"), ("ship_last", "shipped"))
            for source in ("paid", "partly_shipped")
        ]
        return [
            Transition("pay", "new", "paid", lambda given: given["amount"] >= self.total, self._paid),
            *shipping,
            Transition("deliver", "shipped", "delivered"),
            Transition("cancel", "new", "cancelled"),
            Transition("cancel", "paid", "cancelled", action=self._refunded),
            Transition("send_back", "delivered", "returned", action=self._refunded),
        ]

    def _paid(self, given: dict[str, Any]) -> None:
        self.change = given["amount"] - self.total

    def _can_ship(self, given: dict[str, Any]) -> bool:
        articles = given["articles"]
        return bool(articles) and all(1 <= count <= self._remaining[name] for name, count in articles.items())

    def _shipped(self, given: dict[str, Any]) -> None:
        self._remaining -= Counter(given["articles"])

    def _refunded(self, given: dict[str, Any]) -> None:
        self.refund = self.total
