"""CustomResourceDefinitions at work: a stored one is served at once, and a deleted one takes its objects with it.

Runs inside the transaction that writes the definition, so whoever has got the answer can use the kind. A definition
that is being deleted goes when the last object of its kind has gone.
"""

from collections import deque

from reconciler.demo.api.admission import CLEANUP
from reconciler.demo.api.objects import Call, Deletion, Objects
from reconciler.demo.api.resources import defined
from reconciler.demo.api.shapes import Body
from reconciler.demo.api.store import Event, Key

DEFINITIONS: Key = ("apiextensions.k8s.io", "customresourcedefinitions")
_MANAGER = "kube-apiserver"


class Definitions:
    """Listens to the store of these objects from now on."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._store = objects.store
        self._ending: deque[str] = deque()  # names of definitions to look at when the transaction ends
        objects.store.listen(self._heard)
        objects.store.finish(self._settle)

    def _heard(self, key: Key, event: Event) -> None:
        if key == DEFINITIONS:
            if event.type == "DELETED":
                self._objects.resources.forget(event.item.name)
                return
            self._objects.resources.define(event.item.name, defined(event.item.body))
            if "deletionTimestamp" in event.item.body["metadata"]:
                self._ending.append(event.item.name)
        elif event.type == "DELETED":
            name = f"{key[1]}.{key[0]}"
            definition = self._store.get(DEFINITIONS, "", name)
            if definition is not None and "deletionTimestamp" in definition.body["metadata"]:
                self._ending.append(name)

    def _settle(self) -> None:
        while self._ending:
            item = self._store.get(DEFINITIONS, "", self._ending.popleft())
            if item is None or CLEANUP not in item.body["metadata"].get("finalizers", ()):
                continue
            if not self._emptied(item.body):
                continue
            meta = item.body["metadata"]
            kept = [each for each in meta["finalizers"] if each != CLEANUP]
            if kept:
                self._store.put(DEFINITIONS, {**item.body, "metadata": {**meta, "finalizers": kept}})
            else:
                self._store.remove(DEFINITIONS, item)

    def _emptied(self, definition: Body) -> bool:
        """Delete the objects of the kind; True when none is left."""
        key = definition["spec"]["group"], definition["spec"]["names"]["plural"]
        resource = self._objects.resources.storage(key)
        for item in self._store.items(key):
            if "deletionTimestamp" not in item.body["metadata"]:
                call = Call(resource=resource, namespace=item.namespace, name=item.name, manager=_MANAGER)
                self._objects.delete(call, Deletion())
        return not self._store.count(key)
