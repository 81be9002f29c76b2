"""State objects: RepositoryState, ReleaseState and TargetState as typed values with the version they were read at.

Not what stands in them (model/state). Rules: a write carries everything, status too, in one PUT with the
resourceVersion and UID it was decided on, so a newer state is never overwritten (Conflict); an object that does not
parse is told about and kept, never taken for missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
from pydantic import ValidationError

from reconciler.edges.kube.answers import Unserved
from reconciler.edges.kube.connect import Connection, segment
from reconciler.edges.kube.resources import RELEASE_STATE, REPOSITORY_STATE, TARGET_STATE, Kind, known_collection
from reconciler.errors import ReconcilerError, Stalled
from reconciler.model.objects import FIELD_MANAGER, LABEL_MANAGED, LABEL_RELEASE, MANAGED_BY
from reconciler.model.repository import RepositoryState
from reconciler.model.state import ReleaseState, TargetState

ASKED = "reconciler.dev/look-now"
"""The annotation by which a person asks the daemon to look; our next write takes it away."""
LABEL_ENVIRONMENT = "reconciler.dev/environment"
_PAGE = "500"

State = TypeVar("State", RepositoryState, ReleaseState, TargetState)

KINDS: dict[type[RepositoryState | ReleaseState | TargetState], Kind] = {
    RepositoryState: REPOSITORY_STATE,
    ReleaseState: RELEASE_STATE,
    TargetState: TARGET_STATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Generic[State]):
    """A state as it is stored; `update` needs it to write the next one."""

    value: State
    namespace: str
    name: str
    resource_version: str
    uid: str
    asked: str = ""
    """The time at which a person asked for a look; empty when nobody did since our last write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A state object that is there but does not parse: written by a newer program, or by hand."""

    namespace: str
    name: str
    resource_version: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[State]):
    """All state objects of a kind at one moment."""

    stored: tuple[Stored[State], ...]
    unreadable: tuple[Unreadable, ...]


def encode(value: RepositoryState | ReleaseState | TargetState, metadata: Mapping[str, Any]) -> bytes:
    """The object as it goes over the wire; labels come from the value."""
    kind = KINDS[type(value)]
    spec = value.to_data()
    status = spec.pop("status", {})
    labels = {LABEL_MANAGED: MANAGED_BY}
    if not isinstance(value, RepositoryState):
        labels |= {LABEL_ENVIRONMENT: value.release.environment, LABEL_RELEASE: value.release.name}
    data = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {**metadata, "labels": labels}}
    return orjson.dumps(data | {"spec": spec, "status": status})


def decode(kind: type[State], obj: Mapping[str, Any]) -> Stored[State] | Unreadable:
    """The state in an object's JSON data."""
    meta = obj["metadata"]
    name, namespace, version = meta["name"], meta.get("namespace", ""), meta.get("resourceVersion", "")
    asked = str((meta.get("annotations") or {}).get(ASKED, ""))
    try:
        value = kind.from_data({**(obj.get("spec") or {}), "status": obj.get("status") or {}})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        sentence = (
            f"{kind.__name__} {namespace}/{name} cannot be read: {where}: {first['msg']}; "
            "it was written by another version of reconciler, or by hand."
        )
        return Unreadable(namespace=namespace, name=name, resource_version=version, sentence=sentence)
    return Stored(
        value=value, namespace=namespace, name=name, resource_version=version, uid=meta.get("uid", ""), asked=asked
    )


def crd_missing(cluster: str, kind: Kind) -> Stalled:
    """The error for a cluster without our CustomResourceDefinitions."""
    return Stalled(
        f"Cluster {cluster} has no {kind.kind} resource; run `reconciler install --context CONTEXT --apply` on it.",
        reason="CrdMissing",
    )


_WRITE = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}


class States(Generic[State]):
    """The state objects of one kind on one cluster: `States(connection, TargetState)`. Thread-safe.

    Every method raises what `Connection.request` raises, Stalled(CrdMissing), and Stalled(StateUnreadable) for one
    object that does not parse.
    """

    def __init__(self, connection: Connection, kind: type[State]) -> None:
        self._connection = connection
        self._type: type[State] = kind
        self._kind = KINDS[kind]

    def get(self, namespace: str, name: str) -> Stored[State]:
        """Raises NotFound."""
        return self._one(self._ask("GET", self._path(namespace, name)))

    def list(self, namespace: str = "") -> Listing[State]:
        """All of one namespace, or (empty) of the cluster."""
        query = {"limit": _PAGE}
        rows: list[Stored[State] | Unreadable] = []
        while True:
            page = self._ask("GET", known_collection(self._kind, namespace), query=query)
            rows += [decode(self._type, item) for item in page.get("items") or []]
            query["continue"] = (page.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return Listing(
                    stored=tuple(row for row in rows if isinstance(row, Stored)),
                    unreadable=tuple(row for row in rows if isinstance(row, Unreadable)),
                )

    def create(self, namespace: str, name: str, value: State) -> Stored[State]:
        """Raises Conflict when it exists, Stalled(NamespaceMissing)."""
        body = encode(value, {"name": name, "namespace": namespace})
        return self._one(self._ask("POST", known_collection(self._kind, namespace), body=body))

    def update(self, stored: Stored[State], value: State) -> Stored[State]:
        """Replace what was read; raises Conflict when somebody wrote since, NotFound when it is gone."""
        metadata = {
            "name": stored.name, "namespace": stored.namespace, "uid": stored.uid,
            "resourceVersion": stored.resource_version,
        }  # fmt: skip
        body = encode(value, metadata)
        return self._one(self._ask("PUT", self._path(stored.namespace, stored.name), body=body))

    def delete(self, stored: Stored[State]) -> None:
        """Delete exactly what was read; raises Conflict when somebody wrote since, NotFound when it is gone."""
        only = {"uid": stored.uid, "resourceVersion": stored.resource_version}
        body = orjson.dumps({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": only})
        self._ask("DELETE", self._path(stored.namespace, stored.name), body=body)

    def ask_to_look(self, stored: Stored[State], at: datetime) -> None:
        """Annotate what was read, so that whoever watches it looks; raises NotFound when it is gone."""
        body = orjson.dumps({"metadata": {"annotations": {ASKED: at.isoformat()}}})
        path = self._path(stored.namespace, stored.name)
        self._connection.request("PATCH", path, body=body, content_type="application/merge-patch+json")

    def _path(self, namespace: str, name: str) -> str:
        return f"{known_collection(self._kind, namespace)}/{segment(name)}"

    def _ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> dict[str, Any]:
        # Strict: a definition older than we are refuses a field, and does not drop what then nobody would obey.
        query = {**(query or {})} if method in {"GET", "DELETE"} else _WRITE
        try:
            _, answer = self._connection.request(method, path, query=query, body=body)
        except Unserved:
            raise crd_missing(self._connection.name, self._kind) from None
        data: dict[str, Any] = orjson.loads(answer)
        return data

    def _one(self, obj: Mapping[str, Any]) -> Stored[State]:
        found = decode(self._type, obj)
        if isinstance(found, Unreadable):
            raise unreadable(found)
        return found


def unreadable(found: Unreadable) -> ReconcilerError:
    """The error of one object that does not parse."""
    return Stalled(found.sentence, reason="StateUnreadable")
