import pytest
from pages import Pages


@pytest.mark.parametrize("items, size, wanted", [(21, 10, 3), (5, 10, 1), (1, 2, 1), (11, 2, 6)])
def test_a_begun_page_counts(items, size, wanted):
    assert Pages(list(range(items)), size).page_count == wanted


def test_the_last_page_has_the_rest():
    pages = Pages(list("abcdefg"), size=3)
    assert [pages.page(n) for n in (1, 2, 3)] == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


def test_few_items_are_one_page():
    assert Pages([7, 8]).page(1) == [7, 8]


def test_each_item_is_on_the_page_that_page_of_tells():
    for size in (1, 2, 3, 7):
        pages = Pages(list(range(23)), size)
        assert all(index in pages.page(pages.page_of(index)) for index in range(23))


def test_the_first_item_of_a_page():
    pages = Pages(list(range(40)), 10)
    assert [pages.page_of(index) for index in (0, 9, 10, 19, 20, 39)] == [1, 1, 2, 2, 3, 4]


def test_appending_counts():
    pages = Pages(list("ab"), size=2)
    pages.append("c")
    assert pages.page_count == 2
    assert pages.page(2) == ["c"]


def test_objects_without_items_share_nothing():
    first = Pages(size=2)
    first.append(1)
    assert Pages(size=2).page_count == 0
    assert Pages(size=2).items == []
    assert first.page(1) == [1]


def test_the_given_list_is_left_alone():
    given = [1, 2]
    Pages(given).append(3)
    assert given == [1, 2]


def test_windows_reach_the_last_page():
    assert Pages(list(range(41)), 10).window(4) == [2, 3, 4, 5]
