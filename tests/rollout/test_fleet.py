"""One pass of the machine over many clusters: unreachable, joining, returning and failing ones, and what is kept."""

import pytest
from rollout_world import (
    AP,
    BEFORE,
    EU,
    FOUR,
    HALF,
    MID,
    NOW,
    OLD,
    OLDER,
    OLDEST,
    REST,
    STABLE,
    STARTED,
    US,
    V1,
    V2,
    directive,
    health,
    one,
    seen,
    situation,
    sizes,
    told,
)

from reconciler.model.state import Phase
from reconciler.rollout.machine import advance

# Many clusters


def test_an_unreachable_cluster_blocks_only_itself_and_is_named():
    last = directive(told("1", "s", 1), told("2", "c", 4))
    clusters = {EU: (last, seen(**{"2": FOUR})), US: (STARTED, seen(reachable=False, **{"2": FOUR}))}
    answer = advance(situation(V2, clusters, **MID), NOW)
    assert sizes(answer, EU) == [("1", "s", 0, 0), ("2", "c", 4, 10)], "what is finished gets its autoscaler back"
    assert answer.versions[US] == STARTED.versions
    assert answer.phase is Phase.STEPPING
    assert answer.message == "2 is ready wherever it can be seen; us-1 cannot be reached."


def test_a_finished_cluster_stays_so_at_any_size_its_autoscaler_chooses():
    plan = directive(told("1", "s", 0), told("2", "c", 4, 10))
    state = {**MID, "full": {EU: 9}}
    for ready in (4, 9):
        clusters = {EU: (plan, seen(**{"2": health(ready, ready)})), US: (STARTED, seen(reachable=False))}
        assert advance(situation(V2, clusters, **state), NOW).versions[EU] == plan.versions
    answer = one(V2, plan, seen(**{"2": health(4, 3)}), **state)
    assert (answer.phase, sizes(answer)) == (Phase.STEPPING, [("1", "s", 0, 0), ("2", "c", 4, 10)])
    assert answer.message == "3 of 4 replicas of 2 ready on eu-1; waiting for eu-1."


def test_many_waiting_and_unreachable_clusters_are_summed_up():
    names = [f"c{number}" for number in range(9)]
    clusters = {name: (STARTED, seen(reachable=number < 5)) for number, name in enumerate(names)}
    message = advance(situation(V2, clusters, **MID), NOW).message
    assert message == (
        "0 of 4 replicas of 2 ready on c0; waiting for c0, c1, c2 and 2 more clusters; "
        "c5, c6, c7 and 1 more cluster cannot be reached."
    )


def test_a_cluster_that_joins_at_rest_gets_stable_and_what_is_kept_and_the_phase_stays():
    clusters = {EU: (STABLE, seen(**{"1": FOUR})), US: (None, None)}
    answer = advance(situation(V1, clusters, **REST, previous=(OLD,)), NOW)
    assert sizes(answer, US) == [("1", "s", 4, 10), ("o", "p", 0, 0)]
    assert (answer.phase, answer.since, answer.promoted) == (Phase.PROMOTED, BEFORE, False)
    assert answer.message == "1 is promoted; us-1 cannot be reached."


def test_a_cluster_that_joins_in_mid_rollout_gets_stable_first_without_a_restart():
    last = directive(told("1", "s", 0), told("2", "c", 4, 10))
    clusters = {EU: (last, seen(**{"2": FOUR})), AP: (None, seen(0))}
    answer = advance(situation(V2, clusters, **MID), NOW)
    assert sizes(answer, AP) == [("1", "s", 4, 10)]
    assert (answer.phase, answer.since, answer.versions[EU]) == (Phase.STEPPING, BEFORE, last.versions)
    assert answer.message == "1 to start on ap-1, which joined; waiting for ap-1."


def test_then_it_follows_the_others():
    answer = one(V2, STABLE, seen(**{"1": FOUR}), **MID)
    assert sizes(answer) == [("1", "s", 4, 4), ("2", "c", 1, 1)]


def test_a_cluster_that_comes_back_with_an_old_version_serves_from_it_until_ours_is_ready():
    old = directive(told("o", "s", 2, 9), told("p", "p", 0))
    coming = one(V2, old, seen(o=health(2, 2)), **MID)
    assert sizes(coming) == [("1", "s", 4, 10), ("o", "s", 2, 9)]
    both = directive(*coming.versions[EU])
    assert sizes(one(V2, both, seen(**{"o": health(2, 2), "1": health(4, 3)}), **MID)) == sizes(coming)
    relieved = one(V2, both, seen(**{"o": health(2, 2), "1": FOUR}), **MID)
    assert sizes(relieved) == [("1", "s", 4, 10), ("o", "c", 0, 0)]


