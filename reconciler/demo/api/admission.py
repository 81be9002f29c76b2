"""What the server adds when an object is created or replaced, beyond defaults: nobody's fields in managedFields.

Functions change the fresh body they are given.
"""

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.demo.api.defaults import fill
from reconciler.demo.api.resources import Resource
from reconciler.demo.api.shapes import Body

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, so no words
_SUFFIX = 5
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def stamp(after: float = 0.0) -> str:
    """Now, or `after` seconds from now, as Kubernetes writes times."""
    return (datetime.now(UTC) + timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp() -> str:
    """Now with microseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def suffix(length: int = _SUFFIX) -> str:
    """Random characters for generated names."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def born(resource: Resource, meta: Body) -> None:
    """Identity of a new object."""
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = stamp()
    for name in ("resourceVersion", "generation", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"):
        meta.pop(name, None)
    if resource.generation:
        meta["generation"] = 1


_STATUS: dict[str, Body] = {
    "Deployment": {},
    "HorizontalPodAutoscaler": {"desiredReplicas": 0, "currentMetrics": None},
    "Job": {},
    "Namespace": {"phase": "Active"},
    "PersistentVolumeClaim": {"phase": "Pending"},
    "PodDisruptionBudget": {
        "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
    },
    "ReplicaSet": {"replicas": 0},
    "Service": {"loadBalancer": {}},
    "StatefulSet": {"replicas": 0, "availableReplicas": 0},
}  # fmt: skip


def admitted(resource: Resource, body: Body, addresses: Callable[[], str]) -> None:
    """A new object of a kind; `addresses()` gives the next cluster IP."""
    if resource.custom:
        if resource.status:
            body.pop("status", None)
        return
    if resource.kind in _STATUS:
        body["status"] = {**_STATUS[resource.kind]}
    act = _NEW.get(resource.kind)
    if act is not None:
        act(body, addresses)


def _pod(body: Body, _addresses: Callable[[], str]) -> None:
    spec = body["spec"]
    fill(spec, serviceAccountName="default", serviceAccount="default", priority=0)
    fill(spec, preemptionPolicy="PreemptLowerPriority")
    if "tolerations" not in spec:
        spec["tolerations"] = [
            {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            for what in ("not-ready", "unreachable")
        ]
    body["status"] = {"phase": "Pending", "qosClass": _quality(spec)}


def _quality(spec: Body) -> str:
    resources = [container.get("resources", {}) for container in spec.get("containers", ())]
    if not any(each.get("limits") or each.get("requests") for each in resources):
        return "BestEffort"
    same = all(each.get("limits") == each.get("requests") for each in resources)
    return "Guaranteed" if same else "Burstable"


def _service(body: Body, addresses: Callable[[], str]) -> None:
    spec = body["spec"]
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP"):
        spec["clusterIP"] = addresses()
    fill(spec, clusterIPs=[spec["clusterIP"]], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")


def _job(body: Body, _addresses: Callable[[], str]) -> None:
    meta, spec = body["metadata"], body["spec"]
    uid = {"batch.kubernetes.io/controller-uid": meta["uid"]}
    labels = {
        **uid, "batch.kubernetes.io/job-name": meta["name"], "controller-uid": meta["uid"], "job-name": meta["name"],
    }  # fmt: skip
    template = spec["template"]["metadata"]
    template["labels"] = {**template.get("labels", {}), **labels}
    fill(meta, labels=dict(template["labels"]))
    fill(spec, selector={"matchLabels": uid})


def _namespace(body: Body, _addresses: Callable[[], str]) -> None:
    fill(body.setdefault("spec", {}), finalizers=["kubernetes"])


def _claim(body: Body, _addresses: Callable[[], str]) -> None:
    fill(body["metadata"], finalizers=["kubernetes.io/pvc-protection"])


def _definition(body: Body, _addresses: Callable[[], str]) -> None:
    body["status"] = definition_status(body["spec"], None)
    body["metadata"]["finalizers"] = [CLEANUP]


def definition_status(spec: Body, old: Body | None) -> Body:
    """The status of a CustomResourceDefinition that is served, which here is at once."""
    now = stamp()
    told = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    conditions: Any = [
        {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}
        for kind, reason, message in told
    ]
    stored = list((old or {}).get("storedVersions", ()))
    for version in spec.get("versions", ()):
        if version.get("storage") and version["name"] not in stored:
            stored.append(version["name"])
    if old is not None:
        conditions = old.get("conditions", conditions)
    return {"conditions": conditions, "acceptedNames": spec["names"], "storedVersions": stored}


_NEW: dict[str, Callable[[Body, Callable[[], str]], None]] = {
    "CustomResourceDefinition": _definition,
    "Job": _job,
    "Namespace": _namespace,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "Service": _service,
}

_KEPT_META = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace")
_KEPT_SPEC: dict[str, tuple[str, ...]] = {
    "Namespace": ("finalizers",),
    "Pod": ("nodeName", "serviceAccountName", "serviceAccount", "tolerations", "priority", "preemptionPolicy"),
    "Service": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"),
    "Job": ("selector",),
    "PersistentVolumeClaim": ("volumeName",),
}


def carried(resource: Resource, body: Body, old: Body) -> None:
    """What a replacement keeps of the object before it, because clients leave it out or may not change it."""
    meta = body["metadata"]
    for name in _KEPT_META:
        meta.pop(name, None)
        if name in old["metadata"]:
            meta[name] = old["metadata"][name]
    if resource.status:
        body.pop("status", None)
        if "status" in old:
            body["status"] = old["status"]
    for name in _KEPT_SPEC.get(resource.kind, ()) if not resource.custom else ():
        if name in old.get("spec", {}):
            fill(body.setdefault("spec", {}), **{name: old["spec"][name]})
    if resource.kind == "CustomResourceDefinition" and not resource.custom:
        body["status"] = definition_status(body["spec"], old["status"])
    if resource.kind == "Job" and not resource.custom:
        _keep_job_labels(body, old)


def _keep_job_labels(body: Body, old: Body) -> None:
    before = old["spec"]["template"]["metadata"].get("labels", {})
    template = body["spec"]["template"]["metadata"]
    template["labels"] = {**before, **template.get("labels", {})}


def generation(resource: Resource, body: Body, old: Body) -> None:
    """Count a change of what the object asks for."""
    if not resource.generation:
        return
    ignored = {"metadata", "status"} if resource.status else {"metadata"}
    asked = {name: value for name, value in body.items() if name not in ignored}
    before = {name: value for name, value in old.items() if name not in ignored}
    changed = asked != before
    if resource.key == ("", "pods"):  # to be placed on a node is not a change
        changed = {**asked["spec"], "nodeName": ""} != {**before["spec"], "nodeName": ""}
    if resource.kind == "Deployment" and not resource.custom:
        changed = changed or body["metadata"].get("annotations") != old["metadata"].get("annotations")
    if changed:
        body["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
