"""Stock of a shop: how many of each article are there."""

from errors import OutOfStock, UnknownArticle


class Inventory:
    def __init__(self) -> None:
        self._stock: dict[str, int] = {}

    def receive(self, article: str, quantity: int) -> None:
        """Goods arrive."""
        _check(quantity)
        self._stock[article] = self._stock.get(article, 0) + quantity

    def ship(self, article: str, quantity: int) -> None:
        """Goods leave."""
        _check(quantity)
        if self.on_hand(article) < quantity:
            raise OutOfStock(f"{quantity} of {article} wanted, {self.on_hand(article)} there")
        self._stock[article] -= quantity

    def on_hand(self, article: str) -> int:
        """How many lie in the shop."""
        if article not in self._stock:
            raise UnknownArticle(article)
        return self._stock[article]

    def report(self) -> str:
        """One line per article, in alphabetical order."""
        return "\n".join(f"{article}: {self._stock[article]}" for article in sorted(self._stock))


def _check(quantity: int) -> None:
    if quantity < 1:
        raise ValueError(f"quantity must be at least 1, not {quantity}")
