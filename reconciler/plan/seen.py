"""What a target pass observed: the input of compare, decide and conclude."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.model.facts import LiveObject, PodFact, SmokeAnswer
from reconciler.model.ids import TargetKey, Version, short
from reconciler.model.objects import Kinds, ObjectRef
from reconciler.model.release import Effective
from reconciler.model.state import Directive, HookOutcome, InventoryEntry, PruneMark, TargetState, TargetStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTarget:
    """One target as it is now.

    `home` is the UID of our home cluster, `taken_over` other homes whose targets the settings make ours. `effective`
    are the specs that the directive names, `packed` the same as state objects keep them. `state` is its TargetState, or
    None before the first pass. `live` holds what the cluster has of every object that is wanted or in the inventory; an
    object that is not in it does not exist. `pods` is filled for versions that have been unhealthy for a while,
    `hook_pods` for Jobs of hooks that failed or take long, `answers` for versions whose smoke request was sent just
    now. `kinds` are the optional kinds that the cluster has. `deleted_at` is when this process last deleted something
    here.
    """

    key: TargetKey
    home: str
    taken_over: frozenset[str]
    directive: Directive
    effective: Mapping[Version, Effective]
    packed: Mapping[Version, str]
    state: TargetState | None
    live: Mapping[ObjectRef, LiveObject]
    pods: Mapping[Version, tuple[PodFact, ...]]
    now: datetime
    answers: Mapping[Version, SmokeAnswer] = field(default_factory=dict)
    kinds: Kinds = frozenset()
    deleted_at: datetime | None = None
    hook_pods: Mapping[ObjectRef, tuple[PodFact, ...]] = field(default_factory=dict)

    @property
    def status(self) -> TargetStatus:
        """The last status written, or an empty one."""
        return self.state.status if self.state else TargetStatus()

    @property
    def inventory(self) -> dict[ObjectRef, InventoryEntry]:
        """Objects that we made here, by ref."""
        return {entry.ref: entry for entry in self.status.inventory}

    @property
    def workloads(self) -> frozenset[str]:
        """What the objects of the versions that the directive names are called."""
        return frozenset(workload_name(self.key.release.name, entry.version) for entry in self.directive.versions)

    @property
    def marks(self) -> dict[ObjectRef, PruneMark]:
        """Objects that an earlier pass found to be no longer rendered."""
        return {mark.ref: mark for mark in self.status.marks}

    def outcome(self, version: str, hook: str) -> HookOutcome | None:
        """What is known of a hook from earlier passes."""
        return self.status.hooks.get(version, {}).get(hook)

    @property
    def owner(self) -> str:
        """The label value that our objects carry."""
        return self.key.release.state_name


def workload_name(name: str, version: Version) -> str:
    """What a version's objects are called: `<name>-<first 10 hex>`."""
    return f"{name}-{short(version)}"
