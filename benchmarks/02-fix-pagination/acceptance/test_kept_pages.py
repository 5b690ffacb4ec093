import pytest
from pages import Pages


def test_full_pages():
    pages = Pages(list(range(30)))
    assert pages.page_count == 3
    assert [pages.page(n)[0] for n in (1, 2, 3)] == [0, 10, 20]
    assert [len(pages.page(n)) for n in (1, 2, 3)] == [10, 10, 10]


def test_no_items_no_pages():
    assert Pages([], 3).page_count == 0


@pytest.mark.parametrize("number", [0, -1, 4])
def test_a_page_that_does_not_exist(number):
    with pytest.raises(IndexError):
        Pages(list(range(9)), 3).page(number)


@pytest.mark.parametrize("index", [-1, 9])
def test_an_item_that_does_not_exist(index):
    with pytest.raises(IndexError):
        Pages(list(range(9)), 3).page_of(index)


@pytest.mark.parametrize("size", [0, -2])
def test_a_size_below_one(size):
    with pytest.raises(ValueError):
        Pages([1], size)


@pytest.mark.parametrize(
    "number, around, wanted", [(1, 2, [1, 2, 3]), (5, 2, [3, 4, 5, 6, 7]), (9, 1, [8, 9]), (2, 0, [2])]
)
def test_windows(number, around, wanted):
    assert Pages(list(range(9)), 1).window(number, around) == wanted


def test_a_window_reaches_two_pages_when_not_told():
    assert Pages(list(range(9)), 1).window(5) == [3, 4, 5, 6, 7]
