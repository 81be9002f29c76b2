"""Garbage: what has owners and none of them is alive any more is removed; and owners that wait for their dependents.

The two finalizers that a delete can set are taken off here: `orphan` when no dependent names the owner any more,
`foregroundDeletion` when no dependent is left that blocks it.
"""

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj, name_of, uid_of
from reconciler.demo.api.controllers.view import Key, View
from reconciler.demo.api.controllers.world import World
from reconciler.demo.api.objects import FOREGROUND, ORPHAN


def reconcile(world: World, task: Task) -> None:
    """Looks at the dependents of the owner whose uid is `task.name`."""
    owner = world.view.alive(task.name)
    if owner is None:
        _collect(world, task.name)
    elif "deletionTimestamp" in owner[1]["metadata"]:
        finalizers = owner[1]["metadata"].get("finalizers") or ()
        if ORPHAN in finalizers:
            _orphan(world, *owner)
        elif FOREGROUND in finalizers:
            _foreground(world, *owner)


def _collect(world: World, uid: str) -> None:
    for key, obj in world.view.dependents(uid):
        if "deletionTimestamp" not in obj["metadata"] and not _owned(world.view, obj):
            world.delete(key, obj)


def _orphan(world: World, key: Key, owner: Obj) -> None:
    for each, dependent in world.view.dependents(uid_of(owner)):
        _disown(world, each, dependent, uid_of(owner))
    _release(world, key, owner, ORPHAN)


def _foreground(world: World, key: Key, owner: Obj) -> None:
    blocking = [pair for pair in world.view.dependents(uid_of(owner)) if _blocks(pair[1], uid_of(owner))]
    for each, dependent in blocking:
        if "deletionTimestamp" not in dependent["metadata"]:
            world.delete(each, dependent)
    if not blocking:
        _release(world, key, owner, FOREGROUND)


def _owned(view: View, obj: Obj) -> bool:
    return any(view.alive(ref["uid"]) for ref in obj["metadata"]["ownerReferences"])


def _blocks(obj: Obj, uid: str) -> bool:
    return any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in obj["metadata"]["ownerReferences"])


def _disown(world: World, key: Key, obj: Obj, uid: str) -> None:
    kept = [ref for ref in obj["metadata"]["ownerReferences"] if ref["uid"] != uid]
    world.replace(key, obj | {"metadata": obj["metadata"] | {"ownerReferences": kept}})


def _release(world: World, key: Key, obj: Obj, finalizer: str) -> None:
    world.view.take_in()
    latest = world.view.get(key, *name_of(obj))
    if latest is not None:
        kept = [each for each in latest["metadata"].get("finalizers") or () if each != finalizer]
        world.replace(key, latest | {"metadata": latest["metadata"] | {"finalizers": kept}})
