"""What people said on a pull request: which of it counts for which release, and one sentence for all else."""

from dataclasses import replace

import pytest
from loop_acme import ENVIRONMENT_PROD, FRAUD, PROD, key_of
from loop_votes import OLD, PULL, asks, block, comment, digest, judged_pull, pushed, review, waiting_for

from reconciler.loop.pull_votes import signed_blocks
from reconciler.loop.votes import bound_reviews
from reconciler.model.pull import Opinion
from reconciler.model.vote import NOTHING_GIVEN


@pytest.fixture
def release():
    return waiting_for(2)


def people(found):
    return [(cast.fact.person, cast.fact.use, cast.found.origin) for cast in found.cast]


def test_what_a_merge_asks_is_one_matter_with_its_authors_and_rules(release):
    (asked,) = asks(release)
    assert (asked.matter.key, asked.matter.digest, asked.matter.on) == (FRAUD, digest(release), "release")
    assert asked.authors == {"bo"}
    assert asked.by_review


def test_a_block_in_a_comment_is_a_vote_of_its_signer_whoever_posted_it(release):
    found = judged_pull(release, comments=[comment(block(digest(release), "cy"), author="mallory")])
    assert people(found) == [("cy", "approve", "comment by mallory on #12")]
    assert found.notes == ()
    (given,) = found.given[FRAUD].signed
    assert (given.closure, given.pull, given.url) == (digest(release), 12, f"{PULL.url}#comment-1")
    assert found.blocks == (block(digest(release), "cy"),)


def test_every_block_of_a_comment_is_judged_by_itself(release):
    body = b"both of us:\n" + block(digest(release), "cy") + b"and\n" + block(digest(release), "dee")
    found = judged_pull(release, comments=[comment(body)])
    assert [row[0] for row in people(found)] == ["cy", "dee"]
    assert len(found.given[FRAUD].signed) == 2


def test_the_same_vote_in_two_comments_and_a_ref_is_one(release):
    data = block(digest(release), "cy")
    found = judged_pull(release, comments=[comment(data), comment(data, number=2)], refs=[pushed(data)])
    assert len(found.cast) == 1


def test_what_was_pushed_is_judged_too_and_is_not_handed_over_twice(release):
    found = judged_pull(release, refs=[pushed(block(digest(release), "cy"))])
    assert people(found) == [("cy", "approve", "refs/reconciler/approvals/prod/fraud-detector/cy")]
    assert found.given == {}


def other(release):
    return block(digest(release), "cy", key=key_of("prod", "support-chat"))


