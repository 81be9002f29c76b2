"""Retiring and coming back, one pass at a time. Versions are shown as (name, role, low, high)."""

import pytest
from rollout_world import (
    AP,
    EU,
    FOUR,
    HALF,
    MID,
    NOW,
    OLD,
    REST,
    STABLE,
    US,
    V1,
    V2,
    World,
    directive,
    health,
    one,
    retired,
    seen,
    situation,
    sizes,
    told,
)

from reconciler.model.state import Phase
from reconciler.rollout.machine import LOOK_AGAIN, advance

ASLEEP = retired("1")
NOTHING = health(0, 0)
ZERO = directive(told("1", "s", 0, effective="r"), retire=True)
RETIRED = {"phase": Phase.RETIRED, "stable": ASLEEP}


def test_everything_goes_to_zero_at_once_and_what_was_stable_stays_known():
    answer = one(ASLEEP, STABLE, seen(**{"1": FOUR}), previous=(OLD,), **REST)
    assert sizes(answer) == [("1", "s", 0, 0), ("o", "p", 0, 0)]
    assert (answer.phase, answer.stable, answer.candidate, answer.promoted) == (Phase.RETIRING, ASLEEP, None, False)
    assert answer.message == "1 is retired; waiting for the pods on eu-1 to end."
    assert answer.look_again == LOOK_AGAIN


def test_a_candidate_on_its_way_goes_too_and_leaves_when_its_pods_are_gone():
    answer = one(ASLEEP, HALF, seen(**{"1": health(2, 2), "2": health(3, 3)}), **MID)
    assert sizes(answer) == [("1", "s", 0, 0), ("2", "c", 0, 0)]
    plan = directive(told("1", "s", 0, effective="r"), told("2", "c", 0), retire=True)
    answer = one(ASLEEP, plan, seen(**{"1": NOTHING, "2": NOTHING}), phase=Phase.RETIRING, stable=ASLEEP)
    assert (answer.phase, sizes(answer)) == (Phase.RETIRING, [("1", "s", 0, 0)])


@pytest.mark.parametrize(
    ("sentence", "plan", "report", "phase"),
    [
        ("no pod is left", ZERO, seen(**{"1": NOTHING}), Phase.RETIRED),
        ("a pod is still ending", ZERO, seen(**{"1": health(1, 0)}), Phase.RETIRING),
        ("the cluster has not acted yet", ZERO, seen(0, **{"1": NOTHING}), Phase.RETIRING),
        ("the cluster cannot be reached", ZERO, seen(reachable=False, **{"1": NOTHING}), Phase.RETIRING),
        ("it was not told yet", STABLE, seen(**{"1": NOTHING}), Phase.RETIRING),
        ("it was told zero by something else", directive(told("1", "s", 0, effective="r")),
         seen(**{"1": NOTHING}), Phase.RETIRING),
        ("it was never told anything", None, seen(0), Phase.RETIRING),
    ],
)  # fmt: skip
def test_it_is_retired_once_no_pod_of_it_is_left(sentence, plan, report, phase):
    answer = one(ASLEEP, plan, report, phase=Phase.RETIRING, stable=ASLEEP)
    assert answer.phase is phase, sentence


def test_what_is_retired_stays_so_when_a_cluster_joins_or_cannot_be_reached():
    clusters = {EU: (ZERO, seen(reachable=False)), US: (None, seen(0))}
    answer = advance(situation(ASLEEP, clusters, **RETIRED), NOW)
    assert (answer.phase, answer.look_again) == (Phase.RETIRED, None)
    assert sizes(answer, US) == [("1", "s", 0, 0)]
    assert answer.message == "1 is retired; waiting for the pods on eu-1 and us-1 to end."


def test_a_first_release_that_is_retired_on_its_way_leaves_nothing():
    first = directive(told("2", "c", 4))
    answer = one(retired("2"), first, seen(**{"2": FOUR}), phase=Phase.PREPARING, candidate=V2)
    assert (answer.phase, answer.stable, answer.candidate) == (Phase.RETIRING, None, None)
    assert sizes(answer) == [("2", "c", 0, 0)]
    zero = directive(told("2", "c", 0), retire=True)
    answer = one(retired("2"), zero, seen(**{"2": NOTHING}), phase=Phase.RETIRING)
    assert (answer.phase, answer.versions, answer.message) == (Phase.RETIRED, {}, "2 is retired.")


