"""What ends: a release whose file is gone, or a cluster that it selects no more, and whether people said so.

Pure. Rules: nothing ends without a removal signed by somebody who may remove there, and the environment's approvals of
that removal; a removal is of one text of the release, so an old one ends no other; what began to end goes on while the
trunk still says so, and stops when the trunk asks for it again; a cluster is done when its TargetState is gone. A
cluster whose document has ended is not looked at: nothing ends there, and nobody is asked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.digest import sha256_of
from reconciler.loop.apart import WHOLE, SignatureFile
from reconciler.loop.approving import Consent, Matter, consent, nobody_asked
from reconciler.loop.progress import Fleeting
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.standing import Standing, gone, how_to_end
from reconciler.model.environment import Environment
from reconciler.model.ids import ClusterName, ReleaseKey, Revision
from reconciler.model.plan import Gate
from reconciler.model.record import SignatureFact
from reconciler.model.state import Apply, Directive, Phase, ReleaseStatus
from reconciler.model.verification import Verification
from reconciler.model.vote import GivenVotes
from reconciler.trust.statement import RemovalStatement
from reconciler.trust.verify import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One removal that is asked for: of one cluster, or of the whole release (`*`)."""

    cluster: str
    gate: Gate
    """Why it is carried out or not."""
    consent: Consent
    signed: tuple[SignatureFact, ...]
    file: SignatureFile | None
    manifest: str = ""
    """The text of the release that it is of; empty while nobody who may signed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Every removal that is asked for, and the clusters that it lets go."""

    removals: tuple[Removal, ...] = ()
    granted: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """True when the whole release ends."""
        return any(row.cluster == WHOLE and row.gate.open for row in self.removals)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """One per removal, and those of its approvals."""
        return tuple(gate for row in self.removals for gate in (row.gate, row.consent.gate) if gate)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is the same for every removal of one release."""

    key: ReleaseKey
    snapshot: Snapshot
    status: ReleaseStatus
    environment: Environment | None
    manifests: tuple[str, ...]
    given: GivenVotes
    now: datetime
    pull: int


def ending(
    key: ReleaseKey, snapshot: Snapshot, standing: Standing, status: ReleaseStatus, given: GivenVotes, now: datetime,
    *, pull: int = 0,
) -> Ending:  # fmt: skip
    """What ends of this release, by what the trunk asks for and what was told to clusters.

    `pull` is the pull request that it is told on, if any.
    """
    texts = [standing.file.sha256] if standing.file else []
    texts += [status.manifest, *(ref.manifest for ref in (status.stable, status.candidate) if ref)]
    question = _Question(
        key=key, snapshot=snapshot, status=status, environment=standing.environment,
        manifests=tuple(dict.fromkeys(text for text in texts if text)), given=given, now=now, pull=pull,
    )  # fmt: skip
    if standing.file is None:
        row = _judge(question, WHOLE, gone(key), begun=_begun(status, status.directives))
        return Ending(removals=(row,), granted=frozenset(status.directives) if row.gate.open else frozenset())
    if standing.resolved is None:
        return Ending()
    path, left = standing.file.path, sorted(set(status.directives) - set(standing.resolved.clusters))
    rows = tuple(
        _judge(
            question,
            name,
            f"{path} no longer selects {name}, which keeps serving; select it again until its removal is signed",
            begun=_begun(status, [name]),
        )
        for name in left
    )
    return Ending(removals=rows, granted=frozenset(row.cluster for row in rows if row.gate.open))


def _begun(status: ReleaseStatus, clusters: Iterable[str]) -> bool:
    """True when all of them were told to end already."""
    told = [status.directives[name] for name in clusters]
    return bool(told) and all(directive.apply is Apply.REMOVE for directive in told)


def _judge(question: _Question, cluster: str, what: str, *, begun: bool) -> Removal:
    """One removal; one that was granted and began is not stopped by a key or an approval that has become too old."""
    key = question.key
    file = question.snapshot.removals.get(key, {}).get(cluster)
    found = _verified(question, cluster, file) if file else None
    if file is None or found is None or not found[1].verified or question.environment is None:
        why = f": {file.path}: {'; '.join(found[1].unsigned)}" if file and found else ""
        gate = (
            _going_on(key)
            if begun
            else _not_signed(f"{what}{why}; {how_to_end(key, '' if cluster == WHOLE else cluster)}")
        )
        return Removal(cluster=cluster, gate=gate, consent=nobody_asked(question.status), signed=(), file=file)
    statement, verification = found
    matter = Matter(key=key, digest=sha256_of(statement.text()), on="removal", what=f"the removal {file.path}")
    asked = consent(
        question.snapshot, question.status, question.environment, matter, path=file.path,
        authors=verification.people, begun=begun, given=question.given, now=question.now, pull=question.pull,
    )  # fmt: skip
    gate = Gate(kind="Removal", open=True, reason="RemovalSigned", message=f"{file.path} is {verification.sentence}")
    if begun:
        asked = replace(asked, gate=None)
    elif asked.gate and not asked.gate.open:
        gate = _not_signed(f"{what} and approved")
    return Removal(
        cluster=cluster, gate=gate, consent=asked, signed=verification.signed, file=file,
        manifest=f"sha256:{statement.manifest_sha256}",
    )  # fmt: skip


def _going_on(key: ReleaseKey) -> Gate:
    message = f"{key} ends: its removal was signed when it began"
    return Gate(kind="Removal", open=True, reason="RemovalSigned", message=message)


def _not_signed(message: str) -> Gate:
    return Gate(kind="Removal", open=False, reason="RemovalNotSigned", message=message)


def _verified(question: _Question, cluster: str, file: SignatureFile) -> tuple[RemovalStatement, Verification] | None:
    """The removal of one of the texts that may be meant, and who signed it; the first where none verifies."""
    judged = []
    for manifest in question.manifests:
        statement = removal_statement(question.key, cluster, manifest)
        found = verify(
            statement, file.data, question.snapshot.trust, verb="remove", environment=question.key.environment,
            first_seen=question.now, now=question.now,
        )  # fmt: skip
        judged.append((statement, found))
    return next((row for row in judged if row[1].verified), judged[0] if judged else None)


def removal_statement(key: ReleaseKey, cluster: str, manifest: str) -> RemovalStatement:
    """What a removal of this text (`sha256:…`) of a release is made over; `cluster` is a name or `*`."""
    return RemovalStatement(
        repository=key.repository,
        environment=key.environment,
        name=key.name,
        cluster=cluster,
        manifest_sha256=manifest.removeprefix("sha256:"),
    )


def ended(
    after: ReleaseStatus, before: ReleaseStatus, found: Ending, standing: Standing, snapshot: Snapshot,
    clusters: Mapping[ClusterName, Fleeting], now: datetime,
) -> dict[str, object]:  # fmt: skip
    """What the removals that people asked for change in the status: its directives, and its phase when all of it ends.

    `after` is the status without them, `before` the last pass's.
    """
    told = _told(after.directives, before.directives, found, snapshot.revision, standing.environment, clusters)
    update: dict[str, object] = {"directives": told}
    if not found.whole:
        return update
    phase = Phase.REMOVING if told else Phase.REMOVED
    since = before.since if before.phase is phase else now.replace(microsecond=0)
    message = f"its removal is signed; it is being deleted on {' and '.join(told)}." if told else "it was removed."
    update |= {"phase": phase, "since": since, "candidate": None, "full": {}, "message": message}
    return update if told else update | {"stable": None, "history": ()}


def _told(
    directives: Mapping[str, Directive], before: Mapping[str, Directive], found: Ending, revision: Revision,
    environment: Environment | None, clusters: Mapping[ClusterName, Fleeting],
) -> dict[str, Directive]:  # fmt: skip
    """The directives with those that end told to, and without those that are done."""
    after = dict(directives)
    for name in found.granted:
        directive = after[name]
        if directive.apply is not Apply.REMOVE:
            after[name] = directive.model_copy(
                update={
                    "sequence": directive.sequence + 1,
                    "revision": revision,
                    "apply": Apply.REMOVE,
                    "confirm": False,  # the removal is the confirmation of what it ends
                    "confirmed": (),
                    "budget": environment.spec.prune.budget if environment and environment.spec.prune else None,
                }
            )
        elif before[name].apply is Apply.REMOVE and _gone(clusters.get(ClusterName(name))):
            del after[name]
    return dict(sorted(after.items()))


def _gone(seen: Fleeting | None) -> bool:
    """True when the cluster answers and has nothing of this release any more."""
    return seen is not None and seen.reachable and not seen.listing and seen.state is None
