"""A cluster whose document ends by a signed removal: nothing is deleted there, and the releases go on without it."""

import pytest
from loop_acme import FRAUD, PROD, fleet, fleeting, target_state
from loop_passes import Release

from reconciler.digest import sha256_of
from reconciler.model.state import Apply, Phase, ReleaseState, release_ref
from reconciler.plan.why import why

US = "clusters/us-1.yaml"
EU = "clusters/eu-1.yaml"


@pytest.fixture
def running():
    release = Release()
    release.settle()
    return release


def kept(release):
    """What runs on us-1 while nobody looks."""
    status = release.status
    return fleeting(target_state(FRAUD, "us-1", status.directives["us-1"], status.effective))


def condition(release, type_):
    return next((row for row in release.status.conditions if row.type == type_), None)


def settle(release, **clusters):
    for _ in range(20):
        before = release.status
        if release.turn(fleet(FRAUD, release.status, ("eu-1",)) | clusters) == before:
            return before
    raise AssertionError(release.status.message)


def kinds(release):
    return [row.record.kind for row in release.status.outbox]


def test_nothing_is_told_to_it_any_more_and_the_release_says_so(running):
    running.repo.end_document(US, "bo")
    status = settle(running)
    assert set(status.directives) == {"eu-1"}
    assert (status.phase, status.gates, status.orphaned) == (Phase.PROMOTED, (), ("us-1",))
    row = condition(running, "Orphaned")
    assert (row.status, row.reason) == ("True", "ClusterRemoved")
    assert row.message == ("its Cluster document ended by a signed removal: what runs on us-1 is looked after no more")
    assert condition(running, "Ready").message == "1.3.0 is Healthy on 1 of 1 clusters"
    state = ReleaseState(release=release_ref(FRAUD), status=status)
    assert why(state, None).sentence.endswith("; but " + row.message)


def test_the_ledger_is_told_once(running):
    running.repo.end_document(US, "bo")
    settle(running)
    settle(running)
    assert kinds(running).count("Orphaned") == 1
    assert "Removed" not in kinds(running)
    record = running.status.outbox[-1].record
    assert record.clusters == ("us-1",)
    assert record.message == (
        "fraud-detector is looked after no more on us-1: its Cluster document ended; nothing is deleted there, "
        "and it goes on on eu-1"
    )


def test_the_release_goes_on_on_the_others(running):
    running.repo.end_document(US, "bo")
    running.repo.edit(PROD, "version: 1.3.0", "version: 4.0.0")
    status = settle(running)
    assert (status.phase, status.stable.model_version) == (Phase.PROMOTED, "4.0.0")


def test_a_rollout_under_way_does_not_wait_for_it(running):
    running.repo.edit(PROD, "version: 1.3.0", "version: 4.0.0")
    away = fleeting(None, reachable=False)
    for _ in range(12):
        running.turn(fleet(FRAUD, running.status, ("eu-1",)) | {"us-1": away})
    assert running.status.phase is Phase.STEPPING
    running.repo.end_document(US, "bo")
    assert settle(running).phase is Phase.PROMOTED


def test_an_unsigned_deletion_leaves_it_in_force(running):
    before = running.status.directives
    running.repo.remove(US)
    status = running.settle()
    assert (status.directives, status.orphaned) == (before, ())


def test_a_document_that_is_only_not_trusted_has_not_ended(running):
    """Where what was accepted is lost, too: an unsigned text is no removal."""
    running.repo.files.pop(f"{US}.sig")
    running.world.accepted.pop(US)
    running.world.index = running.world.fresh_index()
    running.world.before = {}
    running.turn()
    assert ("Cluster", "us-1") in running.world.last.snapshot.refused
    assert (set(running.status.directives), running.status.orphaned) == ({"eu-1", "us-1"}, ())


def test_a_cluster_that_comes_back_under_its_name_is_taken_up_again(running):
    here, data = kept(running), running.repo.blobs[running.repo.files[US]]
    sequence = running.status.directives["us-1"].sequence
    running.repo.end_document(US, "bo")
    running.repo.edit(PROD, "version: 1.3.0", "version: 4.0.0")
    settle(running)
    running.repo.remove("removals/clusters/us-1.yaml.sig")
    running.repo.write(US, data)
    running.repo.sign(US)
    running.turn(fleet(FRAUD, running.status, ("eu-1",)) | {"us-1": here})
    assert running.status.orphaned == ()
    assert running.status.directives["us-1"].sequence > sequence
    status = running.settle()
    assert (status.phase, set(status.directives), condition(running, "Orphaned")) == (
        Phase.PROMOTED, {"eu-1", "us-1"}, None,
    )  # fmt: skip
    assert running.told() == {status.stable.version}


def test_a_release_whose_only_cluster_ended_says_that_it_runs_nowhere(running):
    running.repo.end_document(US, "bo")
    running.repo.end_document(EU, "bo")
    for _ in range(3):
        running.turn({})
    assert (running.status.directives, running.status.orphaned) == ({}, ("eu-1", "us-1"))
    assert (condition(running, "Ready").status, condition(running, "Ready").reason) == ("False", "Orphaned")
    assert running.status.stable
    assert (
        "and it goes on nowhere" in running.status.outbox[-2].record.message + running.status.outbox[-1].record.message
    )


def test_what_is_being_removed_on_it_stops_there_and_ends_elsewhere(running):
    digest = sha256_of(running.repo.blobs[running.repo.files[PROD]])
    running.repo.remove(PROD)
    running.repo.end(FRAUD, digest, "bo")
    running.turn()
    assert {told.apply for told in running.status.directives.values()} == {Apply.REMOVE}
    running.repo.end_document(US, "bo")
    status = settle(running)
    assert (status.phase, status.directives) == (Phase.REMOVED, {})
    assert "has ended; its Cluster document ended by a signed removal" in status.outbox[-1].record.message


@pytest.mark.parametrize("signed", [True, False])
def test_a_release_that_only_orphans_run_ends_by_a_signed_removal_like_any_other(running, signed):
    digest = sha256_of(running.repo.blobs[running.repo.files[PROD]])
    running.repo.end_document(US, "bo")
    running.repo.end_document(EU, "bo")
    running.turn({})
    running.repo.remove(PROD)
    if signed:
        running.repo.end(FRAUD, digest, "bo")
    running.turn({})
    if signed:
        assert running.status.phase is Phase.REMOVED
        assert running.status.outbox[-1].record.kind == "Removed"
    else:
        assert [gate.reason for gate in running.status.gates] == ["RemovalNotSigned"]
