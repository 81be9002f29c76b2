"""What a target's state says: announced before anything is written to the cluster, concluded after.

`announce` puts every object that is about to exist into the inventory, so that a crash between two effects leaves
nothing that nobody knows of. `conclude` records what the server then had, and how the versions do.
"""

from dataclasses import dataclass
from datetime import datetime

from reconciler.errors import Stalled
from reconciler.model.ids import Version
from reconciler.model.objects import ObjectRef, Rendering
from reconciler.model.plan import Action, Change, ChangeSet, Condition, Outcome, Result, condition
from reconciler.model.state import (
    Apply,
    Directive,
    InventoryEntry,
    PruneMark,
    Role,
    TargetState,
    TargetStatus,
    VersionHealth,
    release_ref,
)
from reconciler.plan.compare import DRIFT
from reconciler.plan.decide import Decision
from reconciler.plan.health import version_health
from reconciler.plan.hooks import Outcomes, hook_outcomes, running
from reconciler.plan.safety import REPAIR_WINDOW
from reconciler.plan.seen import SeenTarget, workload_name
from reconciler.plan.smoke import smokes, with_smoke


def announce(seen: SeenTarget, decision: Decision) -> TargetState:
    """The state to write before acting: the directive taken over, new objects in the inventory, marks set."""
    inventory = dict(seen.inventory)
    for change in decision.plan.changes:
        entry = inventory.get(change.ref)
        written = change.action in (Action.CREATE, Action.UPDATE)
        unknown = entry is None and change.action is Action.UNCHANGED  # a hook's Job, of before our state was lost
        if unknown or (written and (entry is None or entry.rendered != change.after)):
            inventory[change.ref] = _entry(change)
    return _state(seen, _inventory(inventory), _marks(seen, decision), seen.status)


def conclude(seen: SeenTarget, decision: Decision, done: ChangeSet, wanted: Rendering) -> TargetState:
    """The state to write after acting. `seen` is what was observed before; its health speaks of then."""
    announced = announce(seen, decision)
    inventory = {entry.ref: entry for entry in announced.status.inventory}
    for result in done.results:
        if result.outcome is Outcome.DONE:
            _carry_out(result, inventory, seen.now)
    orphaned = _orphaned(seen, done, inventory)
    versions = _news(seen.status.versions, versions_health(seen, wanted))
    hooks = hook_outcomes(seen, wanted)
    status = TargetStatus(
        sequence=seen.directive.sequence if not done.failed else seen.status.sequence,
        inventory=_inventory(inventory),
        marks=tuple(mark for mark in announced.status.marks if mark.ref in inventory),
        versions=versions,
        smokes=smokes(seen),
        hooks=hooks,
        serving=_serving(seen),
        drifted=tuple(str(ref) for ref in decision.drifted),
        orphaned=orphaned,
        conditions=(*_conditions(seen, decision, done, versions, hooks), *_orphans(seen, orphaned)),
    )
    return announced.model_copy(update={"status": status})


def _orphaned(seen: SeenTarget, done: ChangeSet, inventory: dict[ObjectRef, InventoryEntry]) -> tuple[str, ...]:
    """What was let go rather than deleted; an object that is rendered again is ours again."""
    new = {str(row.change.ref) for row in done.results if row.change.action is Action.ORPHAN}
    return tuple(sorted((set(seen.status.orphaned) | new) - {str(ref) for ref in inventory}))


def _orphans(seen: SeenTarget, orphaned: tuple[str, ...]) -> tuple[Condition, ...]:
    """The condition that names them, while there are any."""
    if not orphaned:
        return ()
    message = f"wanted no longer, and never deleted by us: {', '.join(orphaned)}"
    return (
        condition(
            seen.status.conditions, type_="Orphaned", status=True, reason="ProtectedKind", message=message, now=seen.now
        ),
    )


def stalled(seen: SeenTarget, error: Stalled) -> TargetState:
    """The state that says why nothing was done; what is known stays."""
    reason, before = error.reason, seen.status.conditions
    conditions = (
        condition(before, type_="Ready", status=False, reason=reason, message=error.message, now=seen.now),
        condition(before, type_="Stalled", status=True, reason=reason, message=error.message, now=seen.now),
    )
    kept = tuple(row for row in before if row.type not in ("Ready", "Stalled", "Reconciling"))
    status = seen.status.model_copy(update={"conditions": (*conditions, *kept)})
    if seen.state is None:
        return _state(seen, (), (), status)
    return seen.state.model_copy(update={"status": status})


def versions_health(seen: SeenTarget, wanted: Rendering) -> dict[str, VersionHealth]:
    """Health of every version that the directive names, by version."""
    known = smokes(seen)
    return {
        version: with_smoke(health, seen.effective[version], known.get(version), seen.now)
        for version, health in pods_health(seen, wanted).items()
    }


def pods_health(seen: SeenTarget, wanted: Rendering) -> dict[Version, VersionHealth]:
    """The same from pods alone, without what a smoke request came to."""
    by_name = {size.ref.name: size for size in wanted.sizes}
    health: dict[Version, VersionHealth] = {}
    for entry in seen.directive.versions:
        size = by_name.get(workload_name(seen.key.release.name, entry.version))
        if size:
            health[entry.version] = version_health(size, seen.live.get(size.ref), seen.pods.get(entry.version, ()))
    return health


