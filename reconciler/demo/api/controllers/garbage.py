"""Garbage: what has owners and none of them is alive any more is removed."""

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.view import View
from reconciler.demo.api.controllers.world import World
from reconciler.demo.api.resources import Catalog


def reconcile(world: World, task: Task, catalog: Catalog) -> None:
    """Removes the dependents of the owner whose uid is `task.name`, if that owner is gone."""
    if world.view.exists(task.name):
        return
    for key, (namespace, name) in world.view.owned_names(task.name):
        resource, obj = catalog.storage(key), world.view.get(key, namespace, name)
        if resource is not None and obj is not None and not _owned(world.view, obj):
            world.store.delete(resource, namespace, name)


def _owned(view: View, obj: dict[str, object]) -> bool:
    return any(view.exists(ref["uid"]) for ref in obj["metadata"]["ownerReferences"])  # type: ignore[index]
