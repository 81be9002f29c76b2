"""Changes become a plan: ordered, safe, and never more than the directive allows.

A deletion needs two passes: the first only marks what is no longer rendered, a later one that still finds the mark
deletes, no more at once than the budget allows and not again before somebody could have stopped it, and where people
are to confirm, only what they confirmed. With `selfHeal: false` drift stays in the plan's report and out of its
changes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from reconciler.model.objects import ObjectRef
from reconciler.model.plan import Action, Change, Plan
from reconciler.plan import safety
from reconciler.plan.compare import DELETED, DRIFT
from reconciler.plan.order import order
from reconciler.plan.seen import SeenTarget

BUDGET_AGAIN = timedelta(seconds=10)
"""Between two deletions' worth of the budget, whatever wakes the target meanwhile: its own deletions do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The plan to carry out, what is only marked for a later pass, and drift that is only reported.

    `waiting` was marked by an earlier pass and is more than this one may delete; `unconfirmed` is marked, now or
    earlier, and waits for people.
    """

    plan: Plan
    marked: tuple[ObjectRef, ...]
    waiting: tuple[ObjectRef, ...]
    drifted: tuple[ObjectRef, ...]
    unconfirmed: tuple[ObjectRef, ...] = ()


def decide(seen: SeenTarget, changes: tuple[Change, ...]) -> Decision:
    """The plan for one target; raises Stalled for what is unsafe."""
    safety.check(seen, changes)
    kept: list[Change] = []
    marked = [row.ref for row in changes if row.action is Action.DELETE and row.ref not in seen.marks]
    asked = [row.ref for row in changes if row.action is Action.DELETE and safety.unconfirmed(seen, row.ref)]
    drifted: list[ObjectRef] = []
    settled = bool(seen.state) and seen.status.sequence == seen.directive.sequence
    missing = {change.ref for change in changes if change.why == DELETED}
    for change in changes:
        if change.ref in marked or change.ref in asked:
            continue
        if not seen.directive.self_heal and _is_drift(change, missing, settled=settled):
            drifted.append(change.ref)
        else:
            kept.append(change)
    changes, waiting = _within_budget(order(tuple(kept)), seen)
    plan = Plan(key=seen.key, revision=seen.directive.revision, changes=changes)
    return Decision(
        plan=plan,
        marked=tuple(sorted(marked)),
        waiting=tuple(sorted(waiting)),
        drifted=tuple(sorted(set(drifted))),
        unconfirmed=tuple(sorted(asked)),
    )


def _within_budget(changes: tuple[Change, ...], seen: SeenTarget) -> tuple[tuple[Change, ...], list[ObjectRef]]:
    """The changes with no more deletions than this pass may carry out, in their order; and what waits."""
    budget = seen.directive.budget
    if budget is None:
        return changes, []
    share = max(1, len(seen.inventory) * budget.percent // 100)
    spent = seen.deleted_at is not None and seen.now - seen.deleted_at < BUDGET_AGAIN
    allowed = 0 if spent else min(budget.count, share)
    waiting = [change.ref for change in changes if change.action is Action.DELETE][allowed:]
    return tuple(row for row in changes if row.action is not Action.DELETE or row.ref not in waiting), waiting


def _is_drift(change: Change, missing: Collection[ObjectRef], *, settled: bool) -> bool:
    """True when the cluster moved and the directive did not; what is missing and stays so cannot be scaled either."""
    if change.action is Action.SCALE:
        return settled or change.ref in missing
    return change.why in DRIFT
