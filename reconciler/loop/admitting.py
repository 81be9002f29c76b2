"""The last word before a release moves: what other releases have to say of it, and what a break-glass opens.

It reads states of other releases and decides nothing itself: what they mean is in `judge/limits`, `judge/dependencies`
and `judge/glass`. Rules: nothing here holds what does not move forward, and nothing holds a rollout that began; a
release that may go on claims its place under one lock, so that of two passes at one moment one waits.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from reconciler.documents.depend import named
from reconciler.errors import Stalled
from reconciler.judge import limits as judging
from reconciler.judge.dependencies import Needed, dependency_gate
from reconciler.judge.glass import About, break_glass
from reconciler.judge.limits import Ask, Bounds, Share
from reconciler.loop.claims import Claim, Claims
from reconciler.loop.facts import Judged, ReleaseFacts
from reconciler.loop.standing import Standing, key_of
from reconciler.loop.waiting import moves_forward, under_way, waivers
from reconciler.model.environment import Limits
from reconciler.model.ids import ReleaseKey
from reconciler.model.plan import Gate
from reconciler.model.release import Effective
from reconciler.model.state import ReleaseState, ReleaseStatus, Unpack


class Around(Protocol):
    """What is known of other releases."""

    claims: Claims

    def unpack(self, packed: str, /) -> Effective:
        """A packed effective spec."""

    def release_state(self, key: ReleaseKey) -> ReleaseState | None:
        """One release's state; raises Stalled when it cannot be read."""

    def release_states(self, repository: str) -> Iterable[ReleaseState]:
        """All of one repository."""

    def lost_state(self, key: ReleaseKey) -> ReleaseStatus | None:
        """The status of a release that has no state and runs somewhere; None when it runs nowhere."""

    def failing(self, key: ReleaseKey) -> bool:
        """True when its last pass failed."""


def admit(facts: ReleaseFacts, judged: Judged, around: Around) -> Judged:
    """The judgement with the gates of dependencies and limits, and with what a break-glass opens of all of them."""
    if judged.standing.resolved is None:
        return judged
    if not moves_forward(facts.status, judged.standing):
        return _broken(facts, judged)
    needed = () if under_way(facts.status, judged.standing) else tuple(_dependencies(facts, judged.standing, around))
    judged = replace(judged, gates=(*judged.gates, *needed))
    bounds = _bounds(facts, judged.standing)
    if bounds.limits == Limits() or _began(facts.status, judged.standing):
        return _broken(facts, judged)
    with around.claims.lock:
        ask = _ask(facts, judged, around)
        asked = judging.limit_gates(bounds, ask, list(_shares(facts, around)))
        found = _broken(facts, replace(judged, gates=(*judged.gates, *asked)))
        if found.open:
            around.claims.take(facts.key, Claim(use=ask.use, starts=ask.starts))
        elif not all(gate.open for gate in asked):
            around.claims.wait(facts.key)
    return found


def stake(status: ReleaseStatus, unpack: Unpack) -> tuple[object, ...]:
    """What others who wait for room look at in a release: when it changes they look again."""
    use = judging.total(judging.uses(status, unpack).values())
    return use, judging.rolling(status), judging.queues(status)


def _broken(facts: ReleaseFacts, judged: Judged) -> Judged:
    """With the gates open that a break-glass opens."""
    standing = judged.standing
    assert standing.resolved is not None  # noqa: S101  # the caller saw it
    approvals = standing.environment.spec.approvals if standing.environment else None
    about = About(
        key=facts.key,
        version=standing.resolved.effective.version,
        manifest=standing.resolved.effective.manifest,
        released_by=standing.verification.people if standing.verification else frozenset(),
        separate=approvals is not None and approvals.separate,
    )
    found = break_glass(about, judged.gates, waivers(facts.snapshot), facts.now)
    moments = [moment for moment in (judged.look_at, found.ends_at) if moment]
    return replace(
        judged,
        gates=found.gates,
        opened=found.opened,
        glass=found.told,
        notes=(*judged.notes, *found.notes),
        look_at=min(moments, default=None),
    )


