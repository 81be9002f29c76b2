"""What the API serves: a table of the built-in kinds, and how a CustomResourceDefinition becomes more of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reconciler.demo.api.shapes import Body, Shape, built_in, custom


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePaths:
    """Where a kind keeps its size, as steps into the object; an empty selector means that it has none."""

    spec: tuple[str, ...]
    status: tuple[str, ...]
    selector: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One printer column; `path` is a JSONPath, `priority` above 0 shows with `-o wide`."""

    name: str
    type: str
    path: str
    priority: int = 0
    format: str = ""
    description: str = ""


_WRITES = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_REPLICAS = ScalePaths(spec=("spec", "replicas"), status=("status", "replicas"), selector=("spec", "selector"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """One kind at one version. `key` names its storage, which all versions of a custom kind share.

    `schema` is a custom kind's openAPIV3Schema. `status` and `scale` say which subresources there are, `logs` that
    there is `/log`. `generation`: a change of the spec is counted. `unconditional`: an update needs no resourceVersion.
    `returned`: a delete answers with the object.
    """

    group: str
    version: str
    plural: str
    kind: str
    singular: str
    list_kind: str
    namespaced: bool
    shape: Shape = field(repr=False)
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    scale: ScalePaths | None = None
    logs: bool = False
    generation: bool = False
    unconditional: bool = True
    returned: bool = False
    orphans: bool = False
    schema: Body | None = field(default=None, repr=False)
    columns: tuple[Column, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """(group, plural)."""
        return self.group, self.plural

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def custom(self) -> bool:
        """Comes from a CustomResourceDefinition."""
        return self.schema is not None

    @property
    def verbs(self) -> tuple[str, ...]:
        """What discovery says can be done with it."""
        return _WRITES if self.plural != "namespaces" else tuple(v for v in _WRITES if v != "deletecollection")

    def subresources(self) -> tuple[str, ...]:
        """`status`, `scale`, `log`: those it has."""
        found = (("log", self.logs), ("scale", self.scale is not None), ("status", self.status))
        return tuple(name for name, has in found if has)


def _kind(api_version: str, kind: str, plural: str, **more: Any) -> Resource:
    group, _, version = api_version.rpartition("/")
    return Resource(
        group=group, version=version, kind=kind, plural=plural, singular=kind.lower(), list_kind=f"{kind}List",
        namespaced=more.pop("namespaced", True), shape=built_in(api_version, kind), **more,
    )  # fmt: skip


_RBAC = "rbac.authorization.k8s.io/v1"
_STATUS: dict[str, Any] = {"status": True, "generation": True}


def built_ins() -> tuple[Resource, ...]:
    """Every kind there is before any CustomResourceDefinition."""
    workload: dict[str, Any] = {**_STATUS, "scale": _REPLICAS, "categories": ("all",)}
    return (
        _kind("v1", "Namespace", "namespaces", namespaced=False, short_names=("ns",), status=True, returned=True),
        _kind("v1", "Node", "nodes", namespaced=False, short_names=("no",), status=True),
        _kind("v1", "Pod", "pods", short_names=("po",), categories=("all",), logs=True, returned=True, **_STATUS),
        _kind("v1", "Service", "services", short_names=("svc",), categories=("all",), status=True, returned=True),
        _kind("v1", "ServiceAccount", "serviceaccounts", short_names=("sa",), returned=True),
        _kind("v1", "ConfigMap", "configmaps", short_names=("cm",)),
        _kind("v1", "Secret", "secrets"),
        _kind("v1", "Event", "events", short_names=("ev",)),
        _kind("v1", "LimitRange", "limitranges", short_names=("limits",)),
        _kind("v1", "ResourceQuota", "resourcequotas", short_names=("quota",), status=True),
        _kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", short_names=("pvc",), status=True),
        _kind("apps/v1", "Deployment", "deployments", short_names=("deploy",), **workload),
        _kind("apps/v1", "ReplicaSet", "replicasets", short_names=("rs",), **workload),
        _kind("apps/v1", "StatefulSet", "statefulsets", short_names=("sts",), **workload),
        _kind("batch/v1", "Job", "jobs", categories=("all",), orphans=True, **_STATUS),
        _kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", short_names=("hpa",),
              categories=("all",), **_STATUS),
        _kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", short_names=("pdb",), unconditional=False,
              **_STATUS),
        _kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", short_names=("netpol",), generation=True),
        _kind("coordination.k8s.io/v1", "Lease", "leases", unconditional=False),
        _kind(_RBAC, "ClusterRole", "clusterroles", namespaced=False),
        _kind(_RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
        _kind(_RBAC, "Role", "roles"),
        _kind(_RBAC, "RoleBinding", "rolebindings"),
        _kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False,
              short_names=("crd", "crds"), categories=("api-extensions",), **_STATUS),
    )  # fmt: skip


def defined(definition: Body) -> tuple[Resource, ...]:
    """The resources that a CustomResourceDefinition asks for: one per served version, the stored one first."""
    spec = definition["spec"]
    versions = sorted(spec["versions"], key=lambda version: not version.get("storage"))
    return tuple(_defined(spec, version) for version in versions if version.get("served"))


def _defined(spec: Body, version: Body) -> Resource:
    names = spec["names"]
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
    subresources = version.get("subresources") or {}
    scale = subresources.get("scale")
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        singular=names.get("singular") or names["kind"].lower(),
        list_kind=names.get("listKind") or f"{names['kind']}List",
        namespaced=spec["scope"] == "Namespaced",
        shape=custom(schema),
        short_names=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        status="status" in subresources,
        scale=_scale_paths(scale) if scale else None,
        generation=True,
        unconditional=False,
        schema=schema,
        columns=tuple(_column(column) for column in version.get("additionalPrinterColumns", ())),
    )


