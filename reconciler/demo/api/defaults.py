"""What the server fills in where a client said nothing, as far as a client that compares would notice.

Every function changes the fresh object that `decode.read` made. `DEFAULTS` is the table by kind.
"""

import base64
from collections.abc import Callable, Iterator
from typing import Any

from reconciler.demo.api.shapes import Body

_CONTAINERS = ("initContainers", "containers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_MODES = ("secret", "configMap", "projected", "downwardAPI")
_MODE = 0o644


def fill(target: Body, **values: Any) -> None:
    """Set what is not set."""
    for name, value in values.items():
        if name not in target:
            target[name] = value


def _pod_spec(spec: Body) -> None:
    fill(
        spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler", securityContext={},
    )  # fmt: skip
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for name in _CONTAINERS:
        for container in spec.get(name, ()):
            _container(container)
    for volume in spec.get("volumes", ()):
        _volume(volume)


def _container(container: Body) -> None:
    fill(
        container, resources={}, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File",
        imagePullPolicy=_pull_policy(container.get("image", "")),
    )  # fmt: skip
    for port in container.get("ports", ()):
        fill(port, protocol="TCP")
    for name in _PROBES:
        if name in container:
            fill(container[name], **_PROBE)
    for action in _actions(container):
        fill(action, path="/", scheme="HTTP")
    for variable in container.get("env", ()):
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:
            fill(source["fieldRef"], apiVersion="v1")
        if "resourceFieldRef" in source:
            fill(source["resourceFieldRef"], divisor="0")


def _actions(container: Body) -> Iterator[Body]:
    holders = [container.get(name, {}) for name in _PROBES]
    holders += container.get("lifecycle", {}).values()
    return (holder["httpGet"] for holder in holders if isinstance(holder, dict) and "httpGet" in holder)


def _pull_policy(image: str) -> str:
    if "@" in image:
        return "IfNotPresent"
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return "Always" if tag in {"", "latest"} else "IfNotPresent"


def _volume(volume: Body) -> None:
    if not volume.keys() - {"name"}:
        volume["emptyDir"] = {}
    for name in _MODES:
        if name in volume:
            fill(volume[name], defaultMode=_MODE)
    if "hostPath" in volume:
        fill(volume["hostPath"], type="")
    if "image" in volume:
        fill(volume["image"], pullPolicy=_pull_policy(volume["image"].get("reference", "")))
    for source in volume.get("projected", {}).get("sources", ()):
        if "serviceAccountToken" in source:
            fill(source["serviceAccountToken"], expirationSeconds=3600)
    template = volume.get("ephemeral", {}).get("volumeClaimTemplate")
    if template:
        fill(template.setdefault("spec", {}), volumeMode="Filesystem")


def _pod(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _pod_spec(spec)
    fill(spec, enableServiceLinks=True)
    for name in _CONTAINERS:
        for container in spec.get(name, ()):
            limits = container["resources"].get("limits", {})
            if limits:
                requests = container["resources"].get("requests", {})
                container["resources"]["requests"] = {**limits, **requests}


def _template(spec: Body) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _pod_spec(template.setdefault("spec", {}))


def _deployment(body: Body) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), maxUnavailable="25%", maxSurge="25%")
    _template(spec)


def _replica_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, replicas=1)
    _template(spec)


def _stateful_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10, updateStrategy={})
    fill(spec, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"})
    fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"].setdefault("rollingUpdate", {}), partition=0, maxUnavailable=1)
    _template(spec)


def _job(body: Body) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, parallelism=1, completions=1, backoffLimit=6, completionMode="NonIndexed", suspend=False)
    fill(spec, podReplacementPolicy="TerminatingOrFailed", manualSelector=False)
    _template(spec)


def _service(body: Body) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, type="ClusterIP", sessionAffinity="None")
    for port in spec.get("ports", ()):
        fill(port, protocol="TCP")
        if "targetPort" not in port and "port" in port:
            port["targetPort"] = port["port"]
    if spec["sessionAffinity"] == "ClientIP":
        fill(spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {}), timeoutSeconds=10800)
    if spec["type"] != "ExternalName":
        fill(spec, internalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)
    if spec["type"] in {"LoadBalancer", "NodePort"}:
        fill(spec, externalTrafficPolicy="Cluster")


def _autoscaler(body: Body) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        fill(
            behavior.setdefault("scaleUp", {}), stabilizationWindowSeconds=0, selectPolicy="Max",
            policies=[{"type": "Pods", "value": 4, "periodSeconds": 15}, percent],
        )  # fmt: skip
        fill(behavior.setdefault("scaleDown", {}), selectPolicy="Max", policies=[dict(percent)])


def _network_policy(body: Body) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, podSelector={}, policyTypes=["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
        for port in rule.get("ports", ()):
            fill(port, protocol="TCP")


def _namespace(body: Body) -> None:
    meta = body["metadata"]
    if meta.get("name"):
        meta.setdefault("labels", {})["kubernetes.io/metadata.name"] = meta["name"]


def _secret(body: Body) -> None:
    fill(body, type="Opaque")
    plain = body.pop("stringData", {})
    if plain:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
        body["data"] = {**body.get("data", {}), **encoded}


def _claim(body: Body) -> None:
    fill(body.setdefault("spec", {}), volumeMode="Filesystem")


def _event(body: Body) -> None:
    fill(body, involvedObject={}, source={}, firstTimestamp=None, lastTimestamp=None, eventTime=None)
    fill(body, reportingComponent="", reportingInstance="", type="Normal")


def _binding(body: Body) -> None:
    fill(body.setdefault("roleRef", {}), apiGroup="rbac.authorization.k8s.io")
    for subject in body.get("subjects", ()):
        if subject.get("kind") in {"User", "Group"}:
            fill(subject, apiGroup="rbac.authorization.k8s.io")


def _role(body: Body) -> None:
    fill(body, rules=None)


def _definition(body: Body) -> None:
    spec = body.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    fill(names, singular=kind.lower(), listKind=f"{kind}List")
    fill(spec, conversion={"strategy": "None"})


DEFAULTS: dict[str, Callable[[Body], None]] = {
    "ClusterRole": _role,
    "ClusterRoleBinding": _binding,
    "CustomResourceDefinition": _definition,
    "Deployment": _deployment,
    "Event": _event,
    "HorizontalPodAutoscaler": _autoscaler,
    "Job": _job,
    "Namespace": _namespace,
    "NetworkPolicy": _network_policy,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "ReplicaSet": _replica_set,
    "Role": _role,
    "RoleBinding": _binding,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": _stateful_set,
}