def test_what_never_ran_is_retired_without_a_directive():
    answer = one(retired("2"), None, seen(0))
    assert (answer.phase, answer.stable, answer.versions) == (Phase.RETIRED, None, {})


@pytest.mark.parametrize("gates_open", [True, False])
def test_a_gate_that_closes_leaves_what_is_retired_at_zero(gates_open):
    asked = ASLEEP if gates_open else V2
    answer = one(asked, ZERO, seen(**{"1": NOTHING}), gates_open=gates_open, **RETIRED)
    assert (answer.phase, sizes(answer)) == (Phase.RETIRED, [("1", "s", 0, 0)])


def test_without_its_gates_nothing_is_retired():
    answer = one(ASLEEP, STABLE, seen(**{"1": FOUR}), gates_open=False, **REST)
    assert (answer.phase, sizes(answer)) == (Phase.PROMOTED, [("1", "s", 4, 10)])


def test_the_same_version_comes_back_in_place_with_all_its_pods_at_once():
    answer = one(V1, ZERO, seen(**{"1": NOTHING}), **RETIRED)
    assert sizes(answer) == [("1", "s", 4, 4)]
    assert (answer.phase, answer.stable, answer.candidate) == (Phase.PREPARING, V1, None)
    assert answer.message == "0 of 4 replicas of 1 ready on eu-1; waiting for eu-1."
    waking = {"phase": Phase.PREPARING, "stable": V1}
    answer = one(V1, directive(told("1", "s", 4)), seen(**{"1": FOUR}), **waking)
    assert (answer.phase, answer.promoted, sizes(answer)) == (Phase.PROMOTED, True, [("1", "s", 4, 10)])


def test_a_gate_that_closes_does_not_stop_what_is_coming_back():
    waking = {"phase": Phase.PREPARING, "stable": V1}
    answer = one(V1, directive(told("1", "s", 4)), seen(**{"1": health(4, 1)}), gates_open=False, **waking)
    assert (answer.phase, sizes(answer)) == (Phase.PREPARING, [("1", "s", 4, 4)])
    answer = one(V2, directive(told("1", "s", 4)), seen(**{"1": FOUR}), gates_open=False, **waking)
    assert (answer.phase, answer.promoted) == (Phase.PENDING, False)


def test_another_version_comes_back_as_a_candidate_that_takes_over_from_nothing():
    answer = one(V2, ZERO, seen(**{"1": NOTHING}), **RETIRED)
    assert sizes(answer) == [("1", "s", 0, 0), ("2", "c", 1, 1)]
    assert (answer.phase, answer.stable, answer.candidate) == (Phase.PREPARING, ASLEEP, V2)
    moving = {"phase": Phase.PREPARING, "stable": ASLEEP, "candidate": V2}
    back = one(ASLEEP, directive(told("1", "s", 0), told("2", "c", 1)), seen(**{"2": health(1, 0)}), **moving)
    assert (back.phase, sizes(back)) == (Phase.RETIRING, [("1", "s", 0, 0), ("2", "c", 0, 0)])
    held = one(V2, directive(told("1", "s", 0), told("2", "c", 0)), seen(), gates_open=False, **moving)
    assert sizes(held) == [("1", "s", 0, 0), ("2", "c", 0, 0)]


def test_a_cluster_that_joins_meanwhile_does_not_wait_for_what_is_retired():
    moving = {"phase": Phase.PREPARING, "stable": ASLEEP, "candidate": V2}
    clusters = {
        EU: (directive(told("1", "s", 0), told("2", "c", 1)), seen(**{"2": health(1, 0)})),
        AP: (directive(told("z", "s", 2)), seen(z=health(2, 2))),
    }
    answer = advance(situation(V2, clusters, **moving), NOW)
    assert sizes(answer, AP) == [("2", "c", 1, 1), ("z", "s", 2, 2)]


@pytest.mark.parametrize("strategy", ["rolling", "recreate"])
@pytest.mark.parametrize("back", [V1, V2], ids=["the same version", "another version"])
def test_a_release_is_retired_and_comes_back_whole(strategy, back):
    world = World(V1, clusters=(EU, US), strategy=strategy)
    world.settle()
    world.ask(ASLEEP)
    world.settle()
    assert not any(any(pods) for cluster in world.clusters.values() for pods in cluster.pods.values())
    writes = world.writes
    world.round()
    assert world.writes == writes
    world.ask(back)
    assert world.settle() <= 6
    assert {cluster.ready for cluster in world.clusters.values()} == {4}
