"""The Lease on the home cluster: which daemon leads. Not what a leader may do, and no thread: callers renew.

Rules: a write carries the resourceVersion that was read, so two cannot both win; somebody else's lease has run out when
*we* have seen it unchanged for its duration, so clocks that differ between machines do not matter; a lease that we hold
under the same identity (we were killed and came back) is ours at once.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from reconciler.edges.kube.connect import Connection, segment
from reconciler.errors import Conflict, NotFound

_NAME = "reconciler"
_MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Lease:
    """One contender. `seconds` is how long a lease counts after its last renewal."""

    def __init__(self, connection: Connection, namespace: str, *, holder: str, seconds: int) -> None:
        self._connection = connection
        self._holder = holder
        self._seconds = seconds
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{segment(namespace)}/leases"
        self._seen = ("", 0.0)

    def acquire(self, now: datetime) -> str:
        """Take or renew the lease; returns who holds it, which is us when it succeeded.

        Raises what `Connection.request` raises: then nothing is known, and a lease that we held goes on until it ends.
        """
        try:
            lease = self._get()
        except NotFound:
            return self._write("POST", self._collection, {}, now)
        spec = lease.get("spec") or {}
        other = spec.get("holderIdentity") or ""
        if other not in ("", self._holder) and not self._ran_out(lease, spec):
            return str(other)
        return self._write("PUT", f"{self._collection}/{_NAME}", lease, now)

    def release(self, now: datetime) -> None:
        """Give the lease back, if it is ours, so that the next one need not wait."""
        lease = self._get()
        if (lease.get("spec") or {}).get("holderIdentity") == self._holder:
            self._write("PUT", f"{self._collection}/{_NAME}", lease, now, holder="")

    def _get(self) -> dict[str, Any]:
        _, body = self._connection.request("GET", f"{self._collection}/{_NAME}")
        lease: dict[str, Any] = orjson.loads(body)
        return lease

    def _ran_out(self, lease: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
        version = lease["metadata"]["resourceVersion"]
        if self._seen[0] != version:
            self._seen = (version, time.monotonic())
        return time.monotonic() - self._seen[1] >= float(spec.get("leaseDurationSeconds") or self._seconds)

    def _write(
        self, method: str, path: str, lease: Mapping[str, Any], now: datetime, *, holder: str | None = None
    ) -> str:
        taken = (lease.get("spec") or {}).get("holderIdentity") != self._holder
        when = now.strftime(_MICRO_TIME)
        began = when if taken else (lease.get("spec") or {}).get("acquireTime", when)
        spec = {
            "holderIdentity": self._holder if holder is None else holder, "leaseDurationSeconds": self._seconds,
            "acquireTime": began, "renewTime": when,
        }  # fmt: skip
        metadata = {"name": _NAME} | (
            {"resourceVersion": lease["metadata"]["resourceVersion"]} if lease.get("metadata") else {}
        )
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        try:
            self._connection.request(method, path, body=orjson.dumps(body))
        except Conflict:
            return "another daemon"
        return self._holder
