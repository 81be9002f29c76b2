"""Deletions that people confirm, over the passes of one release: what is asked, what counts, what is told."""

from dataclasses import replace

import pytest
from loop_acme import FRAUD, PROD, fleet, fleeting, key_of
from loop_passes import Release

from reconciler.digest import pruned_of, sha256_of
from reconciler.model.state import Apply, InventoryEntry, Phase, PruneMark, ReleaseState, release_ref
from reconciler.plan.why import why

ENVIRONMENT = "environments/prod.yaml"


def mark(name="fraud-detector-0123456789", **more):
    data = {"group": "apps", "api": "v1", "kind": "Deployment", "namespace": "fraud", "name": name, "sequence": 1}
    return PruneMark(**{**data, "uid": "u1", "confirm": True, **more})


class Held:
    """A settled release whose targets say that they wait with these marks."""

    def __init__(self, prune="{confirm: true}", *, approvals=""):
        self.release = Release()
        self.release.settle()
        text = f"  prune: {prune}\n" + (f"  approvals: {approvals}\n" if approvals else "")
        self.release.repo.edit(ENVIRONMENT, "  rollback:", f"{text}  rollback:")
        self.release.settle()
        self.marks = {"eu-1": (mark(),), "us-1": (mark(uid="u2"), mark("fraud-detector-aaaaaaaaaa", uid="u3"))}

    def turn(self):
        found = fleet(FRAUD, self.release.status)
        for name, marks in self.marks.items():
            state = found[name].state
            if state:
                status = state.status.model_copy(update={"marks": marks})
                found[name] = fleeting(state.model_copy(update={"status": status}))
        return self.release.turn(found)

    def settle(self):
        for _ in range(20):
            before = self.release.status
            if self.turn() == before:
                return before
        raise AssertionError("not settled")

    def confirm(self, *people, marks=None, key=FRAUD, action="approve"):
        for person in people:
            self.release.repo.vote(key, pruned_of(marks or self.marks), person, action=action)

    def confirmed(self):
        return {name: told.confirmed for name, told in self.release.status.directives.items() if told.confirmed}

    def reasons(self):
        return [gate.reason for gate in self.release.status.gates]


def test_what_waits_is_named_with_the_command_that_confirms_it():
    held = Held()
    status = held.settle()
    assert {told.confirm for told in status.directives.values()} == {True}
    assert (held.reasons(), held.confirmed()) == (["PruneNotConfirmed"], {})
    message = status.gates[0].message
    assert message.startswith("the deletion of 3 objects (Deployment fraud/fraud-detector-0123456789 on eu-1, ")
    assert "0 of 1 approval (bo could give it)" in message, "without approvals: who may remove here"
    assert message.endswith("run: reconciler approve prod/fraud-detector --prune")
    assert status.unconfirmed == held.marks
    condition = next(row for row in status.conditions if row.type == "Held")
    assert (condition.status, condition.reason) == ("True", "PruneNotConfirmed")
    assert status.outbox[-1].record.kind == "Held"
    said = why(ReleaseState(release=release_ref(FRAUD), status=status), None)
    assert said.live
    assert "is live" in said.sentence
    assert message in said.sentence


def test_it_holds_the_deletion_and_nothing_else():
    held = Held()
    held.settle()
    held.release.repo.edit(PROD, "version: 1.3.0", "version: 4.0.0")
    status = held.settle()
    assert (status.phase, status.stable.model_version) == (Phase.PROMOTED, "4.0.0")
    assert held.reasons() == ["PruneNotConfirmed"]


@pytest.mark.parametrize(("person", "counts"), [("bo", True), ("cy", False), ("ada", False), ("daemon", False)])
def test_without_approvals_somebody_who_may_remove_there_confirms(person, counts):
    held = Held()
    held.confirm(person)
    status = held.settle()
    assert held.confirmed() == (held.marks if counts else {})
    assert held.reasons() == ([] if counts else ["PruneNotConfirmed"])
    assert (status.unconfirmed == {}) is counts


def test_the_environments_approval_rules_count():
    held = Held(approvals="{rules: [{role: risk, count: 1}, {count: 2}]}")
    held.confirm("bo", "dee")
    held.settle()
    assert held.reasons() == ["PruneNotConfirmed"]
    assert "0 of 1 approval by risk" in held.release.status.gates[0].message
    held.confirm("cy")
    held.settle()
    assert held.confirmed() == held.marks
    record = next(row for row in held.release.status.outbox if row.record.kind == "Confirmed")
    assert [row.person for row in record.record.approvals] == ["bo", "cy", "dee"]
    assert "bo and cy and dee confirmed the deletion of 3 objects" in record.record.message
    assert len(record.record.detail["objects"]) == 3
    assert len(record.blobs) == 3


