"""Between the release's state and the rollout machine: what the machine is given, and what its answer becomes.

Pure. The machine speaks of runnables and sizes, the state of packed specs and directives; nothing is decided here.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.digest import sha256_of
from reconciler.loop.apart import WHOLE
from reconciler.loop.standing import Standing
from reconciler.model.environment import EnvironmentSpec
from reconciler.model.ids import Closure, ClusterName, Revision, Version
from reconciler.model.objects import Rendering
from reconciler.model.record import ApprovalFact
from reconciler.model.release import Effective
from reconciler.model.state import (
    ASLEEP,
    Apply,
    Directive,
    Phase,
    Promotion,
    PruneMark,
    ReleaseStatus,
    Role,
    TargetState,
    VersionDirective,
    VersionRef,
    canonical,
    unpack,
)
from reconciler.rollout.situation import Advance, ClusterSeen, Progress, Runnable, Situation, Wanted
from reconciler.trust.known_good import Known

HISTORY = 10  # versions whose promotions a ReleaseState keeps
MANIFESTS = 3  # manifests of one version that are kept: changes in place must not crowd out earlier versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleeting:
    """One cluster as the release pass sees it."""

    reachable: bool
    listing: bool
    """True until it was listed, while it answers: what runs there is not known yet."""
    state: TargetState | None
    trouble: str
    """What its last pass failed with; empty when it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How targets carry out what they are told, whatever that is; while no environment is in force it stays."""

    environment: EnvironmentSpec | None
    confirmed: Mapping[str, tuple[PruneMark, ...]]
    """By cluster: what people confirmed anew."""

    def of(self, cluster: str, before: Directive | None) -> dict[str, Any]:
        """The fields of one cluster's directive; what was confirmed earlier stays until something else is."""
        confirmed = self.confirmed.get(cluster, before.confirmed if before else ())
        if self.environment is None:
            return (_manners(before) if before else {}) | {"confirmed": confirmed}
        prune = self.environment.prune
        return {
            "self_heal": self.environment.self_heal,
            "budget": prune.budget if prune else None,
            "confirm": prune is not None and prune.confirm,
            "confirmed": confirmed,
        }


def runnable(effective: Effective, *, closure: str) -> Runnable:
    """An effective spec as the machine sees it."""
    replicas, hooks, retired = effective.spec.serving.replicas, effective.spec.hooks, effective.retired
    ref = VersionRef(
        version=effective.version,
        model_version=effective.spec.model.version,
        manifest=effective.manifest,
        closure=closure,  # type: ignore[arg-type]  # digests are made by digest/, and kept as text in state
    )
    low, high = (0, 0) if retired else (replicas.min, replicas.max)
    return Runnable(
        ref=ref,
        effective=effective_digest(effective),
        low=low,
        high=high,
        retired=retired,
        before=tuple(hook.name for hook in hooks.before),
        after=tuple(hook.name for hook in hooks.after),
    )


def effective_digest(effective: Effective) -> str:
    """What a directive names an effective spec by."""
    return sha256_of(canonical(effective.to_data()))


def kept(status: ReleaseStatus, ref: VersionRef | Promotion | None) -> Runnable | None:
    """A version of the state as a runnable, when its spec is still kept."""
    packed = status.effective.get(ref.version) if ref else None
    if ref is None or packed is None:
        return None
    return runnable(unpack(packed), closure=ref.closure)


def returning(status: ReleaseStatus, standing: Standing) -> Promotion | None:
    """The recorded version that the trunk goes back to, when what it asks for was good here and its spec is still kept.

    The recorded version counts, whatever else changed since: its text need not resolve today. Going back to what is
    stable already counts too while a candidate is in flight, or it is retired; a candidate of the same text, which
    a runtime or an environment made another version, is given up only when the text makes the stable one again.
    """
    known, stable = standing.known, status.stable
    if not isinstance(known, Known) or not standing.vouched or stable is None:
        return None
    promotion = known.promotion
    if promotion.version not in status.effective:
        return None
    if promotion.version != stable.version or status.phase in ASLEEP:
        return promotion
    today = standing.resolved.effective.version if standing.resolved else None
    candidate = status.candidate
    given_up = candidate and (candidate.manifest != promotion.manifest or today == stable.version)
    return promotion if given_up else None


