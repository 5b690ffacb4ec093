"""What can go wrong."""


class InventoryError(Exception):
    """Of which all others are kinds."""


class UnknownArticle(InventoryError):
    """The shop never had this article."""


class OutOfStock(InventoryError):
    """There is less than wanted."""
