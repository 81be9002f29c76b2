"""What was given outside of the trunk, by release: taken over place by place, and recalled from the ledger."""

from loop_acme import FRAUD, NOW, REPOSITORY, key_of

from reconciler.loop.approving import Cast, Matter
from reconciler.loop.chain import Link
from reconciler.loop.ledger_votes import of_release, told, waiting_for, with_links
from reconciler.loop.vote_records import proof_path, vote_entry
from reconciler.loop.votes import Votes, bound_reviews
from reconciler.model.record import ApprovalFact, Record
from reconciler.model.vote import NOTHING_GIVEN, ForgeVote, Given, GivenVotes

CHAT = key_of("prod", "support-chat")
CLOSURE = "sha256:" + "9b" * 32


def given(name, **more):
    fields = {"origin": name, "source": "comment", "blob": "b" * 40, "data": name.encode(), "pull": 12,
              "closure": CLOSURE, **more}  # fmt: skip
    return Given(**fields)


def review(**more):
    fields = {"forge": "github", "login": "cy-forge", "review": 7, "commit": "a" * 40, "use": "approve",
              "closure": CLOSURE, "pull": 12, **more}  # fmt: skip
    return ForgeVote(**fields)


def entry(found, *, person="cy", key="SHA256:c", closure=CLOSURE):
    fact = ApprovalFact(closure=closure, person=person, key=key, use="approve", first_seen=NOW)
    matter = Matter(key=FRAUD, digest=closure, on="release", what="it")
    return vote_entry(Cast(matter=matter, fact=fact, found=found), None, NOW)


def signed(*rows):
    return GivenVotes(signed=rows)


def test_what_a_pull_request_gives_takes_the_place_of_what_it_gave():
    votes = Votes()
    assert votes.of(FRAUD) == NOTHING_GIVEN
    assert votes.take_pull(12, {FRAUD: signed(given("a")), CHAT: signed(given("b"))}) == {FRAUD, CHAT}
    assert votes.take_pull(12, {FRAUD: signed(given("a")), CHAT: signed(given("c"))}) == {CHAT}
    assert votes.of(CHAT) == signed(given("c"))
    assert votes.take_pull(12, {FRAUD: signed(given("a"))}) == {CHAT}
    assert votes.take_pull(12, {FRAUD: signed(given("a"))}) == frozenset()
    assert votes.drop_pull(12) == {FRAUD}
    assert votes.of(FRAUD) == NOTHING_GIVEN


def test_several_places_are_counted_together():
    votes = Votes()
    votes.take_pull(12, {FRAUD: GivenVotes(signed=(given("a"),), reviews=(review(),))})
    votes.take_refs({FRAUD: GivenVotes(signed=(given("r", source="ref", closure=""),), notes=("no",))})
    found = votes.of(FRAUD)
    assert [row.origin for row in found.signed] == ["r", "a"]
    assert (found.reviews, found.notes) == ((review(),), ("no",))
    assert votes.take_refs({}) == {FRAUD}
    assert [row.origin for row in votes.of(FRAUD).signed] == ["a"]


def test_of_what_was_given_only_what_may_be_of_a_digest_is_tried_on_it():
    every = GivenVotes(
        signed=(given("a"), given("other", closure="sha256:" + "0" * 64), given("ref", closure="", pull=0)),
        reviews=(review(), review(closure="sha256:" + "0" * 64)), notes=("n",),
    )  # fmt: skip
    found = every.on(CLOSURE)
    assert [row.origin for row in found.signed] == ["a", "ref"]
    assert (found.reviews, found.notes) == ((review(),), ("n",))


def test_records_stand_in_for_comments_reviews_and_refs_until_they_are_read_again():
    rows = [
        entry(given("comment by x on #12", url="https://f/12#1")),
        entry(review(), key="forge:github:cy-forge"),
        entry(given("refs/reconciler/approvals/prod/fraud-detector/cy", source="ref", pull=0, closure="")),
        entry(given("approvals/prod/fraud-detector/cy.sig", source="file", pull=0, closure="")),
    ]
    votes = Votes()
    started = Record(time=NOW, kind="Started", repository=REPOSITORY, environment="prod", name="fraud-detector")
    votes.restore([(started, {}), *((row.record, dict.fromkeys(row.blobs, b"block")) for row in rows)])
    found = votes.of(FRAUD)
    assert [(row.source, row.origin, row.pull, row.closure, row.data) for row in found.signed] == [
        ("ref", "refs/reconciler/approvals/prod/fraud-detector/cy", 0, "", b"block"),
        ("comment", "comment by x on #12", 12, CLOSURE, b"block"),
    ]
    assert found.reviews == (review(),)
    votes.take_pull(12, {})
    assert [row.source for row in votes.of(FRAUD).signed] == ["ref"]
    votes.take_refs({})
    assert votes.of(FRAUD) == NOTHING_GIVEN


def test_a_record_whose_proof_is_gone_stands_in_for_nothing():
    votes = Votes()
    votes.restore([(entry(given("a")).record, {})])
    assert votes.of(FRAUD) == NOTHING_GIVEN


def test_of_one_release_only_the_newest_records_stand_in():
    votes = Votes()
    rows = [entry(given(f"c{number}"), key=f"SHA256:{number}") for number in range(70)]
    votes.restore([(row.record, {"p": b"x"}) for row in rows])
    assert [row.origin for row in votes.of(FRAUD).signed] == [f"c{number}" for number in range(6, 70)]


def test_what_reviews_were_first_seen_with_is_every_closure_that_a_record_names():
    other = "sha256:" + "0" * 64
    rows = [
        entry(review(), key="forge:github:cy-forge"),
        entry(review(closure=other), closure=other),
        entry(given("a")),
    ]
    assert bound_reviews(row.record for row in rows) == {("github", 7, FRAUD): frozenset({CLOSURE, other})}


# --- what the ledger tells


def link(record):
    return Link(path="p", digest="d", record=record)


def test_a_vote_is_known_as_it_was_first_told():
    first = entry(given("a")).record
    again = first.model_copy(
        update={"approvals": (first.approvals[0].model_copy(update={"first_seen": NOW.replace(hour=10)}),)}
    )
    before = with_links({}, [link(first)])
    after = with_links(before, [link(again), link(entry(given("b"), key="SHA256:d").record)])
    assert [row.key for row in of_release(before, FRAUD)] == ["SHA256:c"]
    assert [(row.key, row.first_seen) for row in of_release(after, FRAUD)] == [("SHA256:c", NOW), ("SHA256:d", NOW)]
    assert of_release(after, CHAT) == ()


def test_what_waits_for_the_ledger_is_known_too():
    row = entry(given("a"))
    assert waiting_for(FRAUD, [row]) == row.record.approvals
    assert waiting_for(CHAT, [row]) == ()
    found = list(told([link(row.record)], [row], {proof_path(row.record.approvals[0]): "b" * 40, "x": "c" * 40}))
    assert [blobs for _, blobs in found] == [row.blobs, row.blobs]
