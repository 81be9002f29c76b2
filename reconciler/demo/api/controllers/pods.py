"""The life of a pod: placed on a node, its containers started, ready; or failing, as its annotation tells.

One step per look, decided from the pod's own status; `pace` seconds lie between two steps. With pace 0 a pod is ready
in one step. Nothing runs: this is what a scheduler and a kubelet would have written.
"""

import time
from collections.abc import Callable, Mapping

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.faults import CRASHES, container_state, ended, log_lines, mode_of, warning
from reconciler.demo.api.controllers.objects import Obj, condition_of, controller_of, moment, uid_of, with_condition
from reconciler.demo.api.controllers.view import NODES, PODS
from reconciler.demo.api.controllers.world import KUBELET, SCHEDULER, World

__all__ = ["log_lines", "node_for", "reconcile"]

_FIRST_RESTART = 1.0  # seconds; a kubelet waits 10, which is long to watch
_LAST_RESTART = 64.0
_NODES_AGAIN = 1.0
_NO_NODES = "no nodes available to schedule pods"


def reconcile(world: World, task: Task) -> None:
    """The next step of one pod."""
    pod = world.view.get(PODS, task.namespace, task.name)
    if pod is None:
        return
    if "deletionTimestamp" in pod["metadata"]:
        _end(world, task, pod)
        return
    if world.waits(task):
        return
    if not pod["spec"].get("nodeName"):
        _place(world, task, pod)
        return
    status = pod.get("status") or {}
    if status.get("phase") in {"Succeeded", "Failed"}:
        return
    step = _step(world, pod)
    if step is not None:
        step(world, task, pod)


def _step(world: World, pod: Obj) -> Callable[[World, Task, Obj], None] | None:
    """What comes next, or None when the pod has arrived."""
    status = pod.get("status") or {}
    states = status.get("containerStatuses") or []
    mode = mode_of(pod)
    if not states and world.pace:
        return _creating
    if mode:
        return None if mode == "notready" and _running(states) else _fail
    ready = condition_of(status, "Ready")
    if _is_of_job(pod):
        return _run if world.pace and not _running(states) else _complete
    if ready is None or ready["status"] != "True":
        return _run if world.pace and not _running(states) else _ready
    return None


def _is_of_job(pod: Obj) -> bool:
    owner = controller_of(pod)
    return owner is not None and owner["kind"] == "Job"


def _running(states: list[Obj]) -> bool:
    return bool(states) and all("running" in each["state"] for each in states)


def node_for(world: World, uid: str) -> str:
    """The node for a pod with this uid; empty when there is none."""
    nodes: list[str] = sorted(each["metadata"]["name"] for each in world.view.within(NODES, ""))
    return nodes[int(uid[:8], 16) % len(nodes)] if nodes else ""


def _place(world: World, task: Task, pod: Obj) -> None:
    node = node_for(world, uid_of(pod))
    if node:
        world.replace(PODS, pod | {"spec": pod["spec"] | {"nodeName": node}}, SCHEDULER)
        world.later(task, world.pace)
        return
    row = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": _NO_NODES}
    status = pod.get("status") or {}
    rows = with_condition(status.get("conditions") or (), row, world.now())
    world.status(PODS, pod, status | {"conditions": rows}, SCHEDULER)
    world.later(task, _NODES_AGAIN)


def _end(world: World, task: Task, pod: Obj) -> None:
    """A pod that is told to go does so one step later; finalizers of others may hold it longer."""
    if not pod["metadata"].get("deletionGracePeriodSeconds"):
        return
    asked = moment(pod["metadata"]["deletionTimestamp"]).timestamp() - pod["metadata"]["deletionGracePeriodSeconds"]
    left = asked + world.pace - time.time()
    if world.pace and left > 0:
        world.later(task, left)
    else:
        world.delete(PODS, pod, now=True)


