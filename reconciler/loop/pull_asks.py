"""What merging asks people, told from two states of the files and the ledger: what a clone has, without any cluster.

Pure. Not another judgement: the snapshots are made, and the questions asked, by the very code of the daemon's passes.
What only the daemon knows is made up for by the ledger: what was promoted, what was accepted, when a vote was first
seen. Rules: who governs is judged from the trunk as it is, so what a pull request changes about that counts only once
it is signed; of a release whose file does not change nobody is asked unless the ledger knows it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.loop import progress
from reconciler.loop.approving import Consent
from reconciler.loop.chain import effective_in, promotions_in
from reconciler.loop.facts import ReleaseFacts
from reconciler.loop.governing import Recall
from reconciler.loop.indexing import Index, Read
from reconciler.loop.pull_votes import Asked, asked_of
from reconciler.loop.pulls.outcome import asked
from reconciler.loop.release import fold, verify
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.standing import stand
from reconciler.loop.vote_refs import asked as asking_environments
from reconciler.model.ids import BlobId, ReleaseKey, RepositoryName, Revision
from reconciler.model.record import Record
from reconciler.model.repository import AcceptedDocument
from reconciler.model.state import ReleaseStatus
from reconciler.model.trustfile import TrustFile
from reconciler.model.vote import NOTHING_GIVEN, GivenVotes
from reconciler.plan.following import Asked as Change
from reconciler.trust.people import may
from reconciler.trust.quorum import Quorum


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The watched folder at one revision: blobs by path, and a sentence for what is not read."""

    revision: Revision
    blobs: Mapping[str, BlobId] = field(repr=False)
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Two states of the trunk, one after the other. `changes` are the releases whose own files differ."""

    before: Snapshot
    after: Snapshot
    affected: frozenset[ReleaseKey]
    changes: Mapping[ReleaseKey, Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing that people are asked, and what they said so far. `before` and `after` are model versions."""

    asked: Asked
    consent: Consent
    before: str
    after: str

    @property
    def key(self) -> ReleaseKey:
        """Of which release."""
        return self.asked.matter.key

    @property
    def quorum(self) -> Quorum:
        """How the votes stand."""
        assert self.consent.quorum is not None  # noqa: S101  # somebody is asked
        return self.consent.quorum


def step_between(
    repository: RepositoryName, before: Tree, after: Tree, *, read: Read, recall: Recall, mounted: TrustFile,
    accepted: Mapping[str, AcceptedDocument], limit: int, now: datetime,
) -> Step:  # fmt: skip
    """The trunk as it is and as it would be. `accepted` is what the ledger knows to be in force."""
    index = Index(repository, read=read, recall=recall, limit=limit)
    trunk = index.publish(
        dict(before.blobs), revision=before.revision, trust=mounted, accepted=accepted, rejected=before.rejected,
        now=now, everything=True,
    ).snapshot  # fmt: skip
    paths = before.blobs.keys() | after.blobs.keys()
    there = index.fork().publish(
        {path: after.blobs.get(path) for path in paths if before.blobs.get(path) != after.blobs.get(path)},
        revision=after.revision, trust=mounted, accepted=trunk.accepted(), rejected=after.rejected, now=now,
    )  # fmt: skip
    changes = asked(there.affected, trunk, there.snapshot)
    return Step(before=trunk, after=there.snapshot, affected=there.affected, changes=changes)


def keys_asked(step: Step, changes: Mapping[ReleaseKey, Change], records: Iterable[Record]) -> list[ReleaseKey]:
    """The releases that somebody may be asked about: those that change, or that it concerns and the ledger knows.

    Of another one nobody can tell here whether it runs.
    """
    where = asking_environments(step.after)
    known = {(record.environment, record.name) for record in records}
    found = changes.keys() | {key for key in step.affected if (key.environment, key.name) in known}
    return sorted(key for key in found if key.environment in where)


def unasked(changes: Iterable[ReleaseKey], after: Snapshot, now: datetime) -> Iterator[str]:
    """A sentence for every changed release that nobody can say yes or no to, for it is not complete."""
    for key in sorted(changes):
        file = after.releases.get(key)
        if file is None:
            continue
        standing = stand(key, after, (), first_seen=now, now=now)
        closed = [gate.message for gate in standing.gates if not gate.open and gate.kind != "Signature"]
        if standing.closure is None:
            yield f"{file.path}: {'; '.join(closed)}"