REFUSED = {
    "something else": (
        lambda _: block("sha256:" + "0" * 64, "cy"),
        "signed by cy for something else than what this pull request asks as it is now",
    ),
    "another release": (other, "signed by cy for something else than what this pull request asks as it is now"),
    "a stranger, of something else": (
        lambda _: block("sha256:" + "0" * 64, "mallory"), "which belongs to nobody in the trust file, for",
    ),
    "a stranger": (lambda release: block(digest(release), "mallory"), "which belongs to nobody in the trust file"),
    "somebody who may not": (
        lambda release: block(digest(release), "ada"), "whose role science may not approve in prod",
    ),
    "the author": (
        lambda release: block(digest(release), "bo"), f"bo signed {PROD} and is not one of its approvers",
    ),
    "what is no signature": (
        lambda _: b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", "cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_block_that_does_not_count_is_told_in_one_sentence_and_handed_to_nobody(release, what):
    make, why = REFUSED[what]
    found = judged_pull(release, comments=[comment(make(release))])
    assert (found.cast, found.given) == ((), {})
    assert len(found.notes) == 1
    assert found.notes[0].startswith("comment by cy-forge on #12: ")
    assert why in found.notes[0]


def test_an_authors_no_counts(release):
    found = judged_pull(release, comments=[comment(block(digest(release), "bo", action="reject"))])
    assert people(found) == [("bo", "reject", "comment by cy-forge on #12")]


def test_a_comment_with_more_blocks_than_are_read_says_so(release):
    _, notes = signed_blocks(PULL, [comment(block(digest(release), "cy") * 21)])
    assert notes == ("comment by cy-forge on #12: only its first 65536 characters and 20 signatures are read",)
    assert signed_blocks(PULL, [comment("long " * 20_000)]) == ((), ())


# --- reviews


def test_a_review_of_the_head_by_a_mapped_login_is_a_vote(release):
    found = judged_pull(release, reviews=[review("CY-forge"), review("dee", Opinion.REJECT, number=2)])
    assert [row[:2] for row in people(found)] == [("cy", "approve"), ("dee", "reject")]
    assert found.given[FRAUD].reviews[0].closure == digest(release)
    assert (found.notes, found.blocks) == ((), ())


REVIEWS = {
    "an old head": (review("cy-forge", commit=OLD), f"it is of an older head, {OLD[:12]}"),
    "no head": (review("cy-forge", commit=""), "the forge does not say which head was reviewed"),
    "not counted by the forge": (review("cy-forge", counts=False), "the forge says that it does not count"),
    "a login that nobody has": (review("mallory"), "the login mallory of github belongs to nobody in the trust file"),
    "somebody who may not": (review("ada-l"), "given by ada, who may not approve in prod"),
    "the author": (review("bo-forge"), "bo signed releases/prod/fraud-detector.yaml and is not one of its approvers"),
}


@pytest.mark.parametrize("what", REVIEWS)
def test_a_review_that_does_not_count_is_told_in_one_sentence(release, what):
    given, why = REVIEWS[what]
    found = judged_pull(release, reviews=[given])
    assert (found.cast, found.given) == ((), {})
    assert len(found.notes) == 1
    assert found.notes[0].startswith(f"review by {given.login} on #12: ")
    assert why in found.notes[0]


def test_a_review_that_only_comments_is_nothing(release):
    found = judged_pull(release, reviews=[review("cy-forge", Opinion.OTHER)])
    assert (found.cast, found.notes) == ((), ())


def test_a_review_is_of_the_closure_that_it_was_first_seen_with(release):
    first = judged_pull(release, reviews=[review("cy-forge")])
    release.repo.edit(ENVIRONMENT_PROD, "rules: [{count: 2}]", "rules: [{count: 1}]")
    release.turn()
    again = judged_pull(release, reviews=[review("cy-forge")], bound=first.bound)
    assert again.cast == ()
    assert "it was given when prod/fraud-detector was something else" in again.notes[0]
    anew = judged_pull(release, reviews=[review("cy-forge", number=2)], bound=again.bound)
    assert [cast.fact.person for cast in anew.cast] == ["cy"]


def test_what_a_review_is_bound_to_is_known_from_its_record_after_a_restart(release):
    found = judged_pull(release, reviews=[review("cy-forge")])
    environments = release.facts.snapshot.documents("Environment")
    (entry,) = found.entries((), environments, release.now)
    assert bound_reviews([entry.record]) == {("github", 1, FRAUD): frozenset({digest(release)})}
    assert found.entries([cast.fact for cast in found.cast], environments, release.now) == ()


def test_a_review_counts_only_where_the_environment_in_force_says_so_too(release):
    asked = asks(release, in_force=False)
    found = judged_pull(release, reviews=[review("cy-forge")], asked=asked)
    assert found.cast == ()
    assert found.notes == (
        "review by cy-forge on #12: in prod only a signature counts (approvals.sources)",
    )  # fmt: skip
    strict = [replace(one, rules=one.rules.model_copy(update={"sources": ("signature",)})) for one in asks(release)]
    assert judged_pull(release, reviews=[review("cy-forge")], asked=strict).cast == ()


def test_a_pull_request_that_asks_nobody_makes_no_words_of_reviews(release):
    found = judged_pull(release, reviews=[review("cy-forge")], asked=())
    assert (found.cast, found.notes, found.given) == ((), (), {})
    assert found.given.get(FRAUD, NOTHING_GIVEN) == NOTHING_GIVEN


def test_a_vote_seen_before_keeps_its_time(release):
    first = judged_pull(release, comments=[comment(block(digest(release), "cy"))])
    release.known = tuple(cast.fact for cast in first.cast)
    release.turn()
    release.turn()
    again = judged_pull(release, comments=[comment(block(digest(release), "cy"))])
    assert again.cast[0].fact == first.cast[0].fact
    assert first.cast[0].fact.first_seen < release.now


def test_a_removal_is_asked_about_as_well(release):
    manifest = release.status.stable.manifest
    release.repo.remove(PROD)
    release.repo.end(FRAUD, manifest, "bo")
    release.turn()
    (asked,) = asks(release)
    assert asked.matter.on == "removal"
    found = judged_pull(release, comments=[comment(block(asked.matter.digest, "cy"))])
    (entry,) = found.entries((), {}, release.now)
    assert entry.record.message == (
        f"cy approved the removal removals/prod/fraud-detector.sig of prod/fraud-detector "
        f"({asked.matter.digest.removeprefix('sha256:')[:12]}…) in a comment on #12"
    )


def test_what_was_said_on_another_pull_request_is_not_told_on_this_one(release):
    elsewhere = replace(
        pushed(block("sha256:" + "0" * 64, "cy")), source="comment", origin="comment by cy on #3", pull=3
    )
    found = judged_pull(release, refs=[elsewhere])
    assert (found.notes, found.cast) == ((), ())
