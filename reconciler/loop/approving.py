"""Approvals of one release: whether they are asked for, which votes lie on the trunk, and the gate that they make.

Pure. Rules: a promotion is asked for them, and what was promoted here already is not: it may come back, join a cluster
and be repaired without anybody; what is retired is asked for nothing again; a vote is of one closure, so one changed
byte of what was looked at asks anew; when a vote was first seen is kept in the release's state and in the ledger, so a
restart makes no old vote a new one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

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
from reconciler.trust.ballot import ballot
from reconciler.trust.known_good import Known
from reconciler.trust.quorum import Quorum, quorum
from reconciler.trust.statement import ApprovalStatement

FILES_READ = 200  # approval files of one release; every person has one, and each block in them costs a verification
VOTES_KEPT = 64  # of one release; the oldest go, whose closures are long gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What people said of what is asked: the gate, the verdict behind it, every vote ever seen, and their files.

    `gate` and `quorum` are None where nobody is asked.
    """

    gate: Gate | None
    quorum: Quorum | None
    seen: tuple[ApprovalFact, ...]
    files: tuple[SignatureFile, ...]

    @property
    def counted(self) -> tuple[ApprovalFact, ...]:
        """The approvals that count."""
        return self.quorum.counted if self.quorum else ()


def consent_to_promote(
    standing: Standing, snapshot: Snapshot, status: ReleaseStatus, key: ReleaseKey, now: datetime
) -> Consent:
    """What people said of the trunk's text for this release."""
    if standing.file is None or standing.closure is None or standing.environment is None:
        return nobody_asked(status)
    if promoted_here(standing, status):
        return nobody_asked(status)
    authors = standing.verification.people if standing.verification else frozenset[str]()
    begun = status.candidate is not None and status.candidate.closure == standing.closure
    path = standing.file.path
    return consent(
        snapshot, status, key, standing.environment,
        digest=standing.closure, what=path, path=path, authors=authors, begun=begun, now=now,
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
    key: ReleaseKey,
    environment: Environment,
    *,
    digest: str,
    what: str,
    path: str,
    authors: Collection[str],
    begun: bool,
    now: datetime,
) -> Consent:
    """What people said of `digest` (`sha256:…`: a closure, or a removal's statement), called `what` in sentences."""
    if environment.spec.approvals is None:
        return nobody_asked(status)
    verdict, seen, files = _counted(
        snapshot, status, key, environment.spec.approvals,
        digest=digest, authors=authors, begun=begun, now=now, verb="approve",
    )  # fmt: skip
    return Consent(gate=approval_gate(what, path, verdict), quorum=verdict, seen=seen, files=files)


def prune_consent(
    snapshot: Snapshot, status: ReleaseStatus, key: ReleaseKey, environment: Environment, *, digest: str, now: datetime
) -> Consent:
    """What people said of deleting exactly what `digest` is of; the gate is the caller's."""
    rules, verb = prune_rules(environment)
    verdict, seen, files = _counted(
        snapshot, status, key, rules, digest=digest, authors=(), begun=False, now=now, verb=verb
    )
    return Consent(gate=None, quorum=verdict, seen=seen, files=files)


def prune_rules(environment: Environment) -> tuple[Approvals, Verb]:
    """Who confirms deletions: the environment's approvers; where it has none, one person who may remove there."""
    asked = environment.spec.approvals
    return (asked, "approve") if asked else (Approvals(rules=(ApprovalRule(count=1),)), "remove")


def _counted(
    snapshot: Snapshot, status: ReleaseStatus, key: ReleaseKey, rules: Approvals, *, digest: str,
    authors: Collection[str], begun: bool, now: datetime, verb: Verb,
) -> tuple[Quorum, tuple[ApprovalFact, ...], tuple[SignatureFile, ...]]:  # fmt: skip
    """The verdict on a digest, every vote that was seen, and the files that they lie in."""
    files, more = _read_of(snapshot.approvals.get(key, ()))
    approve = approve_statement(key, digest)
    known = {(row.key, str(row.use)): row.first_seen for row in status.approvals if row.closure == digest}
    moment = now.replace(microsecond=0)
    found = ballot(
        approve,
        ((file.path, file.data) for file in files),
        snapshot.trust,
        first_seen=lambda by, action: min(known.get((by, action), moment), now),
        verb=verb,
    )
    found = replace(found, refused=(*more, *found.refused))
    verdict = quorum(
        rules, found, snapshot.trust, environment=key.environment, authors=authors, begun=begun, now=now, verb=verb
    )
    return verdict, _seen(status.approvals, found.votes), files


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
    known = {(row.closure, row.key, row.use) for row in before}
    new = [row for row in votes if (row.closure, row.key, row.use) not in known]
    return (*before, *new)[-VOTES_KEPT:]


def all_votes(*consents: Consent) -> tuple[ApprovalFact, ...]:
    """Every vote that was seen on any of these, each once: what the state keeps."""
    return tuple(dict.fromkeys(vote for one in consents for vote in one.seen))[-VOTES_KEPT:]
