"""Changes become a plan: ordered, safe, and never more than the directive allows.

A deletion needs two passes: the first only marks what is no longer rendered, a later one that still finds the mark
deletes. With `selfHeal: false` drift stays in the plan's report and out of its changes.
"""

from collections.abc import Collection
from dataclasses import dataclass

from reconciler.model.objects import ObjectRef
from reconciler.model.plan import Action, Change, Plan
from reconciler.plan import safety
from reconciler.plan.compare import DELETED, DRIFT
from reconciler.plan.order import order
from reconciler.plan.seen import SeenTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The plan to carry out, what is only marked for a later pass, and drift that is only reported."""

    plan: Plan
    marked: tuple[ObjectRef, ...]
    drifted: tuple[ObjectRef, ...]


def decide(seen: SeenTarget, changes: tuple[Change, ...]) -> Decision:
    """The plan for one target; raises Stalled for what is unsafe."""
    safety.check(seen, changes)
    kept: list[Change] = []
    marked: list[ObjectRef] = []
    drifted: list[ObjectRef] = []
    settled = bool(seen.state) and seen.status.sequence == seen.directive.sequence
    missing = {change.ref for change in changes if change.why == DELETED}
    for change in changes:
        if change.action is Action.DELETE and change.ref not in seen.marks:
            marked.append(change.ref)
        elif not seen.directive.self_heal and _is_drift(change, missing, settled=settled):
            drifted.append(change.ref)
        else:
            kept.append(change)
    plan = Plan(key=seen.key, revision=seen.directive.revision, changes=order(tuple(kept)))
    return Decision(plan=plan, marked=tuple(sorted(marked)), drifted=tuple(sorted(set(drifted))))


def _is_drift(change: Change, missing: Collection[ObjectRef], *, settled: bool) -> bool:
    """True when the cluster moved and the directive did not; what is missing and stays so cannot be scaled either."""
    if change.action is Action.SCALE:
        return settled or change.ref in missing
    return change.why in DRIFT
