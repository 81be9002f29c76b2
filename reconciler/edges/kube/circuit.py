"""The circuit of one cluster: after some transport failures in a row nothing is sent until a probe gets through.

It knows no network: callers say what they saw. An answer of any status closes it, because a server that says no is
alive. While it is open exactly one caller at a time is let through, and only after the backoff; everybody else is told
when to come again, so that a dead cluster costs neither workers nor waiting.
"""

import random
import threading
import time

from reconciler.errors import Retry

_FAILURES = 3
_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 60.0


class Circuit:
    """Thread-safe. Closed at first."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._failures = 0
        self._trips = 0
        self._opens_at = 0.0
        self._probing = False
        self._why = ""

    def available(self) -> tuple[bool, float, str]:
        """(something may be sent now, seconds until it is worth asking again, one sentence why not)."""
        with self._lock:
            return self._available()

    def _available(self) -> tuple[bool, float, str]:
        if not self._trips:
            return True, 0.0, ""
        wait = self._opens_at - time.monotonic()
        if wait <= 0 and not self._probing:
            return True, 0.0, ""
        return False, max(wait, 1.0), f"Cluster {self._cluster} does not answer: {self._why}"

    def down(self) -> str:
        """Why the server counts as gone: from the circuit's opening until it answers again; empty otherwise."""
        with self._lock:
            return f"Cluster {self._cluster} does not answer: {self._why}" if self._trips else ""

    def enter(self) -> None:
        """Before a request, then give one verdict; raises Retry(ClusterUnreachable) while the circuit is open."""
        with self._lock:
            free, after, sentence = self._available()
            if not free:
                raise Retry(sentence, reason="ClusterUnreachable", after=after)
            self._probing = bool(self._trips)

    def answered(self) -> None:
        """The server answered, whatever it said."""
        with self._lock:
            self._failures = self._trips = 0
            self._probing = False

    def failed(self, why: str) -> None:
        """Nothing came back; `why` is a sentence without secrets."""
        with self._lock:
            self._failures += 1
            self._why = why
            now = time.monotonic()
            if self._failures >= _FAILURES and now >= self._opens_at:
                longest = min(_FIRST_SECONDS * 2**self._trips, _LONGEST_SECONDS)
                self._opens_at = now + longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not a secret
                self._trips = min(self._trips + 1, 16)
            self._probing = False

    def abandoned(self) -> None:
        """The request ended without telling anything about the server."""
        with self._lock:
            self._probing = False
