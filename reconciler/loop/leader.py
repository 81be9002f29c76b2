"""Who leads: the only daemon that writes to clusters, Git and state. Others stand by, with their watches running.

A leader that cannot renew stops by itself before its lease ends; what was in flight is fenced by resourceVersions.
"""

import hashlib
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.edges.kube.connect import Connection
from reconciler.edges.kube.lease import Lease
from reconciler.errors import ReconcilerError

LEASE = 15  # seconds
RENEW = 5.0  # seconds between two renewals
_MARGIN = 5.0  # seconds before the lease ends in which nothing new is begun


def identity(settings: Path) -> str:
    """A daemon's name as a contender: the machine and its settings file, so that a restart is the same one."""
    digest = hashlib.sha256(str(settings).encode()).hexdigest()[:8]
    return f"{socket.gethostname()}_{digest}"


class Leader:
    """Keeps the lease. `leading` is asked before anything is written."""

    def __init__(
        self, connection: Connection, namespace: str, *, me: str, now: Callable[[], datetime], log: Any
    ) -> None:
        self._lease = Lease(connection, namespace, holder=me, seconds=LEASE)
        self._me = me
        self._now = now
        self._log = log
        self._until = 0.0
        self._won = threading.Event()
        self.holder = ""

    @property
    def leading(self) -> bool:
        """True while writing is ours."""
        return time.monotonic() < self._until

    def wait(self, seconds: float) -> bool:
        """Wait until we lead, at most `seconds`; returns whether we do."""
        if not self.leading:
            self._won.wait(seconds)
        return self.leading

    def turn(self) -> bool:
        """Take or renew the lease once; returns whether we lead."""
        was, began = self.leading, time.monotonic()
        try:
            self.holder = self._lease.acquire(self._now())
        except ReconcilerError as error:
            self._log.debug("lease not renewed", error=error.message)
            return self.leading
        if self.holder == self._me:
            self._until = began + LEASE - _MARGIN
            self._won.set()
            if not was:
                self._log.info("leading", identity=self._me)
        else:
            self._until = 0.0
            self._won.clear()
            if was:
                self._log.warning("not leading any more", holder=self.holder)
        return self.leading

    def run(self, stop: threading.Event) -> None:
        """Renew until `stop`."""
        while True:
            if not self.turn():
                self._won.clear()
            if stop.wait(RENEW if self.leading else 1.0):
                return

    def resign(self) -> None:
        """Give the lease back, so that the next daemon need not wait for its end."""
        self._until = 0.0
        try:
            self._lease.release(self._now())
        except ReconcilerError as error:
            self._log.debug("lease not given back", error=error.message)