def test_a_kept_version_that_a_returning_cluster_serves_from_is_not_stopped_before_ours_is_ready():
    old = directive(told("o", "s", 2, 9))
    coming = one(V1, old, seen(o=health(2, 2)), **REST, previous=(OLD,))
    assert sizes(coming) == [("1", "s", 4, 10), ("o", "s", 2, 9)]
    both = directive(*coming.versions[EU])
    ready = seen(**{"o": health(2, 2), "1": FOUR})
    assert sizes(one(V1, both, ready, **REST, previous=(OLD,))) == [("1", "s", 4, 10), ("o", "p", 0, 0)]


# A failure


BROKEN = health(1, 0, healthy=False, failed=True, reason="ProgressDeadlineExceeded", message="OOMKilled.")


def test_a_failed_candidate_stays_where_it_is_and_stable_keeps_serving():
    answer = one(V2, STARTED, seen(**{"1": FOUR, "2": BROKEN}), **{**MID, "phase": Phase.PREPARING})
    assert (answer.phase, answer.versions) == (Phase.PREPARING, {EU: STARTED.versions})
    assert answer.message == (
        "2 failed on eu-1: ProgressDeadlineExceeded: OOMKilled; no further step is taken "
        "and 1 keeps serving there with 4 ready pods."
    )


def test_a_failure_on_one_cluster_stops_the_steps_on_all_of_them():
    ready = seen(**{"1": health(2, 2), "2": health(3, 3)})
    clusters = {EU: (HALF, ready), US: (STARTED, seen(**{"1": health(4, 1), "2": BROKEN})), AP: (STABLE, ready)}
    answer = advance(situation(V2, clusters, **MID), NOW)
    assert answer.versions == {EU: HALF.versions, US: STARTED.versions, AP: STABLE.versions}
    assert answer.message.endswith("and 1 keeps serving there with 1 ready pod.")


def test_a_failure_that_mends_goes_on():
    answer = one(V2, STARTED, seen(**{"1": FOUR, "2": health(1, 1)}), **MID)
    assert sizes(answer) == [("1", "s", 3, 3), ("2", "c", 2, 2)]


def test_when_nothing_else_is_ready_the_message_does_not_claim_it():
    plan = directive(told("1", "s", 0), told("2", "c", 4))
    nameless = health(4, 0, failed=True)
    answer = one(V2, plan, seen(**{"2": nameless}), strategy="recreate", **MID)
    expected = "2 failed on eu-1: no reason given; no further step is taken and nothing else is ready there."
    assert answer.message == expected
    first = one(V1, directive(told("1", "c", 4)), seen(**{"1": BROKEN}), phase=Phase.PREPARING, candidate=V1)
    assert first.message.endswith("OOMKilled and nothing else is ready there.")


# Previous versions


@pytest.mark.parametrize(
    ("sentence", "depth", "expected"),
    [
        ("none are kept at depth 0", 0, []),
        ("the newest are kept, each once", 2, ["o", "p"]),
        ("no more than there are", 9, ["o", "p", "q"]),
    ],
)
def test_how_many_previous_versions_are_kept(sentence, depth, expected):
    everything = (OLD, V1, OLDER, OLD, OLDEST)
    plan = directive(told("1", "s", 4, 10), told("o", "p", 0), told("p", "p", 0), told("q", "p", 0))
    answer = one(V1, plan, seen(**{"1": FOUR}), depth=depth, previous=everything, **REST)
    assert sizes(answer) == [("1", "s", 4, 10), *[(name, "p", 0, 0) for name in expected]], sentence


def test_at_depth_zero_the_old_stable_leaves_the_directive_when_the_new_one_is_promoted():
    plan = directive(told("1", "s", 1), told("2", "c", 4))
    assert sizes(one(V2, plan, seen(**{"2": FOUR}), depth=0, **MID)) == [("2", "s", 4, 10), ("1", "c", 0, 0)]
    zero = directive(told("1", "s", 0), told("2", "c", 4))
    assert sizes(one(V2, zero, seen(**{"2": FOUR}), depth=0, **MID)) == [("2", "s", 4, 10)]


def test_a_previous_version_that_becomes_an_ordinary_candidate_stays_kept_where_it_cannot_begin():
    plan = directive(told("1", "s", 4, 10), told("o", "p", 0))
    answer = one(OLD, plan, seen(0), previous=(OLD,), **REST)
    assert answer.versions == {EU: plan.versions}
