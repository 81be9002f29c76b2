"""One cluster as a pass sees it: what it was told, what it reported, and whether the report counts.

Not a decision. Rule: a report counts only when the cluster is reachable and speaks of its present directive.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.ids import ClusterName, Version
from reconciler.model.state import Directive, HookOutcome, Role, VersionDirective, VersionHealth
from reconciler.rollout.situation import ClusterSeen, Runnable, Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`full` is stable's size before the rollout touched this cluster, 0 when that was not noted."""

    name: ClusterName
    directive: Directive | None
    seen: ClusterSeen | None
    full: int

    @property
    def told(self) -> tuple[VersionDirective, ...]:
        """The present directive's versions; empty for a cluster that joins."""
        return self.directive.versions if self.directive else ()

    @property
    def reachable(self) -> bool:
        """True when the cluster answers."""
        return self.seen is not None and self.seen.reachable

    @property
    def settled(self) -> bool:
        """True when the cluster acted on its present directive."""
        if self.seen is None or self.directive is None:
            return False
        return self.seen.reachable and self.seen.sequence >= self.directive.sequence

    def entry(self, runnable: Runnable | None, role: Role) -> VersionDirective | None:
        """What the cluster was told about this version in this role."""
        for entry in self.told:
            if runnable is not None and entry.version == runnable.version and entry.role is role:
                return entry
        return None

    def health(self, version: Version) -> VersionHealth | None:
        """How the version does, if the report counts and names it."""
        return self.seen.versions.get(version) if self.settled and self.seen else None

    def outcome(self, version: Version, hook: str) -> HookOutcome | None:
        """How far a hook is, if the report counts and names it."""
        return self.seen.hooks.get(version, {}).get(hook) if self.settled and self.seen else None

    def ended(self, version: Version, hooks: Iterable[str]) -> tuple[str, ...]:
        """Those of these hooks that ended, by the last report, however old: it is for good. All, when there is none."""
        if self.seen is None or not self.seen.sequence:
            return tuple(hooks)
        known = self.seen.hooks.get(version, {})
        return tuple(name for name in hooks if name in known and known[name].ended)

    def pods(self, version: Version) -> int:
        """Pods that exist, by a report that counts."""
        health = self.health(version)
        return health.replicas if health else 0

    def ready(self, version: Version) -> int:
        """Pods that are ready, by a report that counts."""
        health = self.health(version)
        return health.ready if health else 0

    def pods_beside(self, *running: Runnable | None) -> int:
        """Pods that exist of any other version, by a report that counts."""
        known = {runnable.version for runnable in running if runnable is not None}
        reported = self.seen.versions if self.settled and self.seen else {}
        return sum(health.replicas for version, health in reported.items() if version not in known)

    def full_size(self, stable: VersionDirective | None) -> int:
        """Stable's full size: where its autoscaler has it now or, once it is pinned, what was noted before that."""
        if stable is None or pinned(stable):
            return self.full or (stable.low if stable else 0)
        health = self.seen.versions.get(stable.version) if self.seen else None  # the last known size, however old
        return min(stable.high, max(stable.low, health.replicas if health else 0))


def pinned(entry: VersionDirective) -> bool:
    """True when no autoscaler chooses the size."""
    return entry.low == entry.high


def views(situation: Situation) -> tuple[View, ...]:
    """Every wanted cluster once, by name, so that no decision depends on their order."""
    return tuple(
        View(
            name=name,
            directive=situation.directives.get(name),
            seen=situation.seen.get(name),
            full=situation.progress.full.get(name, 0),
        )
        for name in sorted(set(situation.clusters))
    )
