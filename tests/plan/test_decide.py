"""Which changes become the plan: safe ones, in order, deletions in two passes, drift only where it is healed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_cluster import ACCOUNT, NEW, OLD, OPEN, STABLE, Target, actions, told, told_again

from reconciler.errors import Stalled
from reconciler.model.objects import ObjectRef
from reconciler.model.plan import Action, Change
from reconciler.model.state import Role
from reconciler.plan import compare as words
from reconciler.plan.compare import compare
from reconciler.plan.decide import decide
from reconciler.plan.order import order, stages
from reconciler.plan.safety import MAX_REPAIRS, REPAIR_WINDOW

OTHER_HOME = "uid-of-another-home"


def settled(directive=STABLE) -> Target:
    target = Target(directive=directive)
    target.settle()
    target.cluster.writes.clear()
    return target


# --- deletions


def test_a_deletion_takes_two_passes():
    target = settled(told((ACCOUNT, Role.STABLE, 2, 6)))
    target.directive = told_again(STABLE)
    target.cluster.writes.clear()
    first = target.turn()
    account = ObjectRef(group="", version="v1", kind="ServiceAccount", namespace="fraud", name="fraud")
    assert account in first.marked
    assert "delete" not in {action for action, _, _ in actions(first.plan.changes)}
    assert account in {mark.ref for mark in target.state.status.marks}
    assert account in target.cluster.live
    second = target.turn()
    assert second.marked == ()
    assert account in {change.ref for change in second.plan.changes if change.action is Action.DELETE}
    assert account not in target.cluster.live
    assert account not in {entry.ref for entry in target.state.status.inventory}
    assert target.state.status.marks == ()
    assert target.decide().plan.is_empty


def test_an_object_that_is_rendered_again_loses_its_mark_and_stays():
    with_account = told((ACCOUNT, Role.STABLE, 2, 6))
    both = told((ACCOUNT, Role.STABLE, 2, 6), (OLD, Role.PREVIOUS, 0, 0))
    target = settled(with_account)
    target.directive = told_again(STABLE)
    target.turn()
    target.directive = told_again(both, sequence=3)
    target.turn()
    assert not [ref for action, ref in target.cluster.writes if action is Action.DELETE]
    assert "fraud" in {ref.name for ref in target.cluster.live if ref.kind == "ServiceAccount"}


def test_a_deletion_that_failed_stays_marked_and_is_tried_again():
    target = settled(told((ACCOUNT, Role.STABLE, 2, 6)))
    target.directive = told_again(STABLE)
    target.turn()
    target.cluster.failing = {"ServiceAccount"}
    target.turn()
    assert "fraud" in {mark.ref.name for mark in target.state.status.marks}
    target.cluster.failing = set()
    target.settle()
    assert "fraud" not in {ref.name for ref in target.cluster.live if ref.kind == "ServiceAccount"}


# --- drift


@pytest.mark.parametrize("self_heal", [True, False], ids=["selfHeal: repaired", "selfHeal off: reported and left"])
@pytest.mark.parametrize("how", ["drift", "delete", "scale"])
def test_drift_is_repaired_or_reported(self_heal, how):
    target = settled(STABLE.model_copy(update={"self_heal": self_heal}))
    ref = target.find("Deployment")
    if how == "drift":
        target.cluster.drift(ref)
    elif how == "delete":
        del target.cluster.live[ref]
    else:
        target.cluster.scale(ref, 9)
    decision = target.turn()
    assert decision.plan.is_empty is not self_heal
    assert decision.drifted == (() if self_heal else (ref,))
    assert target.state.status.drifted == (() if self_heal else (str(ref),))


def test_what_the_release_asks_for_is_carried_out_with_self_heal_off():
    target = settled(STABLE.model_copy(update={"self_heal": False}))
    target.directive = told_again(told((NEW, Role.STABLE, 3, 3), self_heal=False))
    target.settle()
    assert target.sizes() == {NEW.version[7:17]: 3}


def test_a_size_that_differs_before_the_directive_was_carried_out_is_not_drift():
    target = settled(STABLE.model_copy(update={"self_heal": False}))
    target.directive = told_again(told((OLD, Role.STABLE, 8, 8), self_heal=False))
    decision = target.turn()
    assert decision.drifted == ()
    assert ("scale", "Deployment", words.RESIZED) in actions(decision.plan.changes)


def test_a_deleted_workload_that_is_only_reported_is_not_scaled_either():
    """A scale of what does not exist fails, and a failed pass would never carry its directive out."""
    target = settled(STABLE.model_copy(update={"self_heal": False}))
    ref = target.find("Deployment")
    del target.cluster.live[ref]
    target.directive = told_again(target.directive)
    decision = target.turn()
    assert decision.drifted == (ref,)
    assert actions(decision.plan.changes) == []
    assert target.state.status.sequence == target.directive.sequence


# --- order


def change(action, kind, tier, name="x"):
    ref = ObjectRef(group="", version="v1", kind=kind, namespace="n", name=name)
    return Change(action=action, ref=ref, tier=tier, before="", after="", why="")


ORDERED = (
    change(Action.CREATE, "ServiceAccount", 1),
    change(Action.UNCHANGED, "Deployment", 2, "a"),
    change(Action.UPDATE, "Deployment", 2, "b"),
    change(Action.CREATE, "Service", 2),
    change(Action.SCALE, "Deployment", 2, "b"),
    change(Action.UPDATE, "Service", 3),
    change(Action.DELETE, "Service", 3, "old"),
    change(Action.DELETE, "Deployment", 2, "old"),
    change(Action.DELETE, "ServiceAccount", 1, "old"),
)


@given(st.permutations(ORDERED))
def test_tiers_upwards_sizes_after_their_workloads_deletions_last_and_downwards(shuffled):
    assert order(tuple(shuffled)) == ORDERED


def test_a_stage_is_one_tier_and_one_step_and_what_is_unchanged_is_in_none():
    found = [[(row.action.value, row.ref.kind, row.ref.name) for row in stage] for stage in stages(ORDERED)]
    assert found == [
        [("create", "ServiceAccount", "x")],
        [("update", "Deployment", "b")],
        [("create", "Service", "x")],
        [("scale", "Deployment", "b")],
        [("update", "Service", "x")],
        [("delete", "Service", "old")],
        [("delete", "Deployment", "old")],
        [("delete", "ServiceAccount", "old")],
    ]
    assert stages(()) == ()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_decide_is_deterministic_and_does_not_depend_on_the_order_of_changes(data):
    target = settled(told((OLD, Role.STABLE, 2, 6), (ACCOUNT, Role.CANDIDATE, 1, 1)))
    target.directive = told_again(told((NEW, Role.STABLE, 2, 2), self_heal=data.draw(st.booleans())))
    for ref in data.draw(st.sets(st.sampled_from(sorted(target.cluster.live)), max_size=4)):
        target.cluster.drift(ref)
    seen = target.seen()
    changes = compare(target.wanted(seen), seen)
    shuffled = tuple(data.draw(st.permutations(changes)))
    assert decide(seen, changes) == decide(seen, shuffled)
    assert decide(seen, changes).plan.digest == decide(seen, shuffled).plan.digest


# --- safety


@pytest.mark.parametrize(
    ("owner", "sentence"),
    [
        pytest.param("", "was not made by us", id="nobody's label"),
        pytest.param("prod-other-12345678", "belongs to release state 'prod-other-12345678'", id="another release's"),
    ],
)
@pytest.mark.parametrize("what", ["update", "delete", "scale"])
def test_an_object_that_is_not_ours_is_refused_and_nothing_is_planned(owner, sentence, what):
    target = settled()
    ref = target.find("Deployment")
    live = replace(target.cluster.live[ref], owner=owner)
    target.cluster.live[ref] = live
    if what == "update":
        target.cluster.drift(ref)
    elif what == "scale":
        target.cluster.scale(ref, 9)
    else:
        target.directive = told_again(told((NEW, Role.STABLE, 2, 6)))
    with pytest.raises(Stalled, match=sentence) as caught:
        target.decide()
    assert caught.value.reason == "NotOurs"
    assert caught.value.message == f"{ref} on eu-1 {sentence}; delete it or rename the release"


def test_what_is_unchanged_is_not_looked_at():
    target = settled()
    ref = target.find("Deployment")
    target.cluster.live[ref] = replace(target.cluster.live[ref], owner="")
    assert target.decide().plan.is_empty


@pytest.mark.parametrize("home", [OTHER_HOME, ""], ids=["another home's", "a state that names no home"])
def test_a_target_of_another_home_is_not_touched(home):
    target = settled()
    target.state = target.state.model_copy(update={"home": home})
    with pytest.raises(Stalled, match=f"belongs to another home cluster .*{home}") as caught:
        target.decide()
    assert caught.value.reason == "OwnedByAnotherHome"


def test_nothing_is_touched_before_it_is_known_whose_home_this_is():
    target = settled()
    seen = replace(target.seen(), home="")
    with pytest.raises(Stalled, match="belongs to another home cluster"):
        decide(seen, compare(target.wanted(seen), seen))


def repair(target, times, minutes=1):
    ref = target.find("Deployment")
    for _ in range(times):
        target.cluster.drift(ref)
        target.turn()
        target.now += timedelta(minutes=minutes)
    target.cluster.drift(ref)
    return ref


def test_five_repairs_in_a_row_and_the_other_manager_is_named():
    target = settled()
    ref = repair(target, MAX_REPAIRS)
    with pytest.raises(Stalled) as caught:
        target.decide()
    assert caught.value.reason == "FoughtOver"
    assert caught.value.message == (
        f"{ref} on eu-1 differs again after 5 repairs; kubectl-edit changes it back; "
        "stop it, or leave the field to it (spec.serving.ignore)"
    )
    target.cluster.live[ref] = replace(target.cluster.live[ref], others=())
    with pytest.raises(Stalled, match="another manager changes it back"):
        target.decide()


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((MAX_REPAIRS - 1, 1), id="four repairs"),
        pytest.param((MAX_REPAIRS + 3, 11), id="repairs further apart than the window"),
    ],
)
def test_a_drift_now_and_then_is_no_fight(row):
    target = settled()
    repair(target, *row)
    assert actions(target.decide().plan.changes) == [("update", "Deployment", words.DRIFTED)]


def test_a_fight_is_over_when_the_window_has_passed():
    target = settled()
    repair(target, MAX_REPAIRS)
    target.now += REPAIR_WINDOW
    assert not target.decide().plan.is_empty


def test_a_new_text_of_the_object_begins_a_new_count():
    target = settled()
    ref = target.find("NetworkPolicy")
    for _ in range(MAX_REPAIRS):
        target.cluster.drift(ref)
        target.turn()
    target.directive = told_again(told((OPEN, Role.STABLE, 2, 6)))
    target.turn()
    entry = {entry.ref: entry for entry in target.state.status.inventory}[ref]
    assert (entry.repairs, entry.repaired_at) == (0, None)
