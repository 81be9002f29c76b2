"""Approvals of one release: whether they are asked for, which votes were given, and the gate that they make.

Pure. Rules: a promotion is asked for them, and what was promoted here already is not: it may come back, join a cluster
and be repaired without anybody; what is retired is asked for nothing again; a vote is of one closure, so one changed
byte of what was looked at asks anew; when a vote was first seen is kept in the release's state and in the ledger, so a
restart makes no old vote a new one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from reconciler.judge.gates import approval_gate
from reconciler.loop.apart import SignatureFile
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.standing import Standing
from reconciler.model.environment import ApprovalRule, Approvals, Environment
from reconciler.model.ids import ReleaseKey
from reconciler.model.plan import Gate
from reconciler.model.record import ApprovalFact
from reconciler.model.state import ASLEEP, ReleaseStatus
from reconciler.model.trustfile import Verb
from reconciler.model.vote import NOTHING_GIVEN, ForgeVote, Given, GivenVotes
from reconciler.trust.ballot import Ballot, FirstSeen, ballot
from reconciler.trust.known_good import Known
from reconciler.trust.quorum import Quorum, quorum
from reconciler.trust.statement import ApprovalStatement

FILES_READ = 200  # approval files of one release; every person has one, and each block in them costs a verification
VOTES_KEPT = 64  # of one release; the oldest go, whose closures are long gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What is voted on: a digest (`sha256:…`) of one release, and what sentences call it."""

    key: ReleaseKey
    digest: str
    on: Literal["release", "removal", "deletion"]
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """One vote on a matter, and where it was found."""

    matter: Matter
    fact: ApprovalFact
    found: Given | ForgeVote

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two votes the same one."""
        return identity(self.fact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What people said of what is asked: the gate, the verdict behind it, every vote ever seen, and their files.

    `gate`, `quorum` and `matter` are None where nobody is asked; `cast` are the votes that there are now.
    """

    gate: Gate | None
    quorum: Quorum | None
    seen: tuple[ApprovalFact, ...]
    files: tuple[SignatureFile, ...]
    cast: tuple[Cast, ...] = ()
    matter: Matter | None = None
    authors: frozenset[str] = frozenset()
    """Who signed what is asked about."""

    @property
    def counted(self) -> tuple[ApprovalFact, ...]:
        """The approvals that count."""
        return self.quorum.counted if self.quorum else ()


def consent_to_promote(
    standing: Standing, snapshot: Snapshot, status: ReleaseStatus, key: ReleaseKey, given: GivenVotes, now: datetime,
    *, pull: int = 0,
) -> Consent:  # fmt: skip
    """What people said of the trunk's text for this release; `pull` is the pull request that it is told on, if any."""
    if standing.file is None or standing.closure is None or standing.environment is None:
        return nobody_asked(status)
    if promoted_here(standing, status):
        return nobody_asked(status)
    authors = standing.verification.people if standing.verification else frozenset[str]()
    begun = status.candidate is not None and status.candidate.closure == standing.closure
    path = standing.file.path
    return consent(
        snapshot, status, standing.environment, Matter(key=key, digest=standing.closure, on="release", what=path),
        path=path, authors=authors, begun=begun, given=given, now=now, pull=pull,
    )  # fmt: skip


def nobody_asked(status: ReleaseStatus) -> Consent:
    """Nobody has to say anything."""
    return Consent(gate=None, quorum=None, seen=status.approvals, files=())


def promoted_here(standing: Standing, status: ReleaseStatus) -> bool:
    """True when exactly this runs as stable, or may return as known-good: that was approved when it was promoted.

    The same goes for a text that retired the release, and for one that retires what never ran.
    """
    if standing.resolved is None or standing.file is None:
        return False
    if standing.retires:
        running = status.stable or status.candidate
        return running is None or (status.phase in ASLEEP and running.manifest == standing.file.sha256)
    version = standing.resolved.effective.version
    if status.stable and (status.stable.version, status.stable.manifest) == (version, standing.file.sha256):
        return True
    known = standing.known
    return isinstance(known, Known) and known.promotion.version == version and version in status.effective


def consent(
    snapshot: Snapshot,
    status: ReleaseStatus,
    environment: Environment,
    matter: Matter,
    *,
    path: str,
    authors: Collection[str],
    begun: bool,
    now: datetime,
    given: GivenVotes = NOTHING_GIVEN,
    pull: int = 0,
) -> Consent:
    """What people said of a closure or a removal's statement, in files of the trunk and elsewhere (`given`)."""
    rules = environment.spec.approvals
    if rules is None:
        return nobody_asked(status)
    found = _counted(snapshot, status, rules, matter, given, authors=authors, begun=begun, now=now, verb="approve")
    assert found.quorum is not None  # noqa: S101  # somebody is asked
    return replace(found, gate=approval_gate(matter.what, path, found.quorum, by_review=rules.by_review, pull=pull))


