"""Kubernetes objects as we see them: what we want (rendered) and how to name them. What is lives in `facts`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

FIELD_MANAGER = "reconciler"
SCALE_MANAGER = "reconciler-scale"
LABEL_RELEASE = "reconciler.dev/release"  # the release's name
LABEL_VERSION = "reconciler.dev/version"  # first 10 hex digits of the version
LABEL_HOOK = "reconciler.dev/hook"  # a hook's name, on its Job and the Job's pods
LABEL_JOB = "batch.kubernetes.io/job-name"  # what Kubernetes puts on the pods of a Job
LABEL_STATE = "reconciler.dev/state"  # the state object's name: which release of which repository owns an object
LABEL_MANAGED = "app.kubernetes.io/managed-by"  # always "reconciler": what watches select by
MANAGED_BY = "reconciler"
LABEL_NAME = "app.kubernetes.io/name"  # the release's name, for tools of others
OWN_DOMAIN = "reconciler.dev"  # labels and annotations under it are ours alone
MODEL_CONTAINER = "model"
"""The container of a pod that serves the model."""
CHECK_CONTAINER = "check-model"
"""The init container that compares the model with its digest."""
MODEL_VOLUME = "model"
"""The volume that the model lies in, where it is mounted."""
MODELS = "/models"
"""Where models are mounted."""
GPU_PRODUCT = "nvidia.com/gpu.product"

Kinds = frozenset[tuple[str, str]]
"""Kinds that a cluster has, as (apiVersion, kind); only those that are rendered where they are there."""

_NAMES_CONFIG = frozenset({"configMap", "configMapRef", "configMapKeyRef"})
"""Fields of a pod template below which `name` is a ConfigMap's."""


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
class HookRef:
    """A hook's Job: which hook of which version it is. It is made once and never written again.

    `due` is False for what is stable: a Job that is there stays, and none is made.
    """

    ref: ObjectRef
    version: str
    hook: str
    due: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Everything one target should have: objects in tier order, the sizes of its workloads, and which are hooks.

    `kept` are those that only versions at size zero use: they stay where they are, and are not made where they are not.
    """

    objects: tuple[RenderedObject, ...]
    sizes: tuple[Size, ...]
    kept: frozenset[ObjectRef] = frozenset()
    hooks: tuple[HookRef, ...] = ()


def config_named(pod_template: Any) -> frozenset[str]:
    """The names of all ConfigMaps that (a patch of) a pod template refers to."""
    if isinstance(pod_template, list):
        return frozenset().union(*map(config_named, pod_template))
    if not isinstance(pod_template, dict):
        return frozenset()
    found = [
        value["name"]
        for key, value in pod_template.items()
        if key in _NAMES_CONFIG and isinstance(value, dict) and isinstance(value.get("name"), str)
    ]
    return frozenset(found).union(*map(config_named, pod_template.values()))


def config_renamed(pod_template: Any, names: Mapping[str, str]) -> Any:
    """The same with these ConfigMaps under their new names; nothing is changed in place."""
    if isinstance(pod_template, list):
        return [config_renamed(item, names) for item in pod_template]
    if not isinstance(pod_template, dict):
        return pod_template
    renamed = {key: config_renamed(value, names) for key, value in pod_template.items()}
    for key, value in renamed.items():
        if key in _NAMES_CONFIG and isinstance(value, dict) and value.get("name") in names:
            renamed[key] = {**value, "name": names[value["name"]]}
    return renamed
