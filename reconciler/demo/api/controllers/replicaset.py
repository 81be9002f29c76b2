"""ReplicaSets: as many pods as asked for, and a count of how they are."""

import secrets
from collections.abc import Sequence

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj, condition_of, is_true, uid_of, without_zeros
from reconciler.demo.api.controllers.pods import node_for
from reconciler.demo.api.controllers.view import PODS, REPLICA_SETS, Key
from reconciler.demo.api.controllers.world import World


def reconcile(world: World, task: Task) -> None:
    """Makes or removes pods, then counts those there are."""
    replica_set = world.view.get(REPLICA_SETS, task.namespace, task.name)
    if replica_set is None or "deletionTimestamp" in replica_set["metadata"]:
        return
    missing = replica_set["spec"].get("replicas", 1) - len(alive(world, replica_set))
    for _ in range(missing):
        world.create(PODS, pod_of(world, REPLICA_SETS, replica_set))
    for pod in sorted(alive(world, replica_set), key=_first_to_go)[: max(0, -missing)]:
        world.delete(PODS, pod)
    world.view.take_in()
    _count(world, task, replica_set)


def alive(world: World, replica_set: Obj) -> list[Obj]:
    """Its pods that are not ending and have not ended."""
    pods = world.view.owned(uid_of(replica_set), PODS)
    ended = {"Succeeded", "Failed"}
    return [p for p in pods if "deletionTimestamp" not in p["metadata"] and _phase(p) not in ended]


def pod_of(world: World, key: Key, owner: Obj) -> Obj:
    """A new pod of an owner's template, with a name of its own; without a pace it is born on a node."""
    prefix = f"{owner['metadata']['name'][:57]}-"
    template = owner["spec"]["template"]
    meta = template.get("metadata") or {}
    node = "" if world.pace else node_for(world, secrets.token_hex(4))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": prefix,
            "namespace": owner["metadata"]["namespace"],
            "ownerReferences": [world.reference(key, owner)],
            **{key: dict(meta[key]) for key in ("labels", "annotations") if meta.get(key)},
        },
        "spec": template["spec"] | ({"nodeName": node} if node else {}),
    }


def ready(pod: Obj) -> bool:
    """The pod's own word."""
    return is_true(pod.get("status") or {}, "Ready")


def available_in(world: World, pod: Obj, seconds: int) -> float:
    """Seconds until the pod has been ready for `seconds`; 0 when it has, infinite when it is not ready."""
    row = condition_of(pod.get("status") or {}, "Ready")
    if row is None or row["status"] != "True":
        return float("inf")
    return max(0.0, world.until(row["lastTransitionTime"], seconds)) if seconds else 0.0


def _phase(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("phase", "Pending"))


def _first_to_go(pod: Obj) -> tuple[bool, bool, str]:
    """Without a node first, then not ready, then the youngest."""
    age = pod["metadata"]["creationTimestamp"]
    return bool(pod["spec"].get("nodeName")), ready(pod), "".join(chr(255 - ord(letter)) for letter in age)


def _count(world: World, task: Task, replica_set: Obj) -> None:
    pods = alive(world, replica_set)
    wait = [available_in(world, pod, replica_set["spec"].get("minReadySeconds", 0)) for pod in pods]
    soon = min((seconds for seconds in wait if 0 < seconds < float("inf")), default=None)
    if soon is not None:
        world.later(task, soon)
    counts = {
        "fullyLabeledReplicas": len(pods),
        "readyReplicas": sum(map(ready, pods)),
        "availableReplicas": _available(wait),
    }
    ending = sum("deletionTimestamp" in each["metadata"] for each in world.view.owned(uid_of(replica_set), PODS))
    seen = {"terminatingReplicas": ending, "observedGeneration": replica_set["metadata"].get("generation", 1)}
    world.status(REPLICA_SETS, replica_set, {"replicas": len(pods), **without_zeros(counts), **seen})


def _available(wait: Sequence[float]) -> int:
    return sum(seconds == 0 for seconds in wait)
