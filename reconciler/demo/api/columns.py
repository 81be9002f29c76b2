"""What `kubectl get` shows of the built-in kinds: columns, and one cell function per column."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.demo.api.selectors import of_object, spelled
from reconciler.demo.api.shapes import Body


class Shown(NamedTuple):
    """One column; `wide` ones need `-o wide`."""

    name: str
    cell: Callable[[Body], Any]
    type: str = "string"
    wide: bool = False
    description: str = ""


_DAY, _YEAR = 86400, 365 * 86400
_SPANS = (  # up to how many seconds: unit, its name, the finer unit that is shown too
    (120, 1, "s", 0, ""), (600, 60, "m", 1, "s"), (3 * 3600, 60, "m", 0, ""), (8 * 3600, 3600, "h", 60, "m"),
    (2 * _DAY, 3600, "h", 0, ""), (8 * _DAY, _DAY, "d", 3600, "h"), (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"), (float("inf"), _YEAR, "y", 0, ""),
)  # fmt: skip


def age(stamp: str | None) -> str:
    """How long ago a time was, as kubectl says it: `9m58s`, `3h`."""
    if not stamp:
        return "<unknown>"
    then = datetime.fromisoformat(stamp)
    return duration((datetime.now(UTC) - then).total_seconds())


def duration(seconds: float) -> str:
    """Two units while small, one when large."""
    whole = max(0, int(seconds))
    _, size, unit, finer, name = next(span for span in _SPANS if whole < span[0])
    rest = whole % size // finer if finer else 0
    return f"{whole // size}{unit}" + (f"{rest}{name}" if rest else "")


def _at(body: Body, *path: str, default: Any = "") -> Any:
    value: Any = body
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return default if value is None else value


def _get(*path: str, default: Any = "") -> Callable[[Body], Any]:
    return lambda body: _at(body, *path, default=default)


def _name(body: Body) -> str:
    return str(body["metadata"]["name"])


def _age(body: Body) -> str:
    return age(body["metadata"].get("creationTimestamp"))


NAME = Shown("Name", _name)
AGE = Shown("Age", _age)


def _pod_ready(body: Body) -> str:
    states = _at(body, "status", "containerStatuses", default=[])
    return f"{sum(bool(each.get('ready')) for each in states)}/{len(_at(body, 'spec', 'containers', default=[]))}"


def _pod_status(body: Body) -> str:
    if "deletionTimestamp" in body["metadata"]:
        return "Terminating"
    for state in _at(body, "status", "containerStatuses", default=[]):
        for how in ("waiting", "terminated"):
            reason = state.get("state", {}).get(how, {}).get("reason")
            if reason:
                return str(reason)
    return str(_at(body, "status", "reason") or _at(body, "status", "phase"))


def _restarts(body: Body) -> str:
    states = _at(body, "status", "containerStatuses", default=[])
    count = sum(each.get("restartCount", 0) for each in states)
    ended = [each.get("lastState", {}).get("terminated", {}).get("finishedAt") for each in states]
    latest = max(filter(None, ended), default=None)
    return f"{count} ({age(latest)} ago)" if count and latest else str(count)


def _of(*left: str) -> Callable[[Body], str]:
    def cell(body: Body) -> str:
        return f"{_at(body, *left, default=0)}/{_at(body, 'spec', 'replicas', default=0)}"

    return cell


def _containers(field: str) -> Callable[[Body], str]:
    return lambda body: ",".join(
        str(each.get(field, "")) for each in _at(body, "spec", "template", "spec", "containers", default=[])
    )


def _selector(body: Body) -> str:
    return spelled(of_object(_at(body, "spec", "selector", default={}))) or "<none>"


def _ports(body: Body) -> str:
    told = []
    for port in _at(body, "spec", "ports", default=[]):
        node = f":{port['nodePort']}" if "nodePort" in port else ""
        told.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(told) or "<none>"


def _plain_selector(*path: str) -> Callable[[Body], str]:
    return lambda body: ",".join(f"{key}={value}" for key, value in _at(body, *path, default={}).items()) or "<none>"


def _reference(body: Body) -> str:
    target = body["spec"]["scaleTargetRef"]
    return f"{target['kind']}/{target['name']}"


def _targets(body: Body) -> str:
    metrics = _at(body, "spec", "metrics", default=[])
    told = []
    for metric in metrics:
        source = metric.get(metric.get("type", "")[:1].lower() + metric.get("type", "")[1:], {})
        target = source.get("target", {})
        wanted = target.get("averageUtilization")
        goal = f"{wanted}%" if wanted is not None else target.get("averageValue", target.get("value", "<auto>"))
        told.append(f"{source.get('name') or source.get('metric', {}).get('name', '')}: <unknown>/{goal}")
    return ", ".join(told) or "<none>"


def _job_status(body: Body) -> str:
    for condition in _at(body, "status", "conditions", default=[]):
        if condition.get("status") == "True" and condition.get("type") in {"Complete", "Failed", "Suspended"}:
            return str(condition["type"])
    return "Running"


def _node_status(body: Body) -> str:
    conditions = {each["type"]: each["status"] for each in _at(body, "status", "conditions", default=[])}
    return "Ready" if conditions.get("Ready") == "True" else "NotReady"


def _event_object(body: Body) -> str:
    about = body.get("involvedObject", {})
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _event_age(body: Body) -> str:
    return age(body.get("lastTimestamp") or body["metadata"].get("creationTimestamp"))


_WORKLOAD_WIDE = (
    Shown("Containers", _containers("name"), wide=True),
    Shown("Images", _containers("image"), wide=True),
    Shown("Selector", _selector, wide=True),
)
_STATUS = Shown("Status", _get("status", "phase"))

COLUMNS: Mapping[str, tuple[Shown, ...]] = MappingProxyType({
    "ConfigMap": (
        NAME, Shown("Data", lambda body: len(body.get("data", {})) + len(body.get("binaryData", {})), "integer"), AGE,
    ),
    "CustomResourceDefinition": (NAME, Shown("Created At", _get("metadata", "creationTimestamp"), "date")),
    "Deployment": (
        NAME, Shown("Ready", _of("status", "readyReplicas")),
        Shown("Up-to-date", _get("status", "updatedReplicas", default=0), "integer"),
        Shown("Available", _get("status", "availableReplicas", default=0), "integer"), AGE, *_WORKLOAD_WIDE,
    ),
    "Event": (
        Shown("Last Seen", _event_age), Shown("Type", _get("type")), Shown("Reason", _get("reason")),
        Shown("Object", _event_object), Shown("Message", _get("message")), Shown("Name", _name, wide=True),
    ),
    "HorizontalPodAutoscaler": (
        NAME, Shown("Reference", _reference), Shown("Targets", _targets),
        Shown("MinPods", _get("spec", "minReplicas", default=1), "integer"),
        Shown("MaxPods", _get("spec", "maxReplicas", default=0), "integer"),
        Shown("Replicas", _get("status", "currentReplicas", default=0), "integer"), AGE,
    ),
    "Job": (
        NAME, Shown("Status", _job_status),
        Shown("Completions", lambda body: f"{_at(body, 'status', 'succeeded', default=0)}/"
              f"{_at(body, 'spec', 'completions', default=1)}"), AGE,
    ),
    "Lease": (NAME, Shown("Holder", _get("spec", "holderIdentity")), AGE),
    "Namespace": (NAME, _STATUS, AGE),
    "NetworkPolicy": (
        NAME, Shown("Pod-Selector", lambda body: spelled(of_object(_at(body, "spec", "podSelector", default={})))
                    or "<none>"), AGE,
    ),
    "Node": (NAME, Shown("Status", _node_status), Shown("Roles", lambda _body: "<none>"), AGE),
    "PersistentVolumeClaim": (NAME, _STATUS, Shown("Volume", _get("spec", "volumeName")), AGE),
    "Pod": (
        NAME, Shown("Ready", _pod_ready), Shown("Status", _pod_status), Shown("Restarts", _restarts), AGE,
        Shown("IP", _get("status", "podIP", default="<none>"), wide=True),
        Shown("Node", _get("spec", "nodeName", default="<none>"), wide=True),
        Shown("Nominated Node", lambda _body: "<none>", wide=True),
        Shown("Readiness Gates", lambda _body: "<none>", wide=True),
    ),
    "PodDisruptionBudget": (
        NAME, Shown("Min Available", lambda body: str(_at(body, "spec", "minAvailable", default="N/A"))),
        Shown("Max Unavailable", lambda body: str(_at(body, "spec", "maxUnavailable", default="N/A"))),
        Shown("Allowed Disruptions", _get("status", "disruptionsAllowed", default=0), "integer"), AGE,
    ),
    "ReplicaSet": (
        NAME, Shown("Desired", _get("spec", "replicas", default=0), "integer"),
        Shown("Current", _get("status", "replicas", default=0), "integer"),
        Shown("Ready", _get("status", "readyReplicas", default=0), "integer"), AGE, *_WORKLOAD_WIDE,
    ),
    "Secret": (
        NAME, Shown("Type", _get("type")), Shown("Data", lambda body: len(body.get("data", {})), "integer"), AGE,
    ),
    "Service": (
        NAME, Shown("Type", _get("spec", "type")), Shown("Cluster-IP", _get("spec", "clusterIP", default="<none>")),
        Shown("External-IP", lambda _body: "<none>"), Shown("Port(s)", _ports), AGE,
        Shown("Selector", _plain_selector("spec", "selector"), wide=True),
    ),
    "StatefulSet": (NAME, Shown("Ready", _of("status", "readyReplicas")), AGE, *_WORKLOAD_WIDE[:2]),
})  # fmt: skip
