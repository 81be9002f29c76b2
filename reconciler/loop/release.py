"""ONE RELEASE: verify → judge → steer → direct → conclude. Read `target` first.

A release verifies and judges what the trunk asks for, steers its rollout over all clusters, writes one directive per
cluster, and says what happened. It is the one place where progress is written; what spans clusters has one owner.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from reconciler.errors import Retry
from reconciler.judge.question import Asked
from reconciler.judge.upstream import Upstream
from reconciler.judge.verdict import gates as policy_gates
from reconciler.loop import progress
from reconciler.loop.admitting import admit, stake
from reconciler.loop.announce import announce, conditions, records
from reconciler.loop.approving import all_votes, consent_to_promote, with_known
from reconciler.loop.facts import Judged, ReleaseFacts, Steered
from reconciler.loop.letting_go import let_go
from reconciler.loop.progress import Manner
from reconciler.loop.promotions import promotions, vouching
from reconciler.loop.pruning import pruning
from reconciler.loop.removing import ended, ending
from reconciler.loop.standing import Standing, misspelt, questions, stand
from reconciler.loop.upstream import downstream, seen_upstream, until_soaked
from reconciler.loop.vote_records import first_votes
from reconciler.loop.waiting import waiting, waived
from reconciler.loop.world import World
from reconciler.model.ids import ClusterName, ReleaseKey
from reconciler.model.plan import Gate
from reconciler.model.policy import PolicyResult, PolicyVerdict
from reconciler.model.state import (
    Phase,
    ReleaseState,
    ReleaseStatus,
    pack,
    release_ref,
    unpack,
)
from reconciler.rollout.machine import advance

LEDGER_AGAIN = 1.0  # seconds until we look again whether the ledger has the last record of what ended
WORDS_AGAIN = 1.0  # seconds between two writes that only say it in other words


def reconcile_release(key: ReleaseKey, world: World) -> float | None:
    """One pass over one release; returns in how many seconds to look again, or None to wait for an event."""
    facts = gather(key, world)
    if facts is None:
        return None
    if facts.ended:
        if any(not world.has_record(key.repository, entry) for entry in facts.status.outbox):
            world.wake_ledger(key.repository)
            return LEDGER_AGAIN
        world.forget_release(key)
        return None
    try:
        return _pass(facts, world)
    finally:
        world.pass_over(key)


def _pass(facts: ReleaseFacts, world: World) -> float | None:
    judged = admit(facts, judge(facts, verify(facts), world), world)
    steered = steer(facts, judged)
    status = conclude(facts, judged, steered)
    written = direct(facts, status, world)
    _wake_targets(facts, status, world)
    if not written:
        return WORDS_AGAIN
    announce(facts.key, facts.status, status, world)
    if status.phase is Phase.REMOVED:
        return LEDGER_AGAIN
    return _again(facts, judged, steered)


def _again(facts: ReleaseFacts, judged: Judged, steered: Steered | None) -> float | None:
    """Seconds until the rollout wants to be looked at, upstream has soaked, or a gate opens or closes by itself."""
    waits = [steered.advance.look_again if steered else None, until_soaked(judged.upstream, facts.now)]
    waits += [judged.look_at - facts.now if judged.look_at else None]
    return min((wait.total_seconds() for wait in waits if wait is not None), default=None)


def gather(key: ReleaseKey, world: World) -> ReleaseFacts | None:
    """The facts; None when the trunk has not been read yet, or nothing was ever asked for under this key."""
    snapshot = world.snapshot(key.repository)
    if snapshot is None:
        return None
    stored = world.home.release(key)
    clusters = world.clusters_of(key)
    if stored is None and (unlisted := [name for name, row in clusters.items() if row.listing]):
        raise Retry(f"waiting for the lists of {', '.join(sorted(unlisted))}", reason="ClusterNotListed", after=0.1)
    if stored is None and key not in snapshot.releases and not any(row.state for row in clusters.values()):
        return None
    status = stored.value.status if stored else ReleaseStatus()
    if progress.knows_nothing(status):
        status = progress.refilled(status, world.restore(key, clusters))
    return ReleaseFacts(
        key=key,
        snapshot=snapshot,
        status=with_known(status, world.votes_seen(key)),
        stored=stored,
        clusters=clusters,
        commit=world.commit(key.repository, snapshot.revision),
        given=world.votes_given(key),
        now=world.now(),
        pull=world.pull,
    ).settled()


def verify(facts: ReleaseFacts) -> Standing:
    """What the trunk's text is worth."""
    file = facts.snapshot.releases.get(facts.key)
    first_seen = _first_seen(facts, file.sha256) if file else facts.now
    history, pull = facts.status.history, facts.pull
    return stand(facts.key, facts.snapshot, history, first_seen=first_seen, now=facts.now, pull=pull)


def _first_seen(facts: ReleaseFacts, manifest: str) -> datetime:
    """When we first saw this manifest here: noted in the state, proven by a promotion, or now."""
    times = [row.at for row in facts.status.history if row.manifest == manifest]
    if facts.status.manifest == manifest and facts.status.first_seen:
        times.append(facts.status.first_seen)
    return min(times, default=facts.now)


