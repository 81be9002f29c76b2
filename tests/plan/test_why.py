"""One sentence per state of a release: each row is what a person would call the situation."""

from datetime import UTC, datetime

import pytest

from reconciler.model.plan import Condition, Gate
from reconciler.model.repository import RepositoryState, RepositoryStatus
from reconciler.model.state import Phase, ReleaseRef, ReleaseState, ReleaseStatus, VersionRef
from reconciler.plan.why import why

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
LATER = datetime(2026, 12, 7, 8, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
OLD = VersionRef(version=DIGEST, model_version="1.3.0", manifest=DIGEST, closure=DIGEST)
READY = Condition(
    type="Ready", status="True", reason="Promoted", message="1.4.0 is Healthy on 2 of 2 clusters", since=NOW
)
UNTRUSTED = Condition(type="ConfigTrusted", status="False", reason="ConfigNotTrusted", message="e.yaml", since=NOW)
UNVOUCHED = Condition(type="Vouched", status="False", reason="KeyRevoked", message="bo's key", since=NOW)
ORPHANED = Condition(type="Orphaned", status="True", reason="ClusterRemoved", message="us-1 ended", since=NOW)
PRUNE = Gate(kind="Prune", open=False, reason="PruneNotConfirmed", message="the deletion of 1 object waits")
LOG = "us-1: container onnx-server restarts again and again: exit code 1, last log line: no such model"
BROKEN = Condition(type="BreakGlass", status="True", reason="GlassBroken", message="break-glass w.yaml", since=NOW)
SICK = READY.model_copy(update={"status": "False", "message": f"1.4.0 is Healthy on 1 of 2 clusters; {LOG}"})
UNSIGNED = Gate(kind="Signature", open=False, reason="NotVerified", message="r.yaml is not verified: not signed")
WINDOW = Gate(kind="Window", open=False, reason="OutsideWindow", message="the next window opens Monday", opens_at=LATER)
NOT_YET = Gate(kind="Schedule", open=False, reason="NotYet", message="it starts at nine", opens_at=NOW)
EARLIEST = "it starts 2026-12-07T08:00:00Z at the earliest"
HELD, SERVES = "prod/fraud 1.4.0 is held:", "; 1.3.0 keeps serving"
REWRITTEN = "main was rewritten: bbbb does not contain aaaa, which stays in force"

ROWS = {
    "it runs because somebody broke the glass": (
        {"stable": OLD, "phase": Phase.PROMOTED, "conditions": (READY, BROKEN)},
        True, "prod/fraud 1.4.0 is live: 1.4.0 is Healthy on 2 of 2 clusters; BREAK-GLASS: break-glass w.yaml", None,
    ),
    "somebody broke the glass and another gate holds it": (
        {"stable": OLD, "gates": (WINDOW,), "conditions": (BROKEN,)},
        False, f"{HELD} the next window opens Monday{SERVES}; BREAK-GLASS: break-glass w.yaml", LATER,
    ),
    "it runs as declared": (
        {"stable": OLD, "phase": Phase.PROMOTED, "conditions": (READY,)},
        True, "prod/fraud 1.4.0 is live: 1.4.0 is Healthy on 2 of 2 clusters", None,
    ),
    "a pod does not come up": (
        {"stable": OLD, "phase": Phase.PROMOTED, "conditions": (SICK,)},
        False, f"prod/fraud 1.4.0 is not live: 1.4.0 is Healthy on 1 of 2 clusters; {LOG}", None,
    ),
    "a gate that somebody has to open": (
        {"stable": OLD, "gates": (UNSIGNED,), "conditions": (READY,)},
        False, "prod/fraud 1.4.0 is held: r.yaml is not verified: not signed; 1.3.0 keeps serving", None,
    ),
    "a gate that time opens": (
        {"gates": (WINDOW,)},
        False, "prod/fraud 1.4.0 is held: the next window opens Monday; nothing serves yet", LATER,
    ),
    "two gates that time opens": (
        {"stable": OLD, "gates": (NOT_YET, WINDOW)},
        False,
        f"{HELD} it starts at nine; and the next window opens Monday; {EARLIEST}{SERVES}",
        LATER,
    ),
    "two gates, one of which somebody has to open": (
        {"stable": OLD, "gates": (UNSIGNED, WINDOW)},
        False,
        f"{HELD} r.yaml is not verified: not signed; and the next window opens Monday{SERVES}",
        None,
    ),
    "a rollout under way": (
        {"stable": OLD, "phase": Phase.STEPPING, "message": "1 of 2 replicas ready.", "conditions": (READY,)},
        False, "prod/fraud 1.4.0 is on its way: 1 of 2 replicas ready.", None,
    ),
    "an environment that nobody signed": (
        {"stable": OLD, "phase": Phase.PROMOTED, "conditions": (READY, UNTRUSTED)},
        False,
        f"prod/fraud 1.4.0 is live: {READY.message}; but not all that governs it is in force: e.yaml",
        None,
    ),
    "the key that released it was revoked": (
        {"stable": OLD, "conditions": (READY, UNVOUCHED)},
        True,
        f"prod/fraud 1.4.0 is live: {READY.message}; but no key that counts vouches for it any more: bo's key",
        None,
    ),
    "retired, with nothing left of it": (
        {"stable": OLD, "phase": Phase.RETIRED, "conditions": (READY,)},
        True, f"prod/fraud 1.4.0 is retired: {READY.message}", None,
    ),
    "retired, and its pods are ending": (
        {"stable": OLD, "phase": Phase.RETIRING, "message": "1.3.0 is retired; waiting.", "conditions": (READY,)},
        False, "prod/fraud 1.4.0 is on its way: 1.3.0 is retired; waiting.", None,
    ),
    "retired, and its way back waits": (
        {"stable": OLD, "phase": Phase.RETIRED, "conditions": (READY,), "gates": (WINDOW,)},
        False, f"{HELD} {WINDOW.message}; it stays retired", WINDOW.opens_at,
    ),
    "live, and a deletion waits for people": (
        {"stable": OLD, "phase": Phase.PROMOTED, "conditions": (READY,), "gates": (PRUNE,)},
        True, f"prod/fraud 1.4.0 is live: {READY.message}; but {PRUNE.message}", None,
    ),
    "live, on what is left of its clusters": (
        {"stable": OLD, "phase": Phase.PROMOTED, "conditions": (READY, ORPHANED)},
        True, f"prod/fraud 1.4.0 is live: {READY.message}; but {ORPHANED.message}", None,
    ),
    "nothing was looked at": ({}, False, "prod/fraud 1.4.0 is not live: it was not looked at yet", None),
}  # fmt: skip


def state(**status):
    ref = ReleaseRef(repository="github.com/acme/models", environment="prod", name="fraud")
    return ReleaseState(release=ref, status=ReleaseStatus(model_version="1.4.0", **status))


def repository(*, synced):
    row = Condition(type="Synced", status="True" if synced else "False", reason="x", message=REWRITTEN, since=NOW)
    status = RepositoryStatus(conditions=(row,))
    return RepositoryState(repository="github.com/acme/models", branch="main", status=status)


@pytest.mark.parametrize(("status", "live", "sentence", "opens"), ROWS.values(), ids=ROWS)
def test_why(status, live, sentence, opens):
    answer = why(state(**status), repository(synced=True))
    assert (answer.live, answer.sentence, answer.opens_at) == (live, sentence, opens)
    assert why(state(**status), None) == answer


def test_a_refused_trunk_is_said_first():
    answer = why(state(stable=OLD, conditions=(READY,), gates=(WINDOW,)), repository(synced=False))
    assert not answer.live
    assert answer.sentence == f"prod/fraud: nothing newer is read: {REWRITTEN}; 1.3.0 keeps serving"