def _dependencies(facts: ReleaseFacts, standing: Standing, around: Around) -> Iterator[Gate]:
    file = standing.file
    if file is None or file.document is None or file.loaded is None:
        return
    if any(gate.kind == "Reference" and not gate.open for gate in standing.gates):
        return  # what leads nowhere is told there, once
    for index, entry in enumerate(file.document.depends_on):
        other = key_of(facts.snapshot, named(entry, file.document))
        place = "{}:{}:{}".format(file.path, *file.loaded.positions.value(("spec", "dependsOn", index)))
        theirs = facts.snapshot.releases.get(other)
        manifest, state, trouble = theirs.sha256 if theirs else "", None, ""
        try:
            state = around.release_state(other)
        except Stalled as error:
            trouble = error.message
        status = state.status if state else None
        yield dependency_gate(Needed(name=str(other), manifest=manifest, status=status, place=place, trouble=trouble))


def _bounds(facts: ReleaseFacts, standing: Standing) -> Bounds:
    environment = standing.environment
    if environment is None:
        return Bounds(environment=facts.key.environment, limits=Limits())
    governed = facts.snapshot.documents("Environment")[environment.name]
    positions = governed.loaded.positions
    names = ("gpus", "replicas", "concurrentRollouts")
    places = {name: "{}:{}:{}".format(governed.path, *positions.value(("spec", "limits", name))) for name in names}
    return Bounds(environment=environment.name, limits=environment.spec.limits, places=places)


def _began(status: ReleaseStatus, standing: Standing) -> bool:
    """True for exactly the text whose rollout is under way; one that was changed meanwhile may ask for more."""
    candidate = status.candidate
    if candidate is None or standing.resolved is None:
        return False
    effective = standing.resolved.effective
    return (candidate.version, candidate.manifest) == (effective.version, effective.manifest)


def _ask(facts: ReleaseFacts, judged: Judged, around: Around) -> Ask:
    resolved, status = judged.standing.resolved, facts.status
    assert resolved is not None  # noqa: S101  # the caller saw it
    before = judging.uses(status, around.unpack)
    told = (name for name in status.directives if name not in judged.ending.granted)
    wanted = judging.size_of(resolved.effective)
    another = status.stable is None or status.stable.version != resolved.effective.version
    return Ask(
        name=facts.key.name,
        use=judging.with_change(before, wanted, {*map(str, resolved.clusters), *told}),
        before=judging.total(before.values()),
        starts=another and not judging.rolling(status),
        since=judged.standing.first_seen.replace(microsecond=0),  # as it will stand in the state
    )


def _shares(facts: ReleaseFacts, around: Around) -> Iterator[Share]:
    """The other releases of the environment, by their states and by what they claimed a moment ago."""
    claims = around.claims.others(facts.key)
    for key, status in _others(facts, around):
        use = judging.total(judging.uses(status, around.unpack).values())
        claim = claims.pop(key, None)
        yield Share(
            name=key.name,
            use=judging.largest((use, claim.use)) if claim else use,
            rolling=judging.rolling(status) or bool(claim and claim.starts),
            in_line=_in_line(facts, key, status, around),
        )
    for key, claim in claims.items():  # the first time: it has no state yet
        yield Share(name=key.name, use=claim.use, rolling=claim.starts)


def _others(facts: ReleaseFacts, around: Around) -> Iterator[tuple[ReleaseKey, ReleaseStatus]]:
    """Their statuses; of one whose state is lost what its targets run, for that is not nothing."""
    known = {facts.key.name}
    for state in around.release_states(facts.key.repository):
        if state.release.environment == facts.key.environment and state.release.name != facts.key.name:
            known.add(state.key.name)
            yield state.key, state.status
    for key in facts.snapshot.releases:
        if key.environment == facts.key.environment and key.name not in known:
            status = around.lost_state(key)
            if status is not None:
                yield key, status


def _in_line(facts: ReleaseFacts, key: ReleaseKey, status: ReleaseStatus, around: Around) -> datetime | None:
    """Since when a release waits for its turn, and could take it: its state speaks of the trunk's text and it is well.

    One that cannot take its turn does not keep it from others.
    """
    file = facts.snapshot.releases.get(key)
    current = file is not None and file.sha256 == status.manifest and not around.failing(key)
    return status.first_seen if current and judging.queues(status) else None
