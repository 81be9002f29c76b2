"""Who was let through an environment's limits a moment ago and has not written it down yet, and who waits for room.

Two passes may run in two threads, and both would see room for one. So a pass decides and claims in one go, under
`lock`, and what others may count on is the sum of state objects and claims. Nothing here is progress: a claim lasts for
one pass; a process that ends loses claims of which nothing began, and a list of waiting releases that all look again
when it starts.
"""

import threading
from dataclasses import dataclass

from reconciler.judge.limits import Use
from reconciler.model.ids import ReleaseKey

Place = tuple[str, str]
"""Repository and environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a release was let through with."""

    use: Use
    starts: bool


class Claims:
    """One process's claims. Hold `lock` from reading what others have until `take`; it may be taken twice."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._taken: dict[ReleaseKey, Claim] = {}
        self._waiting: dict[Place, set[ReleaseKey]] = {}

    def others(self, key: ReleaseKey) -> dict[ReleaseKey, Claim]:
        """The claims of other releases of its environment."""
        with self.lock:
            return {other: claim for other, claim in self._taken.items() if other != key and _at(other) == _at(key)}

    def take(self, key: ReleaseKey, claim: Claim) -> None:
        """A release goes on; `drop` it when that is written down, or did not happen."""
        with self.lock:
            self._taken[key] = claim

    def drop(self, key: ReleaseKey) -> bool:
        """The pass is over; True when it had claimed something."""
        with self.lock:
            return self._taken.pop(key, None) is not None

    def wait(self, key: ReleaseKey) -> None:
        """A release is to look again when something of its environment changes."""
        with self.lock:
            self._waiting.setdefault(_at(key), set()).add(key)

    def anybody(self, key: ReleaseKey) -> bool:
        """True when releases of its environment wait."""
        with self.lock:
            return bool(self._waiting.get(_at(key)))

    def called(self, key: ReleaseKey) -> list[ReleaseKey]:
        """All that wait in its environment; they ask again by themselves, so they are forgotten here."""
        with self.lock:
            return sorted(self._waiting.pop(_at(key), ()))


def _at(key: ReleaseKey) -> Place:
    return key.repository, key.environment