def judge(facts: ReleaseFacts, standing: Standing, world: World) -> Judged:
    """Ask the policies and fold all gates."""
    upstream = seen_upstream(facts.key, standing, world)
    asked = asks(facts, standing, upstream, world)
    verdicts = (*world.verdicts(asked.questions), *asked.skipped)
    freed = waived(standing, facts.snapshot, verdicts, facts.now)
    notes = (*freed.notes, *misspelt(standing, facts.snapshot, world.bundle))
    judged = fold(facts, standing, freed.verdicts, notes=notes, upstream=upstream)
    return replace(judged, look_at=min((moment for moment in (judged.look_at, freed.ends_at) if moment), default=None))


def asks(facts: ReleaseFacts, standing: Standing, upstream: Upstream | None, world: World) -> Asked:
    """What policies are asked about this decision."""
    return questions(
        standing,
        facts.snapshot,
        world.bundle,
        running=facts.running,
        commit=facts.commit,
        objects=_object_counts(facts, standing, world),
        rollback=progress.returning(facts.status, standing) is not None,
        upstream=upstream,
        now=facts.now,
    )


def fold(
    facts: ReleaseFacts,
    standing: Standing,
    verdicts: Sequence[PolicyVerdict],
    *,
    notes: Iterable[str] = (),
    upstream: Upstream | None = None,
) -> Judged:
    """All gates: of trust and documents, of what would end, of people, of time and of policies."""
    key, snapshot, status, given, now = facts.key, facts.snapshot, facts.status, facts.given, facts.now
    consent = consent_to_promote(standing, snapshot, status, key, given, now, pull=facts.pull)
    found = ending(key, snapshot, standing, status, given, now, pull=facts.pull)
    pruned = pruning(key, snapshot, standing.environment, status, facts.clusters, given, now)
    asked = tuple(gate for gate in (consent.gate, pruned.gate) if gate)
    held = waiting(facts.status, standing, facts.snapshot, facts.now)
    own = standing.gates if standing.file else ()  # what is gone is held by its removal
    return Judged(
        standing=standing,
        verdicts=tuple(verdicts),
        consent=consent,
        ending=found,
        pruning=pruned,
        gates=(*own, *found.gates, *_moved(facts, standing), *asked, *held.gates, *policy_gates(verdicts)),
        notes=(*standing.notes, *notes),
        upstream=upstream,
        look_at=held.look_at,
    )


def _moved(facts: ReleaseFacts, standing: Standing) -> tuple[Gate, ...]:
    """Closed gates when a running release asks to move to another namespace."""
    if standing.resolved is None or facts.running is None or standing.file is None:
        return ()
    path = standing.file.path
    gates = []
    old, new = facts.running.spec.targets.namespace, standing.resolved.effective.spec.targets.namespace
    if old != new:
        message = f"{path}: it runs in namespace {old} and cannot move to {new}; release it under another name"
        gates.append(Gate(kind="Removal", open=False, reason="NamespaceChanged", message=message))
    return tuple(gates)


def _object_counts(facts: ReleaseFacts, standing: Standing, world: World) -> dict[str, int]:
    """Rendered objects by kind, over all clusters, as they will be once promoted."""
    if standing.resolved is None or standing.closure is None:
        return {}
    effective = standing.resolved.effective
    directive = progress.promoted(effective, revision=facts.snapshot.revision, closure=standing.closure)
    rendering = world.rendering(facts.key, directive, {effective.version: effective})
    return progress.object_counts(rendering, len(standing.resolved.clusters))


def steer(facts: ReleaseFacts, judged: Judged) -> Steered | None:
    """Where the rollout goes from here; None when nothing runs or is asked for, and when the whole release ends."""
    standing = judged.standing
    if judged.ending.whole:
        return None
    asked, new = progress.wanted(facts.status, standing, gates_open=judged.open)
    if asked is None:
        return None
    resolved = standing.resolved
    # What left the selector belongs to the release until its removal is signed: a return must reach it as well.
    told = (ClusterName(name) for name in facts.status.directives if name not in judged.ending.granted)
    clusters = tuple(dict.fromkeys((*(resolved.clusters if resolved else ()), *told)))
    effective = resolved.effective if resolved else unpack(facts.status.effective[asked.runnable.version])
    strategy = effective.spec.rollout.strategy
    depth = standing.environment.spec.rollback.depth if standing.environment else len(facts.status.history)
    view = progress.situation(
        facts.status, asked, strategy=strategy, clusters=clusters, seen=facts.clusters, depth=depth
    )
    return Steered(advance=advance(view, facts.now), wanted=asked, new=new)


