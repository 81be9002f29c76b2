"""A version's health on one cluster: kstatus for Deployments, and the sentence that a person reads."""

import pytest

from reconciler.model.facts import LiveObject, PodFact
from reconciler.model.objects import ObjectRef, Size
from reconciler.plan.health import version_health

REF = ObjectRef(group="apps", version="v1", kind="Deployment", namespace="n", name="d")


def live(asked, exists, ready, *, observed=1, generation=1, conditions=()):
    status = {"observedGeneration": observed, "replicas": exists, "availableReplicas": ready, "conditions": conditions}
    return LiveObject(
        ref=REF,
        uid="u",
        resource_version="1",
        generation=generation,
        digest="d",
        owner="o",
        others=(),
        deleting=False,
        facts={"replicas": asked, "status": {name: value for name, value in status.items() if value}},
    )


def pod(name, *, ready=False, **more):
    blank = {"phase": "Running", "reason": "", "message": "", "restarts": 0, "last_event": "", "log_tail": ""}
    return PodFact(name=name, ready=ready, **{**blank, **more})


CRASHING = pod(
    "c", reason="CrashLoopBackOff", restarts=4, message="back-off 40s", last_event="BackOff", log_tail="x" * 300
)
EXCEEDED = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
FINE = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
ENDED = {"type": "ReplicaFailure", "status": "False"}


@pytest.mark.parametrize(
    ("low", "high", "object_", "healthy", "failed", "reason", "message"),
    [
        pytest.param(2, 6, live(3, 3, 3, conditions=[FINE, ENDED]), True, False, "", "", id="all pods are ready"),
        pytest.param(0, 0, None, True, False, "", "", id="not there and not asked for"),
        pytest.param(0, 0, live(0, 0, 0), True, False, "", "", id="at zero as asked"),
        pytest.param(2, 6, None, False, False, "NotCreated", "its pods do not exist yet", id="not made yet"),
        pytest.param(2, 6, live(3, 3, 2), False, False, "PodsNotReady", "2 of 3 pods are ready", id="one is not ready"),
        pytest.param(2, 6, live(3, 2, 2), False, False, "PodsNotReady", "2 of 3 pods are ready", id="one is not there"),
        pytest.param(2, 6, live(1, 1, 1), False, False, "PodsNotReady", "1 of 2 pods are ready", id="below its range"),
        pytest.param(
            2, 6, live(8, 8, 8), False, False, "PodsNotReady", "8 pods exist and 6 are asked for", id="above its range"
        ),
        pytest.param(
            2, 2, live(2, 3, 2), False, False, "PodsNotReady", "3 pods exist and 2 are asked for", id="an old pod ends"
        ),
        pytest.param(
            2,
            2,
            live(2, 2, 2, generation=2),
            False,
            False,
            "PodsNotReady",
            "2 of 2 pods are ready",
            id="what is ready may be the old text's",
        ),
        pytest.param(
            2,
            2,
            live(2, 2, 1, conditions=[EXCEEDED]),
            False,
            True,
            "ProgressDeadlineExceeded",
            "1 of 2 pods are ready",
            id="it gave up waiting: it will not get better",
        ),
        pytest.param(
            2,
            2,
            live(2, 0, 0, conditions=[FINE, QUOTA]),
            False,
            True,
            "FailedCreate",
            "0 of 2 pods are ready",
            id="pods cannot be made",
        ),
        pytest.param(
            2,
            2,
            live(2, 2, 2, conditions=[EXCEEDED]),
            False,
            True,
            "ProgressDeadlineExceeded",
            "2 of 2 pods are ready",
            id="it says that it gave up: believed",
        ),
        pytest.param(
            2,
            2,
            live(2, 2, 0, conditions=[{"type": "Progressing", "status": "False"}]),
            False,
            True,
            "ProgressDeadlineExceeded",
            "0 of 2 pods are ready",
            id="it gave up without a reason",
        ),
        pytest.param(
            2,
            2,
            live(2, 0, 0, conditions=[{"type": "ReplicaFailure", "status": "True"}]),
            False,
            True,
            "ReplicaFailure",
            "0 of 2 pods are ready",
            id="pods cannot be made, without a reason",
        ),
    ],
)
def test_a_version(low, high, object_, healthy, failed, reason, message):
    health = version_health(Size(ref=REF, low=low, high=high), object_)
    assert (health.healthy, health.failed, health.reason, health.message) == (healthy, failed, reason, message)
    assert health.wanted == low
    assert health.replicas == (object_.facts["status"].get("replicas", 0) if object_ else 0)


@pytest.mark.parametrize(
    ("pods", "reason", "message"),
    [
        pytest.param((pod("a", ready=True),), "PodsNotReady", "1 of 2 pods are ready", id="no pod is to blame"),
        pytest.param(
            (pod("a", phase="Pending"),), "PodsNotReady", "pod a is not ready: Pending", id="a pod without a reason"
        ),
        pytest.param(
            (
                pod("a", reason="ContainerCreating"),
                pod("b", ready=True, reason="Completed", restarts=9),
                CRASHING,
            ),
            "CrashLoopBackOff",
            f"pod c is not ready: CrashLoopBackOff; back-off 40s; 4 restarts; last event: BackOff; log: {'x' * 200}",
            id="the one with a reason and most restarts, down to its last log line",
        ),
    ],
)
def test_why(pods, reason, message):
    health = version_health(Size(ref=REF, low=2, high=2), live(2, 2, 1), pods)
    assert (health.reason, health.message) == (reason, message)
