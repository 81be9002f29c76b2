"""Which optional kinds a cluster has: asked once, and again every ten minutes.

A kind counts when it is served and when we may list it: one that we have no right to is not rendered, so that an
upgrade of the daemon holds no release. Rules: what is known stays known while the cluster cannot be asked; before the
first answer nothing is assumed, because what is no longer rendered would be deleted.
"""

import threading
import time

from reconciler.edges.kube.resources import Resources
from reconciler.errors import ReconcilerError
from reconciler.model.objects import Kinds

_AGAIN = 600.0  # seconds
_AFTER_FAILURE = 30.0  # seconds


class Offered:
    """Thread-safe. `optional` are the kinds that are asked for."""

    def __init__(self, resources: Resources, optional: Kinds) -> None:
        self._resources = resources
        self._optional = optional
        self._lock = threading.Lock()
        self._known: Kinds | None = None
        self._ask_at = 0.0

    def kinds(self) -> Kinds:
        """Those that the cluster has; raises what `Connection.request` raises before the first answer."""
        with self._lock:  # one request answers for all passes that wait
            if self._known is None or time.monotonic() >= self._ask_at:
                self._ask()
            return self._known or frozenset()

    def _ask(self) -> None:
        try:
            self._known = self._resources.offers(self._optional)
            self._ask_at = time.monotonic() + _AGAIN
        except ReconcilerError:
            if self._known is None:
                raise
            self._ask_at = time.monotonic() + _AFTER_FAILURE
