"""What a merge would do: the same passes as the daemon's, up to where they would write. Writes nothing anywhere."""

from collections.abc import Iterable, Iterator

from reconciler.errors import ReconcilerError
from reconciler.loop.admitting import admit
from reconciler.loop.facts import Judged, ReleaseFacts
from reconciler.loop.release import conclude, gather, judge, steer, verify
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.target import look
from reconciler.loop.world import World
from reconciler.model.ids import ClusterName, ReleaseKey, TargetKey
from reconciler.model.plan import BREAK_GLASS, Gate, Plan
from reconciler.model.state import Apply, ReleaseStatus, release_key
from reconciler.plan.compare import compare
from reconciler.plan.decide import decide
from reconciler.plan.explain import Preview
from reconciler.plan.order import order


def previews(world: World, snapshot: Snapshot) -> Iterator[Preview]:
    """One preview per release of the repository, by key; `world` must already show this snapshot."""
    stored = {release_key(row.value.release) for row in world.home.releases().values()}
    return previews_of(world, set(snapshot.releases) | {key for key in stored if key.repository == snapshot.repository})


def previews_of(world: World, chosen: Iterable[ReleaseKey]) -> Iterator[Preview]:
    """One preview per release of these that there is something to say of, by key, of the trunk that `world` shows."""
    keys = sorted(chosen)
    try:
        for key in keys:
            facts = gather(key, world)
            if facts is not None:
                yield _preview(key, facts, world)
    finally:  # one release that would start takes room from the next, until the preview is over
        for key in keys:
            world.claims.drop(key)


def _preview(key: ReleaseKey, facts: ReleaseFacts, world: World) -> Preview:
    judged = admit(facts, judge(facts, verify(facts), world), world)
    status = conclude(facts, judged, steer(facts, judged))
    plans, gates = _plans(key, status, world)
    before, resolved = facts.status.stable, judged.standing.resolved
    asked = resolved.effective if resolved else None
    return Preview(
        key=key,
        path=judged.standing.file.path if judged.standing.file else "",
        before=before.model_version if before else "",
        after=status.model_version if judged.standing.file else (before.model_version if before else ""),
        gates=(*_telling(judged), *gates),
        verdicts=judged.verdicts,
        plans=tuple(plans),
        message=status.message,
        version=asked.version if asked else "",
        manifest=asked.manifest if asked else "",
    )


def _telling(judged: Judged) -> tuple[Gate, ...]:
    """All gates; those of policies are told by their verdicts."""
    return tuple(gate for gate in judged.gates if gate.kind != "Policy" or not gate.open or gate.reason == BREAK_GLASS)


def _plans(key: ReleaseKey, status: ReleaseStatus, world: World) -> tuple[list[Plan], list[Gate]]:
    """The plan of every cluster, and a closed gate for every cluster that has none."""
    plans: list[Plan] = []
    gates: list[Gate] = []
    for name in status.directives:
        target = TargetKey(release=key, cluster=ClusterName(name))
        try:
            plans.append(_plan(target, status, world))
        except ReconcilerError as error:
            gates.append(Gate(kind="Cluster", open=False, reason="NoPlan", message=f"{name}: {error.message}"))
    return plans, gates


def _plan(key: TargetKey, status: ReleaseStatus, world: World) -> Plan:
    cluster = world.fleet.cluster(key)
    cluster.check_ready()
    directive = status.directives[key.cluster]
    packed = {str(entry.version): status.effective[entry.version] for entry in directive.versions}
    seen, wanted = look(key, directive, packed, cluster.target(key.release), cluster, world)
    changes = compare(wanted, seen)
    if directive.apply is Apply.REMOVE:  # it takes two passes and a budget, and this is what they come to
        return Plan(key=key, revision=directive.revision, changes=order(changes))
    return decide(seen, changes).plan