def conclude(facts: ReleaseFacts, judged: Judged, steered: Steered | None) -> ReleaseStatus:
    """The status after this pass, with what the ledger is to be told."""
    before, standing = facts.status, judged.standing
    manifest = standing.file.sha256 if standing.file else before.manifest
    closure = standing.closure or before.closure
    same = bool(before.revision) and (before.manifest, before.closure) == (manifest, closure)
    update: dict[str, object] = {
        "revision": before.revision if same else facts.snapshot.revision,
        "gates": tuple(gate for gate in judged.gates if not gate.open),
        "opened": judged.opened,
        "verdicts": tuple(_kept_verdict(row) for row in judged.verdicts),
        "manifest": manifest,
        "first_seen": standing.first_seen.replace(microsecond=0) if standing.file else before.first_seen,
        "closure": closure,
        "approvals": all_votes(*judged.consents),
        "unconfirmed": judged.pruning.waiting,
        "message": "",
    }
    if standing.resolved:
        update["model_version"] = standing.resolved.effective.spec.model.version
    if steered:
        update |= _progressed(facts, judged, steered)
    if judged.ending.granted or judged.ending.whole:
        progressed = before.model_copy(update=update)
        update |= ended(progressed, before, judged.ending, standing, facts.snapshot, facts.clusters, facts.now)
    after = before.model_copy(update=update)
    keys = vouching(facts, after, standing)
    rows = conditions(before, after, facts.clusters, judged.notes, facts.now, keys=keys, glass=judged.glass)
    after = after.model_copy(update={"conditions": rows})
    news = (*let_go(facts, judged, after), *records(facts.key, before, after, judged, facts.now))
    told = (*first_votes(facts, judged), *news)
    return after.model_copy(update={"outbox": (*before.outbox, *told)})


def _kept_verdict(row: PolicyVerdict) -> PolicyVerdict:
    """What is kept of a verdict: the values it looked at only where they explain a no."""
    told = row.result in (PolicyResult.PASS, PolicyResult.SKIP)
    return row.model_copy(update={"values": {}}) if told else row


def _progressed(facts: ReleaseFacts, judged: Judged, steered: Steered) -> dict[str, object]:
    before, step, standing = facts.status, steered.advance, judged.standing
    rules = standing.environment.spec if standing.environment else None
    told = progress.directives(
        before,
        step,
        revision=facts.snapshot.revision,
        closure=steered.wanted.runnable.ref.closure,
        manner=Manner(environment=rules, confirmed=judged.pruning.confirmed),
    )
    history = promotions(facts, judged, step, told)
    depth = rules.rollback.depth if rules else len(history)
    # Specs that only the ledger keeps are fetched back by `restore`; here they age out with the depth.
    known = before.model_copy(update={"effective": before.effective | _new(steered)})
    return {
        "phase": step.phase,
        "since": step.since.replace(microsecond=0),
        "stable": step.stable.ref if step.stable else None,
        "candidate": step.candidate.ref if step.candidate else None,
        "full": {str(name): size for name, size in sorted(step.full.items())},
        "failed": step.failed,
        "gates": (*(gate for gate in judged.gates if not gate.open), *step.gates),
        "message": f"{step.stable.ref.model_version} is promoted." if step.promoted and step.stable else step.message,
        "directives": dict(sorted(told.items())),
        "history": history,
        "effective": progress.specs(known, told, step, history, depth),
    }


def _new(steered: Steered) -> dict[str, str]:
    """The spec of what was asked for; one that is not accepted is never kept, or the next pass would take it."""
    return {steered.new.version: pack(steered.new)} if steered.new and steered.wanted.accepted else {}


def direct(facts: ReleaseFacts, status: ReleaseStatus, world: World) -> bool:
    """Write the ReleaseState, if it says something new, fenced by what the pass read.

    False when only words of progress changed and the last write was a moment ago: look again soon, one write is enough.
    """
    before = facts.stored.value.status if facts.stored else None
    if before and len(status.outbox) == len(before.outbox):
        if _without(before, words=False) == _without(status, words=False):
            return True
        if _without(before, words=True) == _without(status, words=True) and world.wrote(facts.key, WORDS_AGAIN):
            return False
    pending = tuple(entry for entry in status.outbox if not world.has_record(facts.key.repository, entry))
    value = ReleaseState(release=release_ref(facts.key), status=status.model_copy(update={"outbox": pending}))
    world.save_release(value, facts.stored)
    world.wake_releases(downstream(facts.key, facts.snapshot))
    world.wake_releases(facts.snapshot.dependents.get(facts.key, ()))
    if world.claims.anybody(facts.key) and stake(before or ReleaseStatus(), world.unpack) != stake(
        status, world.unpack
    ):
        world.wake_waiting(facts.key)
    return True


def _wake_targets(facts: ReleaseFacts, status: ReleaseStatus, world: World) -> None:
    """Wake every target that has not taken its directive over, after a crash too, and those that were emptied."""
    for name, told in status.directives.items():
        row = facts.clusters.get(ClusterName(name))
        if row is None or row.state is None or progress.behind(row.state, told):
            world.wake_target(facts.key, ClusterName(name))


def _without(status: ReleaseStatus, *, words: bool) -> ReleaseStatus:
    """The status without its outbox (records that were pushed go with the next write) and, if asked, without words."""
    update: dict[str, object] = {"outbox": ()}
    if words:
        bare = (row.model_copy(update={"message": "", "reason": ""}) for row in status.conditions)
        update |= {"message": "", "conditions": tuple(bare)}
    return status.model_copy(update=update)
