"""Cuts a list of items into numbered pages."""


class Pages:
    def __init__(self, items=[], size=10):
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self.items = items
        self.size = size
        self._count = len(items) // size

    @property
    def page_count(self):
        return self._count

    def append(self, item):
        self.items.append(item)

    def page(self, number):
        """The items of a page; pages count from 1."""
        if not 1 <= number <= self.page_count:
            raise IndexError(f"page {number} of {self.page_count}")
        start = (number - 1) * self.size
        return self.items[start : start + self.size]

    def page_of(self, index):
        """The number of the page that holds the item with this index."""
        if not 0 <= index < len(self.items):
            raise IndexError(f"item {index} of {len(self.items)}")
        return max(1, (index - 1) // self.size + 1)

    def window(self, number, around=2):
        """Page numbers to link to from a page: itself and its neighbours, as far as they exist."""
        first = max(1, number - around)
        last = min(self.page_count, number + around)
        return list(range(first, last + 1))
