"""What a controller acts with: the view, the writes, the clock and "look again later".

Every write is decided on the object that the view holds and carries its resourceVersion; a write that comes too late
raises and the task is looked at again (see `Controllers`). A status that would not change is not written.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.demo.api.admission import stamp, suffix
from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj, moment, name_of, uid_of
from reconciler.demo.api.controllers.view import EVENTS, Key, View
from reconciler.demo.api.objects import Call, Deletion, Objects
from reconciler.demo.api.resources import Resource

MANAGER = "kube-controller-manager"
KUBELET = "kubelet"
SCHEDULER = "kube-scheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One cluster, as its controllers see it.

    `later(task, seconds)` has a task looked at again; `waits(task)` says that this is still to come. `pace` is in
    seconds between two steps of a pod's life.
    """

    objects: Objects
    view: View
    later: Callable[[Task, float], None]
    waits: Callable[[Task], bool]
    pace: float

    def now(self) -> str:
        """The present as objects carry it."""
        return stamp()

    def until(self, since: str, seconds: float) -> float:
        """Seconds until the time that is `seconds` after `since`; negative when it is over."""
        return (moment(since) + timedelta(seconds=seconds) - datetime.now(UTC)).total_seconds()

    def kind(self, key: Key) -> Resource:
        """The resource, in the version that is stored."""
        return self.objects.resources.storage(key)

    def reference(self, key: Key, owner: Obj) -> Obj:
        """The owner reference of what `owner` controls."""
        kind = self.kind(key)
        about = {"apiVersion": kind.api_version, "kind": kind.kind, "name": owner["metadata"]["name"]}
        return about | {"uid": uid_of(owner), "controller": True, "blockOwnerDeletion": True}

    def create(self, key: Key, obj: Obj, manager: str = MANAGER) -> None:
        """Make an object."""
        call = Call(resource=self.kind(key), namespace=obj["metadata"].get("namespace", ""), manager=manager)
        self.objects.create(call, obj)

    def replace(self, key: Key, obj: Obj, manager: str = MANAGER) -> None:
        """Write an object's metadata and spec."""
        self.objects.update(self._call(key, obj, manager), obj)

    def scale(self, key: Key, obj: Obj, replicas: int) -> None:
        """Write an object's size."""
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        size = {"metadata": meta, "spec": {"replicas": replicas}}
        self.objects.update(self._call(key, obj, MANAGER, "scale"), size)

    def status(self, key: Key, obj: Obj, status: Mapping[str, Any], manager: str = MANAGER) -> None:
        """Write an object's status, if it differs."""
        if obj.get("status") != status:
            self.objects.update(self._call(key, obj, manager, "status"), obj | {"status": dict(status)})

    def annotate(self, key: Key, obj: Obj) -> None:
        """Write an object's annotations through its status, which does not count as a change of what it asks for."""
        self.objects.update(self._call(key, obj, MANAGER, "status"), obj)

    def delete(self, key: Key, obj: Obj, *, now: bool = False) -> None:
        """Begin to remove an object; with `now`, a pod is gone at once."""
        self.objects.delete(self._call(key, obj, MANAGER), Deletion(uid=uid_of(obj), grace=0 if now else None))

    def finish(self, key: Key, obj: Obj) -> None:
        """The end of an object that is being removed."""
        kind, (namespace, name) = self.kind(key), name_of(obj)
        item = self.objects.store.get(key, namespace, name)
        if item is not None and item.uid == uid_of(obj):
            self.objects.finish(kind, item)

    def _call(self, key: Key, obj: Obj, manager: str, subresource: str = "") -> Call:
        namespace, name = name_of(obj)
        return Call(resource=self.kind(key), namespace=namespace, name=name, manager=manager, subresource=subresource)

    def warn(self, pod: Obj, reason: str, message: str) -> None:
        """A Warning Event about a pod; one that says the same is counted up."""
        namespace, name = name_of(pod)
        told = f"{name}.{reason.lower()}"
        now, before = self.now(), self.view.get(EVENTS, namespace, told)
        if before is not None and before["involvedObject"]["uid"] == uid_of(pod):
            self.replace(EVENTS, before | {"count": before["count"] + 1, "lastTimestamp": now, "message": message})
            return
        about = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name}
        event = {
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": told if before is None else f"{told}.{suffix()}", "namespace": namespace},
            "involvedObject": about | {"uid": uid_of(pod), "resourceVersion": pod["metadata"]["resourceVersion"]},
            "type": "Warning", "reason": reason, "message": message, "count": 1,
            "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": KUBELET}, "reportingComponent": KUBELET, "reportingInstance": "",
        }  # fmt: skip
        self.create(EVENTS, event, KUBELET)
