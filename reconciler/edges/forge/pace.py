"""When the next request may be sent: what a forge told us to wait, and how fast we write.

It knows no network: the client says what it saw. Rules: until the moment that a forge named nothing is sent, and every
caller gets the same `Retry`; writes go one at a time, `interval` seconds apart, and stay within the budget; a write
that would have to wait long is refused with a `Retry` and not kept waiting. Limits count for a login and not for a
repository, so one Pace is shared by all repositories of one login.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reconciler.errors import Retry

LIMITED = "ForgeLimited"
GITHUB_BUDGET = ((60.0, 80), (3600.0, 500))
"""(seconds, writes): what GitHub lets one login create."""
_PATIENCE = 5.0  # seconds that a write may be kept waiting for the budget
_QUEUE = 30.0  # … and for the writes before it
_UNTOLD = 60.0  # a limit without a moment: GitHub asks for at least a minute, and longer each time
_LONGEST = 3600.0  # what a broken proxy may make us wait


class Pace:
    """Thread-safe. Open at first."""

    def __init__(self, *, interval: float = 1.0, budget: Sequence[tuple[float, int]] = ()) -> None:
        self.interval = interval
        self._budget = tuple(budget)
        self._written: deque[float] = deque(maxlen=max((most for _, most in budget), default=1))
        self._writer = threading.Lock()
        self._lock = threading.Lock()
        self._shut: tuple[float, str, str] = (0.0, "", "")
        self._strikes = 0

    def enter(self) -> None:
        """Before every request; raises the Retry that the forge asked for while its moment has not come."""
        with self._lock:
            until, reason, said = self._shut
        wait = until - time.monotonic()
        if wait > 0:
            raise Retry(said, reason=reason, after=wait)

    def shut(self, said: str, *, seconds: float | None, reason: str = LIMITED) -> Retry:
        """Nothing more for so many seconds (None: the forge did not say); gives what to raise."""
        with self._lock:
            if seconds is None:
                seconds = _UNTOLD * 2**self._strikes
                self._strikes = min(self._strikes + 1, 6)
            seconds = min(max(seconds, 1.0), _LONGEST)
            until = max(self._shut[0], time.monotonic() + seconds)
            self._shut = (until, reason, said)
        return Retry(said, reason=reason, after=seconds)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around one write: waits for its turn; raises Retry(ForgeLimited) where that would take long."""
        if not self._writer.acquire(timeout=_QUEUE):
            raise Retry("Many writes to the forge are waiting for their turn.", reason=LIMITED, after=_QUEUE)
        try:
            self._await_turn()
            self.enter()
            try:
                yield
            finally:
                # The forge counts when a request arrives: that is before now, so counting from here is the safe side.
                self._written.append(time.monotonic())
            with self._lock:
                self._strikes = 0
        finally:
            self._writer.release()

    def _await_turn(self) -> None:
        wait = self._wait(time.monotonic())
        if wait > max(_PATIENCE, self.interval):
            spent = "As much was written to the forge as it allows in an hour or a minute."
            raise Retry(spent, reason=LIMITED, after=wait)
        if wait > 0:
            time.sleep(wait)

    def _wait(self, now: float) -> float:
        """Seconds until the next write may be sent."""
        written = self._written
        waits = [written[-1] + self.interval - now] if written else [0.0]
        waits += [written[-most] + window - now for window, most in self._budget if len(written) >= most]
        return max(*waits, 0.0)
