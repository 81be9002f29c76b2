"""How many pods of a version there may be: its autoscaler, its disruption budget, its Size.

A release whose max is its min has no autoscaler. While a rollout runs, low and high are one number, and the autoscaler
is pinned to it rather than removed, so that nothing else scales the version meanwhile. A version at zero has neither
autoscaler (it could not be kept at zero) nor budget.
"""

from reconciler.errors import Stalled
from reconciler.model.ids import ReleaseKey
from reconciler.model.objects import ObjectRef, Size
from reconciler.model.release import Effective
from reconciler.model.state import VersionDirective
from reconciler.render.identity import Body, metadata, version_labels, version_name, version_selector


def size(entry: VersionDirective, workload: ObjectRef) -> Size:
    """The replicas that the version's workload may have; raises Stalled for a range that is none."""
    starts_at_zero = entry.low == 0 < entry.high
    if starts_at_zero or not 0 <= entry.low <= entry.high:
        raise Stalled(
            f"The directive gives {workload.name} {entry.low} to {entry.high} replicas, which is not a range.",
            reason="DirectiveInvalid",
        )
    return Size(ref=workload, low=entry.low, high=entry.high)


def autoscaler(entry: VersionDirective, effective: Effective, key: ReleaseKey) -> list[Body]:
    """The version's HorizontalPodAutoscaler, if it is to have one."""
    replicas = effective.spec.serving.replicas
    if entry.high == 0 or replicas.min == replicas.max:
        return []
    utilization = int(replicas.metric.target.removesuffix("%"))
    metric = {"name": replicas.metric.type, "target": {"type": "Utilization", "averageUtilization": utilization}}
    name = version_name(effective)
    body: Body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(name, effective.spec.targets.namespace, version_labels(key, effective)),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": entry.low,
            "maxReplicas": entry.high,
            "metrics": [{"type": "Resource", "resource": metric}],
        },
    }
    return [body]


def disruption_budget(entry: VersionDirective, effective: Effective, key: ReleaseKey) -> list[Body]:
    """The version's PodDisruptionBudget, if it has pods. Pods that do not work never keep a node from draining."""
    if entry.high == 0:
        return []
    body: Body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(version_name(effective), effective.spec.targets.namespace, version_labels(key, effective)),
        "spec": {
            "maxUnavailable": effective.spec.serving.disruption.max_unavailable,
            "selector": {"matchLabels": version_selector(effective)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
    return [body]
