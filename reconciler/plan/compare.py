"""Wanted against live, by digest: no request, no dry run, no look into the objects.

An object is as it should be when its rendered digest is the inventory's and the live digest (over the fields we own)
is what the server had after our last apply. Anything else is a change with its reason. A hook's Job is another thing:
it is made once, never written again while it exists, and not made again once it is known how it ended.
"""

from reconciler.model.facts import LiveObject
from reconciler.model.objects import HookRef, RenderedObject, Rendering, Size
from reconciler.model.plan import Action, Change
from reconciler.model.state import InventoryEntry
from reconciler.plan.safety import PROTECTED
from reconciler.plan.seen import SeenTarget

SERVER_DEFAULT_REPLICAS = 1  # what a Deployment gets that is created without replicas

NEW = "new"
CHANGED = "the release asks for something else"
UNCONFIRMED = "announced but not confirmed"
DELETED = "was deleted on the cluster"
DRIFTED = "drifted from what was applied"
RESIZED = "the size differs"
INTERRUPTED = "was deleted before it ended"
NOT_RENDERED = "no longer rendered"
DRIFT = frozenset({DELETED, DRIFTED})


def compare(wanted: Rendering, seen: SeenTarget) -> tuple[Change, ...]:
    """Every object's change, `unchanged` included; an inventory entry that is no longer rendered is a DELETE.

    One of a kind that is never deleted is an ORPHAN.
    """
    inventory = seen.inventory
    sizes = {size.ref: size for size in wanted.sizes}
    dormant = _dormant(wanted, seen)
    hooks = {hook.ref: hook for hook in wanted.hooks}
    changes: list[Change] = []
    for rendered in wanted.objects:
        live = seen.live.get(rendered.ref)
        if rendered.ref in hooks:
            changes.extend(_hook(rendered, hooks[rendered.ref], live, seen))
            continue
        if live is None and (rendered.ref.name in dormant or rendered.ref in wanted.kept):
            continue
        change = _object(rendered, live, inventory.get(rendered.ref))
        changes.append(change)
        if rendered.ref in sizes:
            changes.extend(_size(sizes[rendered.ref], live, rendered.tier))
    rendered_refs = {rendered.ref for rendered in wanted.objects}
    for ref, entry in inventory.items():
        if ref not in rendered_refs:
            changes.append(_leftover(entry, seen))
    return tuple(changes)


def _dormant(wanted: Rendering, seen: SeenTarget) -> frozenset[str]:
    """Names of versions' objects at size zero that do not exist: nothing is gained by making them."""
    return frozenset(size.ref.name for size in wanted.sizes if size.high == 0 and size.ref not in seen.live)


def _hook(rendered: RenderedObject, hook: HookRef, live: LiveObject | None, seen: SeenTarget) -> tuple[Change, ...]:
    """What to do about a hook's Job: make it, leave it alone, or nothing at all because it has run."""
    entry, outcome = seen.inventory.get(rendered.ref), seen.outcome(hook.version, hook.hook)
    if live is None and (not hook.due or (outcome and outcome.ended)):
        return ()
    if live is None:
        why = INTERRUPTED if entry and entry.live else NEW
        return (_change(rendered, live, entry, Action.CREATE, why),)
    foreign = live.owner != seen.owner  # told by the plan's own guard
    return (_change(rendered, live, entry, Action.UPDATE if foreign else Action.UNCHANGED, NEW if foreign else ""),)


def _object(rendered: RenderedObject, live: LiveObject | None, entry: InventoryEntry | None) -> Change:
    action, why = _difference(rendered, live, entry)
    return _change(rendered, live, entry, action, why)


def _change(
    rendered: RenderedObject, live: LiveObject | None, entry: InventoryEntry | None, action: Action, why: str
) -> Change:
    return Change(
        action=action,
        ref=rendered.ref,
        tier=rendered.tier,
        before=entry.rendered if entry and live else "",
        after=rendered.digest,
        why=why,
    )


def _difference(rendered: RenderedObject, live: LiveObject | None, entry: InventoryEntry | None) -> tuple[Action, str]:
    if live is None:
        return Action.CREATE, DELETED if entry and entry.live else NEW
    if entry is None:
        return Action.UPDATE, NEW
    if entry.rendered != rendered.digest:
        return Action.UPDATE, CHANGED
    if not entry.live:
        return Action.UPDATE, UNCONFIRMED
    if live.digest != entry.live:
        return Action.UPDATE, DRIFTED
    return Action.UNCHANGED, ""


def _size(size: Size, live: LiveObject | None, tier: int) -> tuple[Change, ...]:
    """The scale change of one workload: to the nearer end of its range, or none inside it."""
    replicas = int(live.facts.get("replicas", SERVER_DEFAULT_REPLICAS)) if live else SERVER_DEFAULT_REPLICAS
    target = min(max(replicas, size.low), size.high)
    if target == replicas:
        return ()
    return (Change(action=Action.SCALE, ref=size.ref, tier=tier, before=str(replicas), after=str(target), why=RESIZED),)


def _leftover(entry: InventoryEntry, seen: SeenTarget) -> Change:
    return Change(
        action=Action.ORPHAN if entry.kind in PROTECTED else Action.DELETE,
        ref=entry.ref,
        tier=entry.tier,
        before=entry.rendered if entry.ref in seen.live else "",
        after="",
        why=NOT_RENDERED,
    )
