import pytest
from prices import discounted


@pytest.mark.parametrize("price, wanted", [(0, 0), (999, 999), (1000, 900), (1001, 901), (1005, 905), (1009, 909), (2000, 1800)])
def test_discounted(price, wanted):
    assert discounted(price) == wanted
