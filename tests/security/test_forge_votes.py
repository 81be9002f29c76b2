"""Attacks on approvals that come from a forge and from pushed refs, each named as its row of the security test plan."""

from dataclasses import replace

import pytest
from loop_acme import ENVIRONMENT_PROD, FRAUD, PROD, key_of
from loop_votes import OLD, PULL, block, comment, digest, judged_pull, pushed, review, waiting_for

from reconciler.model.pull import Opinion
from reconciler.model.vote import NOTHING_GIVEN, GivenVotes


@pytest.fixture
def waiting():
    return waiting_for(1)


def told(release, **more) -> tuple[str, ...]:
    """What a pull request of this text says of what does not count, after passes with what it gives."""
    found = judged_pull(release, **more)
    release.given = found.given.get(FRAUD, NOTHING_GIVEN)
    for _ in range(3):
        release.turn()
    return found.notes


def reason(release) -> str:
    return next((row.reason for row in release.judged.gates if row.kind == "Approval"), "")


def serves(release) -> str:
    return release.status.stable.model_version


FAKES = [
    "approved",
    "LGTM, approved by cy and dee :+1:",
    "**reconciler**: `releases/prod/fraud-detector.yaml` has 2 of 2 approvals (given by cy and dee)",
    "<!-- reconciler:approved --> @team /approve",
    "/reconciler approve",
    "-----BEGIN SSH SIGNATURE-----\napproved\n-----END SSH SIGNATURE-----",
]


@pytest.mark.parametrize("text", FAKES)
def test_a_fake_approved_text_in_a_comment_is_nothing(waiting, text):
    notes = told(waiting, comments=[comment(text), comment(text, author="cy-forge")])
    assert all("its signature cannot be read" in note for note in notes)
    assert (reason(waiting), serves(waiting)) == ("ApprovalsMissing", "1.3.0")


def test_a_block_copied_from_another_release_is_refused(waiting):
    (note,) = told(waiting, comments=[comment(block(digest(waiting), "cy", key=key_of("prod", "support-chat")))])
    assert "signed by cy for something else" in note
    assert serves(waiting) == "1.3.0"


def test_a_block_copied_from_another_environment_is_refused(waiting):
    (note,) = told(waiting, comments=[comment(block(digest(waiting), "cy", key=key_of("staging", "fraud-detector")))])
    assert "signed by cy for something else" in note
    assert serves(waiting) == "1.3.0"


def test_a_block_copied_from_another_pull_request_is_refused(waiting):
    earlier = block(digest(waiting), "cy")
    waiting.repo.edit(PROD, "version: 1.4.0", "version: 1.5.0")
    waiting.turn()
    (note,) = told(waiting, comments=[comment(earlier)])
    assert "signed by cy for something else" in note
    assert serves(waiting) == "1.3.0"


def test_what_counted_on_another_pull_request_is_no_vote_on_this_text(waiting):
    found = judged_pull(waiting, comments=[comment(block(digest(waiting), "cy"))])
    waiting.repo.edit(PROD, "version: 1.4.0", "version: 1.5.0")
    waiting.given = found.given[FRAUD]
    for _ in range(3):
        waiting.turn()
    assert (reason(waiting), serves(waiting)) == ("ApprovalsMissing", "1.3.0")


def test_an_outsiders_review_is_not_counted(waiting):
    notes = told(waiting, reviews=[review("mallory", counts=False), review("cy-forge", counts=False, number=2)])
    assert all("the forge says that it does not count" in note for note in notes)
    assert (len(notes), serves(waiting)) == (2, "1.3.0")


def test_a_review_of_an_old_head_is_not_counted_whatever_the_forge_says(waiting):
    (note,) = told(waiting, reviews=[review("cy-forge", commit=OLD, counts=True)])
    assert f"it is of an older head, {OLD[:12]}" in note
    assert serves(waiting) == "1.3.0"


def test_a_review_of_a_login_that_is_not_mapped_is_not_counted(waiting):
    (note,) = told(waiting, reviews=[review("cy")])
    assert "the login cy of github belongs to nobody in the trust file" in note
    assert serves(waiting) == "1.3.0"


