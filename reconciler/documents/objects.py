"""What `serving.objects` may hold: the rules of further objects, each refusal at its place.

Not whether a cluster knows a kind: that is asked when the object is applied. Rules: a namespaced kind of any group, but
nothing that gives rights, leaves the namespace, takes traffic or sizes out of our hands, runs pods that no policy sees,
or has a Secret's content in it; the namespace is the release's; a name is taken once.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reconciler.documents.pod_patch import own_names
from reconciler.documents.words import FieldPath, show, suggestion
from reconciler.model.release import ObjectName, ReleaseSpec

Found = Iterator[tuple[FieldPath, str]]

PATH: FieldPath = ("spec", "serving", "objects")
_NAME: TypeAdapter[str] = TypeAdapter(ObjectName)
_API_VERSION = re.compile(r"(?:[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?v[0-9]+(?:(?:alpha|beta)[0-9]+)?")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_META = ("name", "namespace", "labels", "annotations")
_TOP_OURS = ("status",)

_RIGHTS = "it gives rights: whoever runs the cluster gives them, not a release"
_OUTSIDE = "it does not lie in a namespace, and a release has only its own"
_PODS = "it would run pods that no policy sees: release a model, or let another tool deploy it"
_SECRET = "whoever can read the repository could read it: write an ExternalSecret or a SealedSecret"  # noqa: S105
_SIZES = "sizes are decided here: write spec.serving.replicas instead"
_TRAFFIC = "it leads traffic to addresses of its own"

_GROUPS: Mapping[str, str] = {
    "rbac.authorization.k8s.io": _RIGHTS,
    "authentication.k8s.io": _RIGHTS,
    "authorization.k8s.io": _RIGHTS,
    "certificates.k8s.io": _RIGHTS,
    "apiextensions.k8s.io": _OUTSIDE,
    "apiregistration.k8s.io": _OUTSIDE,
    "admissionregistration.k8s.io": _OUTSIDE,
    "scheduling.k8s.io": _OUTSIDE,
    "node.k8s.io": _OUTSIDE,
    "flowcontrol.apiserver.k8s.io": _OUTSIDE,
    "storage.k8s.io": _OUTSIDE,
    "coordination.k8s.io": "leases say who leads, and no release does",
    "discovery.k8s.io": _TRAFFIC,
    "events.k8s.io": "events are told, not declared",
    "apps": _PODS,
    "batch": _PODS,
    "serving.knative.dev": _PODS,
    "serving.kserve.io": _PODS,
    "jobset.x-k8s.io": _PODS,
    "leaderworkerset.x-k8s.io": _PODS,
    "ray.io": _PODS,
    "argoproj.io": _PODS,
    "tekton.dev": _PODS,
    "kubevirt.io": _PODS,
    "autoscaling": _SIZES,
    "autoscaling.k8s.io": _SIZES,
    "keda.sh": _SIZES,
    "reconciler.dev": "these are the daemon's own",
}
"""Groups that no object may be of, and why."""

_KINDS: Mapping[tuple[str, str], str] = {
    **{("", kind): _OUTSIDE for kind in ("Namespace", "Node", "PersistentVolume", "ComponentStatus")},
    **{("", kind): _PODS for kind in ("Pod", "ReplicationController", "PodTemplate")},
    ("", "Secret"): _SECRET,
    ("", "ServiceAccount"): "write spec.serving.access.serviceAccount instead",
    ("", "Endpoints"): _TRAFFIC,
    ("", "Event"): "events are told, not declared",
    ("", "Binding"): _PODS,
    ("", "ResourceQuota"): "what a namespace may use is for whoever made it",
    ("", "LimitRange"): "what a namespace may use is for whoever made it",
    ("policy", "PodDisruptionBudget"): "write spec.serving.disruption instead",
    ("gateway.networking.k8s.io", "ReferenceGrant"): _RIGHTS,
}
"""Kinds that no object may be of, and why."""


def further(spec: ReleaseSpec, release: str) -> Found:
    """What of the release's `objects` is refused, and where."""
    taken: dict[tuple[str, str, str], int] = {}
    for index, body in enumerate(spec.serving.objects):
        path = (*PATH, index)
        wrong = list(_identity(body, path))
        yield from wrong
        if wrong:
            continue
        group, kind = body["apiVersion"].rpartition("/")[0], body["kind"]
        why = _GROUPS.get(group) or _KINDS.get((group, kind))
        if why:
            yield (*path, "kind"), f"{show(kind)} is not allowed: {why}"
            continue
        yield from _metadata(body["metadata"], (*path, "metadata"), spec.targets.namespace)
        yield from _content(body, path, group, kind)
        name = body["metadata"]["name"]
        first = taken.setdefault((group, kind, name), index)
        if first != index:
            yield (*path, "metadata", "name"), f"{kind} {show(name)} stands in objects[{first}] too: keep one of them"
        elif _is_ours(group, kind, name, release):
            yield (
                (*path, "metadata", "name"),
                f"{kind} {show(name)} is made for the release itself: choose another name",
            )


