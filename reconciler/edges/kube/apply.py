"""Writing one object, and reading it: server-side apply, scale, delete, get.

Not a decision: what to write, in which order and whether it may be written is the plan's. Rules: one field manager for
objects and another for replicas; a conflict is forced only for the fields in our payload, which is what `force` means
in server-side apply; unknown fields are refused, not dropped; a delete names the UID it was decided on.
"""

from typing import Any

import orjson

from reconciler.edges.kube.connect import Connection
from reconciler.edges.kube.observe import summarise
from reconciler.edges.kube.resources import Resources
from reconciler.errors import NotFound
from reconciler.model.facts import LiveObject
from reconciler.model.objects import FIELD_MANAGER, SCALE_MANAGER, ObjectRef, RenderedObject

_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_PAGE = "500"
_AS_US = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
_FORCED = _AS_US | {"force": "true"}


def foreign(live: LiveObject, state_name: str) -> bool:
    """True when an existing object is not this release's: another owner's label, or no field that we applied."""
    return live.owner != state_name or not live.digest


class Objects:
    """The objects of one cluster. Thread-safe; every method raises what `Connection.request` raises."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.resources = Resources(connection)

    def read(self, ref: ObjectRef) -> dict[str, Any]:
        """The whole object, for previews; raises NotFound."""
        _, body = self._connection.request("GET", self.resources.path(ref))
        data: dict[str, Any] = orjson.loads(body)
        return data

    def get(self, ref: ObjectRef) -> LiveObject:
        """The object as it is; raises NotFound."""
        return summarise(self.read(ref))

    def names(self, like: ObjectRef) -> frozenset[str]:
        """Names of all objects of this kind in this namespace, anybody's."""
        path = self.resources.path(like).rpartition("/")[0]
        found: set[str] = set()
        query = {"limit": _PAGE}
        while True:
            _, body = self._connection.request("GET", path, query=query)
            page = orjson.loads(body)
            found |= {item["metadata"]["name"] for item in page.get("items") or []}
            query["continue"] = (page.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return frozenset(found)

    def apply(self, rendered: RenderedObject, *, force: bool = True) -> LiveObject:
        """Create or update it; returns what the server then has.

        Without `force` a field of the payload that somebody else owns with another value raises Conflict: for the first
        apply, when the object may be somebody's.
        """
        return summarise(self._patch(rendered, _FORCED if force else _AS_US))

    def dry_run(self, rendered: RenderedObject) -> dict[str, Any]:
        """The whole object as it would be after `apply`; changes nothing."""
        return self._patch(rendered, _FORCED | {"dryRun": "All"})

    def _patch(self, rendered: RenderedObject, query: dict[str, str]) -> dict[str, Any]:
        path = self.resources.path(rendered.ref)
        _, body = self._connection.request("PATCH", path, query=query, body=rendered.payload, content_type=_APPLY)
        data: dict[str, Any] = orjson.loads(body)
        return data

    def scale(self, ref: ObjectRef, replicas: int) -> None:
        """Set a workload's size through its scale subresource, as a manager of its own; raises NotFound."""
        body = orjson.dumps({"spec": {"replicas": replicas}})
        path = self.resources.path(ref, "scale")
        query = {"fieldManager": SCALE_MANAGER}
        self._connection.request("PATCH", path, query=query, body=body, content_type=_MERGE)

    def delete(self, ref: ObjectRef, uid: str) -> bool:
        """Begin to delete the object with this UID, what it owns after it; False when it is already gone.

        Raises Conflict when the name now belongs to another object.
        """
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        body = orjson.dumps({"apiVersion": "v1", "kind": "DeleteOptions", **options})
        try:
            self._connection.request("DELETE", self.resources.path(ref), body=body)
        except NotFound:
            return False
        return True
