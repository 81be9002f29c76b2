"""Approvals over passes: what waits for them, what they are bound to, and what never asks for them."""

from datetime import timedelta

import pytest
from loop_acme import FRAUD, NOW, PROD, Published, later
from loop_passes import Release

from reconciler.loop.announce import records
from reconciler.loop.approving import FILES_READ
from reconciler.loop.progress import restored
from reconciler.model.plan import SHOWN
from reconciler.model.state import Phase

ENVIRONMENT = "environments/prod.yaml"
CHAT = "releases/prod/support-chat.yaml"
RULES = "approvals: {rules: [{role: risk, count: 1}, {count: 2}]}"


def ask(release, rules=RULES):
    """prod asks for approvals from now on."""
    release.repo.edit(ENVIRONMENT, "  modelSources: [oci]", f"  modelSources: [oci]\n  {rules}")


def edit(release, old="1.3.0", new="1.4.0"):
    release.repo.edit(PROD, f"version: {old}", f"version: {new}")


def closure(release):
    """The closure of what lies on the trunk now."""
    release.turn()
    return release.judged.standing.closure


def approve(release, *people, action="approve"):
    digest = closure(release)
    for name in people:
        release.repo.vote(FRAUD, digest, name, action=action)


def gate(release):
    """The approval gate of the last pass, or None when nobody was asked."""
    return next((row for row in release.judged.gates if row.kind == "Approval"), None)


@pytest.fixture
def running():
    """1.3.0 runs in prod, which asks for approvals since then."""
    release = Release()
    release.settle()
    ask(release)
    release.settle()
    return release


def test_a_version_that_runs_already_is_not_asked_for_approvals(running):
    assert gate(running) is None
    assert running.status.gates == ()
    assert running.status.phase is Phase.PROMOTED


def test_a_first_release_waits_for_its_approvals():
    release = Release()
    ask(release)
    for _ in range(3):
        release.turn()
    assert (release.status.directives, release.status.phase) == ({}, Phase.PENDING)
    assert gate(release).reason == "ApprovalsMissing"
    approve(release, "cy", "dee")
    assert release.settle().stable.model_version == "1.3.0"


def test_a_promotion_waits_says_who_could_approve_and_starts_when_they_did(running):
    edit(running)
    before = running.status.directives
    running.turn()
    assert gate(running).message == (
        f"{PROD} is not approved: 0 of 1 approval by risk (cy could give it); "
        f"0 of 2 approvals (cy and dee could give them); to give one, run: reconciler approve {PROD} --push, or put "
        "the signed block into a comment of the pull request"
    )
    approve(running, "cy")
    running.turn()
    assert "1 of 2 approvals (given by cy; dee could give it)" in gate(running).message
    assert running.status.directives == before
    approve(running, "dee")
    after = running.settle()
    assert after.stable.model_version == "1.4.0"
    assert after.gates == ()


def test_the_signer_of_the_release_is_not_an_approver(running):
    edit(running)
    approve(running, "cy", "bo")
    running.turn()
    assert gate(running).reason == "ApprovalsMissing"
    assert "bo signed the release and is not one of its approvers" in gate(running).message


def test_a_reject_closes_the_gate_and_stops_what_is_in_flight(running):
    edit(running)
    approve(running, "cy", "dee")
    running.turn()
    running.turn()
    flying = running.status
    assert flying.candidate.model_version == "1.4.0"
    running.repo.vote(FRAUD, running.judged.standing.closure, "dee", action="reject")
    for _ in range(3):
        running.turn()
    assert gate(running).reason == "ApprovalsRejected"
    assert "rejected by dee" in gate(running).message
    assert running.status.candidate == flying.candidate
    assert running.status.directives == flying.directives
    running.repo.vote(FRAUD, running.judged.standing.closure, "dee")
    assert running.settle().stable.model_version == "1.4.0"


def comment(path):
    def change(release):
        release.repo.write(path, release.repo.text(path).encode() + b"#\n")
        release.repo.sign(path)

    return change


ONE_BYTE = [comment(PROD), comment(ENVIRONMENT), comment("runtimes/onnx-http.yaml"), comment("clusters/eu-1.yaml")]


@pytest.mark.parametrize("change", ONE_BYTE, ids=["manifest", "environment", "runtime", "cluster"])
def test_one_byte_of_the_closure_makes_the_approvals_stale(running, change):
    edit(running)
    digest = closure(running)
    for name in ("cy", "dee"):
        running.repo.vote(FRAUD, digest, name)
    change(running)
    before = running.status.directives
    for _ in range(3):
        running.turn()
    assert gate(running).reason == "ApprovalsStale"
    assert "the approvals of cy and dee are for an earlier text" in gate(running).message
    assert running.status.directives == before


def test_an_unrelated_commit_leaves_them_fresh(running):
    edit(running)
    approve(running, "cy", "dee")
    comment(CHAT)(running)
    comment("environments/staging.yaml")(running)
    running.repo.write("README.md", b"hello\n")
    assert running.settle().stable.model_version == "1.4.0"


