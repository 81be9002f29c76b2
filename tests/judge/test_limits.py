"""Limits of an environment: who is let in, who waits, and in which order."""

from datetime import timedelta

import pytest
from policy_samples import DIGEST, NOW, effective

from reconciler.judge.limits import (
    Ask,
    Bounds,
    Share,
    Use,
    largest,
    limit_gates,
    queues,
    rolling,
    size_of,
    total,
    uses,
    with_change,
)
from reconciler.model.environment import Limits
from reconciler.model.plan import Gate
from reconciler.model.state import (
    Apply,
    Directive,
    Phase,
    ReleaseStatus,
    Role,
    VersionDirective,
    VersionRef,
    pack,
    unpack,
)

PLACES = {name: f"environments/prod.yaml:{line}:13" for line, name in enumerate(["gpus", "replicas"], start=9)}
PLACES |= {"concurrentRollouts": "environments/prod.yaml:11:25"}
NOTHING = Use()


def bounds(**limits):
    return Bounds(environment="prod", limits=Limits(**limits), places=PLACES)


def ask(*, use=NOTHING, before=NOTHING, starts=False, name="fraud", minutes=0):
    return Ask(name=name, use=use, before=before, starts=starts, since=NOW + timedelta(minutes=minutes))


def share(name, *, gpus=0, replicas=0, moves=False, minutes=None):
    since = None if minutes is None else NOW + timedelta(minutes=minutes)
    return Share(name=name, use=Use(gpus=gpus, replicas=replicas), rolling=moves, in_line=since)


def reasons(gates):
    return [(gate.reason, gate.open) for gate in gates]


SUMS = {
    "no limit is set": ({}, Use(gpus=900, replicas=900), NOTHING, []),
    "it fits": ({"gpus": 64}, Use(gpus=24), NOTHING, [("WithinLimit", True)]),
    "it fits exactly": ({"gpus": 64}, Use(gpus=34), NOTHING, [("WithinLimit", True)]),
    "one too many": ({"gpus": 64}, Use(gpus=35), NOTHING, [("GpuLimit", False)]),
    "one too many with what it has already": ({"gpus": 64}, Use(gpus=35), Use(gpus=34), [("GpuLimit", False)]),
    "as much as it has, though all of them are over the limit": ({"gpus": 10}, Use(gpus=35), Use(gpus=35), []),
    "less than it has, though still over the limit": ({"gpus": 10}, Use(gpus=20), Use(gpus=35), []),
    "pods fit and GPUs do not": (
        {"gpus": 64, "replicas": 99}, Use(gpus=35, replicas=1), NOTHING, [("GpuLimit", False), ("WithinLimit", True)],
    ),
    "one pod too many": ({"replicas": 20}, Use(replicas=9), NOTHING, [("ReplicaLimit", False)]),
    "more pods and no more GPUs": ({"gpus": 1}, Use(gpus=5, replicas=9), Use(gpus=5, replicas=1), []),
    "none is allowed": ({"gpus": 0}, Use(gpus=1), NOTHING, [("GpuLimit", False)]),
}  # fmt: skip


@pytest.mark.parametrize(("limits", "use", "before", "expected"), SUMS.values(), ids=SUMS)
def test_a_change_beside_thirty_gpus_and_twelve_pods_of_others(limits, use, before, expected):
    others = [share("chat", gpus=20, replicas=8), share("churn", gpus=10, replicas=4)]
    assert reasons(limit_gates(bounds(**limits), ask(use=use, before=before), others)) == expected


def test_the_sentence_has_the_sum_the_limit_its_place_and_who_has_most():
    others = [share("chat", gpus=20), share("churn", gpus=10), share("small", gpus=1), share("none")]
    (gate,) = limit_gates(bounds(gpus=40), ask(use=Use(gpus=16), before=Use(gpus=8)), others)
    assert gate.kind == "Limit"
    assert gate.message == (
        "environment prod may have 40 GPUs (environments/prod.yaml:9:13) and would have 47 with 16 of fraud; "
        "most have chat (20), fraud (16), churn (10); make one of them smaller, or raise the limit"
    )


