"""An object's JSON as a LiveObject: what we own in it as a digest, who else owns something, and what health needs.

Pure. Ownership is what the API server says (`metadata.managedFields`), so a value that the server defaulted is not ours
and cannot drift, and the owned field set is part of the digest: a field taken over or removed changes it even where the
value stays. Name and namespace are never in it (the server does not count them as fields). See Note [managed fields].

Note [managed fields]
`fieldsV1` is a tree whose keys say how to step into the object: `f:NAME` a field, `k:{…}` the list item with these
keys, `v:…` the list item that equals this value, `i:N` the item at N; `.` stands for the place itself, and an empty
tree means the whole value. Keys of a list item may be defaults that we never wrote (`protocol: TCP`).
"""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from reconciler.model.facts import LiveObject
from reconciler.model.objects import FIELD_MANAGER, LABEL_STATE, SCALE_MANAGER, ObjectRef

_ABSENT = {"absent": True}
_CONTROLLER_WRITES = {"f:status": True, "f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": True}}}


class Facts(Mapping[str, Any]):
    """An immutable mapping kept as JSON bytes: a third of the memory of dicts, decoded when read."""

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[str, Any]) -> None:
        packed = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
        self._data = memoryview(packed).tobytes()  # orjson's own bytes keep their 4 KiB of working space

    def _decoded(self) -> dict[str, Any]:
        data: dict[str, Any] = orjson.loads(self._data)
        return data

    def __getitem__(self, key: str) -> Any:
        return self._decoded()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Facts):
            return self._data == other._data
        return self._decoded() == other

    def __hash__(self) -> int:
        return hash(self._data)

    def __repr__(self) -> str:
        return f"Facts({self._decoded()!r})"


def summarise(obj: Mapping[str, Any]) -> LiveObject:
    """The summary of an object's JSON data, which must carry apiVersion, kind and metadata as the server sends them."""
    meta = obj["metadata"]
    managed = meta.get("managedFields") or []
    read = _FACTS.get((str(obj["apiVersion"]).rpartition("/")[0], obj["kind"]), _generic)
    ref = ObjectRef.of(obj)
    return LiveObject(
        ref=ObjectRef(
            group=sys.intern(ref.group), version=sys.intern(ref.version), kind=sys.intern(ref.kind),
            namespace=sys.intern(ref.namespace), name=ref.name,
        ),
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        generation=meta.get("generation", 0),
        digest=_digest(obj, managed),
        owner=sys.intern((meta.get("labels") or {}).get(LABEL_STATE, "")),
        others=_others(managed),
        deleting="deletionTimestamp" in meta,
        facts=Facts(read(obj)),
    )  # fmt: skip


def _ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _digest(obj: Mapping[str, Any], managed: list[dict[str, Any]]) -> str:
    owned = sorted((entry for entry in managed if _ours(entry)), key=lambda entry: str(entry.get("apiVersion")))
    trees = [entry.get("fieldsV1") or {} for entry in owned]
    if not any(trees):
        return ""
    data = orjson.dumps([project(tree, obj) for tree in trees], option=orjson.OPT_SORT_KEYS)
    return "sha256:" + hashlib.sha256(data).hexdigest()


def project(fields: Mapping[str, Any], value: Any) -> Any:
    """The part of `value` that the field tree names, by the tree's own keys; `{"absent": true}` where it is gone."""
    if not fields:
        return value
    projected = {}
    for key, below in fields.items():
        if key == ".":
            projected[key] = True
            continue
        step, _, rest = key.partition(":")
        child = _STEPS.get(step, _nowhere)(rest, value)
        projected[key] = _ABSENT if child is _ABSENT else project(below, child)
    return projected


def _field(name: str, value: Any) -> Any:
    return value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT


def _item_by_keys(keys: str, value: Any) -> Any:
    wanted = orjson.loads(keys).items()
    items = value if isinstance(value, list) else ()
    return next((item for item in items if isinstance(item, dict) and wanted <= _scalars(item)), _ABSENT)


def _scalars(item: Mapping[str, Any]) -> Any:
    return {key: entry for key, entry in item.items() if not isinstance(entry, dict | list)}.items()


def _item_by_value(text: str, value: Any) -> Any:
    wanted = orjson.loads(text)
    return next((item for item in value if item == wanted), _ABSENT) if isinstance(value, list) else _ABSENT


def _item_by_index(index: str, value: Any) -> Any:
    return value[int(index)] if isinstance(value, list) and int(index) < len(value) else _ABSENT


def _nowhere(_rest: str, _value: Any) -> Any:
    return _ABSENT


_STEPS: dict[str, Callable[[str, Any], Any]] = {
    "f": _field,
    "k": _item_by_keys,
    "v": _item_by_value,
    "i": _item_by_index,
}


def _others(managed: list[dict[str, Any]]) -> tuple[str, ...]:
    names = {
        str(entry.get("manager"))
        for entry in managed
        if not _ours(entry)
        and entry.get("manager") != SCALE_MANAGER
        and entry.get("subresource") not in {"status", "scale"}
        and _beyond(entry.get("fieldsV1") or {}, _CONTROLLER_WRITES)
    }
    return tuple(sorted(map(sys.intern, names)))


def _beyond(fields: Mapping[str, Any], ignored: Mapping[str, Any]) -> bool:
    """True when a field tree names a field that is not in `ignored`."""
    for key, below in fields.items():
        rule = ignored.get(key, False)
        if key == "." or rule is True:
            continue
        if not isinstance(rule, dict) or _beyond(below, rule):
            return True
    return False


def _conditions(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = status.get("conditions") or []
    return [{key: row[key] for key in ("type", "status", "reason", "message") if key in row} for row in rows]


def _status(obj: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    status = obj.get("status") or {}
    kept = {key: status[key] for key in ("observedGeneration", *keys) if key in status}
    conditions = _conditions(status)
    return kept | {"conditions": conditions} if conditions else kept


def _workload(obj: Mapping[str, Any]) -> dict[str, Any]:
    counts = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "unavailableReplicas",
              "currentRevision", "updateRevision")  # fmt: skip
    spec = obj.get("spec") or {}
    facts = {"replicas": spec.get("replicas", 1), "status": _status(obj, *counts)}
    return facts | {"paused": True} if spec.get("paused") else facts


def _autoscaler(obj: Mapping[str, Any]) -> dict[str, Any]:
    spec = obj.get("spec") or {}
    return {
        "minReplicas": spec.get("minReplicas", 1),
        "maxReplicas": spec.get("maxReplicas", 1),
        "status": _status(obj, "currentReplicas", "desiredReplicas"),
    }


def _service(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": (obj.get("spec") or {}).get("type", "ClusterIP"), "status": _status(obj, "loadBalancer")}


def _disruption_budget(obj: Mapping[str, Any]) -> dict[str, Any]:
    counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    return {"status": _status(obj, *counts)}


def _pod(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": _status(obj, "phase", "reason", "message")}


def _job(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": _status(obj, "active", "succeeded", "failed")}


def _claim(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": _status(obj, "phase")}


def _generic(obj: Mapping[str, Any]) -> dict[str, Any]:
    status = _status(obj)
    return {"status": status} if status else {}


_FACTS: dict[tuple[str, str], Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    ("apps", "Deployment"): _workload,
    ("apps", "ReplicaSet"): _workload,
    ("apps", "StatefulSet"): _workload,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("", "Service"): _service,
    ("policy", "PodDisruptionBudget"): _disruption_budget,
    ("", "Pod"): _pod,
    ("batch", "Job"): _job,
    ("", "PersistentVolumeClaim"): _claim,
}
