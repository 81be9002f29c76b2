"""HorizontalPodAutoscalers: a target outside min and max is brought back inside.

There is no metrics server here, so nothing else scales: the status says so in the words of Kubernetes, and a target
at zero replicas is left alone (so it is on a real cluster).
"""

from collections.abc import Sequence

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj, with_condition
from reconciler.demo.api.controllers.view import AUTOSCALERS, DEPLOYMENTS
from reconciler.demo.api.controllers.world import World

_GOT = "the HPA controller was able to get the target's current scale"
_NOT_ZERO = "the HPA controller did not scale the workload to zero"
_NO_METRICS = (
    "unable to get metrics for resource {name}: unable to fetch metrics from resource metrics API: "
    "the server could not find the requested resource (get pods.metrics.k8s.io)"
)


def reconcile(world: World, task: Task) -> None:
    """One look at one autoscaler."""
    autoscaler = world.view.get(AUTOSCALERS, task.namespace, task.name)
    if autoscaler is None or "deletionTimestamp" in autoscaler["metadata"]:
        return
    target = target_of(world, autoscaler)
    if target is None:
        name = autoscaler["spec"]["scaleTargetRef"]["name"]
        message = f"the HPA controller was unable to get the target's current scale: {_missing(name)}"
        _report(world, autoscaler, 0, 0, [_row("AbleToScale", "False", "FailedGetScale", message)])
        return
    current = target["spec"].get("replicas", 1)
    desired = _inside(autoscaler["spec"], current)
    if desired != current:
        world.scale(DEPLOYMENTS, target, desired)
    seen = (target.get("status") or {}).get("replicas", 0)
    _report(world, autoscaler, seen, desired, _told(autoscaler["spec"], current, desired), scaled=desired != current)


def _inside(spec: Obj, current: int) -> int:
    """The size nearest to the current one that the bounds allow; zero stays."""
    return int(max(spec.get("minReplicas", 1), min(spec["maxReplicas"], current))) if current else 0


def _told(spec: Obj, current: int, desired: int) -> list[Obj]:
    """The conditions; what it measures (nothing) is told when the size is as it should be."""
    not_zero = _row("ScaledToZero", "False", "NotScaledToZero", _NOT_ZERO)
    if desired != current:
        done = f"the HPA controller was able to update the target scale to {desired}"
        return [_row("AbleToScale", "True", "SucceededRescale", done), not_zero]
    rows = [_row("AbleToScale", "True", "SucceededGetScale", _GOT), not_zero]
    if not current:
        why = "scaling is disabled since the replica count of the target is zero"
        return [*rows, _row("ScalingActive", "False", "ScalingDisabled", why)]
    return [*rows, *(_unmeasured(metric) for metric in (spec.get("metrics") or ())[:1])]


def _missing(name: str) -> str:
    return f'deployments.apps "{name}" not found'


def target_of(world: World, autoscaler: Obj) -> Obj | None:
    """The Deployment it scales."""
    ref = autoscaler["spec"]["scaleTargetRef"]
    if ref["kind"] != "Deployment":
        return None
    return world.view.get(DEPLOYMENTS, autoscaler["metadata"]["namespace"], ref["name"])


def _row(kind: str, status: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _unmeasured(metric: Obj) -> Obj:
    name = (metric.get("resource") or {}).get("name", metric["type"])
    why = f"the HPA was unable to compute the replica count: failed to get {name} utilization: "
    return _row("ScalingActive", "False", "FailedGetResourceMetric", why + _NO_METRICS.format(name=name))


def _report(
    world: World, autoscaler: Obj, current: int, desired: int, rows: Sequence[Obj], *, scaled: bool = False
) -> None:
    status = autoscaler.get("status") or {}
    conditions = [dict(row) for row in status.get("conditions") or ()]
    for row in rows:
        conditions = with_condition(conditions, row, world.now())
    body = {key: value for key, value in status.items() if key == "lastScaleTime"}
    if scaled:
        body["lastScaleTime"] = world.now()
    if current:
        body["currentReplicas"] = current
    seen = autoscaler["metadata"].get("generation", 1)
    body |= {"observedGeneration": seen, "desiredReplicas": desired, "currentMetrics": None, "conditions": conditions}
    world.status(AUTOSCALERS, autoscaler, body)
