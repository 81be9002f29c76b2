"""Jobs: pods until enough have completed, or too many have failed."""

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.objects import Obj, is_true, uid_of, with_condition
from reconciler.demo.api.controllers.replicaset import pod_of, ready
from reconciler.demo.api.controllers.view import JOBS, PODS
from reconciler.demo.api.controllers.world import World

_FAR_TOO_MANY = 6  # the default of backoffLimit
_FAR_TOO_OFTEN = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_LATE = ("DeadlineExceeded", "Job was active longer than specified deadline")


def reconcile(world: World, task: Task) -> None:
    """Starts the pods that are missing, then counts."""
    job = world.view.get(JOBS, task.namespace, task.name)
    if job is None or "deletionTimestamp" in job["metadata"] or _over(job):
        return
    spec, pods = job["spec"], world.view.owned(uid_of(job), PODS)
    done, failed = _in(pods, "Succeeded"), _in(pods, "Failed")
    wanted = spec.get("completions", 1)
    lost = _FAR_TOO_OFTEN if failed > spec.get("backoffLimit", _FAR_TOO_MANY) else None
    active = len(pods) - done - failed
    if lost is None and done < wanted and _late(world, task, job):
        lost = _LATE
    if lost is None and not spec.get("suspend"):
        for _ in range(min(spec.get("parallelism", 1), wanted - done) - active):
            world.create(PODS, pod_of(world, JOBS, job))
    elif lost is not None:
        _end(world, pods)
    world.view.take_in()
    pods = world.view.owned(uid_of(job), PODS)
    _report(world, job, pods, complete=done >= wanted, lost=lost)


def _late(world: World, task: Task, job: Obj) -> bool:
    """Whether its time is over; looked at again when it will be."""
    started, seconds = (job.get("status") or {}).get("startTime"), job["spec"].get("activeDeadlineSeconds")
    if not started or not seconds:
        return False
    left = world.until(started, seconds)
    if left > 0:
        world.later(task, left)
    return left <= 0


def _end(world: World, pods: list[Obj]) -> None:
    """What still runs of a Job that is lost goes with it."""
    for pod in pods:
        over = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
        if not over and "deletionTimestamp" not in pod["metadata"]:
            world.delete(PODS, pod)


def _over(job: Obj) -> bool:
    status = job.get("status") or {}
    return is_true(status, "Complete") or is_true(status, "Failed")


def _in(pods: list[Obj], phase: str) -> int:
    return sum((pod.get("status") or {}).get("phase") == phase for pod in pods)


def _report(world: World, job: Obj, pods: list[Obj], *, complete: bool, lost: tuple[str, str] | None) -> None:
    now = world.now()
    status = {key: value for key, value in (job.get("status") or {}).items() if key in {"startTime", "conditions"}}
    status.setdefault("startTime", now)
    done, failed = _in(pods, "Succeeded"), _in(pods, "Failed")
    ended = len(pods) - done - failed if lost else 0  # what ran out of time has failed
    counts = {"active": len(pods) - done - failed - ended, "succeeded": done, "failed": failed + ended}
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
            rows = _with(rows, kind, *lost, now)
    world.status(JOBS, job, status | ({"conditions": rows} if rows else {}))


def _with(rows: list[Obj], kind: str, reason: str, message: str, now: str) -> list[Obj]:
    row = {"type": kind, "status": "True", "lastProbeTime": now, "reason": reason, "message": message}
    return with_condition(rows, row, now)
