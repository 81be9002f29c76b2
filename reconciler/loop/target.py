"""ONE TARGET: observe → render → compare → decide → act → conclude. Read this first.

A target carries out the directive of its release on one cluster and reports its TargetState. It never decides
progress. It needs neither Git nor the home cluster: directive and effective specs are kept in the TargetState, so
drift is repaired while everything else is down.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from reconciler.edges.kube.states import Stored
from reconciler.errors import ReconcilerError, Retry, Stalled
from reconciler.loop.fleet import ClusterHandle
from reconciler.loop.world import World
from reconciler.model.facts import LiveObject, PodFact, SmokeAnswer
from reconciler.model.ids import TargetKey, Version, short
from reconciler.model.objects import LABEL_JOB, LABEL_STATE, LABEL_VERSION, ObjectRef, RenderedObject, Rendering
from reconciler.model.plan import Action, Change, ChangeSet, Outcome, Result
from reconciler.model.state import Apply, Directive, TargetState
from reconciler.plan.compare import compare
from reconciler.plan.conclude import announce, conclude, pods_health, stalled, versions_health
from reconciler.plan.decide import BUDGET_AGAIN, Decision, decide
from reconciler.plan.hooks import failed, running, unfinished
from reconciler.plan.order import stages
from reconciler.plan.safety import FOREIGN_HOME
from reconciler.plan.seen import SeenTarget
from reconciler.plan.smoke import due

EXPLAIN_AFTER = 5.0  # seconds of being unhealthy before pods are asked why
EXPLAIN_AGAIN = 15.0  # seconds between two such questions


def reconcile_target(key: TargetKey, world: World) -> float | None:
    """One pass over one target; returns in how many seconds to look again, or None to wait for an event."""
    cluster = world.fleet.cluster(key)
    cluster.check_ready()
    stored = cluster.stored(key.release)
    seen = observe(key, stored.value if stored else None, cluster, world)
    if seen is None:
        world.deleted.pop(key, None)
        return None
    wanted = world.rendering(key, seen.directive, seen.effective, seen.kinds)
    try:
        decision = decide(seen, compare(wanted, seen))
        cluster.refuse_foreign(seen, decision.plan)
    except Stalled as error:
        if error.reason != FOREIGN_HOME:  # what is another home's stays untouched
            cluster.save(stalled(seen, error), stored)
        raise
    if not decision.plan.is_empty:  # what changes nothing needs no announcement: the report says it all
        stored = cluster.save(announce(seen, decision), stored)
    if any(change.action is Action.DELETE for change in decision.plan.changes):
        world.deleted[key] = seen.now
    done = act(seen, decision, wanted, cluster)
    return report(seen, decision, done, wanted, cluster, stored)


def observe(key: TargetKey, state: TargetState | None, cluster: ClusterHandle, world: World) -> SeenTarget | None:
    """Everything a pass reads, from caches; None when it was never told to run anything, or has ended."""
    directive, packed = _directive(key, state, world)
    if directive is None or (state is None and directive.apply is Apply.REMOVE):
        return None
    seen, wanted = look(key, directive, packed, state, cluster, world)
    seen = replace(seen, answers=_smoke(seen, wanted, cluster))
    return replace(seen, pods=_explain(seen, wanted, cluster))


def look(
    key: TargetKey, directive: Directive, packed: Mapping[str, str], state: TargetState | None, cluster: ClusterHandle,
    world: World,
) -> tuple[SeenTarget, Rendering]:  # fmt: skip
    """One target as it is now, and what a directive makes of it; previews ask with a directive that nobody was told."""
    effective = {Version(version): world.unpack(text) for version, text in packed.items()}
    seen = SeenTarget(
        key=key,
        home=world.home_uid,
        taken_over=world.taken_over,
        directive=directive,
        effective=effective,
        packed={Version(version): text for version, text in packed.items()},
        state=state,
        live={},
        pods={},
        now=world.now(),
        kinds=cluster.kinds(),
        deleted_at=world.deleted.get(key),
    )
    wanted = world.rendering(key, directive, effective, seen.kinds)
    refs = {rendered.ref for rendered in wanted.objects} | set(seen.inventory)
    return replace(seen, live=cluster.live(refs)), wanted


def _directive(key: TargetKey, state: TargetState | None, world: World) -> tuple[Directive | None, dict[str, str]]:
    """What to carry out: the release's directive, or the last one taken over where the release names none."""
    release = world.release_state(key.release)
    told = release.status.directives.get(key.cluster) if release else None
    if release and told and (state is None or told.sequence >= state.directive.sequence):
        return told, {str(entry.version): release.status.effective[entry.version] for entry in told.versions}
    if state:
        return state.directive, state.effective
    return None, {}


def _smoke(seen: SeenTarget, wanted: Rendering, cluster: ClusterHandle) -> dict[Version, SmokeAnswer]:
    """Answers to the smoke requests of versions that have a ready pod and did not answer theirs yet."""
    answers: dict[Version, SmokeAnswer] = {}
    for version, health in pods_health(seen, wanted).items():
        effective = seen.effective[version]
        smoke = effective.spec.serving.startup.smoke
        if smoke and due(seen, version, health):
            labels = {LABEL_STATE: seen.owner, LABEL_VERSION: short(version)}
            port = effective.runtime.spec.ports[0].port
            answer = cluster.smoke(effective.spec.targets.namespace, labels, port, smoke)
            answers |= {version: answer} if answer else {}
    return answers


