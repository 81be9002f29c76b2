"""What the controllers know of the cluster: every object, by name and by owner, as of the last event taken in.

Events arrive on the threads that write; they wait in a queue until the controllers' own thread takes them in, so what
is here needs no lock. Objects are never changed in place.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from reconciler.demo.api.controllers.objects import Obj, name_of, uid_of

Key = tuple[str, str]  # group, plural
Name = tuple[str, str]  # namespace, name

PODS: Key = ("", "pods")
EVENTS: Key = ("", "events")
NODES: Key = ("", "nodes")
NAMESPACES: Key = ("", "namespaces")
SERVICE_ACCOUNTS: Key = ("", "serviceaccounts")
DEPLOYMENTS: Key = ("apps", "deployments")
REPLICA_SETS: Key = ("apps", "replicasets")
JOBS: Key = ("batch", "jobs")
AUTOSCALERS: Key = ("autoscaling", "horizontalpodautoscalers")
BUDGETS: Key = ("policy", "poddisruptionbudgets")


class View:
    """`take_in` applies what `note` queued and tells `changed(event, key, object)` of each."""

    def __init__(self, changed: Callable[[str, Key, Obj], None]) -> None:
        self._changed = changed
        self._waiting: deque[tuple[str, Key, Obj]] = deque()
        self._objects: dict[Key, dict[str, dict[str, Obj]]] = {}
        self._owned: dict[str, dict[tuple[Key, Name], Obj]] = {}
        self._alive: dict[str, tuple[Key, Name]] = {}

    def note(self, event: str, key: Key, obj: Obj) -> None:
        """Called on any thread: one ADDED, MODIFIED or DELETED, in the order of the store."""
        self._waiting.append((event, key, obj))

    def take_in(self) -> None:
        """Apply what has arrived; what arrives meanwhile too."""
        while self._waiting:
            event, key, obj = self._waiting.popleft()
            self._apply(event, key, obj)
            self._changed(event, key, obj)

    def get(self, key: Key, namespace: str, name: str) -> Obj | None:
        """The object as of the last event."""
        return self._objects.get(key, {}).get(namespace, {}).get(name)

    def within(self, key: Key, namespace: str) -> list[Obj]:
        """The objects of a kind in a namespace, in no order."""
        return list(self._objects.get(key, {}).get(namespace, {}).values())

    def owned(self, uid: str, key: Key) -> list[Obj]:
        """The objects of a kind that name this owner."""
        return [obj for (kind, _), obj in self._owned.get(uid, {}).items() if kind == key]

    def dependents(self, uid: str) -> list[tuple[Key, Obj]]:
        """The objects that name this owner, with their kinds."""
        return [(key, obj) for (key, _), obj in self._owned.get(uid, {}).items()]

    def everything(self, namespace: str) -> list[tuple[Key, Obj]]:
        """All that is in a namespace."""
        kinds = self._objects.items()
        return [(key, obj) for key, spaces in kinds for obj in spaces.get(namespace, {}).values()]

    def alive(self, uid: str) -> tuple[Key, Obj] | None:
        """The object with this uid."""
        if uid not in self._alive:
            return None
        key, (namespace, name) = self._alive[uid]
        return key, self._objects[key][namespace][name]

    def _apply(self, event: str, key: Key, obj: Obj) -> None:
        namespace, name = name_of(obj)
        kind = self._objects.setdefault(key, {}).setdefault(namespace, {})
        before = kind.pop(name, None)
        for uid in _owners(before):
            self._owned[uid].pop((key, (namespace, name)), None)
            if not self._owned[uid]:
                del self._owned[uid]
        if before is not None:
            self._alive.pop(uid_of(before), None)
        if event == "DELETED":
            return
        kind[name] = obj
        self._alive[uid_of(obj)] = key, (namespace, name)
        for uid in _owners(obj):
            self._owned.setdefault(uid, {})[key, (namespace, name)] = obj


def _owners(obj: dict[str, Any] | None) -> Iterator[str]:
    if obj is not None:
        yield from {ref["uid"] for ref in obj["metadata"].get("ownerReferences") or ()}
