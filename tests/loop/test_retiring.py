"""A release that is retired and comes back, over its passes: its gates, and what the ledger is told."""

from datetime import timedelta

import pytest
from loop_acme import FRAUD, PROD, fleet, fleeting, target_state
from loop_passes import Release

from reconciler.loop import progress
from reconciler.model.state import Apply, Phase, unpack

ENVIRONMENT = "environments/prod.yaml"
RUNTIME = "runtimes/onnx-http.yaml"


@pytest.fixture
def running():
    release = Release()
    release.settle()
    return release


def retire(release, **more):
    release.repo.edit(PROD, "  environment: prod\n", "  environment: prod\n  state: retired\n", **more)


def wake(release, **more):
    release.repo.edit(PROD, "  state: retired\n", "", **more)


def set_in(release, text):
    release.repo.edit(ENVIRONMENT, "  rollback:", f"  {text}\n  rollback:")
    release.settle()


def condition(release, type_):
    return next((row for row in release.status.conditions if row.type == type_), None)


def kinds(release):
    return [row.record.kind for row in release.status.outbox]


def closed(release):
    return [gate.reason for gate in release.status.gates]


def test_retired_is_told_to_every_cluster_shown_and_recorded(running):
    version = running.status.stable.version
    retire(running)
    running.turn()
    assert {told.apply for told in running.status.directives.values()} == {Apply.RETIRE}
    assert running.told() == set()
    assert (running.status.phase, condition(running, "Ready").reason) == (Phase.RETIRING, "Retiring")
    status = running.settle()
    assert (status.phase, status.stable.version, status.gates) == (Phase.RETIRED, version, ())
    ready = condition(running, "Ready")
    assert (ready.status, ready.reason) == ("True", "Retired")
    assert ready.message == "1.3.0 is scaled to zero on 2 of 2 clusters"
    assert (condition(running, "Retired").status, condition(running, "Reconciling").status) == ("True", "False")
    assert kinds(running)[-1] == "Retired"
    record = status.outbox[-1].record
    assert record.message == (
        "fraud-detector 1.3.0 was retired: nothing of it serves on eu-1 and us-1, and what was made for it is kept"
    )
    assert [row.person for row in record.signatures] == ["bo"]
    assert record.detail["promotion"]["retired"]


def test_the_version_is_the_same_and_it_comes_back_in_place_as_an_ordinary_change(running):
    version = running.status.stable.version
    retire(running)
    running.settle()
    wake(running)
    running.turn()
    assert (running.status.phase, running.status.candidate) == (Phase.PREPARING, None)
    assert {told.apply for told in running.status.directives.values()} == {Apply.RUN}
    status = running.settle()
    assert (status.phase, status.stable.version) == (Phase.PROMOTED, version)
    assert condition(running, "Retired") is None
    assert kinds(running)[-1] == "Promoted"
    assert status.outbox[-1].record.message == "fraud-detector 1.3.0 is active again, Healthy on eu-1 and us-1"
    assert [row.retired is None for row in status.history] == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        'windows: {timeZone: UTC, deny: [{cron: "0 0 1 12 *", duration: 21d, reason: year end}]}',
        'windows: {timeZone: UTC, allow: [{cron: "0 3 * * *", duration: 1h}]}',
    ],
    ids=["a freeze", "no window"],
)
def test_stopping_waits_for_no_window(running, text):
    set_in(running, text)
    retire(running)
    assert running.settle().phase is Phase.RETIRED


def test_stopping_waits_for_no_hold_and_no_schedule(running):
    hold = (
        "apiVersion: reconciler.dev/v1alpha1\nkind: Hold\nmetadata: {name: stop}\n"
        "spec: {selector: {environments: [prod]}, reason: incident, releasedBy: owner}\n"
    )
    running.repo.write("holds/stop.yaml", hold.encode())
    retire(running)
    running.repo.edit(PROD, "  state: retired\n", "  state: retired\n  schedule: {notBefore: 2027-01-01T09:00:00Z}\n")
    assert running.settle().phase is Phase.RETIRED


def test_stopping_needs_a_signature_of_somebody_who_may_release(running):
    retire(running, by="ada")
    status = running.settle()
    assert (status.phase, closed(running)) == (Phase.PROMOTED, ["NotVerified"])


def test_stopping_needs_the_environments_approvals_once(running):
    set_in(running, "approvals: {rules: [{count: 1}], expireAfter: 1h}")
    retire(running)
    assert running.settle().phase is Phase.PROMOTED
    assert closed(running) == ["ApprovalsMissing"]
    running.repo.vote(FRAUD, running.judged.standing.closure, "cy")
    assert running.settle().phase is Phase.RETIRED
    running.now += timedelta(hours=2)
    assert (running.settle().phase, closed(running)) == (Phase.RETIRED, []), "nobody is asked for what is done"


