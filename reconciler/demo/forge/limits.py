"""GitHub's limits on how much one login asks: 5,000 requests an hour, 80 writes a minute and 500 an hour.

Requests are counted always and refused only when strict. Every function takes `now` in seconds; nothing here looks at
a clock. A read that is answered with 304 costs nothing.
"""

import threading
from collections import defaultdict, deque

from reconciler.demo.forge.messages import ForgeError

PRIMARY = 5000
HOUR = 3600
_WRITES = ((60, 80), (HOUR, 500))  # seconds, how many
_READING = frozenset({"GET", "HEAD"})
_SECONDARY = (
    "You have exceeded a secondary rate limit and have been temporarily blocked from content creation. "
    "Please retry your request again later."
)


class Limits:
    """What every login has used."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._lock = threading.Lock()
        self._used: dict[str, int] = defaultdict(int)
        self._began: dict[str, int] = {}
        self._writes: dict[str, deque[float]] = defaultdict(deque)

    def take(self, login: str, method: str, now: float) -> None:
        """Count a request; raises ForgeError 403 when it is one too many."""
        with self._lock:
            self._roll(login, now)
            if self._strict and self._used[login] >= PRIMARY:
                raise ForgeError(403, f"API rate limit exceeded for user {login}.")
            self._used[login] += 1
            if method not in _READING:
                self._take_write(login, now)

    def _take_write(self, login: str, now: float) -> None:
        writes = self._writes[login]
        while writes and writes[0] <= now - HOUR:
            writes.popleft()
        for seconds, most in _WRITES:
            recent = [moment for moment in writes if moment > now - seconds]
            if self._strict and len(recent) >= most:
                wait = max(1, int(recent[-most] + seconds - now) + 1)
                raise ForgeError(403, _SECONDARY, headers={"Retry-After": str(wait)})
        writes.append(now)

    def give_back(self, login: str) -> None:
        """The request was answered with 304."""
        with self._lock:
            self._used[login] -= 1

    def headers(self, login: str, now: float) -> dict[str, str]:
        """What is left, as GitHub's headers."""
        left = self.left(login, now)
        names = (("Limit", "limit"), ("Remaining", "remaining"), ("Used", "used"), ("Reset", "reset"))
        return {**{f"X-RateLimit-{name}": str(left[key]) for name, key in names}, "X-RateLimit-Resource": "core"}

    def left(self, login: str, now: float) -> dict[str, int]:
        """What is left: limit, used, remaining, and reset in seconds of the epoch."""
        with self._lock:
            self._roll(login, now)
            used = self._used[login]
            return {
                "limit": PRIMARY, "used": used, "remaining": max(0, PRIMARY - used),
                "reset": self._began[login] + HOUR,
            }  # fmt: skip

    def _roll(self, login: str, now: float) -> None:
        """A new hour begins with the first request after the last one."""
        if login not in self._began or now >= self._began[login] + HOUR:
            self._began[login], self._used[login] = int(now), 0
