import pytest
from errors import InventoryError, OutOfStock, UnknownArticle
from inventory import Inventory


@pytest.fixture
def inventory():
    inventory = Inventory()
    inventory.receive("pen", 5)
    inventory.receive("ink", 2)
    return inventory


def test_receiving_and_shipping(inventory):
    inventory.receive("pen", 3)
    inventory.ship("pen", 1)
    assert inventory.on_hand("pen") == 7
    inventory.ship("pen", 7)
    assert inventory.on_hand("pen") == 0


def test_shipping_too_much(inventory):
    with pytest.raises(OutOfStock):
        inventory.ship("pen", 6)
    assert inventory.on_hand("pen") == 5


@pytest.mark.parametrize("quantity", [0, -1])
@pytest.mark.parametrize("method", ["receive", "ship"])
def test_quantities_must_make_sense(inventory, method, quantity):
    with pytest.raises(ValueError):
        getattr(inventory, method)("pen", quantity)


def test_an_unknown_article(inventory):
    for call in (lambda: inventory.ship("cap", 1), lambda: inventory.on_hand("cap")):
        with pytest.raises(UnknownArticle):
            call()
    assert issubclass(UnknownArticle, InventoryError)
    assert issubclass(OutOfStock, InventoryError)


def test_the_report(inventory):
    inventory.receive("cap", 1)
    assert inventory.report() == "cap: 1\nink: 2\npen: 5"
    assert Inventory().report() == ""
