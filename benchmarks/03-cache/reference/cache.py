"""A cache that forgets the least recently used entry and those that are too old."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Cache:
    def __init__(self, capacity: int, ttl: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._capacity = capacity
        self._ttl = _checked(ttl)
        self._clock = clock
        self._entries: OrderedDict[Hashable, tuple[Any, float | None]] = OrderedDict()
        self._counts = {"hits": 0, "misses": 0, "evictions": 0, "expirations": 0}

    def put(self, key: Hashable, value: Any, ttl: float | None = None) -> None:
        lasting = self._ttl if ttl is None else _checked(ttl)
        self._drop_expired()
        if key not in self._entries and len(self._entries) == self._capacity:
            self._entries.popitem(last=False)
            self._counts["evictions"] += 1
        self._entries[key] = value, None if lasting is None else self._clock() + lasting
        self._entries.move_to_end(key)

    def get(self, key: Hashable, default: Any = None) -> Any:
        if key not in self:
            self._counts["misses"] += 1
            return default
        self._counts["hits"] += 1
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def get_or_compute(self, key: Hashable, function: Callable[[], Any]) -> Any:
        if key in self:
            return self.get(key)
        self._counts["misses"] += 1
        value = function()
        self.put(key, value)
        return value

    def delete(self, key: Hashable) -> bool:
        self._drop_expired()
        return self._entries.pop(key, None) is not None

    def stats(self) -> dict[str, int]:
        self._drop_expired()
        return dict(self._counts)

    def __contains__(self, key: Hashable) -> bool:
        self._drop_expired()
        return key in self._entries

    def __len__(self) -> int:
        self._drop_expired()
        return len(self._entries)

    def _drop_expired(self) -> None:
        now = self._clock()
        expired = [key for key, (_, end) in self._entries.items() if end is not None and end <= now]
        for key in expired:
            del self._entries[key]
        self._counts["expirations"] += len(expired)


def _checked(ttl: float | None) -> float | None:
    if ttl is not None and ttl <= 0:
        raise ValueError(f"ttl must be above 0, not {ttl}")
    return ttl
