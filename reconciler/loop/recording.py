"""Records about a repository itself: what was accepted or ended in it, and what became of its trunk. Pure.

Each names the blobs that go into the ledger with it; records about one release are made in `announce`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.loop.apart import config_removal_path
from reconciler.loop.governing import Governed
from reconciler.loop.rewritten import Acceptance, Step, accepted_sentence
from reconciler.loop.statements import TRUST
from reconciler.model.ids import BlobId, RepositoryName, Revision
from reconciler.model.record import ACCEPTED, SEEN, OutboxEntry, Record, RecordKind
from reconciler.model.repository import AcceptedDocument
from reconciler.model.trustfile import TrustFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What every record says: the repository at one revision, its files, and the time."""

    repository: RepositoryName
    revision: Revision | None
    files: Mapping[str, BlobId]
    now: datetime

    def entry(self, kind: RecordKind, message: str, detail: dict[str, object], blobs: dict[str, str]) -> OutboxEntry:
        """A record without its number."""
        record = Record(
            time=self.now.replace(microsecond=0),
            kind=kind,
            repository=self.repository,
            revision=self.revision or "",
            message=message,
            detail=detail,
        )
        return OutboxEntry(record=record, blobs=blobs)


def accepted_entry(scene: Scene, path: str, document: AcceptedDocument) -> OutboxEntry:
    """A governing document is in force."""
    blobs = _with_signature(scene, path, document.blob, f"accepted/{path}")
    detail: dict[str, object] = {"path": path, "accepted": document.to_data()}
    return scene.entry("Accepted", f"{document.kind} {document.name} ({path}) is in force", detail, blobs)


def trust_entry(scene: Scene, row: Governed) -> OutboxEntry:
    """A version of the trust file is in force; every version stays in the ledger, for each is judged by the last."""
    version = row.loaded.as_(TrustFile).spec.version
    blobs = _with_signature(scene, row.path, row.blob, f"accepted/{row.path}")
    blobs |= _with_signature(scene, row.path, row.blob, f"trust/{version}.yaml")
    detail: dict[str, object] = {"path": row.path, "accepted": row.remembered.to_data(), "version": version}
    return scene.entry("Accepted", f"version {version} of the trust file ({row.path}) is in force", detail, blobs)


def _with_signature(scene: Scene, path: str, blob: BlobId, to: str) -> dict[str, str]:
    signature = scene.files.get(f"{path}.sig")
    return {to: blob, **({f"{to}.sig": signature} if signature else {})}


def removed_entry(scene: Scene, path: str, document: AcceptedDocument) -> OutboxEntry:
    """A governing document is in force no more."""
    removal = config_removal_path(path)
    signature = scene.files.get(removal)
    return scene.entry(
        "Removed",
        f"{document.kind} {document.name} ({path}) is in force no more: its removal is signed",
        {"path": path, "accepted": document.to_data()},
        {f"ended/{signature}/{removal}": signature} if signature else {},
    )


def trunk_rewritten_entry(scene: Scene, step: Step, message: str) -> OutboxEntry:
    """The branch does not contain any more what was accepted."""
    return scene.entry(SEEN, message, dict(step.detail), {})


def trunk_accepted_entry(scene: Scene, one: Acceptance) -> OutboxEntry:
    """Somebody who may accepted a rewritten branch; the signature goes into the ledger."""
    step = one.step
    entry = scene.entry(
        ACCEPTED, accepted_sentence(one), dict(step.detail), {f"trunk/{step.old}-{step.new}.sig": one.blob}
    )
    return entry.model_copy(update={"record": entry.record.model_copy(update={"signatures": one.verification.signed})})


def changes_entries(
    scene: Scene,
    before: Mapping[str, AcceptedDocument],
    after: Mapping[str, AcceptedDocument],
    followed: tuple[Governed, ...],
) -> list[OutboxEntry]:
    """What came into force and what ended between two states; `followed` are new versions of the trust file."""
    new = {path: row for path, row in sorted(after.items()) if before.get(path) != row}
    entries: list[OutboxEntry] = []
    if any(row.kind == TRUST for row in new.values()):
        entries += [trust_entry(scene, row) for row in followed]
    entries += [accepted_entry(scene, path, row) for path, row in new.items() if row.kind != TRUST]
    kept = {(row.kind, row.name) for row in after.values()}
    gone = [(path, row) for path, row in sorted(before.items()) if (row.kind, row.name) not in kept]
    return entries + [removed_entry(scene, path, row) for path, row in gone]
