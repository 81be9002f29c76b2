"""What an embedded server can be told to do wrong, for tests: plain attributes, read at every request."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.demo.api.messages import Request


def _any(_request: Request) -> bool:
    return True


@dataclass(slots=True)
class Faults:
    """`latency` in seconds before anything happens. `status` is answered instead of doing the work; `late`: after it.

    `drop` closes the connection instead of doing the work, `lose` after doing it. Only requests that `matches` accepts
    are hit, and only the next `remaining` of them (None: all).
    """

    latency: float = 0.0
    status: int = 0
    late: bool = False
    drop: bool = False
    lose: bool = False
    matches: Callable[[Request], bool] = _any
    remaining: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def hit(self, request: Request) -> bool:
        """Whether this request is one of them; counts it."""
        if not (self.latency or self.status or self.drop or self.lose) or not self.matches(request):
            return False
        with self._lock:
            if self.remaining is None:
                return True
            self.remaining -= 1
            return self.remaining >= 0

    def clear(self) -> None:
        """All is well again."""
        self.latency, self.status, self.late, self.drop, self.lose = 0.0, 0, False, False, False
        self.matches, self.remaining = _any, None
