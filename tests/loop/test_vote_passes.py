"""Votes from comments, reviews and refs through the release's passes: they open gates, are told once, may go."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from loop_acme import ENVIRONMENT_PROD, FRAUD, PROD
from loop_passes import Release
from loop_votes import ask, block, comment, digest, judged_pull, pushed, review, waiting_for
from loop_world import Town

from reconciler.loop.approving import VOTES_KEPT, all_votes, with_known
from reconciler.model.pull import Opinion
from reconciler.model.record import ApprovalFact
from reconciler.model.state import ReleaseStatus
from reconciler.model.vote import NOTHING_GIVEN, GivenVotes


@pytest.fixture
def release():
    return waiting_for(2)


def gate(release):
    return next(row for row in release.judged.gates if row.kind == "Approval")


def votes(release):
    return [row.record for row in release.status.outbox if row.record.kind in ("Approved", "Rejected")]


def give(release, **more):
    found = judged_pull(release, **more)
    release.given = found.given.get(FRAUD, NOTHING_GIVEN)
    return found


def test_a_comment_a_push_and_a_file_count_together_and_each_is_told_once(release):
    give(release, comments=[comment(block(digest(release), "cy"))])
    release.turn()
    assert gate(release).reason == "ApprovalsMissing"
    assert "1 of 2 approvals (given by cy; dee could give it)" in gate(release).message
    release.given += GivenVotes(signed=(pushed(block(digest(release), "dee"), "dee"),))
    after = release.settle()
    assert after.stable.model_version == "1.4.0"
    told = votes(release)
    short = digest(release).removeprefix("sha256:")[:12]
    assert [row.message for row in told] == [
        f"cy approved prod/fraud-detector (closure {short}…) in a comment on #12",
        f"dee approved prod/fraud-detector (closure {short}…) by a push to {pushed(b'', 'dee').origin}",
    ]
    assert [row.detail["source"] for row in told] == ["comment", "ref"]
    assert told[0].detail["pull"] == {"number": 12}
    assert told[0].detail["statement"].splitlines()[-1] == "action: approve"
    assert told[0].approvals[0].person == "cy"
    assert (told[0].signatures, told[0].closure) == ((), digest(release))


def test_a_file_on_the_trunk_is_told_too(release):
    release.repo.vote(FRAUD, digest(release), "cy")
    for _ in range(3):
        release.turn()
    (record,) = votes(release)
    assert record.message.endswith("in approvals/prod/fraud-detector/cy.sig")


def test_the_order_is_vote_then_what_follows_from_it(release):
    give(release, comments=[comment(block(digest(release), "cy")), comment(block(digest(release), "dee"))])
    release.turn()
    kinds = [row.record.kind for row in release.status.outbox]
    assert kinds[kinds.index("Approved") :][:3] == ["Approved", "Approved", "Started"]


def test_the_proofs_of_one_person_lie_beside_each_other(release):
    give(
        release,
        comments=[comment(block(digest(release), "cy")), comment(block(digest(release), "cy", action="reject"))],
    )
    release.turn()
    rows = [row for row in release.status.outbox if row.record.kind in ("Approved", "Rejected")]
    paths = {path for row in rows for path in row.blobs}
    assert len(paths) == 2
    assert all(path.startswith(f"approvals/{digest(release).removeprefix('sha256:')}/cy-") for path in paths)


def test_a_reject_in_a_comment_wins_over_every_approval(release):
    for who in ("cy", "dee"):
        release.repo.vote(FRAUD, digest(release), who)
    give(release, comments=[comment(block(digest(release), "dee", action="reject"))])
    before = release.status.directives
    release.turn()
    assert gate(release).reason == "ApprovalsRejected"
    assert release.status.directives == before
    assert "Rejected" in [row.kind for row in votes(release)]


def test_a_comment_that_is_deleted_counts_no_more_and_keeps_its_time_when_it_is_back(release):
    body = block(digest(release), "cy")
    give(release, comments=[comment(body)])
    release.turn()
    (first,) = release.status.approvals
    release.given = NOTHING_GIVEN
    release.turn()
    assert "0 of 2 approvals" in gate(release).message
    release.now += timedelta(days=1)
    give(release, comments=[comment(body)])
    release.turn()
    assert release.status.approvals == (first,)
    assert len(votes(release)) == 1


def test_what_was_seen_on_the_pull_request_keeps_that_time_and_is_not_told_again(release):
    found = judged_pull(release, comments=[comment(block(digest(release), "cy"))])
    release.known = tuple(cast.fact for cast in found.cast)
    release.now += timedelta(days=13)
    release.given = found.given[FRAUD]
    release.turn()
    assert "1 of 2 approvals (given by cy" in gate(release).message
    assert votes(release) == []
    release.now += timedelta(days=2)
    release.turn()
    assert "the approval of cy is older than 14d" in gate(release).message


def test_two_reviews_open_the_gate_and_say_that_they_are_not_signed(release):
    give(release, reviews=[review("cy-forge"), review("dee", number=2)])
    release.turn()
    assert gate(release).open
    rows = [row for row in release.status.outbox if row.record.kind == "Approved"]
    assert [row.record.approvals[0].key for row in rows] == ["forge:github:cy-forge", "forge:github:Dee"]
    assert rows[0].record.message.endswith("by a review on #12, which is not signed")
    environment = release.facts.snapshot.documents("Environment")["prod"]
    assert rows[0].record.detail["environment"] == {"path": ENVIRONMENT_PROD, "sha256": environment.sha256}
    assert list(rows[0].blobs.values()) == [environment.blob]


def test_one_person_by_review_and_by_signature_is_one_vote(release):
    give(release, reviews=[review("cy-forge")], comments=[comment(block(digest(release), "cy"))])
    release.turn()
    assert "1 of 2 approvals (given by cy; dee could give it)" in gate(release).message


def test_a_rejecting_review_wins_over_signatures(release):
    for who in ("cy", "dee"):
        release.repo.vote(FRAUD, digest(release), who)
    give(release, reviews=[review("cy-forge", Opinion.REJECT)])
    release.turn()
    assert gate(release).reason == "ApprovalsRejected"


def test_an_environment_that_stops_letting_reviews_count_stops_counting_them(release):
    give(release, reviews=[review("cy-forge"), review("dee", number=2)])
    release.repo.edit(ENVIRONMENT_PROD, ", sources: [signature, forge]", "")
    release.turn()
    assert gate(release).reason == "ApprovalsMissing"
    # Even a review that is said to be of this very closure is none here.
    release.given = GivenVotes(reviews=tuple(replace(row, closure=digest(release)) for row in release.given.reviews))
    release.turn()
    assert "0 of 2 approvals" in gate(release).message


def test_the_gate_says_how_to_approve_and_by_review_only_where_one_counts(release):
    assert gate(release).message.endswith(
        f"to give one, run: reconciler approve {PROD} --push, or put the signed block into a comment of the pull "
        "request, or approve it there"
    )
    release.repo.edit(ENVIRONMENT_PROD, ", sources: [signature, forge]", "")
    release.turn()
    assert gate(release).message.endswith("into a comment of the pull request")


def test_what_cannot_be_read_is_told_in_the_gate(release):
    release.given = GivenVotes(notes=("refs/reconciler/approvals/prod/fraud-detector/x is no commit with a file",))
    release.turn()
    assert "refs/reconciler/approvals/prod/fraud-detector/x is no commit" in gate(release).message


def test_a_removal_is_approved_in_a_comment(release):
    release.repo.edit(PROD, "version: 1.4.0", "version: 1.3.0")
    release.settle()
    release.repo.remove(PROD)
    release.repo.end(FRAUD, release.status.stable.manifest, "bo")
    release.turn()
    said = next(row.consent.matter.digest for row in release.judged.ending.removals)
    give(release, comments=[comment(block(said, "cy")), comment(block(said, "dee"))])
    for _ in range(4):
        release.turn()
    assert release.status.directives == {}
    (removed,) = [row.record for row in release.status.outbox if row.record.kind == "Removed"]
    assert [row.person for row in removed.approvals] == ["cy", "dee"]


# --- what the state keeps


def fact(number, *, seconds=0):
    return ApprovalFact(
        closure="sha256:" + f"{number:064x}", person="cy", key="SHA256:c", use="approve",
        first_seen=Release().now + timedelta(seconds=seconds),
    )  # fmt: skip


def test_votes_that_are_known_elsewhere_are_known_as_early_as_they_were_seen():
    late, early = fact(1, seconds=9), fact(1, seconds=3)
    status = ReleaseStatus(approvals=(late,))
    assert with_known(status, [early, fact(2)]).approvals == (early, fact(2))
    assert with_known(status, [late]) is status
    assert with_known(ReleaseStatus(approvals=(early,)), [late]).approvals == (early,)


def test_only_the_newest_votes_are_kept_and_the_same_ones_every_time():
    rows = tuple(fact(number, seconds=number) for number in range(VOTES_KEPT + 9))
    kept = all_votes(SimpleNamespace(seen=rows[::-1]), SimpleNamespace(seen=rows))
    assert kept == rows[-VOTES_KEPT:]
    assert all_votes(SimpleNamespace(seen=(*kept, *rows))) == kept


# --- through the world


def test_a_pass_reads_what_the_repository_was_given_and_wakes_whom_it_concerns():
    town = Town()
    town.run()
    ask(town.repo, 2)
    town.merge()
    town.run()
    assert "ApprovalsMissing" in town.closed(FRAUD)
    closure = town.status(FRAUD).closure
    given = GivenVotes(signed=tuple(pushed(block(closure, who), who) for who in ("cy", "dee")))
    affected = town.source.votes.take_refs({FRAUD: given})
    assert affected == {FRAUD}
    town.world.wake_releases(affected)
    town.run()
    assert town.status(FRAUD).stable.model_version == "1.4.0"
    assert town.records(FRAUD).count("Approved") == 2
