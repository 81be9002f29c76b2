"""One pass of the machine: abort, restart, the return of a known-good version, and changes in place."""

import pytest
from rollout_world import (
    BEFORE,
    EU,
    FOUR,
    HALF,
    MID,
    NOW,
    OLD,
    OLDER,
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

from reconciler.model.state import Phase
from reconciler.rollout.machine import advance

# Abort, restart, return


@pytest.mark.parametrize("gates_open", [True, False])
def test_asking_for_stable_again_gives_it_its_full_size_at_once_and_takes_the_candidate_away(gates_open):
    answer = one(V1, HALF, seen(**{"1": health(2, 2), "2": health(3, 3)}), gates_open=gates_open, **MID)
    assert (answer.phase, answer.stable, answer.candidate) == (Phase.ROLLING_BACK, V1, None)
    assert sizes(answer) == [("1", "s", 4, 4), ("2", "c", 0, 0)]


def test_abort_does_not_wait_for_a_cluster_that_cannot_be_reached():
    answer = one(V1, HALF, seen(0, reachable=False), **MID)
    assert sizes(answer) == [("1", "s", 4, 4), ("2", "c", 0, 0)]
    assert answer.message == "1 is ready wherever it can be seen; eu-1 cannot be reached."


ABORTING = {"phase": Phase.ROLLING_BACK, "stable": V1, "full": {EU: 4}}


@pytest.mark.parametrize(
    ("sentence", "versions", "phase", "expected"),
    [
        (
            "stable is waited for",
            {"1": health(4, 3)}, Phase.ROLLING_BACK, [("1", "s", 4, 4)],
        ),
        (
            "stable's autoscaler is free as soon as it is ready, the candidate's last pod is waited for",
            {"1": FOUR, "2": health(1, 0)}, Phase.ROLLING_BACK, [("1", "s", 4, 10), ("2", "c", 0, 0)],
        ),
        (
            "with the last pod gone it is Promoted, and the candidate never becomes previous",
            {"1": FOUR, "2": health(0, 0)}, Phase.PROMOTED, [("1", "s", 4, 10)],
        ),
    ],
)  # fmt: skip
def test_the_end_of_an_abort(sentence, versions, phase, expected):
    plan = directive(told("1", "s", 4), told("2", "c", 0))
    answer = one(V1, plan, seen(**versions), **ABORTING)
    assert (answer.phase, answer.promoted, sizes(answer)) == (phase, phase is Phase.PROMOTED, expected), sentence


def test_the_last_pods_of_an_aborted_candidate_are_named():
    plan = directive(told("1", "s", 4), told("2", "c", 0))
    answer = one(V1, plan, seen(**{"1": FOUR, "2": health(1, 0)}), **ABORTING)
    assert answer.message == "pods of an earlier version are still to end on eu-1; waiting for eu-1."


def test_an_abort_is_finished_even_when_the_trunk_asks_for_something_held_meanwhile():
    plan = directive(told("1", "s", 4), told("2", "c", 0))
    going = one(V3, plan, seen(**{"1": health(4, 1)}), gates_open=False, **ABORTING)
    assert (going.phase, going.candidate) == (Phase.ROLLING_BACK, None)
    ended = one(V3, directive(told("1", "s", 4)), seen(**{"1": FOUR}), gates_open=False, **ABORTING)
    assert (ended.phase, ended.promoted, sizes(ended)) == (Phase.PENDING, False, [("1", "s", 4, 10)])


def test_a_new_version_in_mid_rollout_starts_again_from_all_of_stable():
    answer = one(V3, HALF, seen(**{"1": health(2, 2), "2": health(3, 3)}), **MID)
    assert sizes(answer) == [("1", "s", 4, 4), ("3", "c", 1, 1), ("2", "c", 0, 0)]
    assert (answer.phase, answer.since) == (Phase.PREPARING, NOW.replace(microsecond=0))
    assert (answer.stable, answer.candidate) == (V1, V3)


def test_the_old_candidate_goes_at_once_even_where_the_new_one_cannot_begin():
    answer = one(V3, HALF, seen(0), **MID)
    assert sizes(answer) == [("1", "s", 4, 4), ("2", "c", 0, 0)]


def test_a_candidate_that_comes_back_before_its_pods_are_gone_starts_from_all_of_stable():
    plan = directive(told("1", "s", 3), told("3", "c", 2), told("2", "c", 0))
    answer = one(V2, plan, seen(**{"1": health(3, 3), "2": health(1, 1)}), **{**MID, "candidate": V3})
    assert sizes(answer) == [("1", "s", 4, 4), ("2", "c", 1, 1), ("3", "c", 0, 0)]


def test_an_old_candidate_s_failure_is_not_the_new_one_s():
    plan = directive(told("1", "s", 3), told("3", "c", 2), told("2", "c", 1))
    answer = one(V2, plan, seen(**{"1": FOUR, "2": health(1, 0, failed=True)}), **{**MID, "candidate": V3})
    assert "failed" not in answer.message


@pytest.mark.parametrize("gates_open", [True, False])
def test_a_known_good_version_returns_at_once_whatever_the_gates_say(gates_open):
    plan = directive(told("1", "s", 4, 10), told("o", "p", 0))
    state = {**REST, "previous": (OLD, OLDER)}
    answer = one(OLD, plan, seen(**{"1": health(6, 6)}), known_good=True, gates_open=gates_open, **state)
    assert (answer.phase, answer.candidate, answer.full) == (Phase.ROLLING_BACK, OLD, {EU: 6})
    assert sizes(answer) == [("1", "s", 6, 6), ("o", "c", 6, 6), ("p", "p", 0, 0)]


def test_pods_of_a_known_good_version_that_still_end_do_not_count_as_its_return():
    plan = directive(told("1", "s", 4, 10), told("o", "p", 0))
    answer = one(OLD, plan, seen(**{"1": FOUR, "o": FOUR}), known_good=True, previous=(OLD,), **REST)
    assert (answer.phase, answer.promoted) == (Phase.ROLLING_BACK, False)
    assert sizes(answer) == [("1", "s", 4, 4), ("o", "c", 4, 4)]


def test_a_known_good_version_returns_over_a_candidate_in_flight():
    answer = one(OLD, HALF, seen(**{"1": health(2, 2), "2": health(3, 3)}), known_good=True, previous=(OLD,), **MID)
    assert sizes(answer) == [("1", "s", 4, 4), ("o", "c", 4, 4), ("2", "c", 0, 0)]


def test_where_both_cannot_run_at_one_time_the_known_good_version_replaces_stable():
    answer = one(OLD, STABLE, seen(**{"1": FOUR}), known_good=True, strategy="recreate", **REST)
    assert sizes(answer) == [("1", "s", 0, 0), ("o", "c", 4, 4)]


RETURNING = {"phase": Phase.ROLLING_BACK, "stable": V1, "candidate": OLD, "previous": (OLD,), "full": {EU: 4}}


def test_a_return_under_way_goes_on_when_the_trunk_asks_for_something_held():
    plan = directive(told("1", "s", 4), told("o", "c", 4))
    answer = one(V3, plan, seen(**{"1": FOUR, "o": health(4, 2)}), gates_open=False, **RETURNING)
    assert (answer.phase, answer.since, sizes(answer)) == (
        Phase.ROLLING_BACK,
        BEFORE,
        [("1", "s", 2, 2), ("o", "c", 4, 4)],
    )
    ended = one(V3, plan, seen(o=FOUR), gates_open=False, **RETURNING)
    assert (ended.phase, ended.promoted, ended.stable) == (Phase.PROMOTED, True, OLD)


def test_a_joining_cluster_gets_the_known_good_version_and_not_the_bad_one():
    clusters = {EU: (directive(told("1", "s", 4), told("o", "c", 4)), seen()), US: (None, seen(0))}
    answer = advance(situation(OLD, clusters, known_good=True, **RETURNING), NOW)
    assert sizes(answer, US) == [("o", "c", 4, 4)]
    after = {US: (directive(told("o", "c", 4)), seen(o=health(4, 1)))}
    ordinary = advance(situation(OLD, after, **RETURNING), NOW)
    assert sizes(ordinary, US) == [("o", "c", 4, 4)], "nor when it is no longer known-good"


def test_a_candidate_that_was_known_good_is_previous_again_after_an_abort():
    plan = directive(told("1", "s", 4), told("o", "c", 4))
    answer = one(V1, plan, seen(**{"1": FOUR, "o": FOUR}), **RETURNING)
    assert sizes(answer) == [("1", "s", 4, 10), ("o", "p", 0, 0)]
    assert answer.phase is Phase.PROMOTED


# Changes in place


def test_a_change_in_place_of_stable_reaches_every_directive_at_once_without_a_phase():
    changed = runnable("1", 5, 12, effective="x")
    clusters = {EU: (STABLE, seen(0)), US: (STABLE, None)}
    answer = advance(situation(changed, clusters, **REST), NOW)
    assert answer.versions == {name: (told("1", "s", 5, 12, effective="x"),) for name in (EU, US)}
    assert (answer.phase, answer.promoted, answer.since, answer.stable) == (Phase.PROMOTED, False, BEFORE, changed)


def test_a_change_in_place_behind_a_closed_gate_is_not_applied():
    answer = one(runnable("1", 5, 12, effective="x"), STABLE, seen(**{"1": FOUR}), gates_open=False, **REST)
    assert (answer.versions, answer.stable, answer.phase) == ({EU: STABLE.versions}, V1, Phase.PROMOTED)
    assert answer.message == "A change in place of 1 waits for its gates; what was accepted keeps serving."


def test_a_change_in_place_of_the_candidate_is_applied_without_a_step():
    changed = runnable("2", effective="x")
    answer = one(changed, resequenced(STARTED, 7), seen(6), **MID)
    assert answer.versions == {EU: (told("1", "s", 4), told("2", "c", 1, effective="x"))}
    assert (answer.phase, answer.since, answer.candidate) == (Phase.STEPPING, BEFORE, changed)