def _scale_paths(scale: Body) -> ScalePaths:
    def steps(name: str) -> tuple[str, ...]:
        return tuple(filter(None, scale.get(name, "").split(".")))

    return ScalePaths(
        spec=steps("specReplicasPath"), status=steps("statusReplicasPath"), selector=steps("labelSelectorPath")
    )


def _column(column: Body) -> Column:
    return Column(
        name=column["name"], type=column.get("type", "string"), path=column.get("jsonPath", ""),
        priority=column.get("priority", 0), format=column.get("format", ""),
        description=column.get("description", ""),
    )  # fmt: skip


class Resources:
    """What one cluster serves now. Replaced as a whole when a definition comes or goes, so readers need no lock."""

    def __init__(self) -> None:
        self._built_in = built_ins()
        self._custom: dict[str, tuple[Resource, ...]] = {}
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._storage: dict[tuple[str, str], Resource] = {}
        self._refresh()

    def define(self, name: str, resources: Iterable[Resource]) -> None:
        """Serve the resources of this CustomResourceDefinition from now on."""
        self._custom = {**self._custom, name: tuple(resources)}
        self._refresh()

    def forget(self, name: str) -> None:
        """Serve them no longer."""
        self._custom = {key: value for key, value in self._custom.items() if key != name}
        self._refresh()

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource at this path."""
        return self._by_path.get((group, version, plural))

    def storage(self, key: tuple[str, str]) -> Resource:
        """The stored version of a resource; raises KeyError."""
        return self._storage[key]

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an object's type."""
        group, _, version = api_version.rpartition("/")
        found = (r for r in self.all if (r.group, r.version, r.kind) == (group, version, kind))
        return next(found, None)

    @property
    def all(self) -> tuple[Resource, ...]:
        """Every resource at every version, built-ins first."""
        return tuple(self._by_path.values())

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Every storage."""
        return tuple(self._storage)

    def _refresh(self) -> None:
        everything = [*self._built_in, *(each for more in self._custom.values() for each in more)]
        storage: dict[tuple[str, str], Resource] = {}
        for resource in everything:
            storage.setdefault(resource.key, resource)
        self._storage = storage
        self._by_path = {(each.group, each.version, each.plural): each for each in everything}
