"""Where a kind lives in the API: its plural and whether it has a namespace.

The kinds we render are a table; the rest is discovered once per API version and kept. An unknown kind is asked for
again at most every 30 seconds, so a missing CustomResourceDefinition is seen soon after it appears.
"""

import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from reconciler.edges.kube.connect import Connection, segment
from reconciler.errors import NotFound, Retry, Stalled
from reconciler.model.objects import Kinds, ObjectRef

_ASK_AGAIN_SECONDS = 30.0


class Resource(NamedTuple):
    """How a kind is spelt in paths."""

    plural: str
    namespaced: bool


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Kind:
    """A kind at one API version; `group` is empty for core kinds."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


DEPLOYMENT = Kind(group="apps", version="v1", kind="Deployment")
SERVICE = Kind(group="", version="v1", kind="Service")
AUTOSCALER = Kind(group="autoscaling", version="v2", kind="HorizontalPodAutoscaler")
DISRUPTION_BUDGET = Kind(group="policy", version="v1", kind="PodDisruptionBudget")
NETWORK_POLICY = Kind(group="networking.k8s.io", version="v1", kind="NetworkPolicy")
SERVICE_ACCOUNT = Kind(group="", version="v1", kind="ServiceAccount")
JOB = Kind(group="batch", version="v1", kind="Job")
REPOSITORY_STATE = Kind(group="reconciler.dev", version="v1alpha1", kind="RepositoryState")
RELEASE_STATE = Kind(group="reconciler.dev", version="v1alpha1", kind="ReleaseState")
TARGET_STATE = Kind(group="reconciler.dev", version="v1alpha1", kind="TargetState")

KNOWN: dict[tuple[str, str], Resource] = {
    ("", "ConfigMap"): Resource("configmaps", True),
    ("", "Event"): Resource("events", True),
    ("", "Namespace"): Resource("namespaces", False),
    ("", "PersistentVolumeClaim"): Resource("persistentvolumeclaims", True),
    ("", "Pod"): Resource("pods", True),
    ("", "Service"): Resource("services", True),
    ("", "ServiceAccount"): Resource("serviceaccounts", True),
    ("apps", "Deployment"): Resource("deployments", True),
    ("apps", "ReplicaSet"): Resource("replicasets", True),
    ("apps", "StatefulSet"): Resource("statefulsets", True),
    ("autoscaling", "HorizontalPodAutoscaler"): Resource("horizontalpodautoscalers", True),
    ("batch", "Job"): Resource("jobs", True),
    ("networking.k8s.io", "NetworkPolicy"): Resource("networkpolicies", True),
    ("policy", "PodDisruptionBudget"): Resource("poddisruptionbudgets", True),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Resource("customresourcedefinitions", False),
    ("rbac.authorization.k8s.io", "ClusterRole"): Resource("clusterroles", False),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): Resource("clusterrolebindings", False),
    ("rbac.authorization.k8s.io", "Role"): Resource("roles", True),
    ("rbac.authorization.k8s.io", "RoleBinding"): Resource("rolebindings", True),
    ("reconciler.dev", "ReleaseState"): Resource("releasestates", True),
    ("reconciler.dev", "RepositoryState"): Resource("repositorystates", True),
    ("reconciler.dev", "TargetState"): Resource("targetstates", True),
}


def kind_of(ref: ObjectRef) -> Kind:
    """The kind of an object."""
    return Kind(group=ref.group, version=ref.version, kind=ref.kind)


def collection(kind: Kind, plural: str, namespace: str = "") -> str:
    """The path of a kind's collection, in one namespace or (empty) in all."""
    root = f"/apis/{segment(kind.group)}/{segment(kind.version)}" if kind.group else f"/api/{segment(kind.version)}"
    return f"{root}/namespaces/{segment(namespace)}/{plural}" if namespace else f"{root}/{plural}"


def known_collection(kind: Kind, namespace: str = "") -> str:
    """`collection` of a kind in the table."""
    return collection(kind, KNOWN[kind.group, kind.kind].plural, namespace)


def kind_missing(cluster: str, kind: Kind) -> Stalled:
    """The error for a cluster that does not serve a kind."""
    sentence = f"Cluster {cluster} does not serve {kind.kind} of {kind.api_version}; install its CRD."
    return Stalled(sentence, reason="KindMissing")


class Resources:
    """What one cluster serves. Thread-safe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._served: dict[str, dict[str, Resource]] = {}
        self._asked: dict[str, float] = {}

    def of(self, ref: ObjectRef) -> Resource:
        """How the object's kind is spelt here; raises Stalled(KindMissing), and Stalled(KindNotNamespaced)."""
        resource = KNOWN.get((ref.group, ref.kind)) or self._discovered(kind_of(ref))
        if ref.namespace and not resource.namespaced:
            raise Stalled(
                f"{ref.kind} of {ref.api_version} does not lie in a namespace on cluster {self._connection.name}; "
                "a release has only objects of its own namespace.",
                reason="KindNotNamespaced",
            )
        return resource

    def path(self, ref: ObjectRef, subresource: str = "") -> str:
        """The path of one object; raises like `of`, and Refused for an impossible name."""
        kind, resource = kind_of(ref), self.of(ref)
        path = f"{collection(kind, resource.plural, ref.namespace if resource.namespaced else '')}/{segment(ref.name)}"
        return f"{path}/{subresource}" if subresource else path

    def _discovered(self, kind: Kind) -> Resource:
        with self._lock:
            found = self._served.get(kind.api_version, {}).get(kind.kind)
            asked = self._asked.get(kind.api_version)
        if found is None and (asked is None or time.monotonic() - asked >= _ASK_AGAIN_SECONDS):
            served = self._ask(kind)
            with self._lock:
                self._served[kind.api_version] = served
                self._asked[kind.api_version] = time.monotonic()
            found = served.get(kind.kind)
        if found is None:
            raise kind_missing(self._connection.name, kind)
        return found

    def _ask(self, kind: Kind) -> dict[str, Resource]:
        root = "/apis" if kind.group else "/api"
        try:
            _, body = self._connection.request("GET", f"{root}/{kind.api_version}")
        except NotFound:
            return {}
        rows = orjson.loads(body).get("resources") or []
        return {row["kind"]: Resource(row["name"], row["namespaced"]) for row in rows if "/" not in row["name"]}

    def offers(self, kinds: Kinds) -> Kinds:
        """Those of these kinds that are served and that we may list; raises what `Connection.request` raises."""
        return frozenset(pair for pair in kinds if self._may_list(*pair))

    def _may_list(self, api_version: str, name: str) -> bool:
        group, _, version = api_version.rpartition("/")
        kind = Kind(group=group, version=version, kind=name)
        resource = self._ask(kind).get(name)
        if resource is None:
            return False
        try:
            self._connection.request("GET", collection(kind, resource.plural), query={"limit": "1"})
        except Retry as error:
            if error.reason == "Forbidden":
                return False
            raise
        return True
