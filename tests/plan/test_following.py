"""After the merge: what is said of a release, and when this pull request has nothing more to say of it."""

from datetime import timedelta

import pytest
from plan_cluster import KEY, NOW

from reconciler.model.plan import Condition, Gate
from reconciler.model.state import (
    Directive,
    FailedHook,
    Phase,
    Promotion,
    ReleaseStatus,
    TargetState,
    TargetStatus,
    VersionHealth,
    VersionRef,
    release_ref,
)
from reconciler.plan.following import Asked, follow, summary

OLD, NEW, THIRD = ("sha256:" + sign * 64 for sign in "abc")
KEY = KEY.release


def ref(digest, model_version):
    return VersionRef(version=digest, model_version=model_version, manifest=digest, closure=digest)


def promotion(digest, model_version="1.4.0"):
    return Promotion(
        version=digest, model_version=model_version, manifest=digest, closure=digest, revision="1" * 40, at=NOW
    )


V13, V14 = ref(OLD, "1.3.0"), ref(NEW, "1.4.0")
WINDOW = Gate(kind="Window", open=False, reason="OutsideWindow", message="the next one opens Monday.")
BARE = Gate(kind="Policy", open=False, reason="PolicyDenied", message="")
HOOK = Gate(kind="Hook", open=False, reason="HookFailed", message="hook smoke of 1.4.0 failed on us-1: exit code 1")
PRUNE = Gate(kind="Prune", open=False, reason="PruneNotConfirmed", message="waits")
LOST = FailedHook(version=NEW, hook="smoke", cluster="us-1", message="exit code 1")
ASKED = Asked(key=KEY, manifest=NEW, before="1.3.0", after="1.4.0")
GONE = Asked(key=KEY, manifest="", before="1.3.0", after="")
ON_TRUNK = {"trunk": NEW}


def status(**update):
    return ReleaseStatus(**({"manifest": NEW, "stable": V13} | update))