TURNS = {
    "nobody moves": ([share("chat")], True),
    "one of two places is taken": ([share("chat", moves=True)], True),
    "both are taken": ([share("chat", moves=True), share("churn", moves=True)], False),
    "a place is free and somebody waited longer": ([share("chat", moves=True), share("churn", minutes=-1)], False),
    "a place is free and somebody waits since later": ([share("chat", moves=True), share("churn", minutes=1)], True),
    "both are free and one waited longer": ([share("churn", minutes=-1)], True),
    "both are free and two waited longer": ([share("chat", minutes=-2), share("churn", minutes=-1)], False),
    "as long as another one whose name comes first": ([share("chat", moves=True), share("churn", minutes=0)], False),
    "as long as another one whose name comes later": ([share("chat", moves=True), share("zeta", minutes=0)], True),
    "who moves does not wait": ([share("churn", moves=True, minutes=-1)], True),
}


@pytest.mark.parametrize(("others", "goes"), TURNS.values(), ids=TURNS)
def test_a_rollout_that_would_start_where_two_may_move(others, goes):
    (gate,) = limit_gates(bounds(concurrent_rollouts=2), ask(starts=True), others)
    assert (gate.open, gate.reason) == (goes, "WithinLimit" if goes else "TooManyRollouts")


def test_a_change_that_starts_no_rollout_has_no_turn_to_wait_for():
    others = [share("chat", moves=True)]
    assert limit_gates(bounds(concurrent_rollouts=1), ask(starts=False), others) == ()


def test_who_is_under_way_and_who_waited_longer_is_named():
    others = [share("chat", moves=True), share("churn", minutes=-1), share("zeta", minutes=5)]
    (gate,) = limit_gates(bounds(concurrent_rollouts=1), ask(starts=True), others)
    assert gate.message == (
        "environment prod takes 1 rollout at a time (environments/prod.yaml:11:25): chat is under way and churn waited "
        "longer; fraud starts by itself when it is its turn"
    )


def test_whoever_asks_first_the_same_ones_start():
    """Of any number that wait, as many may start as there are places, and always the same ones."""
    names = ["e", "a", "d", "b", "c"]
    for free in range(1, 6):
        goes = []
        for name in names:
            others = [share(other, minutes=0) for other in names if other != name]
            (gate,) = limit_gates(bounds(concurrent_rollouts=free), ask(starts=True, name=name), others)
            goes += [name] if gate.open else []
        assert sorted(goes) == sorted(names)[:free]


# --- what a release has


def version(*, low, high, role=Role.STABLE, spec):
    return VersionDirective(version=spec.version, role=role, low=low, high=high, effective=DIGEST)


def told(**clusters):
    specs = {SMALL.version: pack(SMALL), LARGE.version: pack(LARGE)}
    directives = {
        name: Directive(sequence=1, revision="1" * 40, closure=DIGEST, versions=versions)
        for name, versions in clusters.items()
    }
    return ReleaseStatus(directives=directives, effective=specs)


SMALL = effective({"serving": {"replicas": {"min": 1, "max": 4}, "resources": {"gpu": {"count": 2}}}})
LARGE = effective(
    {"model": {"version": "2"}, "serving": {"replicas": {"min": 2, "max": 10}, "resources": {"gpu": None}}}
)
AT_REST = version(low=1, high=4, spec=SMALL)


def test_a_release_at_rest_counts_with_its_largest_size_on_every_cluster():
    found = uses(told(eu=(AT_REST,), us=(AT_REST,)), unpack)
    assert found == {"eu": Use(gpus=8, replicas=4), "us": Use(gpus=8, replicas=4)}
    assert total(found.values()) == Use(gpus=16, replicas=8)


def test_while_two_versions_run_the_larger_of_each_counts_and_not_their_sum():
    pinned = (version(low=3, high=3, spec=SMALL), version(low=1, high=1, role=Role.CANDIDATE, spec=LARGE))
    assert uses(told(eu=pinned), unpack) == {"eu": Use(gpus=8, replicas=10)}