def test_a_revert_to_a_known_good_version_needs_none(running):
    edit(running)
    approve(running, "cy", "dee")
    running.settle()
    edit(running, "1.4.0", "1.3.0")
    running.turn()
    assert gate(running) is None
    assert running.status.phase is Phase.ROLLING_BACK
    assert running.settle().stable.model_version == "1.3.0"


def test_a_revert_beyond_the_age_is_an_ordinary_candidate_and_needs_them(running):
    edit(running)
    approve(running, "cy", "dee")
    running.settle()
    running.now = later(60 * 24 * 40)
    edit(running, "1.4.0", "1.3.0")
    before = running.status.directives
    running.turn()
    running.turn()
    assert gate(running).reason == "ApprovalsStale"
    assert running.status.directives == before


def test_a_change_in_place_has_a_closure_of_its_own_and_needs_them(running):
    running.repo.edit(PROD, "max: 6", "max: 5")
    before = running.status.directives
    running.turn()
    assert gate(running).reason == "ApprovalsMissing"
    assert running.status.directives == before
    approve(running, "cy", "dee")
    assert running.settle().directives != before


def test_whose_vote_a_file_holds_says_its_key_and_not_its_name(running):
    edit(running)
    digest = closure(running)
    running.repo.vote(FRAUD, digest, "cy", file="dee")
    running.turn()
    assert "1 of 2 approvals (given by cy;" in gate(running).message


def test_an_approval_expires_by_when_it_was_first_seen_also_after_a_restart(running):
    edit(running)
    approve(running, "cy")
    running.turn()
    (seen,) = running.status.approvals
    assert (seen.person, seen.use) == ("cy", "approve")
    running.repo.remove("approvals/prod/fraud-detector/cy.sig")
    running.turn()
    running.now += timedelta(days=15)
    approve(running, "cy", "dee")
    running.world = Published(running.repo, accepted=running.world.accepted)
    running.turn()
    assert gate(running).reason == "ApprovalsExpired"
    assert "the approval of cy is older than 14d" in gate(running).message
    assert running.status.approvals[0] == seen


def test_approvals_that_were_enough_at_the_start_do_not_expire_on_the_way(running):
    edit(running)
    approve(running, "cy", "dee")
    running.turn()
    assert running.status.candidate.model_version == "1.4.0"
    running.now += timedelta(days=20)
    assert running.settle().stable.model_version == "1.4.0"


def test_the_ledger_is_told_who_approved_and_gets_their_files(running):
    edit(running)
    approve(running, "cy", "dee")
    running.settle()
    started = next(row for row in reversed(running.status.outbox) if row.record.kind == "Started")
    promoted = running.status.outbox[-1]
    for entry in (started, promoted):
        assert [(row.person, row.use) for row in entry.record.approvals] == [("cy", "approve"), ("dee", "approve")]
        folder = f"approvals/{entry.record.closure.removeprefix('sha256:')}"
        assert {f"{folder}/cy.sig", f"{folder}/dee.sig"} <= set(entry.blobs)
    assert promoted.record.kind == "Promoted"


def test_a_state_that_is_lost_gets_the_times_back_from_what_the_ledger_knows(running):
    edit(running)
    approve(running, "cy")
    running.turn()
    votes = running.status.outbox[-1].record.approvals
    found = restored((), running.status.history, running.status.effective, votes)
    assert found.approvals == running.status.approvals


def test_a_file_of_approvals_is_looked_at_by_its_release_alone(running):
    path = running.repo.vote(FRAUD, "sha256:" + "9b" * 32, "cy")
    running.world.publish()
    assert running.world.last.affected == {FRAUD}
    running.repo.remove(path)
    running.world.publish()
    assert running.world.last.affected == {FRAUD}
    assert running.world.last.snapshot.approvals == {}


@pytest.mark.parametrize(
    "path",
    ["approvals/cy.sig", "approvals/prod/cy.sig", "approvals/prod/Fraud/cy.sig", "approvals/prod/fraud/x/cy.sig"],
)
def test_a_file_that_lies_elsewhere_is_nobodys(running, path):
    running.repo.write(path, b"whatever")
    assert running.world.publish().approvals == {}
    assert running.world.last.affected == frozenset()


def test_the_record_of_a_held_release_tells_the_approvals_so_far(running):
    edit(running)
    approve(running, "cy")
    running.turn()
    entry = running.status.outbox[-1]
    assert entry.record.kind == "Held"
    assert [row.person for row in entry.record.approvals] == ["cy"]
    assert records(FRAUD, running.status, running.status, running.judged, NOW) == ()


def test_of_very_many_files_only_the_first_are_read_and_the_gate_says_so(running):
    edit(running)
    approve(running, "cy")
    for number in range(FILES_READ):
        running.repo.write(f"approvals/prod/fraud-detector/a{number:04}.sig", b"no signature\n")
    running.turn()
    message = gate(running).message
    assert f"holds {FILES_READ + 1} files and only the first {FILES_READ} are read" in message
    assert f"and {FILES_READ + 1 - SHOWN} more" in message
    assert gate(running).reason == "ApprovalsMissing"
    running.repo.remove("approvals/prod/fraud-detector/a0000.sig")
    running.turn()
    assert "are read" not in gate(running).message