def wanted(status: ReleaseStatus, standing: Standing, *, gates_open: bool) -> tuple[Wanted | None, Effective | None]:
    """What the machine is asked for, and its spec when it is a new one.

    What does not resolve, or is gone, asks for nothing new: whatever is in flight stays as it is.
    """
    effective = standing.resolved.effective if standing.resolved else None
    back = returning(status, standing)
    if back and not (effective and effective.version == back.version):
        recorded = unpack(status.effective[back.version])
        new = _in_state(recorded, "active", manifest=back.manifest) if recorded.retired else None
        returns = runnable(new or recorded, closure=back.closure)
        return Wanted(runnable=returns, known_good=True, gates_open=gates_open), new
    if effective is None:
        asked = kept(status, status.candidate) or kept(status, status.stable)
        return (Wanted(runnable=asked, known_good=False, gates_open=False), None) if asked else (None, None)
    if effective.retired:
        effective = _retiring(status, effective)
    asked = runnable(effective, closure=str(standing.closure))
    return Wanted(runnable=asked, known_good=back is not None, gates_open=gates_open), effective


def _retiring(status: ReleaseStatus, asked: Effective) -> Effective:
    """What a text that retires asks for: no pods of what is stable, whichever version the text itself has."""
    stable = status.stable
    packed = status.effective.get(stable.version) if stable and stable.version != asked.version else None
    return _in_state(unpack(packed), "retired", manifest=asked.manifest) if packed else asked


def _in_state(effective: Effective, state: str, *, manifest: str) -> Effective:
    """The same spec, active or retired by this manifest."""
    spec = effective.spec.model_copy(update={"state": state})
    return effective.model_copy(update={"spec": spec, "manifest": manifest})


def caught_up(status: ReleaseStatus, seen: Mapping[ClusterName, Fleeting]) -> ReleaseStatus:
    """The status with what clusters were told and home has forgotten: a later directive than ours is the truth.

    Our state was lost, or is older than the cluster's: what serves there must be known before anything is told again.
    """
    own = {
        str(name): fleeting.state
        for name, fleeting in seen.items()
        if fleeting.state and fleeting.state.directive.sequence > _sequence(status, name)
    }
    if not own:
        return status
    effective = dict(status.effective)
    for state in own.values():
        effective = dict(state.effective) | effective
    told = status.directives | {name: state.directive for name, state in own.items()}
    return status.model_copy(update={"directives": dict(sorted(told.items())), "effective": effective})


def parted(status: ReleaseStatus, declared: Collection[str], refused: Collection[str]) -> ReleaseStatus:
    """The status without the clusters whose document has ended: nothing is told to them, and nothing waits for them.

    `declared` are the Cluster documents in force, `refused` those that are there and count for nothing: what is only
    not trusted has not ended. One that is declared again is taken up by what it was told (`caught_up`).
    """
    left = {name for name in status.directives if name not in declared and name not in refused}
    orphaned = tuple(sorted(left | (set(status.orphaned) - set(declared))))
    if not left and orphaned == status.orphaned:
        return status
    told = {name: directive for name, directive in status.directives.items() if name not in left}
    full = {name: size for name, size in status.full.items() if name not in left}
    return status.model_copy(update={"directives": told, "full": full, "orphaned": orphaned})


def _sequence(status: ReleaseStatus, cluster: ClusterName) -> int:
    told = status.directives.get(cluster)
    return told.sequence if told else 0


