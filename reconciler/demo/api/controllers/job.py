"""Jobs: pods until enough have completed, or too many have failed."""

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj, is_true, uid_of, with_condition
from reconciler.demo.api.controllers.replicaset import pod_of, ready
from reconciler.demo.api.controllers.view import JOBS, PODS
from reconciler.demo.api.controllers.world import World

_FAR_TOO_MANY = 6  # the default of backoffLimit


def reconcile(world: World, task: Task) -> None:
    """Starts the pods that are missing, then counts."""
    job = world.view.get(JOBS, task.namespace, task.name)
    if job is None or "deletionTimestamp" in job["metadata"] or _over(job):
        return
    spec, pods = job["spec"], world.view.owned(uid_of(job), PODS)
    done, failed = _in(pods, "Succeeded"), _in(pods, "Failed")
    wanted = spec.get("completions", 1)
    lost = failed > spec.get("backoffLimit", _FAR_TOO_MANY)
    active = len(pods) - done - failed
    if not lost and not spec.get("suspend"):
        for _ in range(min(spec.get("parallelism", 1), wanted - done) - active):
            world.create(PODS, pod_of(world, JOBS, job))
        world.view.take_in()
        pods = world.view.owned(uid_of(job), PODS)
    _report(world, job, pods, complete=done >= wanted, lost=lost)


def _over(job: Obj) -> bool:
    status = job.get("status") or {}
    return is_true(status, "Complete") or is_true(status, "Failed")


def _in(pods: list[Obj], phase: str) -> int:
    return sum((pod.get("status") or {}).get("phase") == phase for pod in pods)


def _report(world: World, job: Obj, pods: list[Obj], *, complete: bool, lost: bool) -> None:
    now = world.now()
    status = {key: value for key, value in (job.get("status") or {}).items() if key in {"startTime", "conditions"}}
    status.setdefault("startTime", now)
    done, failed = _in(pods, "Succeeded"), _in(pods, "Failed")
    counts = {"active": len(pods) - done - failed, "succeeded": done, "failed": failed}
    status |= {key: value for key, value in counts.items() if value}
    status |= {"ready": sum(map(ready, pods)), "terminating": 0, "uncountedTerminatedPods": {}}
    rows = [dict(row) for row in status.get("conditions") or ()]
    if complete:
        why = "Reached expected number of succeeded pods"
        for kind in ("SuccessCriteriaMet", "Complete"):
            rows = _with(rows, kind, "CompletionsReached", why, now)
        status["completionTime"] = now
    elif lost:
        for kind in ("FailureTarget", "Failed"):
            rows = _with(rows, kind, "BackoffLimitExceeded", "Job has reached the specified backoff limit", now)
    world.status(JOBS, job, status | ({"conditions": rows} if rows else {}))


def _with(rows: list[Obj], kind: str, reason: str, message: str, now: str) -> list[Obj]:
    row = {"type": kind, "status": "True", "lastProbeTime": now, "reason": reason, "message": message}
    return with_condition(rows, row, now)
