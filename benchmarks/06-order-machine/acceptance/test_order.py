import pytest
from machine import NotAllowed
from order import Order


def paid(**lines):
    order = Order(lines or {"pen": 2, "ink": 1})
    order.pay(order.total)
    return order


def refused(function, *values):
    with pytest.raises(NotAllowed):
        function(*values)


def test_paying():
    order = Order({"pen": 2, "ink": 1}, price=50)
    assert (order.state, order.total, order.change) == ("new", 150, 0)
    refused(order.pay, 149)
    assert order.state == "new"
    order.pay(170)
    assert (order.state, order.change) == ("paid", 20)
    refused(order.pay, 500)
    assert order.change == 20
    assert paid().change == 0
    assert paid().total == 300


@pytest.mark.parametrize("lines", [{}, {"pen": 0}, {"pen": 1, "ink": -1}])
def test_orders_that_make_no_sense(lines):
    with pytest.raises(ValueError):
        Order(lines)


def test_shipping_in_parts():
    order = paid()
    assert order.remaining == {"pen": 2, "ink": 1}
    order.ship({"pen": 1})
    assert (order.state, order.remaining) == ("partly_shipped", {"pen": 1, "ink": 1})
    order.ship({"ink": 1})
    assert (order.state, order.remaining) == ("partly_shipped", {"pen": 1})
    order.ship({"pen": 1})
    assert (order.state, order.remaining) == ("shipped", {})


def test_shipping_at_once_and_to_the_end():
    order = paid(pen=1)
    order.ship({"pen": 1})
    assert order.state == "shipped"
    refused(order.ship, {"pen": 1})
    refused(order.cancel)
    order.deliver()
    assert (order.state, order.refund) == ("delivered", 0)
    order.send_back()
    assert (order.state, order.refund) == ("returned", 100)
    refused(order.send_back)


@pytest.mark.parametrize(
    "articles", [{}, {"pen": 3}, {"cap": 1}, {"pen": 0}, {"pen": -1}, {"pen": 1, "ink": 2}, {"pen": 1, "ink": 0}]
)
def test_what_cannot_be_shipped(articles):
    order = paid()
    refused(order.ship, articles)
    assert (order.state, order.remaining) == ("paid", {"pen": 2, "ink": 1})


def test_what_must_wait():
    order = Order({"pen": 2})
    for function, values in ((order.ship, ({"pen": 1},)), (order.deliver, ()), (order.send_back, ())):
        refused(function, *values)
    order.pay(200)
    order.ship({"pen": 1})
    refused(order.deliver)
    refused(order.cancel)
    assert order.state == "partly_shipped"


def test_cancelling():
    order = Order({"pen": 2})
    order.cancel()
    assert (order.state, order.refund) == ("cancelled", 0)
    refused(order.pay, 200)
    order = paid(pen=2)
    order.cancel()
    assert (order.state, order.refund) == ("cancelled", 200)
    refused(order.cancel)


def test_the_given_lines_are_left_alone():
    lines = {"pen": 2}
    order = Order(lines)
    order.pay(200)
    order.ship({"pen": 1})
    order.remaining.clear()
    assert (lines, order.remaining) == ({"pen": 2}, {"pen": 1})