def test_the_authors_review_is_not_counted(waiting):
    (note,) = told(waiting, reviews=[review("bo-forge")])
    assert "bo signed releases/prod/fraud-detector.yaml and is not one of its approvers" in note
    assert serves(waiting) == "1.3.0"


def test_a_review_counts_nowhere_unless_the_environment_in_force_says_so(waiting):
    waiting.repo.edit(ENVIRONMENT_PROD, ", sources: [signature, forge]", "")
    waiting.turn()
    (note,) = told(waiting, reviews=[review("cy-forge")])
    assert "in prod only a signature counts" in note
    assert serves(waiting) == "1.3.0"


def test_a_review_is_stale_when_the_environment_is_edited_after_it_though_the_head_is_the_same(waiting):
    first = judged_pull(waiting, reviews=[review("cy-forge")])
    waiting.repo.write(ENVIRONMENT_PROD, waiting.repo.text(ENVIRONMENT_PROD).encode() + b"\n")
    waiting.repo.sign(ENVIRONMENT_PROD)
    waiting.turn()
    (note,) = told(waiting, reviews=[review("cy-forge")], bound=first.bound)
    assert "look at it as it is now and review again" in note
    assert serves(waiting) == "1.3.0"


def test_a_reject_in_a_comment_wins(waiting):
    body = [comment(block(digest(waiting), "dee", action="reject")), comment(block(digest(waiting), "cy"))]
    assert told(waiting, comments=body, reviews=[review("cy-forge"), review("Dee", number=2)]) == ()
    assert (reason(waiting), serves(waiting)) == ("ApprovalsRejected", "1.3.0")


def test_a_rejecting_review_wins(waiting):
    told(waiting, comments=[comment(block(digest(waiting), "cy"))], reviews=[review("dee", Opinion.REJECT)])
    assert (reason(waiting), serves(waiting)) == ("ApprovalsRejected", "1.3.0")


def test_a_vote_in_a_comment_that_is_deleted_afterwards_counts_no_more(waiting):
    waiting.repo.edit(ENVIRONMENT_PROD, "rules: [{count: 1}]", "rules: [{count: 2}]")
    waiting.turn()
    told(waiting, comments=[comment(block(digest(waiting), "cy"))])
    assert "1 of 2 approvals" in waiting.status.gates[0].message
    told(waiting)
    waiting.repo.vote(FRAUD, digest(waiting), "dee")
    waiting.turn()
    assert "1 of 2 approvals (given by dee; cy could give it)" in waiting.status.gates[0].message
    assert serves(waiting) == "1.3.0"


def test_refs_pushed_by_anybody_under_anybodys_name_are_no_votes_of_theirs(waiting):
    waiting.repo.edit(ENVIRONMENT_PROD, "rules: [{count: 1}]", "rules: [{count: 2}]")
    waiting.turn()
    data = block(digest(waiting), "cy")
    waiting.given = GivenVotes(
        signed=(pushed(data, "cy"), pushed(data, "dee"), pushed(b"cy and dee approve", "risk"),
                pushed(block(digest(waiting), "mallory"), "bo"), pushed(block(digest(waiting), "bo"), "ada"))
    )  # fmt: skip
    for _ in range(3):
        waiting.turn()
    assert "1 of 2 approvals (given by cy; dee could give it)" in waiting.status.gates[0].message
    assert serves(waiting) == "1.3.0"


def test_control_characters_of_logins_reach_no_sentence_and_no_record(waiting):
    hostile = "cy\x1b[2J\n@team"
    bodies = [block(digest(waiting), "cy"), block("sha256:" + "0" * 64, "cy")]
    found = judged_pull(
        waiting,
        pull=replace(PULL, author=hostile),
        reviews=[review(hostile)],
        comments=[comment(body, author=hostile) for body in bodies],
    )
    entries = found.entries((), waiting.facts.snapshot.documents("Environment"), waiting.now)
    words = [*found.notes, *(entry.record.message for entry in entries)]
    words += [str(entry.record.detail["origin"]) for entry in entries]
    assert len(found.notes) == 2
    assert all(word.isprintable() for word in words)


def test_as_the_rows_above_would_not_show_otherwise_a_comment_or_a_review_is_enough(waiting):
    told(waiting, reviews=[review("cy-forge")])
    assert waiting.settle().stable.model_version == "1.4.0"
