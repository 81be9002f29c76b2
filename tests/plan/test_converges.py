"""Properties: whatever happened, a few passes later the cluster is as told and nothing is written any more."""

from contextlib import suppress
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from plan_cluster import ACCOUNT, NEW, OLD, OPEN, Crash, Target, told

from reconciler.model.plan import Action
from reconciler.model.state import Role

ENTRIES = st.sampled_from(
    [
        ((OLD, Role.STABLE, 2, 6),),
        ((OPEN, Role.STABLE, 2, 6),),
        ((NEW, Role.STABLE, 3, 3), (OLD, Role.PREVIOUS, 0, 0)),
        ((OLD, Role.STABLE, 1, 1), (NEW, Role.CANDIDATE, 2, 2)),
        ((ACCOUNT, Role.CANDIDATE, 1, 1),),
        ((OLD, Role.STABLE, 2, 6), (ACCOUNT, Role.PREVIOUS, 0, 0)),
    ]
)
STEPS = st.one_of(
    st.tuples(st.just("tell"), ENTRIES),
    st.tuples(st.just("turn"), st.none()),
    st.tuples(st.just("crash"), st.integers(0, 12)),
    st.tuples(st.just("fail"), st.sampled_from(["Deployment", "Service", "ServiceAccount", ""])),
    st.tuples(st.sampled_from(["drift", "delete", "scale"]), st.integers(0, 40)),
)


def disturb(target, step, number):
    refs = sorted(target.cluster.live)
    if not refs:
        return
    ref = refs[number % len(refs)]
    if step == "drift":
        target.cluster.drift(ref)
    elif step == "delete":
        del target.cluster.live[ref]
    elif ref.kind == "Deployment":
        target.cluster.scale(ref, number)


def play(target, steps):
    for step, value in steps:
        if step == "tell":
            target.directive = told(*value, sequence=target.directive.sequence + 1)
        elif step == "fail":
            target.cluster.failing = {value} - {""}
        elif step == "turn":
            target.turn()
        elif step == "crash":
            with suppress(Crash):
                target.turn(crash_after=value)
        else:
            disturb(target, step, value)
        target.now += timedelta(minutes=11)


@settings(max_examples=80, deadline=None)
@given(st.lists(STEPS, max_size=10))
def test_after_acting_the_plan_is_empty(steps):
    target = Target()
    play(target, steps)
    target.cluster.failing = set()
    target.settle()
    wanted = target.wanted(target.seen())
    made = {row.ref for row in wanted.objects if row.ref in target.cluster.live}
    assert set(target.cluster.live) == made
    for size in wanted.sizes:
        live = target.cluster.live.get(size.ref)
        assert (live.facts["replicas"] if live else 0) in range(size.low, size.high + 1)
    before, written = target.state, len(target.cluster.writes)
    target.turn()
    target.turn()
    assert (target.state, len(target.cluster.writes)) == (before, written)
    assert all(health.healthy for health in before.status.versions.values())


@settings(max_examples=80, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_nothing_is_deleted_that_an_earlier_pass_had_not_marked(steps):
    target = Target()
    for step in steps:
        marked = {str(mark.ref) for mark in target.state.status.marks} if target.state else set()
        rendered = len(target.cluster.writes)
        play(target, [step])
        deleted = {ref for action, ref in target.cluster.writes[rendered:] if action is Action.DELETE}
        assert deleted <= marked


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=10))
def test_everything_that_exists_is_known(steps):
    """Whenever we crash: an object that is not in the inventory would be nobody's."""
    target = Target()
    for step in steps:
        play(target, [step])
        known = {entry.ref for entry in target.state.status.inventory} if target.state else set()
        assert set(target.cluster.live) <= known
