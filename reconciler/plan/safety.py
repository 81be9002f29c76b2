"""A plan guards itself: what a target pass refuses to do, whoever asks for it.

Each refusal is a `Stalled` with one sentence; nothing of the plan is carried out then.
"""

from datetime import timedelta

from reconciler.errors import Stalled
from reconciler.model.plan import Action, Change
from reconciler.plan.seen import SeenTarget

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
        if change.action is not Action.UNCHANGED:
            _ours(change, seen)
    for change in changes:
        if change.action is Action.UPDATE:
            _converging(change, seen)


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
