"""One worker: takes a key, turns one pass, and gives the key back with when to look again.

The wrapper that turns an error into a delay and a sentence. An error's class says what to do: `Retry` after its time or
the backoff, `Stalled` slowly, anything unknown with the backoff and its trace in the log.
"""

import threading
import time
from typing import Any

from reconciler.errors import ReconcilerError, Retry, Stalled
from reconciler.loop.backoff import LONGEST
from reconciler.loop.release import reconcile_release
from reconciler.loop.target import reconcile_target
from reconciler.loop.world import Key, World
from reconciler.model.ids import ReleaseKey

_STANDBY = 1.0  # seconds between two looks at whether we lead


class Worker:
    """Runs passes; `key` and `since` (monotonic seconds) say what it is at."""

    def __init__(self, world: World, log: Any) -> None:
        self.key: Key | None = None
        self.since = 0.0
        self._world = world
        self._log = log

    def run(self, stop: threading.Event) -> None:
        """Turn while we lead, until `stop` or the queue is closed."""
        while not stop.is_set():
            if self._world.leader.wait(_STANDBY) and not self.turn(wait=True):
                return

    def turn(self, *, wait: bool) -> bool:
        """One pass; False when there was nothing to do, or the queue is closed."""
        queue = self._world.queue
        key = queue.take(wait=wait)
        if key is None:
            return False
        if not self._world.leader.leading:  # lost while we waited for something to do
            queue.add(key, after=_STANDBY)
            queue.done(key)
            return True
        self.key, self.since = key, time.monotonic()
        kind = "release" if isinstance(key, ReleaseKey) else "target"
        try:
            after = self._pass(key, kind)
            if after is not None:
                queue.add(key, after=after)
        finally:
            self._world.telemetry.observe("reconciler_pass_seconds", time.monotonic() - self.since, kind)
            self.key = None
            queue.done(key)
        return True

    def _pass(self, key: Key, kind: str) -> float | None:
        """Seconds until the key runs again, or None to wait for an event."""
        try:
            if isinstance(key, ReleaseKey):
                after = reconcile_release(key, self._world)
            else:
                after = reconcile_target(key, self._world)
        except Retry as error:
            return self._failed(key, kind, error, error.reason, error.after or self._world.backoff.failed(key))
        except Stalled as error:
            return self._failed(key, kind, error, error.reason, LONGEST)
        except ReconcilerError as error:
            return self._failed(key, kind, error, "Refused", self._world.backoff.failed(key))
        except Exception as error:  # noqa: BLE001  # a fault of ours in one key must not end the others
            self._log.exception("pass failed", kind=kind, key=str(key))
            return self._failed(key, kind, error, "Fault", self._world.backoff.failed(key))
        self._world.backoff.succeeded(key)
        self._world.clear_trouble(key)
        return after

    def _failed(self, key: Key, kind: str, error: Exception, reason: str, after: float) -> float:
        message = error.message if isinstance(error, ReconcilerError) else f"{type(error).__name__}: {error}"
        self._world.telemetry.count("reconciler_pass_errors_total", kind, reason)
        self._log.debug("pass will be repeated", kind=kind, key=str(key), reason=reason, error=message, after=after)
        self._world.trouble(key, message)
        return after
