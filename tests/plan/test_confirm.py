"""Where people confirm deletions: what waits, what a confirmation is of, and what is never deleted at all."""

import pytest
from plan_cluster import ACCOUNT, NEW, OLD, STABLE, Target, told, told_again

from reconciler.digest import sha256_of
from reconciler.model.environment import PruneBudget
from reconciler.model.plan import Action
from reconciler.model.state import Apply, InventoryEntry, Role

CONFIRM = {"confirm": True}


def superseded() -> Target:
    """1.3.0 was replaced and is named no more: its Deployment, Service and account are wanted by nobody."""
    target = Target(directive=STABLE)
    target.settle()
    target.directive = told_again(told((NEW, Role.STABLE, 2, 6)), **CONFIRM)
    target.settle()
    return target


def waiting(target):
    return {mark.ref for mark in target.state.status.marks if mark.confirm}


def confirm(target, marks=None, **more):
    found = target.state.status.marks if marks is None else marks
    target.directive = told_again(target.directive, confirmed=tuple(found), **more)


def deleted(target):
    return [ref for action, ref in target.cluster.writes if action is Action.DELETE]


def test_nothing_is_deleted_and_nothing_moves_while_nobody_confirmed():
    target = superseded()
    assert {ref.kind for ref in waiting(target)} >= {"Deployment", "Service"}
    before, writes = target.state, len(target.cluster.writes)
    for _ in range(3):
        target.turn()
    assert (target.state, len(target.cluster.writes), deleted(target)) == (before, writes, [])
    reconciling = next(row for row in before.status.conditions if row.type == "Reconciling")
    assert reconciling.status == "False"


def test_what_was_confirmed_is_deleted_and_nothing_else():
    target = superseded()
    first = target.state.status.marks[:1]
    confirm(target, first)
    target.settle()
    assert deleted(target) == [str(mark.ref) for mark in first]
    confirm(target)
    target.settle()
    assert target.state.status.marks == ()


def test_the_budget_holds_for_what_was_confirmed_and_what_waits_for_it_asks_nobody_again():
    target = superseded()
    confirm(target, budget=PruneBudget(count=1, percent=100))
    target.turn()
    assert len(deleted(target)) == 1
    assert target.state.status.marks
    assert waiting(target) == set()
    for _ in range(20):
        target.turn()
    assert target.state.status.marks == ()


@pytest.mark.parametrize("other", [{"uid": "another"}, {"sequence": 99}, {"name": "another"}])
def test_a_confirmation_is_of_this_object_as_it_was_marked(other):
    target = superseded()
    confirm(target, [mark.model_copy(update=other) for mark in target.state.status.marks])
    target.settle()
    assert deleted(target) == []


def test_what_is_wanted_again_and_superseded_again_is_another_set():
    target = superseded()
    marks = target.state.status.marks
    again = told((NEW, Role.STABLE, 2, 6), (OLD, Role.PREVIOUS, 0, 0))
    target.directive = told_again(again, sequence=7, **CONFIRM)
    target.settle()
    assert target.state.status.marks == ()
    target.directive = told_again(told((NEW, Role.STABLE, 2, 6)), sequence=8, confirmed=marks, **CONFIRM)
    target.settle()
    assert {ref.kind for ref in waiting(target)} == {"Deployment", "Service"}
    assert not {"Deployment", "Service"} & {ref.split()[0] for ref in deleted(target)}


def test_what_sizes_a_version_that_stays_goes_without_anybody():
    target = Target(directive=STABLE.model_copy(update=CONFIRM))
    target.settle()
    parked = told((NEW, Role.STABLE, 2, 6), (OLD, Role.PREVIOUS, 0, 0))
    target.directive = told_again(parked, **CONFIRM)
    target.settle()
    assert {ref.split()[0] for ref in deleted(target)} == {"HorizontalPodAutoscaler", "PodDisruptionBudget"}
    assert waiting(target) == set()


def test_a_confirmation_that_is_asked_later_holds_for_what_is_marked_already():
    target = Target(directive=told((ACCOUNT, Role.STABLE, 2, 6)))
    target.settle()
    target.directive = told_again(STABLE)
    target.turn()
    assert target.state.status.marks
    target.directive = told_again(STABLE, sequence=3, **CONFIRM)
    target.settle()
    assert waiting(target) == {mark.ref for mark in target.state.status.marks} != set()


def test_where_nobody_is_asked_any_more_it_goes_on():
    target = superseded()
    target.directive = told_again(target.directive, confirm=False)
    target.settle()
    assert target.state.status.marks == ()


# --- kinds that are never deleted


def with_claim(kind="PersistentVolumeClaim"):
    target = Target(directive=STABLE)
    target.settle()
    claim = InventoryEntry(
        api="v1", kind=kind, namespace="fraud", name="data", tier=1, rendered=sha256_of(b"claim"), live="x", uid="u"
    )
    status = target.state.status
    status = status.model_copy(update={"inventory": tuple(sorted((*status.inventory, claim), key=lambda row: row.ref))})
    target.state = target.state.model_copy(update={"status": status})
    return target, claim


@pytest.mark.parametrize(
    "kind", ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition", "Secret"]
)
def test_a_protected_object_is_let_go_and_not_deleted(kind):
    target, claim = with_claim(kind)
    decision = target.decide()
    assert [(row.action, row.ref) for row in decision.plan.changes if row.action is not Action.UNCHANGED] == [
        (Action.ORPHAN, claim.ref)
    ]
    target.turn()
    assert deleted(target) == []
    assert claim.ref not in {entry.ref for entry in target.state.status.inventory}
    assert target.state.status.orphaned == (str(claim.ref),)
    condition = next(row for row in target.state.status.conditions if row.type == "Orphaned")
    assert (condition.status, condition.reason) == ("True", "ProtectedKind")
    assert str(claim.ref) in condition.message
    before = target.state
    target.turn()
    assert target.state == before


def test_a_removal_lets_it_go_too():
    target, claim = with_claim()
    target.directive = told_again(STABLE, apply=Apply.REMOVE)
    target.turn()
    target.turn()
    assert (target.state.status.inventory, target.state.status.orphaned) == ((), (str(claim.ref),))
