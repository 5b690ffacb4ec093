import pytest
from errors import InventoryError, OutOfStock, UnknownArticle
from inventory import Inventory


class Clock:
    now = 5000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def inventory(clock):
    inventory = Inventory(clock)
    inventory.receive("pen", 5)
    inventory.receive("ink", 2)
    return inventory


@pytest.fixture
def unknown_reservation():
    from errors import UnknownReservation

    assert issubclass(UnknownReservation, InventoryError)
    return UnknownReservation


def test_ids_count_successful_calls(inventory):
    assert inventory.reserve("pen", 1) == "r1"
    with pytest.raises(OutOfStock):
        inventory.reserve("pen", 9)
    assert inventory.reserve("ink", 1) == "r2"
    inventory.cancel("r1")
    assert inventory.reserve("pen", 5) == "r3"


def test_reserved_goods_are_on_hand_but_not_available(inventory):
    inventory.reserve("pen", 2)
    inventory.reserve("pen", 1)
    assert (inventory.on_hand("pen"), inventory.available("pen")) == (5, 2)
    assert (inventory.on_hand("ink"), inventory.available("ink")) == (2, 2)


def test_no_more_than_available_is_reserved_or_shipped(inventory):
    inventory.reserve("pen", 3)
    for method in (inventory.reserve, inventory.ship):
        with pytest.raises(OutOfStock):
            method("pen", 3)
    inventory.ship("pen", 1)
    assert inventory.reserve("pen", 1) == "r2"
    assert (inventory.on_hand("pen"), inventory.available("pen")) == (4, 0)


def test_cancelling(inventory):
    inventory.cancel(inventory.reserve("pen", 3))
    assert (inventory.on_hand("pen"), inventory.available("pen")) == (5, 5)


def test_fulfilling(inventory):
    inventory.reserve("pen", 1)
    inventory.fulfil(inventory.reserve("pen", 3))
    assert (inventory.on_hand("pen"), inventory.available("pen")) == (2, 1)


def test_a_reservation_ends_once(inventory, unknown_reservation):
    fulfilled, cancelled = inventory.reserve("pen", 1), inventory.reserve("pen", 1)
    inventory.fulfil(fulfilled)
    inventory.cancel(cancelled)
    for method in (inventory.fulfil, inventory.cancel):
        for name in (fulfilled, cancelled, "r9", "nonsense"):
            with pytest.raises(unknown_reservation):
                method(name)
    assert inventory.on_hand("pen") == 4


def test_reservations_expire(inventory, clock, unknown_reservation):
    name = inventory.reserve("pen", 3, seconds=10)
    inventory.reserve("pen", 1)
    clock.now += 9.5
    assert inventory.available("pen") == 1
    clock.now += 0.5
    assert inventory.available("pen") == 4
    for method in (inventory.fulfil, inventory.cancel):
        with pytest.raises(unknown_reservation):
            method(name)
    inventory.ship("pen", 4)
    assert inventory.report() == "ink: 2\npen: 1 (1 reserved)"


def test_a_reservation_is_fulfilled_in_time(inventory, clock):
    name = inventory.reserve("ink", 2, 10)
    clock.now += 9
    inventory.fulfil(name)
    clock.now += 9
    assert (inventory.on_hand("ink"), inventory.available("ink")) == (0, 0)


@pytest.mark.parametrize("quantity, seconds", [(0, None), (-1, None), (1, 0), (1, -5)])
def test_numbers_must_make_sense(inventory, quantity, seconds):
    with pytest.raises(ValueError):
        inventory.reserve("pen", quantity, seconds)
    assert inventory.available("pen") == 5


def test_half_a_second_is_a_time(inventory, clock):
    inventory.reserve("pen", 1, 0.5)
    assert inventory.available("pen") == 4
    clock.now += 1
    assert inventory.available("pen") == 5


def test_an_unknown_article(inventory):
    for call in (lambda: inventory.reserve("cap", 1), lambda: inventory.available("cap")):
        with pytest.raises(UnknownArticle):
            call()


def test_the_report_tells_what_is_reserved(inventory):
    inventory.reserve("pen", 2)
    inventory.reserve("pen", 1)
    assert inventory.report() == "ink: 2\npen: 5 (3 reserved)"


def test_inventories_count_for_themselves(inventory):
    inventory.reserve("pen", 1)
    other = Inventory()
    other.receive("pen", 1)
    assert other.reserve("pen", 1) == "r1"
    assert other.available("pen") == 0
