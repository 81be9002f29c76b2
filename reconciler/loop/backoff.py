"""How long to wait before a key that failed is tried again: exponential, with jitter, reset by success."""

import random
from collections.abc import Hashable

FIRST = 0.5  # seconds
LONGEST = 60.0  # seconds; a stalled key is looked at this often though nothing changed
_JITTER = 0.2


class Backoff:
    """Failures in a row per key. A key is in one worker at a time, so its entry needs no lock."""

    def __init__(self) -> None:
        self._failures: dict[Hashable, int] = {}

    def failed(self, key: Hashable) -> float:
        """Seconds until the next try."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        delay: float = min(LONGEST, FIRST * 2.0 ** min(count, 10))
        return delay * (1 + random.uniform(-_JITTER, _JITTER))  # noqa: S311  # spreads retries; guards nothing

    def succeeded(self, key: Hashable) -> None:
        """Forget the failures."""
        self._failures.pop(key, None)
