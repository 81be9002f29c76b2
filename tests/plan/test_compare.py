"""Wanted against live: every row is one way an object can be, and what follows from it."""

from dataclasses import replace

import pytest
from plan_cluster import ACCOUNT, NEW, OLD, OPEN, OWNER, Target, actions, told, told_again

from reconciler.digest import sha256_of
from reconciler.model.facts import LiveObject
from reconciler.model.objects import ObjectRef, RenderedObject, Rendering, Size
from reconciler.model.plan import Action, Change
from reconciler.model.state import InventoryEntry, Role
from reconciler.plan import compare as words
from reconciler.plan.compare import compare

REF = ObjectRef(group="apps", version="v1", kind="Deployment", namespace="fraud", name="fraud-1")
WANTED = RenderedObject(ref=REF, tier=2, payload=b"{}", digest=sha256_of(b"wanted"))
LIVE = LiveObject(
    ref=REF,
    uid="u",
    resource_version="1",
    generation=1,
    digest="live",
    owner=OWNER,
    others=(),
    deleting=False,
    facts={"replicas": 3},
)
ENTRY = InventoryEntry(
    group="apps",
    api="v1",
    kind="Deployment",
    namespace="fraud",
    name="fraud-1",
    tier=2,
    rendered=WANTED.digest,
    live="live",
)
OTHER = sha256_of(b"other")


def seen(live=None, entry=None):
    observed = Target().seen()
    state = None
    if entry:
        settled = Target()
        settled.turn()
        status = settled.state.status.model_copy(update={"inventory": (entry,)})
        state = settled.state.model_copy(update={"status": status})
    return replace(observed, live={REF: live} if live else {}, state=state)


@pytest.mark.parametrize(
    ("live", "entry", "action", "why", "before"),
    [
        pytest.param(None, None, Action.CREATE, words.NEW, "", id="nothing is there: it is created"),
        pytest.param(
            None, ENTRY, Action.CREATE, words.DELETED, "", id="we made it and it is gone: somebody deleted it"
        ),
        pytest.param(
            None,
            ENTRY.model_copy(update={"live": ""}),
            Action.CREATE,
            words.NEW,
            "",
            id="announced and never made: it is new",
        ),
        pytest.param(
            LIVE, None, Action.UPDATE, words.NEW, "", id="it is there with our label but not in the inventory: applied"
        ),
        pytest.param(
            LIVE,
            ENTRY.model_copy(update={"rendered": OTHER}),
            Action.UPDATE,
            words.CHANGED,
            OTHER,
            id="the release renders something else: updated",
        ),
        pytest.param(
            LIVE,
            ENTRY.model_copy(update={"live": ""}),
            Action.UPDATE,
            words.UNCONFIRMED,
            WANTED.digest,
            id="announced, made, and we crashed before we noted it: applied again",
        ),
        pytest.param(
            replace(LIVE, digest="moved"),
            ENTRY,
            Action.UPDATE,
            words.DRIFTED,
            WANTED.digest,
            id="somebody changed a field of ours: drift",
        ),
        pytest.param(
            replace(LIVE, digest="moved"),
            ENTRY.model_copy(update={"rendered": OTHER}),
            Action.UPDATE,
            words.CHANGED,
            OTHER,
            id="changed by both: the release's word counts, it is no drift",
        ),
        pytest.param(LIVE, ENTRY, Action.UNCHANGED, "", WANTED.digest, id="as it should be: unchanged"),
    ],
)
def test_one_object(live, entry, action, why, before):
    changes = compare(Rendering(objects=(WANTED,), sizes=()), seen(live, entry))
    assert changes == (Change(action=action, ref=REF, tier=2, before=before, after=WANTED.digest, why=why),)


