"""A bounded cache by content, for what is expensive to make and always the same."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """The entry that was used longest ago goes. Thread-safe; two threads may both make a value."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._rows: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of `key`, made if it is not kept."""
        with self._lock:
            if key in self._rows:
                return self._used(key)
        value = make()
        self.put(key, value)
        return value

    def known(self, key: K) -> V | None:
        """The value of `key`, or None when it is not kept; asking is a use, too."""
        with self._lock:
            return self._used(key) if key in self._rows else None

    def _used(self, key: K) -> V:
        self._rows.move_to_end(key)
        return self._rows[key]

    def put(self, key: K, value: V) -> None:
        """Keep a value."""
        with self._lock:
            self._rows[key] = value
            self._rows.move_to_end(key)
            while len(self._rows) > self._limit:
                self._rows.popitem(last=False)