ROWS = {
    "merged a moment ago": (ASKED, None, NEW, ("Merged", "it was merged and not looked at yet", False, False)),
    "its state is still of the text before": (
        ASKED,
        status(manifest=OLD),
        NEW,
        ("Merged", "it was merged and not looked at yet", False, False),
    ),
    "a gate is closed": (
        ASKED,
        status(gates=(WINDOW, BARE)),
        NEW,
        ("Held", "the next one opens Monday; and PolicyDenied", False, False),
    ),
    "only deletions wait": (
        ASKED,
        status(phase=Phase.PROMOTED, stable=V14, gates=(PRUNE,)),
        NEW,
        ("Promoted", "1.4.0 serves, and is healthy", True, False),
    ),
    "its pods come up": (
        ASKED,
        status(phase=Phase.PREPARING, candidate=V14, message="1 of 2 pods of 1.4.0 are ready."),
        NEW,
        ("Preparing", "1 of 2 pods of 1.4.0 are ready", False, False),
    ),
    "it has been on its way for a while": (
        ASKED,
        status(phase=Phase.STEPPING, candidate=V14, since=NOW - timedelta(minutes=12, seconds=5)),
        NEW,
        ("Stepping", "it is on its way; for 12m", False, False),
    ),
    "it began seconds ago": (
        ASKED,
        status(phase=Phase.STEPPING, candidate=V14, since=NOW - timedelta(seconds=5)),
        NEW,
        ("Stepping", "it is on its way", False, False),
    ),
    "a gate closed on the way": (
        ASKED,
        status(phase=Phase.STEPPING, candidate=V14, gates=(WINDOW,), message="every size stays"),
        NEW,
        ("Stepping", "every size stays", False, False),
    ),
    "it is promoted": (
        ASKED,
        status(phase=Phase.PROMOTED, stable=V14, history=(promotion(NEW),)),
        NEW,
        ("Promoted", "1.4.0 serves, and is healthy", True, False),
    ),
    "another text is still the promoted one": (
        ASKED,
        status(phase=Phase.PROMOTED, message="soon."),
        NEW,
        ("Promoted", "soon", False, False),
    ),
    "a hook failed and stable is coming back": (
        ASKED,
        status(phase=Phase.ROLLING_BACK, failed=LOST, message="1.3.0 returns."),
        NEW,
        ("RollingBack", "1.3.0 returns", False, True),
    ),
    "a hook failed and stable is back": (
        ASKED,
        status(phase=Phase.PENDING, failed=LOST, gates=(WINDOW, HOOK)),
        NEW,
        ("Failed", "hook smoke of 1.4.0 failed on us-1: exit code 1", True, True),
    ),
    "a hook failed and its gate is gone": (
        ASKED,
        status(phase=Phase.PENDING, failed=LOST),
        NEW,
        ("Failed", "hook smoke failed on us-1: exit code 1", True, True),
    ),
    "it is being retired": (
        ASKED,
        status(phase=Phase.RETIRING),
        NEW,
        ("Retiring", "its pods are ending", False, False),
    ),
    "it is retired": (ASKED, status(phase=Phase.RETIRED), NEW, ("Retired", "nothing of it serves", True, False)),
    "a later commit came before it was promoted": (
        ASKED,
        status(manifest=THIRD),
        THIRD,
        ("Superseded", "a later commit on the trunk asks for something else", True, False),
    ),
    "its file is gone since": (
        ASKED,
        None,
        None,
        ("Superseded", "a later commit on the trunk asks for something else", True, False),
    ),
    "it was promoted before a later commit came": (
        ASKED,
        status(manifest=THIRD, history=(promotion(THIRD, "1.5.0"), promotion(NEW))),
        THIRD,
        ("Promoted", "it was promoted at 2026-12-01T09:00:00Z; the trunk asks for something else since", True, False),
    ),
    "its removal waits to be signed": (
        GONE,
        status(manifest=OLD, gates=(WINDOW,)),
        None,
        ("Held", "the next one opens Monday", False, False),
    ),
    "it is being removed": (
        GONE,
        status(phase=Phase.REMOVING),
        None,
        ("Removing", "what runs is being deleted", False, False),
    ),
    "it is removed and its state is still there": (
        GONE,
        status(phase=Phase.REMOVED),
        None,
        ("Removed", "1.3.0 is removed", True, False),
    ),
    "it is removed": (GONE, None, None, ("Removed", "1.3.0 is removed", True, False)),
    "it is on the trunk again": (
        GONE,
        status(),
        OLD,
        ("Superseded", "a later commit on the trunk has it again", True, False),
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_what_became_of_it(row):
    asked, state, trunk, expected = row
    now = NOW.replace(microsecond=0)
    state = state and state.model_copy(
        update={"history": tuple(one.model_copy(update={"at": now}) for one in state.history)}
    )
    found = follow(asked, state, trunk=trunk, targets={}, now=NOW, record=7)
    assert (found.phase, found.sentence, found.ended, found.failed) == expected
    assert (found.key, found.before, found.after, found.record) == (KEY, asked.before, asked.after, 7)


def target(*, sequence=1, told=1, serving="", ready=None, **versions):
    conditions = (Condition(type="Ready", status=ready, reason="Applying", since=NOW),) if ready else ()
    return TargetState(
        release=release_ref(KEY),
        cluster="eu-1",
        home="h",
        directive=directive(told),
        effective={},
        status=TargetStatus(
            sequence=sequence, serving=serving, conditions=conditions, versions=versions.get("rows", {})
        ),
    )


def directive(sequence):
    return Directive(sequence=sequence, revision="1" * 40, closure=OLD, versions=())


def health(**update):
    return VersionHealth(**({"replicas": 2, "ready": 2, "wanted": 2, "healthy": True} | update))


CLUSTERS = {
    "a cluster that does not answer": (None, "Waiting", "it has not reported yet"),
    "one that did not take over its directive": (
        target(sequence=0),
        "Waiting",
        "it has not taken over what it was told",
    ),
    "a healthy one": (target(rows={NEW: health()}), "Healthy", "1.4.0: 2 of 2 ready"),
    "one whose pods are coming up": (
        target(rows={NEW: health(ready=1, healthy=False, message="pulling.")}),
        "Progressing",
        "1.4.0: 1 of 2 ready: pulling",
    ),
    "one that says nothing of why": (
        target(rows={NEW: health(ready=1, healthy=False)}),
        "Progressing",
        "1.4.0: 1 of 2 ready",
    ),
    "one that failed": (
        target(rows={NEW: health(ready=0, healthy=False, failed=True, message="exit code 1")}),
        "Failed",
        "1.4.0: 0 of 2 ready: exit code 1",
    ),
    "one that does not have the version yet": (target(serving="1.3.0"), "Settled", "1.3.0 serves"),
    "one that has nothing": (target(), "Settled", "nothing serves"),
    "one that is being changed": (target(ready="False"), "Progressing", "Applying"),
    "one that is as it was told": (target(ready="True", serving="1.3.0"), "Settled", "1.3.0 serves"),
}


@pytest.mark.parametrize("row", CLUSTERS.values(), ids=CLUSTERS.keys())
def test_every_cluster_in_a_word_and_a_sentence(row):
    state, word, sentence = row
    rolling = status(phase=Phase.STEPPING, candidate=V14, directives={"eu-1": directive(1)})
    found = follow(ASKED, rolling, trunk=NEW, targets={"eu-1": state}, now=NOW)
    (cluster,) = found.clusters
    assert (cluster.name, cluster.state, cluster.sentence) == ("eu-1", word, sentence)
    assert found.failed is (word == "Failed")


def test_a_cluster_without_a_directive_or_version_is_told_by_what_it_serves():
    found = follow(ASKED, ReleaseStatus(manifest=NEW), trunk=NEW, targets={"eu-1": target()}, now=NOW)
    assert found.clusters[0].state == "Settled"


def test_a_removal_that_nobody_knew_a_version_of():
    found = follow(Asked(key=KEY, manifest="", before="", after=""), None, trunk=None, targets={}, now=NOW)
    assert found.sentence == "it is removed"


def test_an_edit_is_worth_it_for_a_phase_or_an_outcome_and_not_for_words():
    rows = [
        follow(ASKED, status(phase=phase, candidate=V14, message=words), **ON_TRUNK, targets={}, now=NOW)
        for phase, words in ((Phase.PREPARING, "one"), (Phase.PREPARING, "two"), (Phase.STEPPING, "two"))
    ]
    assert summary(rows[:1]) == summary(rows[1:2]) != summary(rows[2:])
    assert summary(rows[:1]) == "prod/fraud-detector Preparing ended=False failed=False"