def test_a_no_wins():
    held = Held(approvals="{rules: [{count: 1}]}")
    held.confirm("cy")
    held.confirm("dee", action="reject")
    held.settle()
    assert held.reasons() == ["PruneNotConfirmed"]
    assert "rejected by dee" in held.release.status.gates[0].message


@pytest.mark.parametrize(
    "other",
    [
        {"eu-1": (mark(),)},
        {"eu-1": (mark(),), "us-1": (mark(uid="u2"),)},
        {"eu-1": (mark(sequence=2),), "us-1": (mark(uid="u2"), mark("fraud-detector-aaaaaaaaaa", uid="u3"))},
        {"eu-1": (mark(uid="u9"),), "us-1": (mark(uid="u2"), mark("fraud-detector-aaaaaaaaaa", uid="u3"))},
    ],
    ids=["one cluster", "one object less", "marked another time", "another object of the name"],
)
def test_a_confirmation_of_one_set_confirms_no_other(other):
    held = Held()
    held.confirm("bo", marks=other)
    held.settle()
    assert (held.reasons(), held.confirmed()) == (["PruneNotConfirmed"], {})


def test_an_approval_of_the_release_or_of_another_ones_deletion_is_none():
    held = Held(approvals="{rules: [{count: 1}]}")
    held.settle()
    held.release.repo.vote(FRAUD, held.release.judged.standing.closure, "cy")
    other = held.release.repo.vote(key_of("staging", "fraud-detector"), pruned_of(held.marks), "dee")
    held.release.repo.files["approvals/prod/fraud-detector/dee.sig"] = held.release.repo.files.pop(other)
    held.settle()
    assert held.reasons() == ["PruneNotConfirmed"]


def test_what_is_deleted_step_by_step_asks_nobody_again_and_a_new_object_does():
    held = Held()
    held.confirm("bo")
    held.settle()
    told = dict(held.release.status.directives)
    left = held.marks["us-1"][1].model_copy(update={"confirm": False})
    held.marks = {"us-1": (left,)}
    held.settle()
    assert (held.reasons(), held.release.status.directives) == ([], told), "nothing is told again for it"
    new = mark("fraud-detector-bbbbbbbbbb", uid="u4", sequence=3)
    held.marks = {"us-1": (left, new)}
    held.settle()
    assert held.reasons() == ["PruneNotConfirmed"]
    assert held.release.status.unconfirmed == {"us-1": (new,)}
    held.confirm("bo", marks=held.release.status.unconfirmed)
    held.settle()
    assert [row.name[-4:] for row in held.confirmed()["us-1"]] == ["aaaa", "bbbb"]


def test_nobody_is_asked_where_the_environment_does_not_ask():
    held = Held("{budget: {count: 3, percent: 50}}")
    status = held.settle()
    assert held.reasons() == []
    assert {(told.confirm, told.budget.count) for told in status.directives.values()} == {(False, 3)}


def test_confirm_alone_has_the_default_budget():
    assert {told.budget.count for told in Held().settle().directives.values()} == {20}


def test_while_no_environment_is_in_force_the_question_stays():
    held = Held()
    held.settle()
    held.release.repo.end_document(ENVIRONMENT, "bo")
    status = held.settle()
    assert {told.confirm for told in status.directives.values()} == {True}


def test_a_signed_removal_is_itself_the_confirmation():
    held = Held()
    held.settle()
    digest = sha256_of(held.release.repo.blobs[held.release.repo.files[PROD]])
    held.release.repo.remove(PROD)
    held.release.repo.end(FRAUD, digest, "bo")
    status = held.turn()
    assert {(told.apply, told.confirm) for told in status.directives.values()} == {(Apply.REMOVE, False)}
    held.turn()
    assert held.reasons() == []


def test_the_ledger_is_told_what_a_removal_leaves_because_it_is_never_deleted():
    held = Held()
    held.settle()
    digest = sha256_of(held.release.repo.blobs[held.release.repo.files[PROD]])
    held.release.repo.remove(PROD)
    held.release.repo.end(FRAUD, digest, "bo")
    claim = InventoryEntry(
        api="v1", kind="PersistentVolumeClaim", namespace="fraud", name="data", tier=1, rendered="sha256:" + "0" * 64
    )
    found = fleet(FRAUD, held.release.status)
    state = found["eu-1"].state
    status = state.status.model_copy(update={"inventory": (claim,)})
    found["eu-1"] = replace(found["eu-1"], state=state.model_copy(update={"status": status}))
    after = held.release.turn(found)
    record = after.outbox[-1].record
    assert (record.kind, record.clusters) == ("Orphaned", ("eu-1",))
    assert "without PersistentVolumeClaim fraud/data, which is never deleted by us" in record.message
