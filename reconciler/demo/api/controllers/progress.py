"""What a Deployment says about itself: counts, and the conditions Available and Progressing.

Words, reasons and the moments at which they move are those of the Deployment controller of Kubernetes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.demo.api.controllers.agenda import Task
from reconciler.demo.api.controllers.bounds import Bounds
from reconciler.demo.api.controllers.objects import Obj, condition_of, without_zeros
from reconciler.demo.api.controllers.view import DEPLOYMENTS
from reconciler.demo.api.controllers.world import World

_NO_DEADLINE = 2**31 - 1
_DONE = "NewReplicaSetAvailable"
_LATE = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a Deployment: its counts now and before, and what its current ReplicaSet is called."""

    deployment: Obj
    counts: dict[str, int]
    new: Obj | None
    made: str
    now: str

    @property
    def wanted(self) -> int:
        """Replicas asked for."""
        return int(self.deployment["spec"].get("replicas", 1))

    def before(self, what: str) -> int:
        """A count as the status had it."""
        return int((self.deployment.get("status") or {}).get(what, 0))

    @property
    def complete(self) -> bool:
        """All pods are of the current template and available."""
        return all(self.counts[what] == self.wanted for what in ("replicas", "updatedReplicas", "availableReplicas"))

    @property
    def progressing(self) -> bool:
        """More new, ready or available pods than before, or fewer old ones."""
        old = self.counts["replicas"] - self.counts["updatedReplicas"]
        more = ("updatedReplicas", "readyReplicas", "availableReplicas")
        return old < self.before("replicas") - self.before("updatedReplicas") or any(
            self.counts[what] > self.before(what) for what in more
        )

    def sentence(self, what: str) -> str:
        """A message about the current ReplicaSet, or about the Deployment where it has none."""
        if self.new is None:
            return f'Deployment "{self.deployment["metadata"]["name"]}" {what}'
        return f'ReplicaSet "{self.new["metadata"]["name"]}" {what}'


def report(world: World, task: Task, deployment: Obj, sets: Sequence[Obj], new: Obj | None, *, made: str) -> None:
    """Writes the status. `made` is the name of a ReplicaSet that was made just now, or empty."""
    look = Look(deployment=deployment, counts=_counts(sets, new), new=new, made=made, now=world.now())
    rows = [dict(row) for row in (deployment.get("status") or {}).get("conditions") or ()]
    rows = _available(look, rows)
    rows = _progressing(world, look, rows)
    counts = look.counts | {"unavailableReplicas": max(0, sum(map(_size, sets)) - look.counts["availableReplicas"])}
    ending = sum((each.get("status") or {}).get("terminatingReplicas", 0) for each in sets)
    status = {"observedGeneration": deployment["metadata"].get("generation", 1), **without_zeros(counts)}
    status["terminatingReplicas"] = ending
    world.status(DEPLOYMENTS, deployment, status | {"conditions": rows})
    _look_again(world, task, look, rows)


def _size(replica_set: Obj) -> int:
    return int(replica_set["spec"].get("replicas", 1))


def _counts(sets: Sequence[Obj], new: Obj | None) -> dict[str, int]:
    def of(each: Obj | None, what: str) -> int:
        return int(((each or {}).get("status") or {}).get(what, 0))

    return {
        "replicas": sum(of(each, "replicas") for each in sets),
        "updatedReplicas": of(new, "replicas"),
        "readyReplicas": sum(of(each, "readyReplicas") for each in sets),
        "availableReplicas": sum(of(each, "availableReplicas") for each in sets),
    }


def _row(kind: str, status: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _set(look: Look, rows: list[Obj], row: Obj, *, renew: bool = False) -> list[Obj]:
    """As Kubernetes sets it: nothing moves while status and reason stay (unless `renew`), else it goes to the end."""
    old = next((each for each in rows if each["type"] == row["type"]), None)
    if old and not renew and (old["status"], old["reason"]) == (row["status"], row["reason"]):
        return rows
    since = old["lastTransitionTime"] if old and old["status"] == row["status"] else look.now
    others = [each for each in rows if each["type"] != row["type"]]
    return [*others, row | {"lastUpdateTime": look.now, "lastTransitionTime": since}]


def _available(look: Look, rows: list[Obj]) -> list[Obj]:
    if look.counts["availableReplicas"] >= Bounds.of(look.deployment).least:
        row = _row("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        message = "Deployment does not have minimum availability."
        row = _row("Available", "False", "MinimumReplicasUnavailable", message)
    return _set(look, rows, row)


def _progressing(world: World, look: Look, rows: list[Obj]) -> list[Obj]:
    deadline = look.deployment["spec"].get("progressDeadlineSeconds", _NO_DEADLINE)
    if deadline == _NO_DEADLINE:
        return [row for row in rows if row["type"] != "Progressing"]
    row = condition_of({"conditions": rows}, "Progressing")
    if look.deployment["spec"].get("paused"):
        return _set(look, rows, _row("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"))
    if row and row["reason"] == "DeploymentPaused":
        rows = _set(look, rows, _row("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"))
    if look.made:
        message = f'Created new replica set "{look.made}"'
        rows = _set(look, rows, _row("Progressing", "True", "NewReplicaSetCreated", message))
    elif row is None or (row["reason"] == _DONE and _other(look, row)):
        rows = _set(look, rows, _found(look), renew=True)
    row = condition_of({"conditions": rows}, "Progressing")
    if row and row["reason"] == _DONE and look.counts["replicas"] == look.counts["updatedReplicas"]:
        return rows
    return _moved(world, look, rows, deadline)


def _other(look: Look, row: Mapping[str, Any]) -> bool:
    """Whether the condition is about another ReplicaSet than the current one."""
    return look.new is not None and f'"{look.new["metadata"]["name"]}"' not in row["message"]


def _found(look: Look) -> Obj:
    name = look.new["metadata"]["name"] if look.new else ""
    return _row("Progressing", "True", "FoundNewReplicaSet", f'Found new replica set "{name}"')


def _moved(world: World, look: Look, rows: list[Obj], deadline: int) -> list[Obj]:
    if look.complete:
        row = _row("Progressing", "True", _DONE, look.sentence("has successfully progressed."))
        return _set(look, rows, row)
    if look.progressing:
        row = _row("Progressing", "True", "ReplicaSetUpdated", look.sentence("is progressing."))
        return _set(look, rows, row, renew=True)
    if _left(world, rows, deadline) <= 0:
        return _set(look, rows, _row("Progressing", "False", _LATE, look.sentence("has timed out progressing.")))
    return rows


def _left(world: World, rows: Sequence[Obj], deadline: int) -> float:
    """Seconds until the deadline; infinite where none runs."""
    row = next((each for each in rows if each["type"] == "Progressing"), None)
    if row is None or row["reason"] in {_DONE, "DeploymentPaused"}:
        return float("inf")
    return world.until(row["lastUpdateTime"], deadline)


def _look_again(world: World, task: Task, look: Look, rows: Sequence[Obj]) -> None:
    deadline = look.deployment["spec"].get("progressDeadlineSeconds", _NO_DEADLINE)
    left = _left(world, rows, deadline)
    row = condition_of({"conditions": rows}, "Progressing")
    if left < float("inf") and row is not None and row["reason"] != _LATE:
        world.later(task, max(0.05, left))