def _news(before: dict[str, VersionHealth], now: dict[str, VersionHealth]) -> dict[str, VersionHealth]:
    """Health worth a write: that more pods exist is none while nothing else changed; that fewer do may end a wait."""
    return {version: _or_same(before.get(version), health) for version, health in now.items()}


def _or_same(before: VersionHealth | None, now: VersionHealth) -> VersionHealth:
    if before is None or now.replicas < before.replicas:
        return now
    return before if now.model_copy(update={"replicas": before.replicas}) == before else now


def _entry(change: Change) -> InventoryEntry:
    ref = change.ref
    return InventoryEntry(
        group=ref.group,
        api=ref.version,
        kind=ref.kind,
        namespace=ref.namespace,
        name=ref.name,
        tier=change.tier,
        rendered=change.after,
    )


def _carry_out(result: Result, inventory: dict[ObjectRef, InventoryEntry], now: datetime) -> None:
    change = result.change
    if change.action in (Action.DELETE, Action.ORPHAN):
        inventory.pop(change.ref, None)
    elif change.action in (Action.CREATE, Action.UPDATE):
        entry = inventory[change.ref]
        update: dict[str, object] = {"rendered": change.after, "live": result.live, "uid": result.uid}
        if change.why in DRIFT:
            again = entry.repaired_at is not None and now - entry.repaired_at <= REPAIR_WINDOW
            update |= {"repairs": entry.repairs + 1 if again else 1, "repaired_at": now.replace(microsecond=0)}
        inventory[change.ref] = entry.model_copy(update=update)


def _marks(seen: SeenTarget, decision: Decision) -> tuple[PruneMark, ...]:
    """Marks of earlier passes whose objects are still not rendered, and the new ones."""
    deleting = {change.ref for change in decision.plan.changes if change.action is Action.DELETE}
    deleting |= set(decision.waiting) | set(decision.unconfirmed)
    asked = set(decision.unconfirmed)
    kept = [mark.model_copy(update={"confirm": ref in asked}) for ref, mark in seen.marks.items() if ref in deleting]
    new = [
        PruneMark(
            group=ref.group,
            api=ref.version,
            kind=ref.kind,
            namespace=ref.namespace,
            name=ref.name,
            sequence=seen.directive.sequence,
            uid=_uid(seen, ref),
            confirm=ref in asked,
        )
        for ref in decision.marked
    ]
    return tuple(sorted((*kept, *new), key=lambda mark: mark.ref))


def _uid(seen: SeenTarget, ref: ObjectRef) -> str:
    """Which object of that name is meant; empty for one that was never seen to exist."""
    live = seen.live.get(ref)
    return seen.inventory[ref].uid or (live.uid if live else "")


def _state(
    seen: SeenTarget, inventory: tuple[InventoryEntry, ...], marks: tuple[PruneMark, ...], status: TargetStatus
) -> TargetState:
    return TargetState(
        release=release_ref(seen.key.release),
        cluster=seen.key.cluster,
        home=seen.home,
        directive=seen.directive,
        effective=dict(sorted(seen.packed.items())),
        status=status.model_copy(update={"inventory": inventory, "marks": marks}),
    )


def _inventory(inventory: dict[ObjectRef, InventoryEntry]) -> tuple[InventoryEntry, ...]:
    return tuple(inventory[ref] for ref in sorted(inventory))


def _serving(seen: SeenTarget) -> str:
    """The model version of the stable version (or of the only one), for people."""
    stable = next((entry for entry in seen.directive.versions if entry.role is Role.STABLE), None)
    entry = stable or next(iter(seen.directive.versions), None)
    effective = seen.effective.get(entry.version) if entry else None
    return effective.spec.model.version if effective else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    ready: bool
    healthy: bool
    reason: str
    message: str


def _judge(directive: Directive, decision: Decision, done: ChangeSet, versions: dict[str, VersionHealth]) -> _Words:
    if done.failed:
        first = done.failed[0]
        message = f"{first.change.ref}: {first.message}"
        return _Words(ready=False, healthy=False, reason=first.reason or "ApplyFailed", message=message)
    for entry in directive.versions:
        health = versions.get(entry.version)
        if health and not health.healthy:
            return _Words(ready=False, healthy=False, reason=health.reason, message=health.message)
    if decision.drifted:
        names = ", ".join(str(ref) for ref in decision.drifted)
        return _Words(ready=False, healthy=True, reason="Drifted", message=f"selfHeal is off and these differ: {names}")
    if directive.apply is Apply.RETIRE:
        return _Words(ready=True, healthy=True, reason="Retired", message="")
    return _Words(ready=True, healthy=True, reason="Healthy", message="")


def _conditions(
    seen: SeenTarget, decision: Decision, done: ChangeSet, versions: dict[str, VersionHealth], hooks: Outcomes
) -> tuple[Condition, ...]:
    words = _judge(seen.directive, decision, done, versions)
    busy = not words.healthy or bool(decision.marked or decision.waiting) or running(hooks)
    before, now = seen.status.conditions, seen.now
    doing = "Progressing" if busy else "Settled"
    reason, message = ("Healthy", "") if words.healthy else (words.reason, words.message)
    return (
        condition(before, type_="Ready", status=words.ready, reason=words.reason, message=words.message, now=now),
        condition(before, type_="Healthy", status=words.healthy, reason=reason, message=message, now=now),
        condition(before, type_="Reconciling", status=busy, reason=doing, message="", now=now),
        condition(before, type_="Stalled", status=False, reason="NotStalled", message="", now=now),
    )