@pytest.mark.parametrize(
    ("replicas", "low", "high", "scale"),
    [
        pytest.param(3, 2, 6, None, id="inside its range: the autoscaler chooses"),
        pytest.param(2, 2, 6, None, id="at the low end"),
        pytest.param(6, 2, 6, None, id="at the high end"),
        pytest.param(1, 2, 6, ("1", "2"), id="below: to the low end"),
        pytest.param(9, 2, 6, ("9", "6"), id="above: to the high end"),
        pytest.param(3, 0, 0, ("3", "0"), id="a version that leaves: to zero"),
        pytest.param(None, 1, 4, None, id="about to be created: a Deployment starts with one"),
        pytest.param(None, 2, 4, ("1", "2"), id="about to be created and larger than one"),
    ],
)
def test_sizes_are_changed_to_the_nearer_end_of_the_range(replicas, low, high, scale):
    live = replace(LIVE, facts={"replicas": replicas}) if replicas is not None else None
    sizes = (Size(ref=REF, low=low, high=high),)
    changes = compare(Rendering(objects=(WANTED,), sizes=sizes), seen(live, ENTRY))
    found = [(row.before, row.after, row.tier, row.why) for row in changes if row.action is Action.SCALE]
    assert found == ([(*scale, 2, words.RESIZED)] if scale else [])


def test_a_live_workload_whose_size_is_not_known_has_the_size_a_server_gives():
    changes = compare(
        Rendering(objects=(WANTED,), sizes=(Size(ref=REF, low=2, high=2),)), seen(replace(LIVE, facts={}), ENTRY)
    )
    assert [(row.before, row.after) for row in changes if row.action is Action.SCALE] == [("1", "2")]


@pytest.mark.parametrize(
    ("live", "before"),
    [
        pytest.param(LIVE, WANTED.digest, id="it is there: it is to be deleted"),
        pytest.param(None, "", id="it is gone already: it leaves the inventory the same way"),
    ],
)
def test_what_is_in_the_inventory_and_no_longer_rendered_is_a_deletion(live, before):
    changes = compare(Rendering(objects=(), sizes=()), seen(live, ENTRY))
    assert changes == (Change(action=Action.DELETE, ref=REF, tier=2, before=before, after="", why=words.NOT_RENDERED),)


def test_a_previous_version_that_does_not_exist_is_not_made_only_to_have_size_zero():
    target = Target(directive=told((NEW, Role.STABLE, 2, 6), (OLD, Role.PREVIOUS, 0, 0)))
    target.settle()
    assert {ref.name for ref in target.cluster.live if ref.kind == "Deployment"} == {
        f"fraud-detector-{NEW.version[7:17]}"
    }


def test_a_previous_version_that_exists_is_kept_at_zero():
    target = Target()
    target.settle()
    target.directive = told_again(told((NEW, Role.STABLE, 2, 6), (OLD, Role.PREVIOUS, 0, 0)))
    target.settle()
    assert target.sizes() == {OLD.version[7:17]: 0, NEW.version[7:17]: 2}


def test_the_first_pass_creates_everything_and_the_next_finds_nothing():
    target = Target()
    first = target.turn()
    assert {action for action, _, _ in actions(first.plan.changes)} == {"create", "scale"}
    assert {why for _, _, why in actions(first.plan.changes)} == {words.NEW, words.RESIZED}
    assert target.decide().plan.is_empty


def test_a_change_in_place_touches_only_what_differs():
    target = Target()
    target.settle()
    target.directive = told_again(told((OPEN, Role.STABLE, 2, 6)))
    assert actions(target.decide().plan.changes) == [
        ("update", "NetworkPolicy", words.CHANGED),
        ("update", "Service", words.CHANGED),  # it names the manifest
    ]


def test_an_object_that_only_a_version_at_zero_uses_is_repaired_and_not_made():
    target = Target(directive=told((ACCOUNT, Role.STABLE, 2, 2)))
    target.settle()
    account = target.find("ServiceAccount", "fraud")
    target.directive = told((OLD, Role.STABLE, 2, 2), (ACCOUNT, Role.PREVIOUS, 0, 0), sequence=2)
    target.settle()
    target.cluster.drift(account)
    assert ("update", "ServiceAccount", "drifted from what was applied") in actions(target.decide().plan.changes)
    del target.cluster.live[account]
    assert actions(target.decide().plan.changes) == []
