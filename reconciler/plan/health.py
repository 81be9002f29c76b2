"""Is a version healthy on one cluster? kstatus for Deployments, with the reason that a person needs.

The Deployment says whether; pods (read only for versions that stay unhealthy) say why: last event, termination
reason, log tail.
"""

from collections.abc import Collection, Mapping
from typing import Any

from reconciler.model.facts import LiveObject, PodFact
from reconciler.model.objects import Size
from reconciler.model.state import VersionHealth

_LOG_CAP = 200


def version_health(size: Size, live: LiveObject | None, pods: tuple[PodFact, ...] = ()) -> VersionHealth:
    """The health of the version whose Deployment is `size.ref`; a missing Deployment has no pods."""
    if live is None:
        return _missing(size)
    status: Mapping[str, Any] = live.facts.get("status", {})
    exists, ready = int(status.get("replicas", 0)), int(status.get("availableReplicas", 0))
    asked = int(live.facts.get("replicas", 1))
    failed, why = _deadline(status)
    current = int(status.get("observedGeneration", 0)) >= live.generation
    settled = current and size.low <= asked <= size.high and exists == asked
    healthy = settled and not failed and ready >= asked
    if healthy:
        return VersionHealth(replicas=exists, ready=ready, wanted=size.low, healthy=True)
    target = min(max(asked, size.low), size.high)
    reason, message = _why(pods) or (why, _progress(exists, ready, target))
    return VersionHealth(
        replicas=exists, ready=ready, wanted=size.low, healthy=False, failed=failed, reason=reason, message=message
    )


def _missing(size: Size) -> VersionHealth:
    if size.high == 0:
        return VersionHealth(replicas=0, ready=0, wanted=0, healthy=True)
    return VersionHealth(
        replicas=0, ready=0, wanted=size.low, healthy=False, reason="NotCreated", message="its pods do not exist yet"
    )


def _deadline(status: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the Deployment gave up waiting, and the condition's reason."""
    for row in status.get("conditions", ()):
        if row.get("type") == "Progressing" and row.get("status") == "False":
            return True, str(row.get("reason", "ProgressDeadlineExceeded"))
        if row.get("type") == "ReplicaFailure" and row.get("status") == "True":
            return True, str(row.get("reason", "ReplicaFailure"))
    return False, "PodsNotReady"


def _progress(exists: int, ready: int, target: int) -> str:
    if exists > target:
        return f"{exists} pods exist and {target} are asked for"
    return f"{ready} of {target} pods are ready"


def _why(pods: tuple[PodFact, ...]) -> tuple[str, str] | None:
    """The reason of the pod that is worst, and one sentence with its last event and last log line."""
    worst = _worst([pod for pod in pods if not pod.ready])
    if worst is None:
        return None
    return worst.reason or "PodsNotReady", _sentence(worst, " is not ready")


def last_words(pods: tuple[PodFact, ...]) -> tuple[str, str] | None:
    """The same of pods that should have run to their end."""
    worst = _worst(pods)
    return (worst.reason, _sentence(worst, "")) if worst else None


def _worst(pods: Collection[PodFact]) -> PodFact | None:
    return max(pods, key=lambda pod: (bool(pod.reason), pod.restarts, pod.name), default=None)


def _sentence(pod: PodFact, how: str) -> str:
    parts = [f"pod {pod.name}{how}: {pod.reason or pod.phase}"]
    if pod.message:
        parts.append(pod.message)
    if pod.restarts:
        parts.append(f"{pod.restarts} restarts")
    if pod.last_event:
        parts.append(f"last event: {pod.last_event}")
    if pod.log_tail:
        parts.append(f"log: {pod.log_tail[-_LOG_CAP:]}")
    return "; ".join(parts)