def _write(world: World, pod: Obj, phase: str, states: Mapping[str, Obj], *, ready: bool, reason: str = "") -> None:
    """The pod's status with these containers; conditions follow."""
    status = pod.get("status") or {}
    now = world.now()
    rows = [dict(row) for row in status.get("conditions") or ()]
    truth = {"status": "True"} if ready else {"status": "False", "reason": reason or "ContainersNotReady"}
    if not ready and not reason:
        truth["message"] = f"containers with unready status: [{' '.join(states)}]"
    started = {"status": "True"}
    for kind, row in (
        ("PodScheduled", started),
        ("Initialized", started),
        ("ContainersReady", truth),
        ("Ready", truth),
    ):
        rows = with_condition(rows, {"type": kind} | row, now)
    images = {each["name"]: each["image"] for each in pod["spec"]["containers"]}
    containers = [
        {"name": name, "image": images[name], "imageID": images[name], "lastState": {}} | state
        for name, state in states.items()
    ]
    body = status | {
        "phase": phase, "conditions": rows, "containerStatuses": containers, "startTime": status.get("startTime", now),
        "hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.1"}], **_address(pod),
    }  # fmt: skip
    if pod["spec"].get("initContainers"):
        body["initContainerStatuses"] = [_initialised(each, now) for each in pod["spec"]["initContainers"]]
    world.status(PODS, pod, body, KUBELET)


def _address(pod: Obj) -> Obj:
    """An address of its own, from its uid: nothing listens there."""
    number = int(uid_of(pod)[-8:], 16)
    address = f"10.{64 + (number >> 16) % 64}.{(number >> 8) % 256}.{1 + number % 254}"
    return {"podIP": address, "podIPs": [{"ip": address}]}


def _initialised(container: Obj, now: str) -> Obj:
    done = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}
    runs = container.get("restartPolicy") == "Always"
    return {
        "name": container["name"], "image": container["image"], "imageID": container["image"], "ready": True,
        "restartCount": 0, "started": runs, "lastState": {}, "state": {"running": {"startedAt": now}} if runs else done,
    }  # fmt: skip


def _each(pod: Obj, state: Obj) -> dict[str, Obj]:
    return {container["name"]: state for container in pod["spec"]["containers"]}


def _creating(world: World, task: Task, pod: Obj) -> None:
    waits = {"ready": False, "started": False, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}
    _write(world, pod, "Pending", _each(pod, waits), ready=False)
    world.later(task, world.pace)


def _run(world: World, task: Task, pod: Obj) -> None:
    runs = {"ready": False, "started": True, "restartCount": 0, "state": {"running": {"startedAt": world.now()}}}
    _write(world, pod, "Running", _each(pod, runs), ready=False)
    world.later(task, world.pace)


def _ready(world: World, _task: Task, pod: Obj) -> None:
    before = {each["name"]: each["state"] for each in (pod.get("status") or {}).get("containerStatuses") or ()}
    running = {"running": {"startedAt": world.now()}}
    states = {
        name: state | {"state": before[name] if "running" in before.get(name, {}) else running}
        for name, state in _each(pod, {"ready": True, "started": True, "restartCount": 0}).items()
    }
    _write(world, pod, "Running", states, ready=True)


def _complete(world: World, _task: Task, pod: Obj) -> None:
    now = world.now()
    done = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}
    states = _each(pod, {"ready": False, "started": False, "restartCount": 0, "state": done})
    _write(world, pod, "Succeeded", states, ready=False, reason="PodCompleted")


def _fail(world: World, task: Task, pod: Obj) -> None:
    states = (pod.get("status") or {}).get("containerStatuses") or []
    mode, now = mode_of(pod), world.now()
    if mode in CRASHES and _is_of_job(pod):
        state = {"ready": False, "started": False, "restartCount": 0, "state": {"terminated": ended(pod, now)}}
        _write(world, pod, "Failed", _each(pod, state), ready=False, reason="PodFailed")
        return
    tried = int(any(_tried(each) for each in states))
    restarts = max((each["restartCount"] for each in states), default=0) + 1 if mode in CRASHES else tried
    containers = {each["name"]: container_state(pod, each, restarts, now) for each in pod["spec"]["containers"]}
    _write(world, pod, "Pending" if mode == "imagepull" else "Running", containers, ready=False)
    if mode in CRASHES or not tried:
        world.warn(pod, *warning(pod))
    if mode in CRASHES:
        world.later(task, min(_LAST_RESTART, _FIRST_RESTART * 2 ** min(restarts - 1, 6)))
    elif mode == "imagepull" and not tried:
        world.later(task, world.pace)


def _tried(state: Obj) -> bool:
    return state["state"].get("waiting", {}).get("reason") in {"ErrImagePull", "ImagePullBackOff"}
