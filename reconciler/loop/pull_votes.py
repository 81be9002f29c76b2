"""Votes on a pull request: which of its comments, reviews and pushed refs count for what it asks. Pure.

Not the fetching of any of them, and not the decision whether they are enough: the releases' own passes judge that with
what is handed over here (`Votes.take_pull`). Rules: what a comment says is nothing, only a signed block in it is; a
review is of the head that was reviewed and of the closure that it was first seen with, and counts only where both the
environment after the merge and the one in force let reviews count; whatever does not count is told in one sentence.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.digest import blob_id
from reconciler.loop.approving import (
    Cast,
    Consent,
    Matter,
    approve_statement,
    cast_in,
    identity,
    prune_rules,
    seen_at,
)
from reconciler.loop.facts import Judged, ReleaseFacts
from reconciler.loop.governing import Governed
from reconciler.loop.vote_records import vote_entry
from reconciler.loop.votes import Bound
from reconciler.model.environment import Approvals, Environment
from reconciler.model.ids import ReleaseKey
from reconciler.model.pull import Comment, Opinion, PullRequest, Review
from reconciler.model.record import ApprovalFact, OutboxEntry
from reconciler.model.trustfile import TrustFile, Verb
from reconciler.model.vote import NOTHING_GIVEN, ForgeVote, Given, GivenVotes, plain
from reconciler.trust.ballot import Ballot, ballot, meant
from reconciler.trust.blocks import MAX_FOUND, MAX_TEXT, blocks_in
from reconciler.trust.people import owner
from reconciler.trust.sshsig import Signature, read_signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a merge would ask people: a matter, who signed it, and by whose rules.

    `in_force` is the trunk's environment, None where it has none; `known` are votes that were seen before.
    """

    matter: Matter
    authors: frozenset[str]
    rules: Approvals
    verb: Verb
    in_force: Governed | None
    known: tuple[ApprovalFact, ...] = ()

    @property
    def by_review(self) -> bool:
        """Whether a review may count: also the environment in force has to say so, or a pull request could."""
        now = self.in_force.loaded.as_(Environment).spec.approvals if self.in_force else None
        return self.rules.by_review and now is not None and now.by_review


@dataclass(frozen=True, slots=True, kw_only=True)
class PullVotes:
    """What a pull request gives: to the releases, as votes that count, and one sentence for what does not.

    `bound` is what to judge its reviews with next time.
    """

    given: Mapping[ReleaseKey, GivenVotes]
    cast: tuple[Cast, ...]
    notes: tuple[str, ...]
    bound: Bound = field(default_factory=dict)

    def entries(
        self, known: Iterable[ApprovalFact], environments: Mapping[str, Governed], now: datetime
    ) -> tuple[OutboxEntry, ...]:
        """The records of votes that are not known yet; `environments` are those in force, by name.

        Before they are written down the mirror must have been given the blocks: `write_blob` of all `blocks`.
        """
        told = {identity(row) for row in known}
        rows = (cast for cast in self.cast if cast.identity not in told)
        return tuple(vote_entry(cast, environments.get(cast.matter.key.environment), now) for cast in rows)

    @property
    def blocks(self) -> tuple[bytes, ...]:
        """The signed blocks that count, as they go into the ledger."""
        return tuple(row.found.data for row in self.cast if isinstance(row.found, Given))


def asked_of(facts: ReleaseFacts, judged: Judged, in_force: Governed | None) -> tuple[Asked, ...]:
    """What a release's pass over the merge result asks people."""
    environment = judged.standing.environment
    if environment is None:
        return ()
    return tuple(_asked(one, one.matter, facts, environment, in_force) for one in judged.consents if one.matter)


