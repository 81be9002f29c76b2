"""The work queue: keys, each at most once, each in at most one worker, some of them only later.

A key that is added while a worker has it runs again afterwards. `park` is asked before a worker takes a key: a key
whose cluster cannot be reached waits here and occupies nobody.
"""

import heapq
import itertools
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_FOREVER = 3600.0  # seconds; an idle worker looks at the clock at least this often


class WorkQueue(Generic[K]):
    """A delaying queue with set semantics. `clock` gives seconds that never go back; `park` seconds to wait (0: go)."""

    def __init__(self, *, clock: Callable[[], float], park: Callable[[K], float] = lambda _: 0.0) -> None:
        self._clock = clock
        self._park = park
        self._changed = threading.Condition()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._running: set[K] = set()
        self._again: dict[K, float] = {}
        self._closed = False

    def add(self, key: K, *, after: float = 0.0) -> None:
        """Run `key` in `after` seconds at the latest; an earlier time that is already set stays."""
        with self._changed:
            self._add(key, self._clock() + after)
            self._changed.notify()

    def _add(self, key: K, due: float) -> None:
        if key in self._running:
            self._again[key] = min(due, self._again.get(key, due))
            return
        known = self._due.get(key)
        if known is None or due < known:
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._order), key))

    def take(self, *, wait: bool = True) -> K | None:
        """The next key that is due, now in the caller's hands until `done`; None when closed, or nothing is due."""
        with self._changed:
            while not self._closed:
                key, delay = self._next()
                if key is not None:
                    self._running.add(key)
                    return key
                if not wait:
                    return None
                self._changed.wait(delay)
            return None

    def _next(self) -> tuple[K | None, float]:
        """A key that may run now, or how long to wait."""
        now = self._clock()
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) != due:
                heapq.heappop(self._heap)  # replaced by an earlier time, or already run
                continue
            if due > now:
                return None, due - now
            heapq.heappop(self._heap)
            delay = self._park(key)
            if delay <= 0:
                del self._due[key]
                return key, 0.0
            self._due[key] = now + delay
            heapq.heappush(self._heap, (now + delay, next(self._order), key))
        return None, _FOREVER

    def done(self, key: K) -> None:
        """Give a key back; what was added meanwhile becomes due."""
        with self._changed:
            self._running.discard(key)
            due = self._again.pop(key, None)
            if due is not None:
                self._add(key, due)
            self._changed.notify()

    def close(self) -> None:
        """Wake every waiting worker with None; running keys end by themselves."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._due) + len(self._running)
