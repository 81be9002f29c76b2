"""Signed removals over passes: what ends, what keeps running, and what the ledger is told."""

import pytest
from loop_acme import FRAUD, PROD, fleet, fleeting
from loop_passes import Release

from reconciler.digest import sha256_of
from reconciler.loop import progress
from reconciler.loop.removing import removal_statement
from reconciler.model.state import Apply, Phase, unpack

ENVIRONMENT = "environments/prod.yaml"
US = "clusters/us-1.yaml"


@pytest.fixture
def running():
    release = Release()
    release.settle()
    return release


def manifest(release):
    return sha256_of(release.repo.blobs[release.repo.files[PROD]])


def end(release, by="bo", **more):
    """Take the file away and sign that."""
    digest = more.pop("digest", "") or manifest(release)
    release.repo.remove(PROD)
    release.repo.end(FRAUD, digest, by, **more)


def applied(release):
    return {name: told.apply for name, told in release.status.directives.items()}


def held(release):
    """The reasons of closed gates, after passes that must have told nobody anything."""
    before = release.status.directives
    for _ in range(3):
        release.turn()
    assert release.status.directives == before
    return [gate.reason for gate in release.status.gates]


def test_a_signed_removal_is_told_to_every_cluster_and_ends_when_nothing_is_left(running):
    before = running.status.directives
    end(running)
    running.turn()
    assert applied(running) == {"eu-1": Apply.REMOVE, "us-1": Apply.REMOVE}
    assert all(told.sequence == before[name].sequence + 1 for name, told in running.status.directives.items())
    assert (running.status.phase, running.status.gates) == (Phase.REMOVING, ())
    assert running.status.message == "its removal is signed; it is being deleted on eu-1 and us-1."
    after = running.settle()
    assert (after.directives, after.phase, after.stable, after.history) == ({}, Phase.REMOVED, None, ())


def test_what_has_ended_is_not_refilled_from_a_ledger_that_does_not_know_it_yet(running):
    """Its file may come back before its record is pushed: what was promoted earlier must not serve again by that."""
    end(running)
    after = running.settle()
    assert "Removed" in [entry.record.kind for entry in after.outbox]
    assert not progress.knows_nothing(after)
    assert progress.knows_nothing(after.model_copy(update={"outbox": ()}))


def test_it_waits_for_every_cluster_and_one_that_does_not_answer_is_not_taken_for_empty(running):
    end(running)
    running.turn()
    away = fleet(FRAUD, running.status) | {"us-1": fleeting(None, reachable=False)}
    for _ in range(3):
        running.turn(away)
    assert applied(running) == {"us-1": Apply.REMOVE}
    assert running.status.phase is Phase.REMOVING
    assert running.settle().directives == {}


def test_the_ledger_is_told_who_signed_what_and_where_nothing_is_left(running):
    version = running.status.stable.version
    end(running)
    running.settle()
    entry = running.status.outbox[-1]
    assert (entry.record.kind, entry.record.version) == ("Removed", version)
    assert entry.record.clusters == ("eu-1", "us-1")
    assert [(row.person, row.use) for row in entry.record.signatures] == [("bo", "remove")]
    assert entry.record.message == "fraud-detector was removed from eu-1 and us-1 and has ended"
    assert entry.record.detail == {"removal": "*", "manifests": [running.status.manifest]}
    assert [path.split("/", 2)[2] for path in entry.blobs] == ["removals/prod/fraud-detector.sig"]


@pytest.mark.parametrize(
    "more",
    [{"by": "ada"}, {"digest": "sha256:" + "3f" * 32}, {"cluster": "us-1"}],
    ids=["somebody who may not remove", "another text", "one cluster alone"],
)
def test_a_removal_that_does_not_fit_ends_nothing(running, more):
    end(running, **more)
    assert held(running) == ["RemovalNotSigned"]
    message = running.status.gates[0].message
    assert "keeps being served until a removal is signed" in message
    command = "reconciler remove prod/fraud-detector"
    assert message.endswith(f"; to end it, somebody who may remove it runs: {command}")


def test_without_a_signature_nothing_ends(running):
    running.repo.remove(PROD)
    assert held(running) == ["RemovalNotSigned"]


def test_a_removal_beside_the_file_ends_nothing(running):
    running.repo.end(FRAUD, manifest(running), "bo")
    assert held(running) == []


def test_a_removal_needs_the_approvals_of_the_environment(running):
    running.repo.edit(ENVIRONMENT, "  modelSources: [oci]", "  modelSources: [oci]\n  approvals: {rules: [{count: 2}]}")
    running.settle()
    digest = manifest(running)
    end(running)
    assert held(running) == ["RemovalNotSigned", "ApprovalsMissing"]
    assert "the removal removals/prod/fraud-detector.sig is not approved" in running.status.gates[1].message
    asked = sha256_of(removal_statement(FRAUD, "*", digest).text())
    running.repo.vote(FRAUD, asked, "cy")
    running.repo.vote(FRAUD, asked, "bo")
    assert held(running) == ["RemovalNotSigned", "ApprovalsMissing"], "who signed the removal is no approver of it"
    running.repo.vote(FRAUD, asked, "dee")
    after = running.settle()
    assert after.phase is Phase.REMOVED
    assert [row.person for row in after.outbox[-1].record.approvals] == ["cy", "dee"]


