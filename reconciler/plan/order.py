"""The order of changes within one target: tiers upwards, sizes after their workloads, deletions last and downwards."""

from reconciler.model.plan import Action, Change

_WORKLOADS = ("Deployment",)


def _within_tier(change: Change) -> int:
    """Workloads first: what steers one (its autoscaler, its size) must not reach somebody else's of that name."""
    if change.action is Action.SCALE:
        return 2
    return 0 if change.ref.kind in _WORKLOADS else 1


def order(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """The same changes in the order they are carried out; equal inputs in any order give the same result."""
    forward = [change for change in changes if change.action is not Action.DELETE]
    deletions = [change for change in changes if change.action is Action.DELETE]
    forward.sort(key=lambda change: (change.tier, _within_tier(change), change.ref))
    deletions.sort(key=lambda change: (-change.tier, change.ref))
    return (*forward, *deletions)


def stages(changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
    """Ordered changes in groups that may be in flight at once; a group with a failure stops the next."""
    groups: list[list[Change]] = []
    last: tuple[bool, int, int] | None = None
    for change in changes:
        if change.action is Action.UNCHANGED:
            continue
        mark = (change.action is Action.DELETE, change.tier, _within_tier(change))
        if mark != last:
            groups.append([])
            last = mark
        groups[-1].append(change)
    return tuple(tuple(group) for group in groups)