def _identity(body: Mapping[str, Any], path: FieldPath) -> Found:
    meta = body.get("metadata")
    for field, pattern, example in (("apiVersion", _API_VERSION, "v1"), ("kind", _KIND, "ConfigMap")):
        value = body.get(field)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            yield (*path, field), f"an object needs {field}, such as {example}"
    if not isinstance(meta, dict) or not _is_name(meta.get("name")):
        sentence = "an object needs metadata.name: at most 200 lower-case letters, digits, '-' and '.'"
        yield (*path, "metadata", "name"), sentence


def _is_name(name: Any) -> bool:
    try:
        _NAME.validate_python(name, strict=True)
    except ValidationError:
        return False
    return True


def _metadata(meta: Mapping[str, Any], path: FieldPath, namespace: str) -> Found:
    for field in meta:
        if field not in _META:
            close = suggestion(field, _META)
            yield (*path, field), f"an object has name, labels and annotations here{f': {close}' if close else ''}"
    if meta.get("namespace", namespace) != namespace:
        sentence = f"a release has only its own namespace, '{namespace}': leave this line away"
        yield (*path, "namespace"), sentence
    for field in ("labels", "annotations"):
        names = meta.get(field, {})
        if not isinstance(names, dict) or not all(isinstance(value, str) for value in names.values()):
            yield (*path, field), "this must be a mapping of names to texts"
        else:
            yield from own_names(names, (*path, field))


def _content(body: Mapping[str, Any], path: FieldPath, group: str, kind: str) -> Found:
    for field in _TOP_OURS:
        if field in body:
            yield (*path, field), "a status is written by the cluster: leave it away"
    if (group, kind) == ("", "ConfigMap"):
        yield from _texts(body, path)
    spec = body.get("spec")
    if isinstance(spec, dict):
        yield from _special(spec, (*path, "spec"), group, kind)
    for at, found in _pods_in(body, path):
        yield at, f"{show(kind)} with {found} is not allowed: {_PODS}"


def _texts(body: Mapping[str, Any], path: FieldPath) -> Found:
    for field in ("data", "binaryData"):
        entries = body.get(field, {})
        for name, value in entries.items() if isinstance(entries, dict) else ():
            if not isinstance(value, str):
                yield (*path, field, name), "a ConfigMap holds texts only: put it in quotes"


def _special(spec: Mapping[str, Any], path: FieldPath, group: str, kind: str) -> Found:
    if (group, kind) == ("", "Service"):
        if spec.get("type") == "ExternalName" or "externalName" in spec:
            yield (*path, "type"), f"an ExternalName leaves the namespace: {_TRAFFIC}"
        if "externalIPs" in spec:
            yield (*path, "externalIPs"), _TRAFFIC
    if (group, kind) == ("networking.k8s.io", "NetworkPolicy") and (
        spec.get("policyTypes") != ["Egress"] or "ingress" in spec
    ):
        yield path, "callers are named in spec.serving.access.allowFrom: a policy here has policyTypes: [Egress] only"


def _pods_in(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    """Lists of containers, wherever a custom kind keeps its pods."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        if key in ("containers", "initContainers") and isinstance(inner, list):
            yield (*path, key), str(key)
        yield from _pods_in(inner, (*path, key))


def _is_ours(group: str, kind: str, name: str, release: str) -> bool:
    versions = re.fullmatch(rf"{re.escape(release)}-[0-9a-f]{{10}}", name)
    return (group, kind) in _RENDERED and (name == release or versions is not None)


_RENDERED = frozenset(
    {("", "Service"), ("networking.k8s.io", "NetworkPolicy"), ("monitoring.coreos.com", "PodMonitor")}
)
"""Kinds that we render and that objects may be of, too."""