def status_known(key: ReleaseKey, before: Snapshot, records: Sequence[Record], now: datetime) -> ReleaseStatus:
    """What a release's state says as far as the ledger (the newest record first) and the trunk's text tell it."""
    mine = [record for record in records if (record.environment, record.name) == (key.environment, key.name)]
    votes = tuple(vote for record in reversed(mine) for vote in record.approvals)
    status = progress.restored((), promotions_in(mine), effective_in(mine), votes)
    file = before.releases.get(key)
    if file is None:
        return status
    standing = stand(key, before, status.history, first_seen=now, now=now)
    directives = status.directives
    if status.stable and standing.resolved and standing.closure:
        told = progress.promoted(standing.resolved.effective, revision=before.revision, closure=standing.closure)
        directives = dict.fromkeys(standing.resolved.clusters, told)
    return status.model_copy(update={"manifest": file.sha256, "directives": directives})


def questions(
    keys: Iterable[ReleaseKey], *, trunk: Snapshot, after: Snapshot, statuses: Mapping[ReleaseKey, ReleaseStatus],
    changes: Mapping[ReleaseKey, Change], given: Mapping[ReleaseKey, GivenVotes], now: datetime,
) -> list[Question]:  # fmt: skip
    """Everything that people are asked about these releases by `after`; `trunk` is what is in force now."""
    found: list[Question] = []
    for key in keys:
        facts = ReleaseFacts(
            key=key, snapshot=after, status=statuses[key], stored=None, clusters={}, commit=None, now=now,
            given=given.get(key, NOTHING_GIVEN),
        ).settled()  # fmt: skip
        judged = fold(facts, verify(facts), ())
        consents = [one for one in judged.consents if one.matter]
        in_force = trunk.documents("Environment").get(key.environment)
        change = changes.get(key)
        before, model = (change.before, change.after) if change else ("", "")
        found += [
            Question(asked=one, consent=said, before=before, after=model)
            for one, said in zip(asked_of(facts, judged, in_force), consents, strict=True)
        ]
    return found


def why_no_vote(question: Question, person: str, trust: TrustFile, action: str) -> str:
    """Why somebody has nothing to say here, as a sentence; empty when their yes (or no) would change something."""
    one, quorum = question.asked, question.quorum
    what, environment = one.matter.what, one.matter.key.environment
    known = next((row for row in trust.spec.people if row.name == person), None)
    if known is None or not may(trust, known, one.verb, environment=environment):
        return f"{person} may not {one.verb} in {environment}"
    if action == "reject":
        return f"{person} rejected {what} already" if person in quorum.rejected else ""
    if one.rules.separate and person in one.authors:
        return f"{person} signed {what} and is not one of its approvers"
    return _said_before(question, person) or _not_missing(question, person)


def _said_before(question: Question, person: str) -> str:
    """What somebody said already that leaves nothing to add."""
    what, quorum = question.asked.matter.what, question.quorum
    if person in quorum.rejected:
        return f"{person} rejected {what}, which wins: take it back first, in {_where(question, person, 'reject')}"
    if any(row.person == person for row in quorum.counted):
        return f"{person} approved {what} already, in {_where(question, person, 'approve')}"
    if person in quorum.expired:
        return f"{person} approved {what} and that is too old by now: it has to be changed to be approved anew"
    return ""


def _not_missing(question: Question, person: str) -> str:
    """That somebody's approval is not among those that are missing."""
    what, quorum = question.asked.matter.what, question.quorum
    if not quorum.missing:
        return f"{what} has the approvals that it needs: {quorum.votes}"
    if not any(person in row.could for row in quorum.missing):
        return f"what {what} misses is not {person}'s to give: {quorum.votes}"
    return ""


def _where(question: Question, person: str, use: str) -> str:
    """Where somebody's vote lies; what counts was found somewhere."""
    votes = ((cast.fact.person, str(cast.fact.use), cast.found.origin) for cast in question.consent.cast)
    return next(origin for name, said, origin in votes if (name, said) == (person, use))
