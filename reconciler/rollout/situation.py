"""What the machine is given and what it answers: frozen values, no decisions.

Not the state object: the loop reads these out of ReleaseState and the TargetStates and writes the answer back.
Sizes are numbers of pods. A cluster that is not in `Situation.clusters` is not spoken of, so its directive stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.model.ids import ClusterName, Version
from reconciler.model.plan import Gate
from reconciler.model.state import (
    Directive,
    FailedHook,
    HookOutcome,
    Phase,
    VersionDirective,
    VersionHealth,
    VersionRef,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """One version with what it takes to run it: `effective` is the sha256 of its spec, `low..high` its replicas.

    `retired`: its spec says that nothing is to serve; then both are 0. `before` and `after` are the names of its hooks,
    in the order in which they run.
    """

    ref: VersionRef
    effective: str
    low: int
    high: int
    retired: bool = False
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def version(self) -> Version:
        """The version's digest."""
        return self.ref.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the trunk asks for. `known_good`: it returns at once and no gate stops it; the loop vouches for that."""

    runnable: Runnable
    known_good: bool
    gates_open: bool

    @property
    def accepted(self) -> bool:
        """True when the trunk's text may be acted on; otherwise what was accepted before it stays in force."""
        return self.gates_open or self.known_good


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the last pass left the release.

    `previous` are the versions Promoted here before, newest first; which of them are kept is decided by the depth.
    `full` is the size stable had on each cluster before the rollout touched it: what an abort gives back.
    `failed` is the hook for which the version that was asked for goes no further, or was given up.
    """

    phase: Phase = Phase.PENDING
    since: datetime | None = None
    stable: Runnable | None = None
    candidate: Runnable | None = None
    previous: tuple[Runnable, ...] = ()
    full: Mapping[ClusterName, int] = field(default_factory=dict)
    failed: FailedHook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSeen:
    """What one cluster last reported. `sequence` is the directive it speaks of; a version it leaves out has no pods.

    `hooks` says by version and name how far they are; a hook that it leaves out has not begun.
    """

    reachable: bool
    sequence: int
    versions: Mapping[Version, VersionHealth]
    hooks: Mapping[Version, Mapping[str, HookOutcome]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that one pass decides from. `strategy` is a row of the table, `depth` how many previous versions are kept."""

    strategy: str
    wanted: Wanted
    progress: Progress
    clusters: tuple[ClusterName, ...]
    directives: Mapping[ClusterName, Directive]
    seen: Mapping[ClusterName, ClusterSeen]
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What the pass decided. A cluster missing from `versions` gets no directive, or keeps the one it has.

    `promoted` is True exactly in the pass in which the phase becomes Promoted. `message` is one sentence for people.
    `look_again` is None when only a new fact can change the answer. `gates` are closed ones: the hooks that the
    candidate waits for, and one that failed. `failed` is to be kept in Progress.
    """

    phase: Phase
    since: datetime
    stable: Runnable | None
    candidate: Runnable | None
    full: Mapping[ClusterName, int]
    versions: Mapping[ClusterName, tuple[VersionDirective, ...]]
    promoted: bool
    message: str
    look_again: timedelta | None
    gates: tuple[Gate, ...] = ()
    failed: FailedHook | None = None
