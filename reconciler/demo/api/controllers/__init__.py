"""The controllers of an embedded cluster: what kube-controller-manager, the scheduler and the kubelets would do.

One thread per cluster. It sleeps until the store reports a change or something is due, takes in all changes, and looks
at what they concern in one round: pods first, then what is made of them. Every look starts from the objects as they
are (level-triggered), so a look that loses a race is simply repeated.
"""

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

import structlog

from reconciler.demo.api.controllers import (
    autoscaler,
    budget,
    deployment,
    garbage,
    job,
    namespaces,
    pods,
    replicaset,
)
from reconciler.demo.api.controllers.agenda import Agenda, Task
from reconciler.demo.api.controllers.interest import Interest
from reconciler.demo.api.controllers.objects import Obj, controller_of, name_of, uid_of
from reconciler.demo.api.controllers.view import (
    AUTOSCALERS,
    BUDGETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    Key,
    View,
)
from reconciler.demo.api.controllers.world import World
from reconciler.demo.api.objects import Objects
from reconciler.demo.api.status import ApiError
from reconciler.demo.api.store import Event

__all__ = ["Controllers"]

_AGAIN = 0.05  # seconds until a look that lost a race is repeated
_RACES = frozenset({404, 409})

# In the order of a round: what others are counted from comes first.
_LOOKS: Mapping[str, tuple[int, Callable[[World, Task], None]]] = MappingProxyType(
    {
        "namespaces": (0, namespaces.reconcile),
        "garbage": (1, garbage.reconcile),
        "pods": (2, pods.reconcile),
        "replicasets": (3, replicaset.reconcile),
        "jobs": (4, job.reconcile),
        "deployments": (5, deployment.reconcile),
        "horizontalpodautoscalers": (6, autoscaler.reconcile),
        "poddisruptionbudgets": (7, budget.reconcile),
    }
)
_WATCHED = frozenset({NAMESPACES, PODS, REPLICA_SETS, JOBS, DEPLOYMENTS, AUTOSCALERS, BUDGETS})


class Controllers:
    """`start` after the store is there, `stop` before it goes. `pace`: seconds between two steps of a pod's life."""

    def __init__(self, objects: Objects, *, pace: float) -> None:
        self._objects = objects
        self._agenda = Agenda()
        self._view = View(self._changed)
        self._interest = Interest()
        agenda = self._agenda
        self._world = World(objects=objects, view=self._view, later=agenda.later, waits=agenda.waits, pace=pace)
        self._thread = threading.Thread(target=self._run, name="controllers", daemon=True)

    def start(self) -> None:
        """Take over the cluster as it is."""
        store = self._objects.store
        with store.lock:
            store.listen(self._heard)
            for key in self._objects.resources.keys:
                for item in store.items(key):
                    self._view.note("ADDED", key, item.body)
        self._view.take_in()
        namespaces.make_nodes(self._world)
        self._thread.start()

    def stop(self) -> None:
        """Returns when nothing is being done any more."""
        self._agenda.stop()
        self._thread.join()

    def _heard(self, key: Key, event: Event) -> None:
        self._view.note(event.type, key, event.item.body)
        self._agenda.wake()

    def _run(self) -> None:
        while self._agenda.wait():
            self._view.take_in()
            for task in self._agenda.take():
                if self._agenda.stopped:
                    return
                self._look(task)

    def _look(self, task: Task) -> None:
        self._view.take_in()
        try:
            _LOOKS[task.kind][1](self._world, task)
        except ApiError as error:
            if error.code in _RACES:
                self._agenda.later(task, _AGAIN)
            else:
                structlog.get_logger().warning("embedded controller", look=task, refused=error.message)
        except Exception:  # noqa: BLE001  # a fault of ours in one look: it is told, and the other objects go on
            structlog.get_logger().exception("embedded controller", look=task)
        self._view.take_in()

    def _add(self, key: Key, namespace: str, name: str) -> None:
        self._agenda.add(_task(key[1], namespace, name))

    def _changed(self, event: str, key: Key, obj: Obj) -> None:
        """Puts on the agenda what an object's change concerns: itself, its owners, and who counts it."""
        self._interest.learn(event, key, obj)
        namespace, name = name_of(obj)
        if key in _WATCHED and event != "DELETED":
            self._add(key, namespace, name)
        owner = controller_of(obj)
        if owner is not None and (above := _CONTROLLERS.get(owner["kind"])):
            self._add(above, namespace, owner["name"])
        ending = event == "DELETED" or "deletionTimestamp" in obj["metadata"]
        if ending:
            self._agenda.add(_task("garbage", "", uid_of(obj)))
        if event == "DELETED" and namespace:
            self._ended(namespace)
        for uid in {ref["uid"] for ref in obj["metadata"].get("ownerReferences") or ()}:
            if ending or not self._view.alive(uid):
                self._agenda.add(_task("garbage", "", uid))
        self._counted(key, obj)

    def _ended(self, namespace: str) -> None:
        place = self._view.get(NAMESPACES, "", namespace)
        if place is not None and "deletionTimestamp" in place["metadata"]:
            self._add(NAMESPACES, "", namespace)

    def _counted(self, key: Key, obj: Obj) -> None:
        """Who counts or scales this object."""
        if key == DEPLOYMENTS:
            for name in self._interest.autoscalers(obj):
                self._add(AUTOSCALERS, *name)
        if key in {DEPLOYMENTS, PODS}:
            labels = (obj if key == PODS else obj["spec"]["template"])["metadata"].get("labels") or {}
            for name in self._interest.budgets(obj["metadata"]["namespace"], labels):
                self._add(BUDGETS, *name)


_CONTROLLERS: Mapping[str, Key] = MappingProxyType({"Deployment": DEPLOYMENTS, "ReplicaSet": REPLICA_SETS, "Job": JOBS})


def _task(kind: str, namespace: str, name: str) -> Task:
    return Task(rank=_LOOKS[kind][0], kind=kind, namespace=namespace, name=name)