def _asked(
    consent: Consent, matter: Matter, facts: ReleaseFacts, environment: Environment, in_force: Governed | None
) -> Asked:
    asked: tuple[Approvals | None, Verb] = (environment.spec.approvals, "approve")
    rules, verb = prune_rules(environment) if matter.on == "deletion" else asked
    assert rules is not None  # noqa: S101  # somebody was asked
    return Asked(
        matter=matter, authors=consent.authors, rules=rules, verb=verb, in_force=in_force, known=facts.status.approvals
    )  # fmt: skip


def signed_blocks(pull: PullRequest, comments: Iterable[Comment]) -> tuple[tuple[Given, ...], tuple[str, ...]]:
    """Every armoured block of the comments, each by itself, and a sentence for each comment that holds too much."""
    given: list[Given] = []
    notes = []
    for comment in comments:
        origin, found = f"comment by {plain(comment.author)} on #{pull.number}", blocks_in(comment.body)
        given += [
            Given(
                origin=origin, source="comment", blob=blob_id(block), data=block, url=comment.url, pull=pull.number,
            )
            for block in found.found
        ]  # fmt: skip
        if found.cut and found.found:
            notes.append(f"{origin}: only its first {MAX_TEXT} characters and {MAX_FOUND} signatures are read")
    return tuple(given), tuple(notes)


def judge_pull(
    pull: PullRequest,
    asked: Sequence[Asked],
    *,
    forge: str,
    comments: Iterable[Comment],
    reviews: Iterable[Review],
    refs: Mapping[ReleaseKey, GivenVotes],
    bound: Bound,
    trust: TrustFile,
    now: datetime,
) -> PullVotes:
    """Judge everything that people said on a pull request and pushed for its releases.

    `forge` is what the trust file's `logins` call it; `refs` what was given elsewhere, by release, of which only what
    was pushed is looked at; `bound` as `bound_reviews` of the ledger's records and the last judgement say; `trust` the
    trust file in force on the trunk.
    """
    blocks, notes = signed_blocks(pull, comments)
    judged = [*(_judge_block(row, asked, trust, now) for row in blocks)]
    judged += [
        _judge_block(row, asked, trust, now)
        for key in dict.fromkeys(one.matter.key for one in asked)
        for row in refs.get(key, NOTHING_GIVEN).signed
        if row.source == "ref"  # what lies on other pull requests is no news on this one
    ]
    told: list[Cast | str] = []
    now_bound = dict(bound)
    for review in reviews:
        if review.opinion is not Opinion.OTHER:
            told += _judge_review(review, pull, forge, asked, now_bound, trust, now)
    cast: dict[tuple[str, str, str], Cast] = {}
    for row in (*judged, *told):
        if isinstance(row, Cast):
            cast.setdefault(row.identity, row)
    sentences = dict.fromkeys((*notes, *(row for row in (*judged, *told) if isinstance(row, str))))
    return PullVotes(given=_given(judged, told), cast=tuple(cast.values()), notes=tuple(sentences), bound=now_bound)


def _given(blocks: Iterable[Cast | str], reviews: Iterable[Cast | str]) -> dict[ReleaseKey, GivenVotes]:
    """What a pull request gives to each release; what was pushed to a ref is there already."""
    given: dict[ReleaseKey, GivenVotes] = {}
    for row in (*blocks, *reviews):
        if not isinstance(row, Cast) or (isinstance(row.found, Given) and row.found.source != "comment"):
            continue
        key, found = row.matter.key, row.found
        one = GivenVotes(reviews=(found,)) if isinstance(found, ForgeVote) else GivenVotes(signed=(found,))
        given[key] = given.get(key, NOTHING_GIVEN) + one
    return given


def _judge_block(given: Given, asked: Sequence[Asked], trust: TrustFile, now: datetime) -> Cast | str:
    """The vote that a block (or a pushed file of them) is, or why it is none."""
    said = read_signatures(given.data)
    for signature in said:
        if not isinstance(signature, Signature):
            continue
        for one in asked:
            if meant(signature, approve_statement(one.matter.key, one.matter.digest)):
                found = replace(given, closure=one.matter.digest) if given.source == "comment" else given
                return _counted(found, one, trust, now)
    return f"{given.origin}: {_whose(said[0], trust) if said else 'it holds no signature'}"


