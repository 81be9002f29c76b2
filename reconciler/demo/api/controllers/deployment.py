"""Deployments: one ReplicaSet per pod template, and the way from one to the next.

The same steps as the Deployment controller of Kubernetes, with its names, annotations and reasons. What a Deployment
says about itself is in `progress`.
"""

from collections.abc import Sequence

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.bounds import Bounds
from reconciler.demo.api.controllers.objects import Obj, digest, uid_of
from reconciler.demo.api.controllers.progress import report
from reconciler.demo.api.controllers.view import DEPLOYMENTS, PODS, REPLICA_SETS
from reconciler.demo.api.controllers.world import World

REVISION = "deployment.kubernetes.io/revision"
_DESIRED = "deployment.kubernetes.io/desired-replicas"
_MOST = "deployment.kubernetes.io/max-replicas"
_HASH = "pod-template-hash"
_NOT_COPIED = {REVISION, _DESIRED, _MOST, "kubectl.kubernetes.io/last-applied-configuration"}


def reconcile(world: World, task: Task) -> None:
    """One look at one Deployment."""
    deployment = world.view.get(DEPLOYMENTS, task.namespace, task.name)
    if deployment is None or "deletionTimestamp" in deployment["metadata"]:
        return
    made = ""
    if not deployment["spec"].get("paused"):
        made = _current(world, deployment)
        world.view.take_in()
    sets = sorted(world.view.owned(uid_of(deployment), REPLICA_SETS), key=_revision)
    new = _matching(deployment, sets)
    old = [each for each in sets if each is not new]
    if deployment["spec"].get("paused"):
        _resize_paused(world, deployment, sets)
    elif new is not None:
        _roll(world, deployment, new, old)
        _prune(world, deployment, old)
    world.view.take_in()
    deployment = world.view.get(DEPLOYMENTS, task.namespace, task.name)
    if deployment is not None:
        sets = world.view.owned(uid_of(deployment), REPLICA_SETS)
        report(world, task, deployment, sets, _matching(deployment, sets), made=made)


def _revision(replica_set: Obj) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, "0"))


def _matching(deployment: Obj, sets: Sequence[Obj]) -> Obj | None:
    """The ReplicaSet whose template is the Deployment's, apart from the hash."""
    template = deployment["spec"]["template"]
    return next((each for each in sets if _without_hash(each["spec"]["template"]) == template), None)


def _without_hash(template: Obj) -> Obj:
    meta = template["metadata"]
    labels = {key: value for key, value in meta["labels"].items() if key != _HASH}
    return template | {"metadata": meta | {"labels": labels}}


def _current(world: World, deployment: Obj) -> str:
    """Sees that the template has its ReplicaSet with the highest revision; the name of one just made, or empty."""
    sets = world.view.owned(uid_of(deployment), REPLICA_SETS)
    new = _matching(deployment, sets)
    highest = max((_revision(each) for each in sets if each is not new), default=0)
    made = ""
    if new is None:
        body = _replica_set(world, deployment, highest + 1, sum(map(_size, sets)))
        world.create(REPLICA_SETS, body)
        made, number = body["metadata"]["name"], highest + 1
    else:
        number = _revision(new) if _revision(new) > highest else highest + 1
        _annotate(world, deployment, new, number)
    _number(world, deployment, number)
    return made


def _replica_set(world: World, deployment: Obj, number: int, others: int) -> Obj:
    """A new ReplicaSet, as large as the surge allows beside `others` pods of older ones."""
    spec, meta = deployment["spec"], deployment["metadata"]
    template = spec["template"]
    name_hash = digest(template)
    labels = template["metadata"]["labels"] | {_HASH: name_hash}
    selector = spec["selector"]
    bounds = Bounds.of(deployment)
    body = {
        "replicas": max(0, min(bounds.wanted, bounds.most - others)),
        "selector": selector | {"matchLabels": (selector.get("matchLabels") or {}) | {_HASH: name_hash}},
        "template": template | {"metadata": template["metadata"] | {"labels": labels}},
    }
    if spec.get("minReadySeconds"):
        body["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{name_hash}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": _annotations(deployment, number),
            "ownerReferences": [world.reference(DEPLOYMENTS, deployment)],
        },
        "spec": body,
    }


