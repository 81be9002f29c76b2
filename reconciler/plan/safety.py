"""A plan guards itself: what a target pass refuses to do, whoever asks for it.

Each refusal is a `Stalled` with one sentence; nothing of the plan is carried out then. And what it never does: objects
whose loss cannot be undone from Git are not deleted, whoever made them; and where people are to confirm deletions, what
they have not confirmed stays.
"""

from datetime import timedelta

from reconciler.errors import Stalled
from reconciler.model.objects import ObjectRef
from reconciler.model.plan import Action, Change
from reconciler.plan.seen import SeenTarget

PROTECTED = frozenset({"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition", "Secret"})
"""Kinds that hold what Git does not: data, credentials, or everything that lies in them."""
SIZING = frozenset({"HorizontalPodAutoscaler", "PodDisruptionBudget"})
"""Kinds that come and go with a version's size."""
FOREIGN_HOME = "OwnedByAnotherHome"
MAX_REPAIRS = 5  # in a row, before we stop fighting another manager
REPAIR_WINDOW = timedelta(minutes=10)  # repairs further apart than this are not a fight


def check(seen: SeenTarget, changes: tuple[Change, ...]) -> None:
    """Raise Stalled for the first thing in `changes` that must not be done."""
    if seen.state and seen.state.home != seen.home and seen.state.home not in seen.taken_over:
        raise Stalled(
            f"{seen.key} belongs to another home cluster ({seen.state.home}); nothing was touched",
            reason=FOREIGN_HOME,
        )
    for change in changes:
        if change.action not in (Action.UNCHANGED, Action.ORPHAN):
            _ours(change, seen)
    for change in changes:
        if change.action is Action.UPDATE:
            _converging(change, seen)


def unconfirmed(seen: SeenTarget, ref: ObjectRef) -> bool:
    """True when a deletion waits for people: they are asked here, and have not confirmed this very mark.

    The autoscaler and the disruption budget of a version that stays are part of its size, which nobody is asked about.
    """
    if not seen.directive.confirm or (ref.kind in SIZING and ref.name in seen.workloads):
        return False
    mark = seen.marks.get(ref)
    return mark is None or mark.identity not in {one.identity for one in seen.directive.confirmed}


def _ours(change: Change, seen: SeenTarget) -> None:
    live = seen.live.get(change.ref)
    if live is None or live.owner == seen.owner:
        return
    owner = f"belongs to release state '{live.owner}'" if live.owner else "was not made by us"
    raise Stalled(f"{change.ref} on {seen.key.cluster} {owner}; delete it or rename the release", reason="NotOurs")


def _converging(change: Change, seen: SeenTarget) -> None:
    entry, live = seen.inventory.get(change.ref), seen.live.get(change.ref)
    if entry is None or live is None or entry.rendered != change.after or entry.repaired_at is None:
        return
    if entry.repairs < MAX_REPAIRS or seen.now - entry.repaired_at > REPAIR_WINDOW:
        return
    others = ", ".join(live.others) or "another manager"
    raise Stalled(
        f"{change.ref} on {seen.key.cluster} differs again after {entry.repairs} repairs; {others} changes it back; "
        "stop it, or leave the field to it (spec.serving.ignore)",
        reason="FoughtOver",
    )
