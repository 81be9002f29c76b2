"""Kubernetes objects as we see them: what we want (rendered) and how to name them. What is lives in `facts`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

FIELD_MANAGER = "reconciler"
SCALE_MANAGER = "reconciler-scale"
LABEL_RELEASE = "reconciler.dev/release"  # the release's name
LABEL_VERSION = "reconciler.dev/version"  # first 10 hex digits of the version
LABEL_STATE = "reconciler.dev/state"  # the state object's name: which release of which repository owns an object
LABEL_MANAGED = "app.kubernetes.io/managed-by"  # always "reconciler": what watches select by
MANAGED_BY = "reconciler"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectRef:
    """One object on one cluster. `group` is empty for core kinds, `namespace` for cluster-scoped ones."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "ObjectRef":
        """The ref of an object's JSON data."""
        group, _, version = str(body["apiVersion"]).rpartition("/")
        meta = body["metadata"]
        return cls(
            group=group, version=version, kind=body["kind"], namespace=meta.get("namespace", ""), name=meta["name"]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedObject:
    """One object we want: the exact bytes of its apply payload (canonical JSON) and their digest.

    `tier` orders objects within one target (1 first). `replicas` is never in a payload: see `Size`.
    """

    ref: ObjectRef
    tier: int
    payload: bytes = field(repr=False)
    digest: str

    @property
    def body(self) -> dict[str, Any]:
        """The payload as plain data."""
        data: dict[str, Any] = orjson.loads(self.payload)
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The replicas a workload may have; outside `low..high` it is scaled to the nearer end.

    While a rollout runs low == high; otherwise the range is what the autoscaler may choose from.
    """

    ref: ObjectRef
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Everything one target should have: objects in tier order, and the sizes of its workloads."""

    objects: tuple[RenderedObject, ...]
    sizes: tuple[Size, ...]