def situation(
    status: ReleaseStatus, asked: Wanted, *, strategy: str, clusters: Iterable[ClusterName],
    seen: Mapping[ClusterName, Fleeting], depth: int,
) -> Situation:  # fmt: skip
    """Everything the machine decides from."""
    previous = [kept(status, promotion) for promotion in status.history]
    return Situation(
        strategy=strategy,
        wanted=asked,
        progress=Progress(
            phase=status.phase,
            since=status.since,
            stable=kept(status, status.stable),
            candidate=kept(status, status.candidate),
            previous=tuple(entry for entry in previous if entry),
            full={ClusterName(name): size for name, size in status.full.items()},
            failed=status.failed,
        ),
        clusters=tuple(clusters),
        directives={ClusterName(name): directive for name, directive in status.directives.items()},
        seen={name: _seen(fleeting) for name, fleeting in seen.items()},
        depth=depth,
    )


def _seen(fleeting: Fleeting) -> ClusterSeen:
    status = fleeting.state.status if fleeting.state else None
    if status is None:
        return ClusterSeen(reachable=fleeting.reachable, sequence=0, versions={})
    return ClusterSeen(
        reachable=fleeting.reachable,
        sequence=status.sequence,
        versions={Version(version): health for version, health in status.versions.items()},
        hooks={Version(version): outcomes for version, outcomes in status.hooks.items()},
    )


def directives(
    status: ReleaseStatus,
    advance: Advance,
    *,
    revision: Revision,
    closure: str,
    manner: Manner,
) -> dict[str, Directive]:
    """The directives after this pass; one that says the same as before keeps its sequence."""
    told = dict(status.directives)
    apply = Apply.RETIRE if advance.phase in ASLEEP else Apply.RUN
    for cluster, versions in advance.versions.items():
        before = told.get(cluster)
        manners = manner.of(cluster, before)
        if before and (before.versions, before.apply) == (versions, apply) and manners == _manners(before):
            continue
        told[cluster] = Directive(
            sequence=before.sequence + 1 if before else 1,
            revision=revision,
            closure=closure,  # type: ignore[arg-type]  # see runnable
            versions=versions,
            apply=apply,
            **manners,
        )
    return told


def _manners(told: Directive) -> dict[str, Any]:
    return {name: getattr(told, name) for name in ("self_heal", "budget", "confirm", "confirmed")}


def promoted(effective: Effective, *, revision: Revision, closure: Closure) -> Directive:
    """What a target is told once a version is promoted and alone, its hooks' Jobs included: what a plan counts."""
    replicas = effective.spec.serving.replicas
    entry = VersionDirective(
        version=effective.version,
        role=Role.STABLE,
        low=replicas.min,
        high=replicas.max,
        effective=effective_digest(effective),
        hooks=tuple(hook.name for hook in effective.spec.hooks.all),
    )
    return Directive(sequence=0, revision=revision, closure=closure, versions=(entry,))


def object_counts(rendering: Rendering, clusters: int) -> dict[str, int]:
    """Rendered objects by kind, over all clusters."""
    counts = Counter(rendered.ref.kind for rendered in rendering.objects)
    return {kind: count * clusters for kind, count in counts.items()}


def specs(
    status: ReleaseStatus, told: Mapping[str, Directive], advance: Advance, history: Iterable[Promotion], depth: int
) -> dict[str, str]:
    """The packed specs that must be kept: of what is told, stable or candidate, and of what a revert may ask for."""
    needed = {entry.version for directive in told.values() for entry in directive.versions}
    needed |= {running.version for running in (advance.stable, advance.candidate) if running}
    distinct = list(dict.fromkeys(promotion.version for promotion in history))
    needed |= set(distinct[: depth + 1])
    return {version: text for version, text in sorted(status.effective.items()) if version in needed}


def knows_nothing(status: ReleaseStatus) -> bool:
    """True for a state that is lost, was emptied, or never had anything to say of what runs.

    One whose end the ledger has not got yet knows more than the ledger: what was promoted before must not come back.
    """
    return status.stable is None and not status.directives and not status.history and not _end_waits(status)