def test_known_good_text_comes_back_at_once_through_freezes_and_without_approvals(running):
    retire(running)
    running.settle()
    set_in(running, "approvals: {rules: [{count: 2}]}")
    set_in(running, 'windows: {timeZone: UTC, deny: [{cron: "0 0 1 12 *", duration: 90d, reason: year end}]}')
    wake(running)
    assert (running.settle().phase, closed(running)) == (Phase.PROMOTED, [])


@pytest.mark.parametrize("how", ["another text", "retired for longer than rollback.maxAge"])
def test_any_other_way_back_waits_like_every_change(running, how):
    retire(running)
    running.settle()
    set_in(running, "approvals: {rules: [{count: 1}]}")
    set_in(running, 'windows: {timeZone: UTC, deny: [{cron: "0 0 1 12 *", duration: 90d, reason: year end}]}')
    wake(running)
    if how == "another text":
        running.repo.edit(PROD, "min: 2", "min: 3")
    else:
        running.now += timedelta(days=31)
    assert running.settle().phase is Phase.RETIRED
    assert closed(running) == ["ApprovalsMissing", "Frozen"]
    assert running.told() == set()


def test_a_candidate_on_its_way_is_stopped_too_and_only_what_was_promoted_counts_as_known(running):
    first = running.status.stable.version
    running.repo.edit(PROD, "version: 1.3.0", "version: 4.0.0")
    running.turn()
    assert running.status.candidate
    retire(running)
    status = running.settle()
    assert (status.phase, status.stable.version, running.told()) == (Phase.RETIRED, first, set())
    assert unpack(status.effective[first]).retired
    assert [row.version for row in status.history] == [first]
    wake(running)
    running.turn()
    assert running.status.candidate.model_version == "4.0.0"
    assert (running.settle().phase, running.status.stable.model_version) == (Phase.PROMOTED, "4.0.0")


def test_the_old_text_brings_the_old_version_back_although_todays_runtime_makes_another_of_it(running):
    text, version = running.repo.text(PROD), running.status.stable.version
    retire(running)
    running.settle()
    running.repo.edit(RUNTIME, "port: 8080", "port: 9090")
    running.settle()
    assert running.told() == set()
    running.repo.write(PROD, text.encode())
    running.repo.sign(PROD)
    running.turn()
    assert running.told() == {version}


def test_a_release_that_never_ran_is_retired_without_anybodys_approval():
    release = Release()
    release.repo.edit(ENVIRONMENT, "  rollback:", "  approvals: {rules: [{count: 1}]}\n  rollback:")
    retire(release)
    status = release.settle()
    assert (status.phase, status.directives, status.gates, status.stable) == (Phase.RETIRED, {}, (), None)
    assert condition(release, "Ready").message == "it is retired and was never promoted"
    assert status.outbox[-1].record.message.startswith("fraud-detector was retired: nothing of it serves")


def test_it_waits_for_a_cluster_that_does_not_answer_and_says_so(running):
    retire(running)
    running.turn()
    for _ in range(3):
        running.turn({**fleet(FRAUD, running.status), "us-1": fleeting(None, reachable=False)})
    assert running.status.phase is Phase.RETIRING
    assert "waiting for the pods on us-1 to end" in running.status.message
    assert running.settle().phase is Phase.RETIRED
    running.turn({**fleet(FRAUD, running.status), "us-1": fleeting(None, reachable=False)})
    assert (running.status.phase, kinds(running).count("Retired")) == (Phase.RETIRED, 1)


def test_a_lost_state_is_found_retired_from_its_targets_or_from_the_ledger(running):
    retire(running)
    status = running.settle()
    states = [target_state(FRAUD, name, told, status.effective) for name, told in status.directives.items()]
    found = progress.restored(states, status.history, {}, ())
    assert (found.phase, found.stable.version) == (Phase.RETIRING, status.stable.version)
    found = progress.restored((), status.history, status.effective, ())
    assert (found.phase, found.stable.version) == (Phase.RETIRING, status.stable.version)
    running.status = progress.refilled(running.status.model_copy(update={"phase": Phase.PENDING}), found)
    assert (running.settle().phase, running.told()) == (Phase.RETIRED, set())


def test_a_retired_release_ends_by_its_removal(running):
    retire(running)
    running.settle()
    digest = running.status.manifest
    running.repo.remove(PROD)
    running.repo.end(FRAUD, digest, "bo")
    running.turn()
    assert {told.apply for told in running.status.directives.values()} == {Apply.REMOVE}
    assert running.settle().phase is Phase.REMOVED
