"""What a release pass works with, stage by stage: the facts it reads, what they are worth, where it steers.

Values only. `release` makes them, `announce` tells of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from reconciler.edges.kube.states import Stored
from reconciler.judge.upstream import Upstream
from reconciler.loop import progress
from reconciler.loop.approving import Consent
from reconciler.loop.progress import Fleeting
from reconciler.loop.pruning import Pruning
from reconciler.loop.removing import Ending
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.standing import Standing
from reconciler.model.facts import CommitFact
from reconciler.model.ids import ClusterName, ReleaseKey
from reconciler.model.plan import Gate, Opened
from reconciler.model.policy import PolicyVerdict
from reconciler.model.release import Effective
from reconciler.model.state import Phase, ReleaseState, ReleaseStatus, unpack
from reconciler.model.vote import NOTHING_GIVEN, GivenVotes
from reconciler.rollout.situation import Advance, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFacts:
    """Everything one pass reads, at one moment: one snapshot, the release's status, and its targets."""

    key: ReleaseKey
    snapshot: Snapshot
    status: ReleaseStatus
    stored: Stored[ReleaseState] | None
    clusters: Mapping[ClusterName, Fleeting]
    commit: CommitFact | None
    now: datetime
    parted: tuple[str, ...] = ()
    """Clusters whose document ended since the last pass."""
    given: GivenVotes = NOTHING_GIVEN
    """Votes from elsewhere than the trunk's files."""
    pull: int = 0
    """The pull request on which it is told what merging it would do; 0 for the trunk as it is."""

    def settled(self) -> Self:
        """The same with a status that knows what clusters were told meanwhile, and which of them have ended."""
        refused = {name for kind, name in self.snapshot.refused if kind == "Cluster"}
        status = progress.caught_up(self.status, self.clusters)
        status = progress.parted(status, self.snapshot.documents("Cluster"), refused)
        new = tuple(name for name in status.orphaned if name not in self.status.orphaned)
        return replace(self, status=status, parted=new)

    @property
    def ended(self) -> bool:
        """True for a release that left the trunk and runs nowhere: nothing is left to be held."""
        here = any(row.state for row in self.clusters.values())
        gone = self.key not in self.snapshot.releases and not self.status.directives and not here
        return gone and (not self.status.orphaned or self.status.phase is Phase.REMOVED)

    @property
    def running(self) -> Effective | None:
        """The effective spec of what is stable."""
        packed = self.status.effective.get(self.status.stable.version) if self.status.stable else None
        return unpack(packed) if packed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A standing with what policies and people said of it."""

    standing: Standing
    verdicts: tuple[PolicyVerdict, ...]
    consent: Consent
    ending: Ending
    pruning: Pruning
    gates: tuple[Gate, ...]
    notes: tuple[str, ...]
    upstream: Upstream | None = None
    opened: tuple[Opened, ...] = ()
    """What a break-glass opened; those gates are open in `gates`."""
    glass: tuple[str, ...] = ()
    """A sentence for every break-glass that counts for this text."""
    look_at: datetime | None = None
    """When a gate opens or closes by itself."""

    @property
    def consents(self) -> tuple[Consent, ...]:
        """Everything that people were asked about."""
        return (self.consent, self.pruning.consent, *(row.consent for row in self.ending.removals))

    @property
    def open(self) -> bool:
        """True when no gate keeps progress back."""
        return not any(gate.holds for gate in self.gates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """The machine's answer, what it was asked for, and that version's spec when it is a new one."""

    advance: Advance
    wanted: Wanted
    new: Effective | None