def _end_waits(status: ReleaseStatus) -> bool:
    """True while the record of the release's end is in the outbox."""
    records = (entry.record for entry in status.outbox)
    return any(record.kind == "Removed" and record.detail.get("removal") == WHOLE for record in records)


def refilled(status: ReleaseStatus, found: ReleaseStatus) -> ReleaseStatus:
    """A state that knows nothing, with what targets and ledger know."""
    fields = ("stable", "candidate", "phase", "full", "directives", "effective", "history")
    return status.model_copy(update={name: getattr(found, name) for name in fields})


def remembered(history: Iterable[Promotion]) -> tuple[Promotion, ...]:
    """The history that is kept, newest first as it came: of the last ten versions the newest three manifests each.

    The order is never taken from the times: two promotions may have been made within one second.
    """
    rows = tuple(history)
    counts: Counter[Version] = Counter()
    chosen = []
    versions = list(dict.fromkeys(row.version for row in rows))[:HISTORY]
    for row in rows:
        counts[row.version] += 1
        if row.version in versions and counts[row.version] <= MANIFESTS:
            chosen.append(row)
    return tuple(chosen)


def restored(
    states: Iterable[TargetState], history: Iterable[Promotion], packed: Mapping[str, str],
    approvals: Iterable[ApprovalFact],
) -> ReleaseStatus:  # fmt: skip
    """A release's status when its state object is lost: what its targets run, and what the ledger knows.

    Stable is the version that the newest directive calls stable (where no cluster can be seen: the one promoted last),
    a candidate is one that still has a size; where directives differ the next pass brings them together.
    """
    ordered = sorted(states, key=lambda state: (-state.directive.sequence, state.cluster))
    effective = dict(packed)
    for state in reversed(ordered):
        effective |= state.effective
    known = tuple(history)
    base = ReleaseStatus(
        history=remembered(known),
        effective=effective,
        approvals=tuple(approvals),
        directives={row.cluster: row.directive for row in sorted(ordered, key=lambda row: row.cluster)},
    )
    stable = _told_ref(ordered, Role.STABLE, known, effective)
    candidate = _told_ref(ordered, Role.CANDIDATE, known, effective)
    if stable is None and candidate is None and known and known[0].version in effective:
        stable = runnable(unpack(effective[known[0].version]), closure=known[0].closure).ref
    if stable is None and candidate is None:
        return base
    phase = Phase.STEPPING if candidate else Phase.PROMOTED
    if (ordered[0].directive.apply is Apply.RETIRE) if ordered else (known and known[0].retired):
        phase = Phase.RETIRING  # until every target has said so again
    return base.model_copy(
        update={"stable": stable, "candidate": candidate, "phase": phase, "full": _full(base, stable, candidate)}
    )


def _told_ref(
    ordered: Iterable[TargetState], role: Role, known: tuple[Promotion, ...], effective: Mapping[str, str]
) -> VersionRef | None:
    """The version that the newest directive gives this role and a size."""
    for state in ordered:
        for entry in state.directive.versions:
            if entry.role is role and (entry.high or role is Role.STABLE):
                closure = next((row.closure for row in known if row.version == entry.version), state.directive.closure)
                return runnable(unpack(effective[entry.version]), closure=closure).ref
    return None


def _full(base: ReleaseStatus, stable: VersionRef | None, candidate: VersionRef | None) -> dict[str, int]:
    """Stable's size before the lost rollout: at least its minimum, which is all that can still be known."""
    if stable is None or candidate is None:
        return {}
    least = unpack(base.effective[stable.version]).spec.serving.replicas.min
    sizes = {name: directive.version(stable.version) for name, directive in base.directives.items()}
    return {name: max(least, entry.low if entry else 0) for name, entry in sizes.items()}


def behind(state: TargetState, told: Directive) -> bool:
    """True when a target's state says less than every pass with this directive leaves in it."""
    kept = {entry.version for entry in state.directive.versions} <= set(state.effective)
    return state.directive.sequence < told.sequence or not kept or not state.status.conditions
