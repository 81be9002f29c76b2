"""HorizontalPodAutoscalers: a target outside min and max is brought back inside.

There is no metrics server here, so nothing else scales: the status says so in the words of Kubernetes, and a target
at zero replicas is left alone (so it is on a real cluster).
"""

from collections.abc import Sequence

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj, with_condition
from reconciler.demo.api.controllers.view import AUTOSCALERS, DEPLOYMENTS
from reconciler.demo.api.controllers.world import MANAGER, World
from reconciler.demo.api.resources import BUILTIN

_NO_METRICS = (
    "unable to get metrics for resource {name}: unable to fetch metrics from resource metrics API: "
    "the server could not find the requested resource (get pods.metrics.k8s.io)"
)


def reconcile(world: World, task: Task) -> None:
    """One look at one autoscaler."""
    autoscaler = world.view.get(AUTOSCALERS, task.namespace, task.name)
    if autoscaler is None or "deletionTimestamp" in autoscaler["metadata"]:
        return
    spec = autoscaler["spec"]
    target = target_of(world, autoscaler)
    if target is None:
        name = spec["scaleTargetRef"]["name"]
        message = f'the HPA controller was unable to get the target\'s current scale: deployments.apps "{name}" not found'
        _report(world, autoscaler, 0, 0, [_row("AbleToScale", "False", "FailedGetScale", message)])
        return
    current = target["spec"].get("replicas", 1)
    desired = max(spec.get("minReplicas", 1), min(spec["maxReplicas"], current)) if current else 0
    got = "the HPA controller was able to get the target's current scale"
    rows = [_row("AbleToScale", "True", "SucceededGetScale", got)]
    if desired != current:
        scaled = target | {"spec": target["spec"] | {"replicas": desired}}
        world.store.replace(BUILTIN[DEPLOYMENTS], scaled, manager=MANAGER, subresource="scale")
        done = f"the HPA controller was able to update the target scale to {desired}"
        rows = [_row("AbleToScale", "True", "SucceededRescale", done)]
    elif not current:
        why = "scaling is disabled since the replica count of the target is zero"
        rows.append(_row("ScalingActive", "False", "ScalingDisabled", why))
    elif spec.get("metrics"):
        rows.append(_unmeasured(spec["metrics"][0]))
    _report(world, autoscaler, (target.get("status") or {}).get("replicas", 0), desired, rows, current != desired)


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
    world: World, autoscaler: Obj, current: int, desired: int, rows: Sequence[Obj], scaled: bool = False
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
    body |= {"desiredReplicas": desired, "currentMetrics": None, "conditions": conditions}
    world.status(AUTOSCALERS, autoscaler, {key: value for key, value in body.items() if value is not None})