def _explain(seen: SeenTarget, wanted: Rendering, cluster: ClusterHandle) -> dict[Version, tuple[PodFact, ...]]:
    """Pods of versions that have been unhealthy for a while; requests are made only then."""
    waiting = next((row for row in seen.status.conditions if row.type == "Healthy" and row.status == "False"), None)
    if waiting is None:
        return {}
    health = versions_health(seen, wanted)
    patient = (seen.now - waiting.since).total_seconds() < EXPLAIN_AFTER
    pods: dict[Version, tuple[PodFact, ...]] = {}
    for version, row in health.items():
        if not row.healthy and (row.failed or not patient):
            labels = {LABEL_STATE: seen.owner, LABEL_VERSION: short(version)}
            namespace = seen.effective[Version(version)].spec.targets.namespace
            pods[Version(version)] = cluster.explain(namespace, labels)
    return pods


def _explain_hooks(seen: SeenTarget, wanted: Rendering, cluster: ClusterHandle) -> dict[ObjectRef, tuple[PodFact, ...]]:
    """Pods of hooks' Jobs that failed or run for a while; asked for until it is known how they ended."""
    pods: dict[ObjectRef, tuple[PodFact, ...]] = {}
    for hook in unfinished(seen, wanted):
        before = seen.outcome(hook.version, hook.hook)
        patient = before is None or (seen.now - before.since).total_seconds() < EXPLAIN_AFTER
        if failed(seen.live.get(hook.ref)) or not patient:
            pods[hook.ref] = cluster.explain(hook.ref.namespace, {LABEL_JOB: hook.ref.name})
    return pods


def act(seen: SeenTarget, decision: Decision, wanted: Rendering, cluster: ClusterHandle) -> ChangeSet:
    """Carry the plan out; the only place that writes to a cluster's workloads. A failed stage stops the next."""
    objects = {rendered.ref: rendered for rendered in wanted.objects}
    results: list[Result] = []
    failed = False
    for stage in stages(decision.plan.changes):
        if failed:
            results += [Result(change=change, outcome=Outcome.SKIPPED) for change in stage]
            continue
        outcome = cluster.in_flight([partial(_carry_out, change, seen, objects, cluster) for change in stage])
        results += outcome
        failed = any(result.outcome is Outcome.FAILED for result in outcome)
    return ChangeSet(results=tuple(results))


def _carry_out(
    change: Change, seen: SeenTarget, objects: dict[ObjectRef, RenderedObject], cluster: ClusterHandle
) -> Result:
    """One change; an error becomes its result."""
    try:
        live = _write(change, seen, objects, cluster)
    except ReconcilerError as error:
        reason = error.reason if isinstance(error, (Retry, Stalled)) else "ApplyFailed"
        return Result(change=change, outcome=Outcome.FAILED, reason=reason, message=error.message)
    return Result(change=change, outcome=Outcome.DONE, live=live.digest if live else "", uid=live.uid if live else "")


def _write(
    change: Change, seen: SeenTarget, objects: dict[ObjectRef, RenderedObject], cluster: ClusterHandle
) -> LiveObject | None:
    """The request that makes the change; the object as the server then has it, where it tells."""
    known = seen.live.get(change.ref)
    if change.action is Action.SCALE:
        cluster.scale(change.ref, int(change.after))
        return None
    if change.action is Action.ORPHAN:
        return None  # it only leaves the inventory; our label stays, so that the same release may take it up again
    if change.action is Action.DELETE:
        # What was made anew is ours by its label, though the pass that would have written its UID down died.
        uid = known.uid if known and known.owner == seen.owner else seen.inventory[change.ref].uid
        if uid:  # without one we never saw it exist as ours, and there is nothing that is safe to delete
            cluster.delete(change.ref, uid)
        return None
    # Forced only over what carries our label already: the first apply must not take over somebody's object.
    return cluster.apply(objects[change.ref], force=known is not None and known.owner == seen.owner)


def report(
    seen: SeenTarget, decision: Decision, done: ChangeSet, wanted: Rendering, cluster: ClusterHandle,
    stored: Stored[TargetState] | None,
) -> float | None:  # fmt: skip
    """Write the TargetState if it changed, or delete it when nothing is left; say when to look again."""
    refs = {rendered.ref for rendered in wanted.objects} | set(seen.inventory)
    seen = replace(seen, live=cluster.live(refs))
    seen = replace(seen, hook_pods=_explain_hooks(seen, wanted, cluster))
    state = conclude(seen, decision, done, wanted)
    ended = state.directive.apply is Apply.REMOVE and not state.status.inventory
    if ended and not done.failed and stored:
        cluster.forget(stored)
        return None
    cluster.save(state, stored)
    if done.failed:
        first = done.failed[0]
        raise Retry(f"{first.change.ref}: {first.message}", reason=first.reason)
    if decision.marked:
        return 0.0
    if decision.waiting:
        return BUDGET_AGAIN.total_seconds()
    if any(not health.healthy for health in state.status.versions.values()):
        return EXPLAIN_AGAIN if seen.pods else EXPLAIN_AFTER
    if running(state.status.hooks):
        return EXPLAIN_AGAIN if seen.hook_pods else EXPLAIN_AFTER
    return None
