"""Between the release's state and the rollout machine: what the machine is given, and what its answer becomes.

Pure. The machine speaks of runnables and sizes, the state of packed specs and directives; nothing is decided here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.digest import sha256_of
from reconciler.loop.standing import Standing
from reconciler.model.ids import ClusterName, Revision, Version
from reconciler.model.release import Effective
from reconciler.model.state import (
    Directive,
    Phase,
    Promotion,
    ReleaseStatus,
    TargetState,
    VersionRef,
    canonical,
    unpack,
)
from reconciler.rollout.situation import Advance, ClusterSeen, Progress, Runnable, Situation, Wanted
from reconciler.trust.known_good import Known

HISTORY = 10  # promotions that a ReleaseState keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleeting:
    """One cluster as the release pass sees it."""

    reachable: bool
    listing: bool
    """True until it was listed, while it answers: what runs there is not known yet."""
    state: TargetState | None
    trouble: str
    """What its last pass failed with; empty when it did not."""


def runnable(effective: Effective, *, closure: str) -> Runnable:
    """An effective spec as the machine sees it."""
    replicas = effective.spec.serving.replicas
    ref = VersionRef(
        version=effective.version,
        model_version=effective.spec.model.version,
        manifest=effective.manifest,
        closure=closure,  # type: ignore[arg-type]  # digests are made by digest/, and kept as text in state
    )
    return Runnable(ref=ref, effective=effective_digest(effective), low=replicas.min, high=replicas.max)


def effective_digest(effective: Effective) -> str:
    """What a directive names an effective spec by."""
    return sha256_of(canonical(effective.to_data()))


def kept(status: ReleaseStatus, ref: VersionRef | Promotion | None) -> Runnable | None:
    """A version of the state as a runnable, when its spec is still kept."""
    packed = status.effective.get(ref.version) if ref else None
    if ref is None or packed is None:
        return None
    return runnable(unpack(packed), closure=ref.closure)


def wanted(status: ReleaseStatus, standing: Standing, *, gates_open: bool) -> tuple[Wanted | None, Effective | None]:
    """What the machine is asked for, and its spec when it is a new one.

    What does not resolve, or is gone, asks for nothing new: whatever is in flight stays as it is.
    """
    if standing.resolved is None:
        asked = kept(status, status.candidate) or kept(status, status.stable)
        return (Wanted(runnable=asked, known_good=False, gates_open=False), None) if asked else (None, None)
    effective = standing.resolved.effective
    if isinstance(standing.known, Known) and standing.trusted:
        promotion = standing.known.promotion
        recorded = kept(status, promotion)
        if recorded is not None and status.stable and promotion.version != status.stable.version:
            if promotion.version == effective.version:
                recorded = runnable(effective, closure=str(standing.closure))
                return Wanted(runnable=recorded, known_good=True, gates_open=gates_open), effective
            return Wanted(runnable=recorded, known_good=True, gates_open=gates_open), None
    asked = runnable(effective, closure=str(standing.closure))
    return Wanted(runnable=asked, known_good=False, gates_open=gates_open), effective


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
        ),
        clusters=tuple(clusters),
        directives={ClusterName(name): directive for name, directive in status.directives.items()},
        seen={name: _seen(fleeting) for name, fleeting in seen.items()},
        depth=depth,
    )


def _seen(fleeting: Fleeting) -> ClusterSeen:
    status = fleeting.state.status if fleeting.state else None
    versions = {Version(version): health for version, health in status.versions.items()} if status else {}
    return ClusterSeen(reachable=fleeting.reachable, sequence=status.sequence if status else 0, versions=versions)


def directives(
    status: ReleaseStatus, advance: Advance, *, revision: Revision, closure: str, self_heal: bool,
    seen: Mapping[ClusterName, Fleeting],
) -> dict[str, Directive]:  # fmt: skip
    """The directives after this pass; one that says the same as before keeps its sequence.

    A cluster that knows a later sequence than ours (our state was lost) is told again, above it.
    """
    told = dict(status.directives)
    for cluster, versions in advance.versions.items():
        before = told.get(cluster)
        state = seen[cluster].state if cluster in seen else None
        behind = bool(before and state and state.directive.sequence > before.sequence)
        if before and before.versions == versions and before.self_heal == self_heal and not behind:
            continue
        last = max(before.sequence if before else 0, state.directive.sequence if state else 0)
        told[cluster] = Directive(
            sequence=last + 1,
            revision=revision,
            closure=closure,  # type: ignore[arg-type]  # see runnable
            versions=versions,
            self_heal=self_heal,
        )
    return told


def specs(
    status: ReleaseStatus, told: Mapping[str, Directive], history: Iterable[Promotion], depth: int
) -> dict[str, str]:
    """The packed specs that must be kept: those that a directive names and those that a revert may ask for."""
    needed = {entry.version for directive in told.values() for entry in directive.versions}
    distinct = list(dict.fromkeys(promotion.version for promotion in history))
    needed |= set(distinct[: depth + 1])
    return {version: text for version, text in sorted(status.effective.items()) if version in needed}


def restored(states: Iterable[TargetState], history: Iterable[Promotion], packed: Mapping[str, str]) -> ReleaseStatus:
    """A release's status when its state object is lost: what its targets run, and what the ledger knows.

    Stable is the version that the newest directive calls stable; where directives differ the next pass brings them
    together. What was a candidate is asked for again by the trunk, or not.
    """
    ordered = sorted(states, key=lambda state: (-state.directive.sequence, state.cluster))
    effective = dict(packed)
    for state in reversed(ordered):
        effective |= state.effective
    known = tuple(history)
    base = ReleaseStatus(history=known[:HISTORY], effective=effective)
    for state in ordered:
        for entry in state.directive.versions:
            if entry.role == "stable":
                closure = next((row.closure for row in known if row.version == entry.version), state.directive.closure)
                stable = runnable(unpack(effective[entry.version]), closure=closure).ref
                return base.model_copy(
                    update={
                        "stable": stable,
                        "phase": Phase.PROMOTED,
                        "directives": {row.cluster: row.directive for row in ordered},
                    }
                )
    return base
