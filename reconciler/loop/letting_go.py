"""Records of what a release pass lets go: clusters that ended, deletions that people confirmed, and objects that stay.

Like all records they come from the difference between two states, so a pass that is repeated tells the same.
"""

from collections.abc import Iterator, Sequence

from reconciler.loop.announce import approval_blobs, documents, release_record
from reconciler.loop.facts import Judged, ReleaseFacts
from reconciler.loop.pruning import told
from reconciler.model.ids import ClusterName
from reconciler.model.record import OutboxEntry, Record, RecordKind
from reconciler.model.state import Apply, ReleaseStatus
from reconciler.plan.safety import PROTECTED


def let_go(facts: ReleaseFacts, judged: Judged, after: ReleaseStatus) -> Iterator[OutboxEntry]:
    """What the ledger is to be told of it, oldest first."""
    if facts.parted:
        yield _parted(facts, after)
    new = [name for name in judged.pruning.confirmed if _newly_confirmed(name, facts.status, after)]
    if new:
        yield _confirmed(facts, judged, new)
    yield from _protected(facts, after)


def _parted(facts: ReleaseFacts, after: ReleaseStatus) -> OutboxEntry:
    """Clusters whose document ended since the last pass; nothing is deleted there."""
    where, on = " and ".join(facts.parted), " and ".join(after.directives)
    message = (
        f"{facts.key.name} is looked after no more on {where}: {documents(facts.parted)} ended; nothing is "
        f"deleted there, and it goes on {f'on {on}' if on else 'nowhere'}"
    )
    return OutboxEntry(record=_record("Orphaned", facts, facts.parted, message))


def _newly_confirmed(name: str, before: ReleaseStatus, after: ReleaseStatus) -> bool:
    old, new = before.directives.get(name), after.directives.get(name)
    return new is not None and (old is None or old.confirmed != new.confirmed)


def _confirmed(facts: ReleaseFacts, judged: Judged, clusters: Sequence[str]) -> OutboxEntry:
    """Deletions that people confirmed: by whom, and the files that prove it."""
    pruning = judged.pruning
    people = " and ".join(row.person for row in pruning.consent.counted)
    message = f"{facts.key.name}: {people} confirmed the deletion of {told(pruning.marks)}"
    record = _record("Confirmed", facts, clusters, message).model_copy(
        update={
            "approvals": pruning.consent.counted,
            "detail": {"objects": [f"{mark.ref} on {name}" for name in clusters for mark in pruning.marks[name]]},
        }
    )
    return OutboxEntry(record=record, blobs=approval_blobs(pruning.digest, pruning.consent.files))


def _protected(facts: ReleaseFacts, after: ReleaseStatus) -> Iterator[OutboxEntry]:
    """What stays of a removal that begins, because it is of a kind that is never deleted."""
    for name, directive in after.directives.items():
        before, seen = facts.status.directives.get(name), facts.clusters.get(ClusterName(name))
        begins = directive.apply is Apply.REMOVE and before is not None and before.apply is not Apply.REMOVE
        if not begins or seen is None or seen.state is None:
            continue
        kept = [str(entry.ref) for entry in seen.state.status.inventory if entry.kind in PROTECTED]
        if kept:
            message = f"{facts.key.name} is removed from {name} without {', '.join(kept)}, which is never deleted by us"
            yield OutboxEntry(record=_record("Orphaned", facts, (name,), message))


def _record(kind: RecordKind, facts: ReleaseFacts, clusters: Sequence[str], message: str) -> Record:
    stable = facts.status.stable
    return release_record(
        kind,
        facts.key,
        facts.now,
        revision=facts.snapshot.revision,
        version=stable.version if stable else "",
        closure=stable.closure if stable else "",
        clusters=tuple(clusters),
        message=message,
    )