def _annotations(deployment: Obj, number: int) -> dict[str, str]:
    bounds = Bounds.of(deployment)
    copied = {k: v for k, v in (deployment["metadata"].get("annotations") or {}).items() if k not in _NOT_COPIED}
    sizes = {_DESIRED: str(bounds.wanted), _MOST: str(bounds.most)}
    return copied | sizes | {REVISION: str(number)}


def _annotate(world: World, deployment: Obj, replica_set: Obj, number: int) -> None:
    meta = replica_set["metadata"]
    annotations = _annotations(deployment, number)
    if meta.get("annotations") != annotations:
        world.replace(REPLICA_SETS, replica_set | {"metadata": meta | {"annotations": annotations}})


def _number(world: World, deployment: Obj, number: int) -> None:
    meta = deployment["metadata"]
    annotations = meta.get("annotations") or {}
    if annotations.get(REVISION) != str(number):
        changed = meta | {"annotations": annotations | {REVISION: str(number)}}
        world.annotate(DEPLOYMENTS, deployment | {"metadata": changed})


def _size(replica_set: Obj) -> int:
    return int(replica_set["spec"].get("replicas", 1))


def _count(replica_set: Obj, what: str) -> int:
    return int((replica_set.get("status") or {}).get(what, 0))


def _resize(world: World, replica_set: Obj, replicas: int) -> None:
    if _size(replica_set) != replicas:
        world.replace(REPLICA_SETS, replica_set | {"spec": replica_set["spec"] | {"replicas": replicas}})


def _resize_paused(world: World, deployment: Obj, sets: Sequence[Obj]) -> None:
    """A paused Deployment is scaled, but its template is not rolled out."""
    active = [each for each in sets if _size(each)] or list(sets[-1:])
    if len(active) == 1:
        _resize(world, active[0], Bounds.of(deployment).wanted)


def _roll(world: World, deployment: Obj, new: Obj, old: Sequence[Obj]) -> None:
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        for each in old:
            _resize(world, each, 0)
        if not any(world.view.owned(uid_of(each), PODS) for each in old):
            _resize(world, new, Bounds.of(deployment).wanted)
        return
    bounds = Bounds.of(deployment)
    _grow(world, bounds, new, old)
    _shrink(world, bounds, new, old)


def _grow(world: World, bounds: Bounds, new: Obj, old: Sequence[Obj]) -> None:
    """The new one takes the room that the surge leaves; more than wanted is taken back."""
    room = bounds.most - _size(new) - sum(map(_size, old))
    _resize(world, new, min(bounds.wanted, _size(new) + max(0, room)))


def _shrink(world: World, bounds: Bounds, new: Obj, old: Sequence[Obj]) -> None:
    """The old ones give up pods that are not ready at once, and ready ones as the new ones come."""
    total = _size(new) + sum(map(_size, old))
    spare = total - bounds.least - (_size(new) - _count(new, "availableReplicas"))
    sizes = {each["metadata"]["name"]: _size(each) for each in old}
    for each in old:  # not ready ones serve nobody
        broken = min(sizes[each["metadata"]["name"]] - _count(each, "availableReplicas"), spare)
        if broken > 0:
            sizes[each["metadata"]["name"]] -= broken
            spare -= broken
    spare = sum(_count(each, "availableReplicas") for each in (new, *old)) - bounds.least
    for each in old:
        name = each["metadata"]["name"]
        taken = max(0, min(sizes[name], spare))
        sizes[name] -= taken
        spare -= taken
        _resize(world, each, sizes[name])


def _prune(world: World, deployment: Obj, old: Sequence[Obj]) -> None:
    """Old ReplicaSets without pods beyond the history limit go, the oldest first."""
    idle = [each for each in old if not _size(each) and not _count(each, "replicas")]
    kept = deployment["spec"].get("revisionHistoryLimit", 10)
    for each in idle[: max(0, len(idle) - kept)]:
        world.delete(REPLICA_SETS, each)
