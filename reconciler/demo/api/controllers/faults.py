"""What a pod does when its annotation `fault.test/mode` tells it to fail, and what its containers log.

Modes: `crashloop` (the process ends with 1), `oom` (the kernel ends it), `imagepull` (there is no such image),
`notready` (it runs and its probe fails), `badanswer` (it is ready and answers 500: see `api/proxy`). Statuses, reasons
and sentences are those of a kubelet.
"""

from collections.abc import Callable

from reconciler.demo.api.controllers.objects import Obj, name_of, uid_of

MODE = "fault.test/mode"
BAD_ANSWER = "badanswer"
CRASHES = frozenset({"crashloop", "oom"})
FAILURE = "cannot load the model"


def mode_of(pod: Obj) -> str:
    """How this pod fails; empty when it does not. An unknown mode does not fail."""
    mode = (pod["metadata"].get("annotations") or {}).get(MODE, "")
    return mode if mode in _STATES else ""


def container_state(pod: Obj, container: Obj, restarts: int, now: str) -> Obj:
    """The status of a container of a failing pod, from `ready` to `lastState`."""
    return _STATES[mode_of(pod)](pod, container, restarts, now)


def ended(pod: Obj, now: str) -> Obj:
    """How the process of a crashing pod ended, as `state.terminated` says it."""
    times = {"startedAt": now, "finishedAt": now}
    if mode_of(pod) == "oom":
        return {"exitCode": 137, "reason": "OOMKilled", **times}
    return {"exitCode": 1, "reason": "Error", "message": FAILURE, **times}


def warning(pod: Obj) -> tuple[str, str]:
    """Reason and message of the event that says why the pod does not get ready."""
    container = pod["spec"]["containers"][0]
    match mode_of(pod):
        case "imagepull":
            image = container["image"]
            return "Failed", f'Failed to pull image "{image}": failed to resolve reference "{image}": not found'
        case "notready":
            return "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"
        case _:
            namespace, name = name_of(pod)
            who = f"container {container['name']} in pod {name}_{namespace}({uid_of(pod)})"
            return "BackOff", f"Back-off restarting failed {who}"


def log_lines(pod: Obj) -> list[str]:
    """What the (first) container of this pod has logged: a server that loads a model, or what it failed of."""
    variables = {each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0].get("env") or ()}
    model = f"{variables.get('MODEL_NAME', 'model')} {variables.get('MODEL_VERSION', '')}".strip()
    path = variables.get("MODEL_PATH", "/models")
    ports = pod["spec"]["containers"][0].get("ports") or ({"containerPort": 8080},)
    start = f"INFO loading {model} from {path}"
    match mode_of(pod):
        case "imagepull":
            return []
        case "oom":
            return [start, "INFO allocating memory for weights"]
        case "crashloop":
            return [start, f"ERROR {path}: unexpected end of file", f"ERROR {FAILURE}"]
        case "notready":
            return [start, "WARNING still loading, not ready"]
        case _:
            return [start, f"INFO {model} loaded", f"INFO listening on port {ports[0]['containerPort']}", "INFO ready"]


def _crashed(pod: Obj, container: Obj, restarts: int, now: str) -> Obj:
    namespace, name = name_of(pod)
    who = f"container={container['name']} pod={name}_{namespace}({uid_of(pod)})"
    wait = min(300, 10 * 2 ** min(restarts - 1, 5))
    message = f"back-off {wait}s restarting failed {who}"
    return {
        "ready": False,
        "started": False,
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": message}},
        "lastState": {"terminated": ended(pod, now)},
    }


def _not_pulled(_pod: Obj, container: Obj, restarts: int, _now: str) -> Obj:
    image = container["image"]
    tried = {"reason": "ErrImagePull", "message": f'failed to resolve reference "{image}": not found'}
    waits = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
    state = {"waiting": waits if restarts else tried}
    return {"ready": False, "started": False, "restartCount": 0, "imageID": "", "state": state}


def _not_ready(_pod: Obj, _container: Obj, _restarts: int, now: str) -> Obj:
    return {"ready": False, "started": True, "restartCount": 0, "state": {"running": {"startedAt": now}}}


_STATES: dict[str, Callable[[Obj, Obj, int, str], Obj]] = {
    "crashloop": _crashed,
    "oom": _crashed,
    "imagepull": _not_pulled,
    "notready": _not_ready,
}
