"""What a merge would do: the same passes as the daemon's, up to where they would write. Writes nothing anywhere."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.digest import sha256_of
from reconciler.errors import ReconcilerError
from reconciler.loop.admitting import admit
from reconciler.loop.apart import WHOLE
from reconciler.loop.approving import approve_statement
from reconciler.loop.facts import Judged, ReleaseFacts
from reconciler.loop.progress import promoted, returning
from reconciler.loop.release import conclude, gather, judge, steer, verify
from reconciler.loop.removing import Removal, removal_statement
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.target import look
from reconciler.loop.world import World
from reconciler.model.ids import ClusterName, ReleaseKey, TargetKey, Version, short
from reconciler.model.plan import BREAK_GLASS, Gate, Plan
from reconciler.model.release import Effective
from reconciler.model.state import Apply, Directive, ReleaseStatus, Role, release_key
from reconciler.plan.compare import compare
from reconciler.plan.decide import decide
from reconciler.plan.diff import ClusterDiff, ObjectDiff, differences
from reconciler.plan.order import order
from reconciler.plan.preview import Asking, Doing, Preview


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
        doing=_doing(facts, judged),
        diffs=tuple(_diffs(key, _opened(facts, judged), world)),
        asked=tuple(_asked(key, judged)),
    )


def _telling(judged: Judged) -> tuple[Gate, ...]:
    """All gates; those of policies are told by their verdicts, a removal that waits for people by its approvals."""
    unapproved = [row.gate for row in judged.ending.removals if _unapproved(row)]
    return tuple(
        gate
        for gate in judged.gates
        if (gate.kind != "Policy" or not gate.open or gate.reason == BREAK_GLASS) and gate not in unapproved
    )


def _doing(facts: ReleaseFacts, judged: Judged) -> Doing:
    """What is asked for, in a word."""
    standing, stable = judged.standing, facts.status.stable
    if standing.file is None:
        return Doing.REMOVE
    if standing.retires:
        return Doing.RETIRE
    if returning(facts.status, standing) is not None:
        return Doing.RETURN
    same = stable and standing.resolved and standing.resolved.effective.version == stable.version
    return Doing.CHANGE if same else Doing.PROMOTE


def _asked(key: ReleaseKey, judged: Judged) -> Iterator[Asking]:
    """The approvals of what is promoted, and of every removal."""
    standing, quorum = judged.standing, judged.consent.quorum
    if quorum is not None and standing.file is not None and standing.closure is not None:
        yield Asking(what=standing.file.path, quorum=quorum, statement=approve_statement(key, standing.closure))
    for row in judged.ending.removals:
        if row.consent.quorum is not None and row.file is not None:
            digest = sha256_of(removal_statement(key, row.cluster, row.manifest).text())
            statement = approve_statement(key, digest)
            yield Asking(what=row.file.path, quorum=row.consent.quorum, statement=statement)


def _opened(facts: ReleaseFacts, judged: Judged) -> ReleaseStatus:
    """What clusters would be told once every gate is open: people look at that before they open theirs."""
    removals = tuple(replace(row, gate=_open(row.gate)) if _unapproved(row) else row for row in judged.ending.removals)
    granted = {row.cluster for row in removals if row.gate.open}
    granted = set(facts.status.directives) if WHOLE in granted else granted
    ending = replace(judged.ending, removals=removals, granted=frozenset(granted))
    opened = replace(judged, gates=tuple(map(_open, judged.gates)), ending=ending)
    return conclude(facts, opened, steer(facts, opened))


def _open(gate: Gate) -> Gate:
    return gate.model_copy(update={"open": True})


def _unapproved(removal: Removal) -> bool:
    """True when it is signed and only its approvals are missing."""
    return removal.consent.gate is not None and not removal.consent.gate.open


def _diffs(key: ReleaseKey, status: ReleaseStatus, world: World) -> Iterator[ClusterDiff]:
    """What differs on every cluster that can be looked at; the others have a closed gate that says so."""
    for name, directive in status.directives.items():
        target = TargetKey(release=key, cluster=ClusterName(name))
        try:
            yield ClusterDiff(cluster=name, objects=_differences(target, directive, status, world))
        except ReconcilerError:
            continue


def _differences(key: TargetKey, told: Directive, status: ReleaseStatus, world: World) -> tuple[ObjectDiff, ...]:
    cluster = world.fleet.cluster(key)
    cluster.check_ready()
    state = cluster.target(key.release)
    specs = {entry.version: world.unpack(status.effective[entry.version]) for entry in told.versions}
    after = world.rendering(key, _at_the_end(told, state.directive if state else None, specs), specs, cluster.kinds())
    if state is None:
        return differences(None, after)
    old = {Version(version): world.unpack(packed) for version, packed in state.effective.items()}
    before = world.rendering(key, state.directive, old, cluster.kinds())
    return differences(before, after, versions=_follow(state.directive, told))


def _at_the_end(told: Directive, before: Directive | None, specs: Mapping[Version, Effective]) -> Directive:
    """The directive without what only steps do: a candidate has its last size and all its hooks, stable its own."""
    if all(entry.role is not Role.CANDIDATE for entry in told.versions):
        return told
    known = {entry.version: entry for entry in before.versions} if before else {}
    rows = []
    for entry in told.versions:
        if entry.role is Role.CANDIDATE:
            end = promoted(specs[entry.version], revision=told.revision, closure=told.closure).versions[0]
            rows.append(entry.model_copy(update={"low": end.low, "high": end.high, "hooks": end.hooks}))
        else:
            rows.append(known.get(entry.version, entry))
    return told.model_copy(update={"versions": tuple(rows)})


def _follow(before: Directive, after: Directive) -> tuple[str, str] | None:
    """The version that serves and the one that is new, short; None where nothing new comes or nothing served."""
    known = {entry.version for entry in before.versions}
    serves = next((entry.version for entry in before.versions if entry.high), None)
    new = next((entry.version for entry in after.versions if entry.version not in known), None)
    return (short(serves), short(new)) if serves and new else None


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
