"""What a target's state says before and after acting, and when nothing was done."""

from dataclasses import replace

import pytest
from plan_cluster import ACCOUNT, HOME, KEY, NEW, OLD, OPEN, STABLE, Crash, Target, ready, told, told_again

from reconciler.errors import Stalled
from reconciler.model.facts import PodFact
from reconciler.model.state import Role, release_ref
from reconciler.plan.conclude import announce, stalled, versions_health, workload_name
from reconciler.render import identity


def words(state):
    return {row.type: (row.status, row.reason) for row in state.status.conditions}


def message(state, kind="Ready"):
    return next(row.message for row in state.status.conditions if row.type == kind)


# --- announce


def test_everything_that_is_about_to_exist_is_in_the_inventory_before_anything_is_written():
    target = Target()
    seen = target.seen()
    state = announce(seen, target.decide())
    assert {entry.ref for entry in state.status.inventory} == {row.ref for row in target.wanted(seen).objects}
    assert {entry.live for entry in state.status.inventory} == {""}
    assert (state.release, state.cluster, state.home) == (release_ref(KEY.release), "eu-1", HOME)
    assert state.directive == target.directive
    assert state.status.sequence == 0


def test_the_specs_that_the_directive_names_are_kept_so_that_neither_git_nor_home_is_needed():
    target = Target(directive=told((OLD, Role.STABLE, 2, 2), (NEW, Role.CANDIDATE, 1, 1)))
    assert set(announce(target.seen(), target.decide()).effective) == {OLD.version, NEW.version}


def test_announcing_when_nothing_changes_says_what_was_said():
    target = Target()
    target.settle()
    assert announce(target.seen(), target.decide()) == target.state


def test_an_object_that_drifted_keeps_what_is_known_of_it_when_its_repair_is_announced():
    target = Target()
    target.settle()
    before = target.state.status.inventory
    target.cluster.drift(target.find("NetworkPolicy"))
    assert announce(target.seen(), target.decide()).status.inventory == before


# --- conclude


def test_after_a_pass_the_inventory_says_what_the_server_has():
    target = Target()
    target.turn()
    for entry in target.state.status.inventory:
        live = target.cluster.live[entry.ref]
        assert (entry.live, entry.uid, entry.repairs) == (live.digest, live.uid, 0)
    assert target.state.status.sequence == 1
    assert target.state.status.serving == "1.3.0"


def test_a_pass_that_failed_does_not_speak_of_its_directive():
    target = Target()
    target.settle()
    target.directive = told_again(told((NEW, Role.STABLE, 2, 6)))
    target.cluster.failing = {"Deployment"}
    target.turn()
    assert target.state.status.sequence == 1
    assert target.state.directive.sequence == 2
    assert words(target.state)["Ready"] == ("False", "ApplyFailed")
    assert message(target.state) == f"Deployment fraud/{workload_name('fraud-detector', NEW.version)}: no"
    target.cluster.failing = set()
    target.settle()
    assert target.state.status.sequence == 2
    assert words(target.state)["Ready"] == ("True", "Healthy")


def test_a_failure_without_a_reason_is_named_apply_failed_and_later_tiers_are_not_touched():
    target = Target()
    target.cluster.failing = {"ServiceAccount"}
    target.turn()
    assert words(target.state)["Healthy"] == ("False", "ApplyFailed")
    assert {ref.kind for ref in target.cluster.live} == {"NetworkPolicy"}
    assert {entry.live for entry in target.state.status.inventory if entry.kind == "Deployment"} == {""}


@pytest.mark.parametrize(
    ("minutes", "repairs"), [(1, 2), (11, 1)], ids=["within the window: counted", "later: a new count"]
)
def test_repairs_are_counted_in_a_row(minutes, repairs):
    target = Target()
    target.settle()
    ref = target.find("NetworkPolicy")
    for _ in range(2):
        target.cluster.drift(ref)
        target.now = target.now.replace(minute=target.now.minute + minutes)
        target.turn()
    entry = {entry.ref: entry for entry in target.state.status.inventory}[ref]
    assert entry.repairs == repairs
    assert entry.repaired_at == target.now.replace(microsecond=0)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(
            "starting",
            {"Ready": "PodsNotReady", "Healthy": "PodsNotReady", "Reconciling": "Progressing"},
            id="pods are starting",
        ),
        pytest.param("settled", {"Ready": "Healthy", "Healthy": "Healthy", "Reconciling": "Settled"}, id="all is well"),
        pytest.param(
            "drifted",
            {"Ready": "Drifted", "Healthy": "Healthy", "Reconciling": "Settled"},
            id="drift is only reported: it serves, but it is not as it should be",
        ),
        pytest.param(
            "marked",
            {"Ready": "Healthy", "Healthy": "Healthy", "Reconciling": "Progressing"},
            id="something waits to be deleted",
        ),
    ],
)
def test_conditions(case, expected):
    target = Target(directive=told((ACCOUNT, Role.STABLE, 2, 6), self_heal=False))
    target.turn()
    if case != "starting":
        target.settle()
    if case == "drifted":
        target.cluster.drift(target.find("NetworkPolicy"))
        target.turn()
        assert message(target.state) == "selfHeal is off and these differ: NetworkPolicy fraud/fraud-detector"
    if case == "marked":
        target.directive = told_again(STABLE)
        target.turn()
        target.cluster.start_pods()
        target.directive = told_again(told((ACCOUNT, Role.STABLE, 2, 6)), sequence=3)
        target.turn()  # the other version's objects wait for a second pass
    assert {kind: reason for kind, (_, reason) in words(target.state).items() if kind != "Stalled"} == expected
    assert words(target.state)["Stalled"] == ("False", "NotStalled")


