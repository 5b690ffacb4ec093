import pytest
from calculator import Calculator


@pytest.mark.parametrize("a, b", [(2, 3), (-2, 3), (0, 0), (1.5, 2.25), (-1.5, -2), (10**12, 1)])
def test_add_subtract_multiply(a, b):
    calculator = Calculator()
    assert calculator.add(a, b) == a + b
    assert calculator.subtract(a, b) == a - b
    assert calculator.multiply(a, b) == a * b


@pytest.mark.parametrize("a, b, wanted", [(7, 2, 3.5), (-9, 3, -3), (0, 5, 0), (1, -4, -0.25)])
def test_divide(a, b, wanted):
    assert Calculator().divide(a, b) == wanted


@pytest.mark.parametrize("zero", [0, 0.0, -0.0])
def test_division_by_zero(zero):
    with pytest.raises(ValueError):
        Calculator().divide(1, zero)
