import pytest
from errors import OutOfStock
from inventory import Inventory


def test_receiving_and_shipping():
    inventory = Inventory()
    inventory.receive("pen", 5)
    inventory.ship("pen", 2)
    assert inventory.on_hand("pen") == 3


def test_shipping_too_much():
    inventory = Inventory()
    inventory.receive("pen", 5)
    with pytest.raises(OutOfStock):
        inventory.ship("pen", 6)
