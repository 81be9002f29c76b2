"""The machine over time: clusters that start pods in any order, vanish, come back, and passes that are lost."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import EU, NOW, SimCluster, World, digest, retired, runnable

from reconciler.model.state import ASLEEP, Directive, HookState, Phase, Role
from reconciler.rollout.machine import advance
from reconciler.rollout.situation import Runnable, Situation

NAMES = ("eu-1", "us-1", "ap-1")
CLUSTERS = st.integers(0, len(NAMES) - 1)
SMALL = st.integers(0, 12)
VERSIONS = [
    runnable("1", 2, 6),
    runnable("2", 1, 1),
    runnable("3", 4, 9),
    runnable("4", 3, 3),
    runnable("1", 3, 8, effective="x"),
    retired("1"),
    runnable("5", 2, 3, before=("a", "b"), after=("x",)),
    runnable("5", 2, 3, effective="y", before=("a", "c"), after=("z",)),
    runnable("6", 2, 2, after=("y",)),
]
CALM = st.one_of(
    st.tuples(st.just("steer"), st.just(0), st.just(0)),
    st.tuples(st.just("lose"), st.just(0), st.just(0)),
    st.tuples(st.just("act"), CLUSTERS, st.just(0)),
    st.tuples(st.just("start"), CLUSTERS, SMALL),
    st.tuples(st.just("reach"), CLUSTERS, st.just(0)),
    st.tuples(st.just("hook"), CLUSTERS, SMALL),
)
WILD = st.one_of(
    CALM,
    st.tuples(st.just("ask"), st.integers(0, len(VERSIONS) - 1), st.integers(0, 2)),
    st.tuples(st.just("gate"), st.just(0), st.just(0)),
    st.tuples(st.just("break"), CLUSTERS, st.integers(0, 3)),
    st.tuples(st.just("break hook"), CLUSTERS, st.integers(0, 5)),
    st.tuples(st.just("crash"), CLUSTERS, SMALL),
    st.tuples(st.just("scale"), CLUSTERS, SMALL),
    st.tuples(st.just("join"), CLUSTERS, st.just(0)),
)
STRATEGIES = st.sampled_from(["rolling", "recreate"])


def play(world: World, move: tuple[str, int, int]) -> None:
    verb, first, second = move
    name = NAMES[first % len(NAMES)]
    cluster = world.clusters.get(name)
    if verb == "steer":
        checked(world)
    elif verb == "lose":
        world.steer(lost=True)
    elif verb == "ask":
        world.ask(VERSIONS[first], gates_open=second > 0)
    elif verb == "gate":
        world.gates_open = not world.gates_open
    elif verb == "join":
        world.join(name)
    elif cluster is not None:
        disturb(world, name, verb, second)


def disturb(world: World, name: str, verb: str, number: int) -> None:
    cluster = world.clusters[name]
    if verb == "act":
        world.act(name)
    elif verb == "start":
        cluster.start(number)
    elif verb == "reach":
        cluster.reachable = not cluster.reachable
    elif verb == "break":
        cluster.broken ^= {digest(str(number + 1))}
    elif verb == "hook":
        cluster.end_hook(number)
    elif verb == "break hook":
        cluster.broken_hooks ^= {"abcxyz"[number]}
    elif verb == "crash":
        cluster.crash(number)
    elif verb == "scale":
        cluster.scale(number)


def checked(world: World) -> None:
    """One pass, with what holds of every pass."""
    situation = world.situation()
    told = dict(world.directives)
    answer = world.steer()
    assert advance(situation, NOW) == answer, "the same facts give the same answer"
    assert answer.promoted == (answer.phase is Phase.PROMOTED and situation.progress.phase is not Phase.PROMOTED)
    stable, wanted = situation.progress.stable, situation.wanted
    if wanted.runnable.retired and wanted.accepted:
        assert answer.phase in ASLEEP
        assert not any(entry.high for versions in answer.versions.values() for entry in versions)
    elif stable is not None and wanted.runnable.version == stable.version:
        for versions in answer.versions.values():
            running = [entry.version for entry in versions if entry.high]
            asleep = answer.phase in ASLEEP
            assert running == ([] if asleep else [stable.version]), "abort tells every cluster stable and nothing else"
    hooks_hold(world, situation, told)
    held = not wanted.accepted and situation.progress.phase is not Phase.ROLLING_BACK
    if held and (stable is None or wanted.runnable.version != stable.version):
        for name, directive in told.items():
            for entry in directive.versions:
                now = next((new for new in answer.versions[name] if new.version == entry.version), None)
                assert stable is None or entry.version == stable.version or now is None or now.high <= entry.high


def hooks_hold(world: World, situation: Situation, told: dict[str, Directive]) -> None:
    """Nothing of a candidate starts before its hooks completed there; nothing is promoted before those after it."""
    goal = situation.wanted.runnable
    if situation.wanted.known_good or world.progress.phase is Phase.ROLLING_BACK:
        return
    for name, directive in world.directives.items():
        now, old = directive.version(goal.version), told.get(name)
        was = old.version(goal.version) if old else None
        if now and now.high and now.role is Role.CANDIDATE and not (was and was.high):
            known = world.clusters[name].hooks.get(goal.version, {})
            assert all(hook in known and known[hook].state is HookState.COMPLETE for hook in goal.before)
    before = situation.progress.stable
    if world.progress.stable == goal and (before is None or before.version != goal.version):
        for cluster in world.clusters.values():
            known = cluster.hooks[goal.version]
            assert all(known[hook].state is HookState.COMPLETE for hook in goal.after)


@settings(max_examples=120, deadline=None)
@given(STRATEGIES, st.lists(WILD, max_size=60), st.integers(0, len(VERSIONS) - 1), st.integers(0, 2))
def test_whatever_happened_it_converges_and_is_quiet_once_the_world_behaves(strategy, moves, last, depth):
    world = World(VERSIONS[0], clusters=NAMES[:2], strategy=strategy, depth=depth)
    for move in moves:
        play(world, move)
    for cluster in world.clusters.values():
        cluster.reachable, cluster.broken, cluster.broken_hooks = True, set(), set()
    if any(hook_failed(cluster, VERSIONS[last]) for cluster in world.clusters.values()):
        world.ask(VERSIONS[3] if world.progress.stable is None else world.progress.stable)  # people take it back first
        world.settle()
        world.round()
    world.ask(VERSIONS[last])
    wanted = world.wanted
    rounds = world.settle()
    assert rounds <= 30
    world.round()
    world.round()
    writes = world.writes
    final = [world.round() for _ in range(3)][-1]
    assert world.writes == writes, "quiet"
    phase, stable = (Phase.RETIRED, world.progress.stable and wanted) if wanted.retired else (Phase.PROMOTED, wanted)
    assert (final.phase, final.promoted, final.stable, final.candidate) == (phase, False, stable, None)
    for cluster in world.clusters.values():
        running = {version: sum(pods) for version, pods in cluster.pods.items() if pods}
        assert set(running) == ({wanted.version} if not wanted.retired else set())
        assert wanted.low <= running.get(wanted.version, 0) <= wanted.high
    assert len(final.versions.get(EU, ())) <= 1 + depth


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 9), SMALL, st.booleans(), st.lists(CALM, max_size=80))
def test_rolling_never_serves_with_fewer_ready_pods_than_before(low, scaled, back, moves):
    first, second = runnable("1", low, 12), runnable("2", low, 12)
    world = World(first, clusters=NAMES[:2])
    world.settle()
    if back:
        world.ask(second)
        world.settle()
    world.round()
    for cluster in world.clusters.values():
        cluster.scale(scaled)
    world.round()
    full = {name: cluster.ready for name, cluster in world.clusters.items()}
    world.ask(first if back else second)
    assert world.known_good == back
    for move in moves:
        play(world, move)
        if world.progress.candidate is None:
            break
        for name, cluster in world.clusters.items():
            least = low if finished(world, name) else full[name]
            assert cluster.ready >= least, (name, world.directives[name])


def hook_failed(cluster: SimCluster, wanted: Runnable) -> bool:
    return any(each.state is HookState.FAILED for each in cluster.hooks.get(wanted.version, {}).values())


def finished(world: World, name: str) -> bool:
    """Its autoscaler is free again, and may choose less."""
    return any(entry.low < entry.high for entry in world.directives[name].versions)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9, 40])
@pytest.mark.parametrize("strategy", ["rolling", "recreate"])
def test_a_rollout_takes_few_steps_at_any_size(size, strategy):
    world = World(runnable("1", size, size), clusters=NAMES, strategy=strategy)
    assert world.settle() <= 2
    world.round()
    world.ask(runnable("2", size, size))
    assert world.settle() <= 6


@given(STRATEGIES, st.lists(WILD, max_size=30), st.permutations(NAMES))
@settings(max_examples=60, deadline=None)
def test_the_order_of_clusters_decides_nothing(strategy, moves, order):
    world = World(VERSIONS[0], clusters=NAMES, strategy=strategy)
    for move in moves:
        play(world, move)
    situation = world.situation()
    other = replace(
        situation,
        clusters=tuple(order) + tuple(order[:1]),
        seen={name: situation.seen[name] for name in order},
        directives={name: situation.directives[name] for name in order if name in situation.directives},
    )
    assert advance(other, NOW) == advance(situation, NOW)


@settings(max_examples=80, deadline=None)
@given(STRATEGIES, st.lists(WILD, max_size=40))
def test_abort_reaches_stable_from_everywhere(strategy, moves):
    world = World(VERSIONS[0], clusters=NAMES[:2], strategy=strategy)
    world.settle()
    for move in moves:
        play(world, move)
    for cluster in world.clusters.values():
        cluster.reachable, cluster.broken, cluster.broken_hooks = True, set(), set()
    stable = world.progress.stable
    world.ask(stable, gates_open=False)
    if stable.retired or world.progress.phase in ASLEEP:
        world.wanted = replace(stable, retired=True)
    world.settle()
    world.wanted = stable
    assert world.progress.stable == stable
    assert world.progress.candidate is None


@settings(max_examples=60, deadline=None)
@given(STRATEGIES, st.lists(CALM, max_size=40), st.lists(CALM, max_size=40))
def test_a_closed_gate_never_lets_the_candidate_go_further(strategy, before, after):
    first, second = runnable("1", 3, 6), runnable("2", 3, 6)
    world = World(first, clusters=NAMES[:2], strategy=strategy)
    world.settle()
    world.ask(second)
    for move in before:
        play(world, move)
    world.gates_open = False
    candidate, stable = sizes(world, second.version), sizes(world, first.version)
    for move in after:
        play(world, move)
    if world.history[0] == first:
        assert sizes(world, second.version) == candidate
        assert all(now >= was for now, was in zip(sizes(world, first.version), stable, strict=True))


def sizes(world: World, version: str) -> list[int]:
    """The least that each cluster, by name, was told of a version."""
    found = (plan.version(version) for _, plan in sorted(world.directives.items()))
    return [entry.low if entry is not None else 0 for entry in found]