def test_a_condition_keeps_its_time_while_its_status_stays():
    target = Target()
    target.settle()
    since = {row.type: row.since for row in target.state.status.conditions}
    target.now = target.now.replace(hour=15)
    target.turn()
    assert {row.type: row.since for row in target.state.status.conditions} == since
    target.cluster.live[target.find("Deployment")] = replace(
        target.cluster.live[target.find("Deployment")], facts={"replicas": 2, "status": ready(2, 1)}
    )
    target.turn()
    after = {row.type: row.since for row in target.state.status.conditions}
    assert after["Healthy"] == target.now.replace(microsecond=0)
    assert after["Stalled"] == since["Stalled"]


def test_what_serves_is_the_stable_version_or_the_only_one():
    target = Target(directive=told((NEW, Role.CANDIDATE, 1, 1), (OLD, Role.STABLE, 2, 2)))
    target.turn()
    assert target.state.status.serving == "1.3.0"
    target = Target(directive=told((NEW, Role.CANDIDATE, 1, 1)))
    target.turn()
    assert target.state.status.serving == "1.4.0"


def test_a_crash_between_announcing_and_acting_loses_nothing():
    target = Target()
    with pytest.raises(Crash):
        target.turn(crash_after=3)
    known = {entry.ref for entry in target.state.status.inventory}
    assert set(target.cluster.live) <= known
    target.settle()
    assert set(target.cluster.live) == known


# --- stalled

FOUGHT = Stalled("two managers fight", reason="FoughtOver")


def test_a_stall_says_why_and_keeps_what_is_known():
    target = Target()
    target.settle()
    state = stalled(target.seen(), FOUGHT)
    assert words(state) == {
        "Ready": ("False", "FoughtOver"),
        "Stalled": ("True", "FoughtOver"),
        "Healthy": ("True", "Healthy"),
    }
    assert message(state, "Stalled") == "two managers fight"
    assert state.status.inventory == target.state.status.inventory
    assert state.directive == target.state.directive


def test_a_stall_does_not_take_over_the_directive_that_was_not_carried_out():
    target = Target()
    target.settle()
    target.directive = told_again(told((NEW, Role.STABLE, 2, 6)))
    assert stalled(target.seen(), FOUGHT).directive == STABLE


def test_a_stall_before_the_first_pass_has_nothing_in_the_inventory():
    state = stalled(Target().seen(), FOUGHT)
    assert state.status.inventory == ()
    assert words(state)["Stalled"] == ("True", "FoughtOver")


# --- health of versions


def test_every_version_of_the_directive_has_its_health():
    target = Target()
    target.settle()
    target.directive = told_again(told((OLD, Role.STABLE, 2, 2), (NEW, Role.CANDIDATE, 1, 1)))
    target.turn()
    health = target.state.status.versions
    assert (health[OLD.version].healthy, health[NEW.version].healthy) == (True, False)


@pytest.mark.parametrize(
    ("replicas", "available", "news"),
    [
        pytest.param((4, 5), (2, 2), False, id="one more pod exists and nothing else: not worth a write"),
        pytest.param((5, 4), (2, 2), True, id="one less exists: somebody may wait for that"),
        pytest.param((4, 5), (2, 3), True, id="one more is ready"),
        pytest.param((4, 4), (2, 2), False, id="the same"),
    ],
)
def test_health_is_written_when_it_is_news(replicas, available, news):
    target = Target(directive=told((OLD, Role.STABLE, 6, 6)))
    target.settle()
    ref = target.find("Deployment")
    written = []
    for exist, up in zip(replicas, available, strict=True):
        facts = {"replicas": 6, "status": ready(exist, up)}
        target.cluster.live[ref] = replace(target.cluster.live[ref], facts=facts)
        target.turn()
        written.append(target.state)
    assert (written[0] != written[1]) is news


def test_pods_say_why():
    target = Target()
    target.turn()
    blank = {"ready": False, "message": "", "restarts": 0, "last_event": "", "log_tail": ""}
    pod = PodFact(name="p", phase="Pending", reason="ImagePullBackOff", **blank)
    seen = replace(target.seen(), pods={OLD.version: (pod,)})
    assert versions_health(seen, target.wanted(seen))[OLD.version].reason == "ImagePullBackOff"


def test_a_version_that_is_not_rendered_has_no_health():
    target = Target()
    seen = target.seen()
    wanted = replace(target.wanted(seen), sizes=())
    assert versions_health(seen, wanted) == {}


def test_workloads_are_found_under_the_name_that_they_are_rendered_with():
    assert workload_name(KEY.release.name, OPEN.version) == identity.version_name(OPEN)