def _whose(signature: object, trust: TrustFile) -> str:
    """What is said of a signature that is over nothing that is asked."""
    if not isinstance(signature, Signature):
        return f"its signature cannot be read: {getattr(signature, 'reason', '')}"
    found = owner(trust, signature.key.blob)
    who = found[0].name if found else f"the key {signature.key.fingerprint}, which belongs to nobody in the trust file,"
    return f"signed by {who} for something else than what this pull request asks as it is now"


def _counted(given: Given, asked: Asked, trust: TrustFile, now: datetime) -> Cast | str:
    """The vote, when the person behind it has one."""
    matter = asked.matter
    found = ballot(
        approve_statement(matter.key, matter.digest), [(given.origin, given.data)], trust,
        first_seen=seen_at(asked.known, matter.digest, now), verb=asked.verb,
    )  # fmt: skip
    return _one(asked, found, (given,))


def _one(asked: Asked, found: Ballot, places: Sequence[Given | ForgeVote]) -> Cast | str:
    """The first vote of a ballot of somebody who is no author, or the sentence on it."""
    why = ""
    for cast in cast_in(asked.matter, found, places):
        barred = asked.rules.separate and cast.fact.person in asked.authors and cast.fact.use == "approve"
        if not barred:
            return cast
        why = f"{cast.found.origin}: {cast.fact.person} signed {asked.matter.what} and is not one of its approvers"
    return why or (found.refused[0] if found.refused else f"{places[0].origin}: it is of something else")


def _judge_review(
    review: Review, pull: PullRequest, forge: str, asked: Sequence[Asked], bound: Bound, trust: TrustFile,
    now: datetime,
) -> Iterator[Cast | str]:  # fmt: skip
    """The votes that one review is, one per release that it may count for, or why it is none; adds to `bound`."""
    _bind((forge, review.id), asked, bound)
    origin = f"review by {plain(review.login)} on #{pull.number}"
    may = [one for one in asked if one.by_review]
    if not may:
        if asked:
            where = " and ".join(sorted({one.matter.key.environment for one in asked}))
            yield f"{origin}: in {where} only a signature counts (approvals.sources)"
        return
    if why := _does_not_count(review, pull):
        yield f"{origin}: {why}"
        return
    for one in may:
        key, digest = one.matter.key, one.matter.digest
        if digest not in bound[forge, review.id, key]:
            yield f"{origin}: it was given when {key} was something else; look at it as it is now and review again"
            continue
        vote = ForgeVote(
            forge=forge, login=review.login, review=review.id, commit=review.commit, closure=digest, pull=pull.number,
            use="approve" if review.opinion is Opinion.APPROVE else "reject", url=pull.url,
        )  # fmt: skip
        found = ballot(
            approve_statement(key, digest), (), trust, first_seen=seen_at(one.known, digest, now), verb=one.verb,
            reviews=(vote,),
        )  # fmt: skip
        yield _one(one, found, (vote,))


def _bind(review: tuple[str, int], asked: Iterable[Asked], bound: Bound) -> None:
    """A review that is seen for the first time is of what is asked now, and of nothing that is asked later."""
    now: dict[ReleaseKey, set[str]] = defaultdict(set)
    for one in asked:
        now[one.matter.key].add(one.matter.digest)
    for key, digests in now.items():
        bound.setdefault((*review, key), frozenset(digests))


def _does_not_count(review: Review, pull: PullRequest) -> str:
    if not review.counts:
        return "the forge says that it does not count: it was dismissed, is out of date, or is of somebody who may not"
    if not review.commit:
        return "the forge does not say which head was reviewed"
    if review.commit != pull.head:
        return f"it is of an older head, {review.commit[:12]}"
    return ""
