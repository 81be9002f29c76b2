"""PodDisruptionBudgets: how many of the selected pods may go now."""

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj, controller_of, share, with_condition
from reconciler.demo.api.controllers.replicaset import ready
from reconciler.demo.api.controllers.view import BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS
from reconciler.demo.api.controllers.world import World
from reconciler.demo.api.selectors import labels_match, of_object


def reconcile(world: World, task: Task) -> None:
    """Counts the pods of one budget."""
    budget = world.view.get(BUDGETS, task.namespace, task.name)
    if budget is None or "deletionTimestamp" in budget["metadata"]:
        return
    pods = _counted(world, budget)
    expected = _expected(world, budget, pods)
    least = _least(budget["spec"], expected)
    healthy = sum(map(ready, pods))
    allowed = max(0, healthy - least) if expected else 0
    enough = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    row = {"type": "DisruptionAllowed", "status": enough[0], "reason": enough[1], "message": ""}
    seen = budget["metadata"].get("generation", 1)
    old = [dict(each) for each in (budget.get("status") or {}).get("conditions") or ()]
    if old and (old[0]["status"], old[0]["reason"]) == enough:
        rows = [old[0] | {"observedGeneration": seen}]
    else:
        rows = with_condition(old, row | {"observedGeneration": seen}, world.now())
    status = {
        "observedGeneration": seen,
        "currentHealthy": healthy,
        "desiredHealthy": least,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "conditions": rows,
    }
    world.status(BUDGETS, budget, status)


def _counted(world: World, budget: Obj) -> list[Obj]:
    """The pods of the budget that have not ended and are not ending; without a selector there are none."""
    selector = budget["spec"].get("selector")
    if selector is None:
        return []
    wanted = of_object(selector)
    pods = world.view.within(PODS, budget["metadata"]["namespace"])
    return [pod for pod in pods if labels_match(wanted, pod["metadata"].get("labels") or {}) and _living(pod)]


def _living(pod: Obj) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase not in {"Succeeded", "Failed"} and "deletionTimestamp" not in pod["metadata"]


def _expected(world: World, budget: Obj, pods: list[Obj]) -> int:
    """The pods that there should be: what their controllers were asked for, or those there are."""
    if isinstance(budget["spec"].get("minAvailable"), int):
        return len(pods)
    asked: dict[str, int] = {}
    for pod in pods:
        owner = controller_of(pod)
        if owner is None:
            continue
        controller = world.view.get(REPLICA_SETS, pod["metadata"]["namespace"], owner["name"])
        above = controller_of(controller) if controller else None
        if controller and above:
            controller = world.view.get(DEPLOYMENTS, pod["metadata"]["namespace"], above["name"]) or controller
        if controller:
            asked[controller["metadata"]["uid"]] = controller["spec"].get("replicas", 1)
    return sum(asked.values())


def _least(spec: Obj, expected: int) -> int:
    if spec.get("minAvailable") is not None:
        return share(spec["minAvailable"], expected, up=True)
    return max(0, expected - share(spec.get("maxUnavailable", 1), expected, up=True))