def test_an_approval_of_the_release_is_none_of_its_removal(running):
    running.repo.edit(ENVIRONMENT, "  modelSources: [oci]", "  modelSources: [oci]\n  approvals: {rules: [{count: 1}]}")
    running.turn()
    running.repo.vote(FRAUD, running.judged.standing.closure, "cy")
    end(running)
    assert held(running) == ["RemovalNotSigned", "ApprovalsStale"]


def test_what_began_to_end_goes_on_without_its_signature_and_stops_when_the_file_is_back(running):
    text = running.repo.blobs[running.repo.files[PROD]]
    end(running)
    running.turn()
    running.repo.files.pop("removals/prod/fraud-detector.sig")
    away = {name: fleeting(None, reachable=False) for name in ("eu-1", "us-1")}
    running.turn(away)
    assert applied(running) == {"eu-1": Apply.REMOVE, "us-1": Apply.REMOVE}
    running.repo.write(PROD, text)
    running.repo.sign(PROD)
    running.turn(away)
    assert applied(running) == {"eu-1": Apply.RUN, "us-1": Apply.RUN}
    assert running.settle().phase is Phase.PROMOTED


def leave(release):
    """prod selects eu-1 alone from now on."""
    release.repo.edit(ENVIRONMENT, "clusters: {matchLabels: {tier: prod}}", "clusters: {matchLabels: {region: eu}}")
    release.repo.edit(PROD, "clusters: {matchLabels: {tier: prod}}", "clusters: {matchLabels: {region: eu}}")


def test_a_cluster_that_leaves_the_selector_ends_by_a_removal_of_its_own(running):
    leave(running)
    assert held(running) == ["RemovalNotSigned"]
    assert "no longer selects us-1" in running.status.gates[0].message
    running.repo.end(FRAUD, manifest(running), "bo", cluster="us-1")
    running.turn()
    assert applied(running) == {"eu-1": Apply.RUN, "us-1": Apply.REMOVE}
    after = running.settle()
    assert applied(running) == {"eu-1": Apply.RUN}
    assert (after.phase, after.gates) == (Phase.PROMOTED, ())
    record = next(row.record for row in after.outbox if row.record.kind == "Removed")
    detail = {"removal": "cluster", "manifests": [f"sha256:{manifest(running).removeprefix('sha256:')}"]}
    assert (record.clusters, record.detail) == (("us-1",), detail)


def sizes(release):
    """By cluster, the model versions that its directive gives a size."""
    models = {version: spec.spec.model.version for version, spec in effective_of(release).items()}
    return {
        name: sorted(models[entry.version] for entry in told.versions if entry.high)
        for name, told in release.status.directives.items()
    }


def effective_of(release):
    return {version: unpack(packed) for version, packed in release.status.effective.items()}


def test_a_return_reaches_the_cluster_that_left_and_whose_removal_nobody_signed(running):
    text = running.repo.text(PROD)
    running.repo.edit(PROD, "version: 1.3.0", "version: 4.0.0")
    running.settle()
    assert sizes(running) == {"eu-1": ["4.0.0"], "us-1": ["4.0.0"]}
    running.repo.edit(US, "tier: prod", "tier: none")
    running.settle()
    running.repo.write(PROD, text.encode())
    running.repo.sign(PROD)
    running.settle()
    assert sizes(running) == {"eu-1": ["1.3.0"], "us-1": ["1.3.0"]}
    assert [gate.reason for gate in running.status.gates] == ["RemovalNotSigned"]


def test_a_removal_of_the_whole_release_ends_no_cluster_that_only_left(running):
    leave(running)
    running.repo.end(FRAUD, manifest(running), "bo")
    assert held(running) == ["RemovalNotSigned"]


def test_the_budget_of_the_environment_is_told_to_those_that_end(running):
    running.repo.edit(
        ENVIRONMENT, "  modelSources: [oci]", "  modelSources: [oci]\n  prune: {budget: {count: 2, percent: 50}}"
    )
    running.settle()
    assert {told.budget.count for told in running.status.directives.values()} == {2}
    end(running)
    running.turn()
    assert {told.budget.percent for told in running.status.directives.values()} == {50}


# --- governing documents


def governs(release, kind="Cluster", name="us-1"):
    return (kind, name) in release.world.publish().governed


def test_a_governing_document_ends_by_a_signed_removal(running):
    running.repo.end_document(US, "bo")
    assert not governs(running)
    assert US not in running.world.accepted


@pytest.mark.parametrize(
    ("by", "digest"), [("ada", ""), ("bo", "sha256:" + "3f" * 32)], ids=["a role that may not", "another text"]
)
def test_another_signature_ends_no_governing_document(running, by, digest):
    running.repo.end_document(US, by, digest=digest)
    assert governs(running)


def test_a_removal_ends_no_document_whose_file_is_still_there(running):
    data = running.repo.blobs[running.repo.files[US]]
    running.repo.end_document(US, "bo")
    running.repo.write(US, data)
    assert governs(running)
    running.repo.write(US, data + b"\n  : [")
    assert governs(running)


def test_a_removal_that_comes_after_the_file_is_gone_counts(running):
    digest = sha256_of(running.repo.blobs[running.repo.files[US]])
    running.repo.remove(US)
    assert governs(running)
    running.repo.end_document(US, "bo", digest=digest)
    assert not governs(running)
