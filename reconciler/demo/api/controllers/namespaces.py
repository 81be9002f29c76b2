"""Namespaces: each has a default ServiceAccount, and ends when nothing is left in it. And the nodes of the cluster."""

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj
from reconciler.demo.api.controllers.view import NAMESPACES, NODES, SERVICE_ACCOUNTS
from reconciler.demo.api.controllers.world import World

_NODES = ("node-1", "node-2")
_ROOM = {"cpu": "64", "memory": "512Gi", "pods": "500", "nvidia.com/gpu": "8"}


def reconcile(world: World, task: Task) -> None:
    """What every namespace has."""
    namespace = world.view.get(NAMESPACES, "", task.name)
    if namespace is None:
        return
    if "deletionTimestamp" in namespace["metadata"]:
        _empty(world, task, namespace)
        return
    if world.view.get(SERVICE_ACCOUNTS, task.name, "default") is None:
        meta = {"name": "default", "namespace": task.name}
        world.create(SERVICE_ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})


def _empty(world: World, task: Task, namespace: Obj) -> None:
    left = world.view.everything(task.name)
    for key, obj in left:
        if "deletionTimestamp" not in obj["metadata"]:
            world.delete(key, obj)
    world.view.take_in()
    if world.view.everything(task.name):
        return  # the end of what is left brings us back
    world.finish(NAMESPACES, namespace)


def make_nodes(world: World) -> None:
    """The nodes of the cluster, unless it has some: large, with GPUs."""
    if world.view.within(NODES, ""):
        return
    now = world.now()
    row = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    ready = row | {"lastHeartbeatTime": now, "lastTransitionTime": now}
    for name in _NODES:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}
        world.create(NODES, node, "kubelet")
        world.view.take_in()
        made = world.view.get(NODES, "", name)
        if made is not None:
            status = {"capacity": _ROOM, "allocatable": _ROOM, "conditions": [ready]}
            world.status(NODES, made, status, "kubelet")
