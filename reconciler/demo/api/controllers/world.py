"""What a controller acts with: the view, the writes, the clock and "look again later".

Every write is decided on the object that the view holds and carries its resourceVersion; a write that comes too late
raises and the task is looked at again (see `Controllers`). A status that would not change is not written.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj, name_of, stamp, suffix, uid_of
from reconciler.demo.api.controllers.view import EVENTS, Key, View
from reconciler.demo.api.resources import BUILTIN, Resource

MANAGER = "kube-controller-manager"
KUBELET = "kubelet"


class Store(Protocol):
    """The part of the store that the controllers use."""

    def list(self, resource: Resource, namespace: str | None = None) -> Any:
        """All objects of a kind."""

    def create(self, resource: Resource, obj: Obj, manager: str) -> Any:
        """Store a new object."""

    def replace(self, resource: Resource, obj: Obj, *, manager: str, subresource: str = "") -> Any:
        """Store an object in the place of the one with the same resourceVersion."""

    def delete(self, resource: Resource, namespace: str, name: str) -> Any:
        """Remove an object, or mark it as being removed."""

    def subscribe(self, callback: Callable[[str, Resource, Obj], None]) -> Any:
        """Call back with every change from now on, in order."""

    def now(self) -> datetime:
        """The cluster's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One cluster, as its controllers see it. `pace`: seconds between the steps of a pod's life."""

    store: Store
    view: View
    later: Callable[[Task, float], None]
    pace: float

    def now(self) -> str:
        """The cluster's time as objects carry it."""
        return stamp(self.store.now())

    def create(self, key: Key, obj: Obj, manager: str = MANAGER) -> None:
        """Make an object."""
        self.store.create(BUILTIN[key], obj, manager)

    def replace(self, key: Key, obj: Obj) -> None:
        """Write an object's metadata and spec."""
        self.store.replace(BUILTIN[key], obj, manager=MANAGER)

    def status(self, key: Key, obj: Obj, status: Mapping[str, Any], manager: str = MANAGER) -> None:
        """Write an object's status, if it differs."""
        if obj.get("status") != status:
            self.store.replace(BUILTIN[key], obj | {"status": dict(status)}, manager=manager, subresource="status")

    def delete(self, key: Key, obj: Obj) -> None:
        """Remove an object."""
        self.store.delete(BUILTIN[key], *name_of(obj))

    def warn(self, obj: Obj, reason: str, message: str) -> None:
        """A Warning Event about an object; one that says the same is counted up."""
        namespace, name = name_of(obj)
        told = f"{name}.{reason.lower()}"
        now, before = self.now(), self.view.get(EVENTS, namespace, told)
        if before is not None and before["involvedObject"]["uid"] == uid_of(obj):
            self.replace(EVENTS, before | {"count": before["count"] + 1, "lastTimestamp": now, "message": message})
            return
        about = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "namespace": namespace, "name": name}
        event = {
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": told if before is None else f"{told}.{suffix()}", "namespace": namespace},
            "involvedObject": about | {"uid": uid_of(obj), "resourceVersion": obj["metadata"]["resourceVersion"]},
            "type": "Warning", "reason": reason, "message": message, "count": 1,
            "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": KUBELET}, "reportingComponent": KUBELET, "reportingInstance": "",
        }  # fmt: skip
        self.create(EVENTS, event, KUBELET)