def prune_consent(
    snapshot: Snapshot, status: ReleaseStatus, environment: Environment, matter: Matter, given: GivenVotes,
    now: datetime,
) -> Consent:  # fmt: skip
    """What people said of deleting exactly what the matter's digest is of; the gate is the caller's."""
    rules, verb = prune_rules(environment)
    return _counted(snapshot, status, rules, matter, given, authors=(), begun=False, now=now, verb=verb)


def prune_rules(environment: Environment) -> tuple[Approvals, Verb]:
    """Who confirms deletions: the environment's approvers; where it has none, one person who may remove there."""
    asked = environment.spec.approvals
    return (asked, "approve") if asked else (Approvals(rules=(ApprovalRule(count=1),)), "remove")


def _counted(
    snapshot: Snapshot, status: ReleaseStatus, rules: Approvals, matter: Matter, given: GivenVotes, *,
    authors: Collection[str], begun: bool, now: datetime, verb: Verb,
) -> Consent:  # fmt: skip
    """The verdict on a digest, every vote that was seen, and what they lie in; without a gate."""
    key, digest = matter.key, matter.digest
    files, more = _read_of(snapshot.approvals.get(key, ()))
    there = given.on(digest)
    signed = (*(_as_given(file) for file in files), *there.signed)
    reviews = there.reviews if rules.by_review else ()
    found = ballot(
        approve_statement(key, digest),
        ((row.origin, row.data) for row in signed),
        snapshot.trust,
        first_seen=seen_at(status.approvals, digest, now),
        verb=verb,
        reviews=reviews,
    )
    found = replace(found, refused=(*more, *there.notes, *found.refused))
    barred = frozenset(authors) if rules.separate else frozenset[str]()
    cast = tuple(
        row
        for row in cast_in(matter, found, (*signed, *reviews))
        if row.fact.use == "reject" or row.fact.person not in barred
    )
    verdict = quorum(
        rules, found, snapshot.trust, environment=key.environment, authors=authors, begun=begun, now=now, verb=verb
    )
    return Consent(
        gate=None,
        quorum=verdict,
        seen=_seen(status.approvals, [row.fact for row in cast]),
        files=files,
        cast=cast,
        matter=matter,
        authors=frozenset(authors),
    )


def cast_in(matter: Matter, found: Ballot, places: Sequence[Given | ForgeVote]) -> tuple[Cast, ...]:
    """The votes of a ballot, each with where it was found: `places` are what the ballot was given, in its order."""
    rows = zip(found.votes, found.places, strict=True)
    return tuple(Cast(matter=matter, fact=fact, found=places[at]) for fact, at in rows)


def _as_given(file: SignatureFile) -> Given:
    return Given(origin=file.path, source="file", blob=file.blob, data=file.data)


def seen_at(known: Iterable[ApprovalFact], digest: str, now: datetime) -> FirstSeen:
    """When a vote on a digest was first seen: as it is known, or now."""
    times = {(row.key, str(row.use)): row.first_seen for row in known if row.closure == digest}
    moment = now.replace(microsecond=0)
    return lambda by, action: min(times.get((by, action), moment), now)


def identity(fact: ApprovalFact) -> tuple[str, str, str]:
    """What makes two votes the same one: what it is on, the key, and yes or no."""
    return fact.closure, fact.key, fact.use


def _read_of(files: tuple[SignatureFile, ...]) -> tuple[tuple[SignatureFile, ...], list[str]]:
    """The files whose votes are looked at, and a sentence when there are others."""
    if len(files) <= FILES_READ:
        return files, []
    folder = files[0].path.rpartition("/")[0]
    return files[:FILES_READ], [f"{folder} holds {len(files)} files and only the first {FILES_READ} are read"]


def approve_statement(key: ReleaseKey, digest: str) -> ApprovalStatement:
    """What an approval of this closure is made over."""
    return ApprovalStatement(
        repository=key.repository,
        environment=key.environment,
        name=key.name,
        closure_sha256=digest.removeprefix("sha256:"),
        action="approve",
    )


def _seen(before: Sequence[ApprovalFact], votes: Sequence[ApprovalFact]) -> tuple[ApprovalFact, ...]:
    """Every vote ever seen, the newest last; one that was seen keeps its time although its file is gone meanwhile."""
    known = {identity(row) for row in before}
    return (*before, *(row for row in votes if identity(row) not in known))


def all_votes(*consents: Consent) -> tuple[ApprovalFact, ...]:
    """Every vote that was seen on any of these, each once: what the state keeps, and the newest of them only."""
    found = dict.fromkeys(vote for one in consents for vote in one.seen)
    return tuple(sorted(found, key=lambda row: (row.first_seen, *identity(row))))[-VOTES_KEPT:]


def with_known(status: ReleaseStatus, known: Iterable[ApprovalFact]) -> ReleaseStatus:
    """The status with votes that were seen elsewhere (on a pull request before the merge), each as early as it was."""
    rows = {identity(row): row for row in status.approvals}
    for row in known:
        if (before := rows.get(identity(row))) is None or row.first_seen < before.first_seen:
            rows[identity(row)] = row
    approvals = tuple(rows.values())
    return status if approvals == status.approvals else status.model_copy(update={"approvals": approvals})