def test_a_version_that_is_kept_at_zero_counts_for_nothing():
    kept = (AT_REST, version(low=0, high=0, role=Role.PREVIOUS, spec=LARGE))
    assert uses(told(eu=kept), unpack) == {"eu": Use(gpus=8, replicas=4)}


def test_a_spec_that_nobody_has_any_more_counts_with_the_pods_it_was_told():
    status = told(eu=(AT_REST,)).model_copy(update={"effective": {}})
    assert uses(status, unpack) == {"eu": Use(replicas=4)}


def test_a_size_beyond_the_spec_counts_as_it_was_told():
    assert uses(told(eu=(version(low=6, high=6, spec=SMALL),)), unpack) == {"eu": Use(gpus=12, replicas=6)}


CHANGES = {
    "the first time": ({}, ["eu", "us"], Use(gpus=16, replicas=8)),
    "it has as much": ({"eu": Use(gpus=8, replicas=4)}, ["eu"], Use(gpus=8, replicas=4)),
    "it had more": ({"eu": Use(gpus=9, replicas=9)}, ["eu"], Use(gpus=9, replicas=9)),
    "one more cluster": ({"eu": Use(gpus=8, replicas=4)}, ["eu", "us"], Use(gpus=16, replicas=8)),
    "a cluster that it leaves is still told to run it": (
        {"eu": Use(gpus=8, replicas=4), "us": Use(gpus=2, replicas=1)}, ["eu"], Use(gpus=10, replicas=5),
    ),
    "fewer pods with more GPUs": ({"eu": Use(gpus=1, replicas=9)}, ["eu"], Use(gpus=8, replicas=9)),
}  # fmt: skip


@pytest.mark.parametrize(("before", "clusters", "expected"), CHANGES.values(), ids=CHANGES)
def test_what_a_change_to_four_pods_of_two_gpus_comes_to(before, clusters, expected):
    assert with_change(before, size_of(SMALL), clusters) == expected


def test_of_nothing_the_most_is_nothing():
    assert largest(()) == NOTHING


REF = VersionRef(version=DIGEST, model_version="1", manifest=DIGEST, closure=DIGEST)
MOVES = {
    "nothing ever ran": (ReleaseStatus(), False),
    "promoted": (ReleaseStatus(phase=Phase.PROMOTED, stable=REF), False),
    "it waits for its gates": (ReleaseStatus(phase=Phase.PENDING, stable=REF), False),
    "on its way": (ReleaseStatus(phase=Phase.STEPPING, stable=REF, candidate=REF), True),
    "held on its way": (ReleaseStatus(phase=Phase.PREPARING, candidate=REF), True),
    "given up": (ReleaseStatus(phase=Phase.ROLLING_BACK, stable=REF), True),
    "being removed": (ReleaseStatus(phase=Phase.REMOVING, stable=REF), False),
}


@pytest.mark.parametrize(("status", "moves"), MOVES.values(), ids=MOVES)
def test_a_release_has_a_rollout_under_way(status, moves):
    assert rolling(status) == moves


def closed(*reasons):
    return ReleaseStatus(gates=tuple(Gate(kind="K", open=False, reason=reason, message="") for reason in reasons))


def test_in_line_is_who_waits_for_its_turn_and_for_nothing_else():
    assert queues(closed("TooManyRollouts"))
    assert not queues(closed())
    assert not queues(closed("TooManyRollouts", "PolicyDenied"))


def test_what_is_retired_has_nothing():
    entry = VersionDirective(version=DIGEST, role=Role.STABLE, low=0, high=0, effective=DIGEST)
    told = Directive(sequence=1, revision="1" * 40, closure=DIGEST, versions=(entry,), apply=Apply.RETIRE)
    assert uses(ReleaseStatus(directives={"eu-1": told}), unpack) == {"eu-1": NOTHING}
