"""What a release remembers of its promotions: the history that a return is judged by, and the keys under it.

Pure. Rules: a version is promoted when it is stable and every cluster has reported so; one that was changed in place
counts again, whatever the trunk asks for by then; a promotion keeps the keys that released it, for they may end later.
"""

from collections.abc import Mapping
from datetime import datetime

from reconciler.loop import progress
from reconciler.loop.facts import Judged, ReleaseFacts
from reconciler.loop.standing import Standing
from reconciler.model.ids import ClusterName, Version
from reconciler.model.state import ASLEEP, Directive, Phase, Promotion, ReleaseStatus, VersionRef
from reconciler.rollout.situation import Advance
from reconciler.trust.vouching import Note, Signers, note


def promotions(
    facts: ReleaseFacts, judged: Judged, step: Advance, told: Mapping[str, Directive]
) -> tuple[Promotion, ...]:
    """Promotions with the one of this pass in front: another version, or the same one changed in place everywhere.

    A change in place that runs everywhere counts whatever the trunk asks for by now: it is what is stable.
    """
    before = facts.status
    if step.phase in ASLEEP:
        return _retired(before.history, facts.now)
    if step.stable is None:
        return before.history
    ref = step.stable.ref
    latest = before.history[0] if before.history else None
    if latest and (latest.version, latest.manifest, latest.retired) == (ref.version, ref.manifest, None):
        return before.history
    same = latest is not None and latest.version == ref.version
    in_place = same and latest is not None and latest.retired is None
    if (step.phase is not Phase.PROMOTED and not in_place) or (same and not _acted(facts, told, ref.version)):
        return before.history
    promotion = Promotion(
        version=ref.version,
        model_version=ref.model_version,
        manifest=ref.manifest,
        closure=ref.closure,
        revision=facts.snapshot.revision,
        at=facts.now.replace(microsecond=0),
        keys=_keys(facts, judged.standing, ref.manifest),
    )
    return progress.remembered((promotion, *before.history))


def _retired(history: tuple[Promotion, ...], now: datetime) -> tuple[Promotion, ...]:
    """The history whose newest promotion serves no longer since now, or since it was retired."""
    if not history or history[0].retired:
        return history
    return (history[0].model_copy(update={"retired": now.replace(microsecond=0)}), *history[1:])


def _acted(facts: ReleaseFacts, told: Mapping[str, Directive], version: Version) -> bool:
    """True when every cluster reports on its present directive, and that the version is healthy."""
    for name, directive in told.items():
        row = facts.clusters.get(ClusterName(name))
        status = row.state.status if row and row.state else None
        health = status.versions.get(version) if status else None
        if status is None or status.sequence != directive.sequence or health is None or not health.healthy:
            return False
    return True


def _keys(facts: ReleaseFacts, standing: Standing, manifest: str) -> tuple[str, ...]:
    """Whose keys released this manifest: the trunk's signature if it is the one there, else what was recorded."""
    if standing.file and standing.file.sha256 == manifest and standing.verification:
        return tuple(row.key for row in standing.verification.signed)
    return next((row.keys for row in facts.status.history if row.manifest == manifest), ())


def vouching(facts: ReleaseFacts, after: ReleaseStatus, standing: Standing) -> Note | None:
    """What is to be said of the keys that released what runs and what is on its way."""
    refs = [ref for ref in (after.stable, after.candidate) if ref]
    running = [Signers(model_version=ref.model_version, keys=_released_by(after, standing, ref)) for ref in refs]
    return note(running, facts.snapshot.trust, facts.now)


def _released_by(status: ReleaseStatus, standing: Standing, ref: VersionRef) -> tuple[str, ...]:
    """Fingerprints of the keys that released a version: as recorded when it was promoted, and as the trunk has it."""
    rows = (row for row in status.history if (row.version, row.manifest) == (ref.version, ref.manifest))
    promoted = next(rows, None)
    keys = promoted.keys if promoted else ()
    if standing.file and standing.file.sha256 == ref.manifest and standing.verification:
        keys = (*keys, *(row.key for row in standing.verification.signed))
    return tuple(dict.fromkeys(keys))
