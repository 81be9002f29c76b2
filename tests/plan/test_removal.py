"""A directive to remove: everything made here goes, in two passes and within the budget, in the order of tiers.

And one to retire: everything stays but its pods and what sizes them.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from plan_cluster import OLD, STABLE, Target, told, told_again

from reconciler.errors import Stalled
from reconciler.model.environment import PruneBudget
from reconciler.model.plan import Action
from reconciler.model.state import Apply, Role
from reconciler.plan.compare import compare
from reconciler.plan.decide import decide


def removing(budget=None) -> Target:
    """A settled target that is told to end."""
    target = Target(directive=STABLE)
    target.settle()
    target.directive = STABLE.model_copy(
        update={"sequence": STABLE.sequence + 1, "apply": Apply.REMOVE, "budget": budget}
    )
    return target


def test_the_first_pass_only_marks_and_the_second_deletes_everything():
    target = removing()
    made = {entry.ref for entry in target.state.status.inventory}
    first = target.turn()
    assert set(first.marked) == made
    assert first.plan.is_empty
    assert made <= set(target.cluster.live)
    second = target.turn()
    assert {change.ref for change in second.plan.changes} == made
    assert {change.action for change in second.plan.changes} == {Action.DELETE}
    assert target.state.status.inventory == ()
    assert not made & set(target.cluster.live)


def test_deletions_go_downwards_the_address_before_what_serves_behind_it():
    target = removing()
    target.turn()
    tiers = [change.tier for change in target.turn().plan.changes]
    assert tiers == sorted(tiers, reverse=True)


def test_the_budget_lets_no_pass_delete_more_and_what_waits_keeps_its_mark():
    target = removing(PruneBudget(count=2, percent=100))
    made = {entry.ref for entry in target.state.status.inventory}
    assert len(made) > 2
    target.turn()
    passes = 0
    while target.state.status.inventory:
        decision = target.turn()
        deleted = [change.ref for change in decision.plan.changes if change.action is Action.DELETE]
        assert 0 < len(deleted) <= 2
        assert set(decision.waiting) == {mark.ref for mark in target.state.status.marks}
        assert not set(deleted) & set(decision.waiting)
        passes += 1
    assert passes == -(-len(made) // 2)


@pytest.mark.parametrize(("seconds", "deletions"), [(0, 0), (9, 0), (10, 2)])
def test_what_its_own_deletions_wake_deletes_nothing_before_somebody_could_have_stopped_it(seconds, deletions):
    target = removing(PruneBudget(count=2, percent=100))
    target.turn()
    seen = replace(target.seen(), deleted_at=target.now - timedelta(seconds=seconds))
    decision = decide(seen, compare(target.wanted(seen), seen))
    assert len([row for row in decision.plan.changes if row.action is Action.DELETE]) == deletions
    assert len(decision.waiting) + deletions == len(target.state.status.inventory)


def test_without_a_budget_all_of_it_goes_at_once():
    target = removing()
    target.turn()
    seen = replace(target.seen(), deleted_at=target.now)
    decision = decide(seen, compare(target.wanted(seen), seen))
    assert (len(decision.plan.changes), decision.waiting) == (len(target.state.status.inventory), ())


def test_a_share_of_less_than_one_object_is_one():
    target = removing(PruneBudget(count=20, percent=1))
    target.turn()
    assert len([row for row in target.turn().plan.changes if row.action is Action.DELETE]) == 1


def test_a_directive_to_run_takes_the_marks_back():
    target = removing()
    target.turn()
    target.directive = STABLE.model_copy(update={"sequence": STABLE.sequence + 2})
    target.turn()
    assert target.state.status.marks == ()
    assert target.decide().plan.is_empty


def test_a_directive_to_retire_keeps_everything_but_pods_and_what_sizes_them():
    target = Target(directive=STABLE)
    target.settle()
    made = set(target.cluster.live)
    asleep = told((OLD, Role.STABLE, 0, 0)).model_copy(update={"apply": Apply.RETIRE})
    target.directive = told_again(asleep)
    target.settle()
    assert set(target.sizes().values()) == {0}
    assert {ref.kind for ref in made - set(target.cluster.live)} == {"HorizontalPodAutoscaler", "PodDisruptionBudget"}
    (health,) = target.state.status.versions.values()
    assert (health.healthy, health.wanted, health.replicas) == (True, 0, 0)
    ready = next(row for row in target.state.status.conditions if row.type == "Ready")
    assert (ready.status, ready.reason) == ("True", "Retired")
    target.directive = told_again(STABLE, sequence=9)
    target.settle()
    assert set(target.cluster.live) == made
    assert set(target.sizes().values()) == {2}


def test_a_directive_to_retire_that_gives_pods_is_refused():
    target = Target(directive=STABLE.model_copy(update={"apply": Apply.RETIRE}))
    with pytest.raises(Stalled, match=r"retires .* and gives a version pods"):
        target.decide()
