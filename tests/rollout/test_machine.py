"""One pass of the machine: first releases, steps and gates. Versions are shown as (name, role, low, high)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import (
    BEFORE,
    EU,
    FOUR,
    HALF,
    MID,
    NOW,
    REST,
    STABLE,
    STARTED,
    US,
    V1,
    V2,
    V3,
    directive,
    health,
    one,
    resequenced,
    runnable,
    seen,
    situation,
    sizes,
    told,
)

from reconciler.errors import Misused
from reconciler.model.state import Phase
from reconciler.rollout.machine import LOOK_AGAIN, advance

# First release


def test_a_first_release_goes_straight_to_ready_on_every_cluster():
    answer = advance(situation(V1, {EU: (None, seen(0)), US: (None, None)}), NOW)
    assert answer.phase is Phase.PREPARING
    assert (answer.stable, answer.candidate, answer.promoted) == (None, V1, False)
    assert sizes(answer, EU) == sizes(answer, US) == [("1", "c", 4, 4)]
    assert answer.look_again == LOOK_AGAIN > timedelta(0)


def test_a_first_release_behind_a_closed_gate_gets_no_directive():
    answer = one(V1, None, seen(0), gates_open=False)
    assert (answer.phase, answer.versions, answer.look_again) == (Phase.PENDING, {}, None)
    assert answer.message == "1 waits for its gates; nothing serves yet."


def test_a_first_release_is_promoted_when_it_is_ready_everywhere():
    plan = directive(told("1", "c", 4))
    answer = one(V1, plan, seen(**{"1": FOUR}), phase=Phase.PREPARING, candidate=V1)
    assert (answer.phase, answer.promoted, answer.stable, answer.candidate) == (Phase.PROMOTED, True, V1, None)
    assert sizes(answer) == [("1", "s", 4, 10)]
    assert answer.message == "1 is ready on eu-1."
    assert answer.look_again is None


def test_a_first_release_with_a_gate_that_closes_keeps_its_sizes():
    plan = directive(told("1", "c", 4))
    answer = one(V1, plan, seen(**{"1": FOUR}), phase=Phase.PREPARING, candidate=V1, gates_open=False)
    assert (answer.phase, answer.since, sizes(answer)) == (Phase.PREPARING, BEFORE, [("1", "c", 4, 4)])


def test_a_joining_cluster_gets_nothing_while_a_first_release_is_held():
    clusters = {EU: (directive(told("1", "c", 4)), seen()), US: (None, seen(0))}
    answer = advance(situation(V1, clusters, phase=Phase.PREPARING, candidate=V1, gates_open=False), NOW)
    assert set(answer.versions) == {EU}


def test_a_release_without_clusters_is_never_promoted():
    answer = advance(situation(V1, {}), NOW)
    assert (answer.phase, answer.versions) == (Phase.PREPARING, {})
    assert answer.message == "1 has no cluster to run on."


# A step of the candidate


def test_the_first_step_pins_stable_at_what_its_autoscaler_had_and_starts_the_surge():
    answer = one(V2, STABLE, seen(**{"1": health(7, 7)}), **REST)
    assert sizes(answer) == [("1", "s", 7, 7), ("2", "c", 2, 2)]
    assert (answer.phase, answer.since) == (Phase.PREPARING, NOW.replace(microsecond=0))
    assert (answer.stable, answer.candidate, answer.full) == (V1, V2, {EU: 7})
    assert answer.message == "0 of 7 replicas of 2 ready on eu-1; waiting for eu-1."


def test_the_full_size_is_kept_within_what_both_versions_allow():
    small = runnable("2", 1, 3)
    assert sizes(one(small, STABLE, seen(**{"1": health(12, 9)}), **REST)) == [("1", "s", 10, 10), ("2", "c", 1, 1)]
    assert sizes(one(V2, STABLE, seen(), **REST)) == [("1", "s", 4, 4), ("2", "c", 1, 1)]


@pytest.mark.parametrize(
    ("sentence", "phase", "plan", "versions", "expected_phase", "expected"),
    [
        (
            "nothing ready yet is still Preparing, and stable keeps all it has",
            Phase.PREPARING, STARTED, {"1": FOUR, "2": health(1, 0)},
            Phase.PREPARING, [("1", "s", 4, 4), ("2", "c", 1, 1)],
        ),
        (
            "the first ready pod is Stepping",
            Phase.PREPARING, STARTED, {"1": FOUR, "2": health(1, 1)},
            Phase.STEPPING, [("1", "s", 3, 3), ("2", "c", 2, 2)],
        ),
        (
            "a pod that crashes does not make it Preparing again",
            Phase.STEPPING, STARTED, {"1": FOUR, "2": health(1, 0)},
            Phase.STEPPING, [("1", "s", 4, 4), ("2", "c", 1, 1)],
        ),
        (
            "pods beyond those told are not counted",
            Phase.STEPPING, STARTED, {"1": FOUR, "2": health(4, 4)},
            Phase.STEPPING, [("1", "s", 3, 3), ("2", "c", 2, 2)],
        ),
        (
            "all ready but not healthy is not done",
            Phase.STEPPING, directive(told("1", "s", 1), told("2", "c", 4)),
            {"2": health(4, 4, healthy=False, reason="NoEndpoints", message="The Service has none.")},
            Phase.STEPPING, [("1", "s", 0, 0), ("2", "c", 4, 4)],
        ),
    ],
)  # fmt: skip
def test_a_rolling_step(sentence, phase, plan, versions, expected_phase, expected):
    answer = one(V2, plan, seen(**versions), **{**MID, "phase": phase})
    assert (answer.phase, sizes(answer)) == (expected_phase, expected), sentence


def test_a_candidate_that_is_ready_but_not_healthy_says_why():
    plan = directive(told("1", "s", 0), told("2", "c", 4))
    sick = health(4, 4, healthy=False, reason="NoEndpoints", message="The Service has none.")
    answer = one(V2, plan, seen(**{"2": sick}), **MID)
    expected = "2 is ready on eu-1 but not healthy: NoEndpoints: The Service has none; waiting for eu-1."
    assert answer.message == expected


def test_the_last_ready_pod_promotes_and_keeps_the_old_version_at_zero():
    plan = directive(told("1", "s", 1), told("2", "c", 4))
    answer = one(V2, plan, seen(**{"1": health(1, 1), "2": FOUR}), **MID)
    assert (answer.phase, answer.promoted, answer.stable, answer.candidate) == (Phase.PROMOTED, True, V2, None)
    assert sizes(answer) == [("2", "s", 4, 10), ("1", "p", 0, 0)]
    assert answer.full == {}


def test_after_promoted_the_next_pass_changes_nothing():
    plan = directive(told("2", "s", 4, 10), told("1", "p", 0))
    answer = one(V2, plan, seen(**{"2": FOUR}), phase=Phase.PROMOTED, stable=V2, previous=(V1,))
    assert answer.versions == {EU: plan.versions}
    assert (answer.phase, answer.promoted, answer.since, answer.look_again) == (Phase.PROMOTED, False, BEFORE, None)
    assert answer.message == "2 is promoted."


def test_a_step_waits_until_the_cluster_acted_on_the_last_one():
    plan = resequenced(STARTED, 7)
    answer = one(V2, plan, seen(6, **{"1": FOUR, "2": FOUR}), **MID)
    assert answer.versions == {EU: plan.versions}
    assert answer.message == "eu-1 has not begun yet; waiting for eu-1."


def test_a_rollout_does_not_begin_on_a_cluster_that_has_not_acted():
    answer = one(V2, resequenced(STABLE, 7), seen(6, **{"1": FOUR}), **REST)
    assert (answer.versions, answer.full) == ({EU: STABLE.versions}, {})
    assert answer.candidate == V2


def test_recreate_stops_stable_then_starts_the_candidate():
    first = one(V2, STABLE, seen(**{"1": health(7, 7)}), strategy="recreate", **REST)
    assert sizes(first) == [("1", "s", 0, 0), ("2", "c", 0, 0)]
    empty = directive(*first.versions[EU])
    moving = {**MID, "full": {EU: 7}}
    ending = one(V2, empty, seen(**{"1": health(1, 0)}), strategy="recreate", **moving)
    assert sizes(ending) == [("1", "s", 0, 0), ("2", "c", 0, 0)]
    assert sizes(one(V2, empty, seen(), strategy="recreate", **moving)) == [("1", "s", 0, 0), ("2", "c", 7, 7)]


def test_recreate_waits_for_the_pods_of_an_earlier_candidate():
    plan = directive(told("1", "s", 0), told("2", "c", 4))
    answer = one(V3, plan, seen(**{"2": health(4, 1)}), strategy="recreate", **MID)
    assert sizes(answer) == [("1", "s", 0, 0), ("3", "c", 0, 0), ("2", "c", 0, 0)]


def test_a_strategy_that_does_not_exist_is_refused():
    with pytest.raises(Misused, match="There is no strategy 'canary'"):
        one(V2, STABLE, seen(**{"1": FOUR}), strategy="canary", **REST)


def test_versions_with_one_model_version_are_told_apart():
    patched = runnable("2", model_version="1")
    answer = one(patched, STABLE, seen(**{"1": FOUR}), **REST)
    assert answer.message.startswith("0 of 4 replicas of 1 (3200000000) ready on eu-1")


# Gates


def test_a_closed_gate_leaves_stable_serving_and_says_so():
    answer = one(V2, STABLE, seen(**{"1": FOUR}), gates_open=False, **REST)
    assert (answer.phase, answer.stable, answer.candidate) == (Phase.PENDING, V1, None)
    assert answer.versions == {EU: STABLE.versions}
    assert answer.message == "2 waits for its gates; 1 keeps serving."


def test_the_same_version_asked_for_again_is_promoted_again_without_any_change():
    answer = one(V1, STABLE, seen(**{"1": FOUR}), phase=Phase.PENDING, stable=V1)
    assert (answer.phase, answer.promoted, answer.versions) == (Phase.PROMOTED, True, {EU: STABLE.versions})


def test_a_gate_that_closes_in_mid_rollout_stops_every_size():
    answer = one(V2, HALF, seen(**{"1": health(2, 2), "2": health(3, 3)}), gates_open=False, **MID)
    assert answer.versions == {EU: HALF.versions}
    assert (answer.phase, answer.since, answer.candidate, answer.full) == (Phase.STEPPING, BEFORE, V2, {EU: 4})
    assert answer.message == "2 waits for its gates; every size stays as it is."
    assert answer.look_again is None


def test_a_candidate_that_is_no_longer_asked_for_stays_while_the_next_is_held():
    answer = one(V3, HALF, seen(**{"2": health(3, 3)}), gates_open=False, **MID)
    assert (answer.versions, answer.candidate) == ({EU: HALF.versions}, V2)
    assert answer.message == "3 waits for its gates; 2 goes no further, every size stays as it is."


def test_a_joining_cluster_gets_stable_while_the_candidate_is_held():
    clusters = {EU: (HALF, seen()), US: (None, seen(0))}
    answer = advance(situation(V2, clusters, gates_open=False, **MID), NOW)
    assert sizes(answer, US) == [("1", "s", 4, 10)]


def test_a_cluster_that_was_emptied_for_a_held_candidate_gets_stable_back():
    plan = directive(told("1", "s", 0), told("2", "c", 0))
    for full, expected in (({EU: 7}, 7), ({}, 4)):
        answer = one(V2, plan, seen(), strategy="recreate", gates_open=False, **{**MID, "full": full})
        assert sizes(answer) == [("1", "s", expected, expected), ("2", "c", 0, 0)]


def test_after_the_gate_opens_a_refilled_cluster_goes_on_from_there():
    plan = directive(told("1", "s", 7), told("2", "c", 0))
    answer = one(V2, plan, seen(**{"1": health(7, 7)}), strategy="recreate", **{**MID, "full": {EU: 7}})
    assert sizes(answer) == [("1", "s", 0, 0), ("2", "c", 0, 0)]


def test_since_is_now_when_it_was_never_noted():
    known = situation(V1, {EU: (STABLE, seen())}, **REST)
    answer = advance(replace(known, progress=replace(known.progress, since=None)), NOW)
    assert answer.since == NOW.replace(microsecond=0)


def test_a_candidate_told_zero_beside_a_free_stable_begins_from_what_the_autoscaler_chose():
    plan = directive(told("1", "s", 4, 10), told("2", "c", 0))
    answer = one(V2, plan, seen(**{"1": health(8, 8)}), **MID)
    assert (sizes(answer), answer.full) == ([("1", "s", 8, 8), ("2", "c", 2, 2)], {EU: 8})


def test_the_full_size_of_a_cluster_that_is_not_wanted_for_a_while_is_remembered():
    answer = one(V2, STARTED, seen(**{"1": FOUR}), **{**MID, "full": {EU: 4, US: 9}})
    assert answer.full == {EU: 4, US: 9}


def test_a_restart_counts_its_time_from_now_also_within_one_phase():
    answer = one(V3, STARTED, seen(**{"1": FOUR}), **{**MID, "phase": Phase.PREPARING})
    assert (answer.phase, answer.since) == (Phase.PREPARING, NOW.replace(microsecond=0))
