from pages import Pages


def test_full_pages():
    pages = Pages(list(range(20)), size=10)
    assert pages.page_count == 2
    assert pages.page(2) == list(range(10, 20))
