"""Dependencies: when another release is ready, and what is said of one that is not."""

import pytest
from policy_samples import DIGEST, NOW

from reconciler.judge.dependencies import Needed, dependency_gate
from reconciler.model.plan import Condition, Gate
from reconciler.model.state import Phase, ReleaseStatus, VersionRef

OTHER = "sha256:" + "b" * 64


def ref(manifest=DIGEST):
    return VersionRef(version=DIGEST, model_version="1", manifest=manifest, closure=DIGEST)


def ready(status="True", message=""):
    return (Condition(type="Ready", status=status, reason="Promoted", message=message, since=NOW),)


def status(phase=Phase.PROMOTED, *, manifest=DIGEST, stable=DIGEST, conditions=None, **more):
    return ReleaseStatus(
        phase=phase, manifest=manifest, stable=ref(stable) if stable else None,
        conditions=ready() if conditions is None else conditions, **more,
    )  # fmt: skip


HELD = (Gate(kind="Policy", open=False, reason="PolicyDenied", message="policy x denies: no"),)
ROWS = {
    "promoted and healthy": (status(), ""),
    "promoted and healthy, and a policy denies what runs": (status(gates=HELD), ""),
    "it has no state": (None, "was merged and not looked at yet"),
    "its new text was not looked at": (status(manifest=OTHER), "was merged and not looked at yet"),
    "on its way": (status(Phase.STEPPING, stable=OTHER, candidate=ref(), message="2 of 3 pods"), "is Stepping"),
    "held on its way": (status(Phase.PREPARING, stable=OTHER, candidate=ref(), gates=HELD), "is Preparing"),
    "held before it began": (status(Phase.PENDING, stable=OTHER, gates=HELD), "is held: policy x denies: no"),
    "a change in place is held": (status(stable=OTHER, gates=HELD), "is held: policy x denies: no"),
    "nothing serves": (status(Phase.PENDING, stable=None), "is Pending"),
    "it ends": (status(Phase.REMOVING), "is Removing"),
    "not healthy": (status(conditions=ready("False", "eu-1: no pod")), "is not healthy: eu-1: no pod"),
    "nobody knows": (status(conditions=()), "is not healthy"),
}


@pytest.mark.parametrize(("found", "why"), ROWS.values(), ids=ROWS)
def test_a_dependency_is(found, why):
    gate = dependency_gate(Needed(name="prod/gateway", manifest=DIGEST, status=found, place="a.yaml:7:5"))
    if why:
        assert gate.message == f"it waits for prod/gateway (a.yaml:7:5), which {why}"
    assert (gate.open, gate.reason) == (not why, "DependencyNotReady" if why else "DependencyReady")


def test_one_whose_file_is_gone_or_whose_state_cannot_be_read_is_not_ready():
    gone = dependency_gate(Needed(name="prod/gateway", manifest="", status=status(), place="a.yaml:7:5"))
    assert gone.message.endswith("which is gone from the trunk")
    unread = Needed(name="prod/gateway", manifest=DIGEST, status=None, place="a.yaml:7:5", trouble="it stands twice")
    assert dependency_gate(unread).message.endswith("which cannot be looked at: it stands twice")
