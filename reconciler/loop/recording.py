"""Records about a repository itself: what was accepted or ended in it, what became of its trunk. Pure.

Each names the blobs that go into the ledger with it; records about one release are made in `announce`, those of votes
in `vote_records`. Of a pull request they tell as well: it may be about several releases, which stand in `detail`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.digest import blob_id, sha256_of
from reconciler.loop.apart import config_removal_path
from reconciler.loop.governing import Governed
from reconciler.loop.rewritten import Acceptance, Step, accepted_sentence
from reconciler.loop.statements import TRUST
from reconciler.model.ids import BlobId, ReleaseKey, RepositoryName, Revision
from reconciler.model.pull import PullRequest
from reconciler.model.record import ACCEPTED, SEEN, OutboxEntry, Record, RecordKind, SignatureFact
from reconciler.model.repository import AcceptedDocument
from reconciler.model.trustfile import TrustFile
from reconciler.model.vote import plain
from reconciler.model.wire import format_time
from reconciler.trust.statement import ConfigStatement

PULLS = "pulls"


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


def accepted_entry(
    scene: Scene, path: str, document: AcceptedDocument, signed: tuple[SignatureFact, ...] = ()
) -> OutboxEntry:
    """A governing document is in force; `signed`: by whom and over which statement, first seen now."""
    blobs = _with_signature(scene, path, document.blob, f"accepted/{path}")
    detail: dict[str, object] = {"path": path, "accepted": document.to_data()}
    if signed:
        said = ConfigStatement(
            repository=scene.repository, path=path, document_kind=document.kind,
            sha256=document.sha256.removeprefix("sha256:"),
        )  # fmt: skip
        detail |= {"statement": said.text().decode(), "firstSeen": format_time(scene.now.replace(microsecond=0))}
    entry = scene.entry("Accepted", f"{document.kind} {document.name} ({path}) is in force", detail, blobs)
    return entry.model_copy(update={"record": entry.record.model_copy(update={"signatures": signed})})


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


def planned_entry(
    scene: Scene, pull: PullRequest, base: Revision, *, plan: str, releases: Iterable[ReleaseKey], message: str,
    text: bytes = b"",
) -> OutboxEntry:  # fmt: skip
    """What a pull request would do, as it was shown. `plan` is the plan's digest (`sha256:…`).

    `text` is all of it in Markdown where the comment has only a part; the mirror must have been given it.
    """
    about: dict[str, object] = {
        "pull": {"number": pull.number, "url": pull.url, "head": pull.head, "base": base},
        "releases": sorted(_named(key) for key in releases),
        "plan": plan,
    }
    blobs: dict[str, str] = {}
    if text:
        about["text"] = sha256_of(text)
        blobs[plan_path(pull.number, plan)] = blob_id(text)
    return replace(scene, revision=None).entry("Planned", message, about, blobs)


def plan_path(number: int, plan: str) -> str:
    """Where the ledger keeps the whole text of a plan (`sha256:…`)."""
    return f"{PULLS}/{number}/{plan.removeprefix('sha256:')}.md"


def merged_entry(scene: Scene, pull: PullRequest, *, plan: str, releases: Iterable[ReleaseKey]) -> OutboxEntry:
    """A pull request was merged; `plan` is the digest of the plan that was shown last, empty where none was."""
    title, author = plain(pull.title), plain(pull.author)
    about: dict[str, object] = {
        "pull": {
            "number": pull.number, "url": pull.url, "title": title, "author": author, "head": pull.head,
            "commit": pull.merged or "",
        },
        "releases": sorted(_named(key) for key in releases),
        "plan": plan,
    }  # fmt: skip
    message = f"#{pull.number} by {author} was merged: {title}"
    return replace(scene, revision=None).entry("Merged", message, about, {})


def proposed_entry(
    scene: Scene, pull: PullRequest, base: Revision, *, of: ReleaseKey, source: ReleaseKey, manifest: str, version: str,
    supersedes: Iterable[int], message: str,
) -> OutboxEntry:  # fmt: skip
    """We asked for a promotion of `of`: what is copied from `source`, whose text has the digest `manifest`."""
    about: dict[str, object] = {
        "pull": {
            "number": pull.number, "url": pull.url, "branch": pull.head_branch, "head": pull.head, "base": base,
        },
        "releases": [_named(of)],
        "version": version,
        "source": {"release": _named(source), "manifest": manifest},
        "supersedes": sorted(supersedes),
    }  # fmt: skip
    return replace(scene, revision=None).entry("Proposed", message, about, {})


def _named(key: ReleaseKey) -> str:
    return f"{key.environment}/{key.name}"


def changes_entries(
    scene: Scene,
    before: Mapping[str, AcceptedDocument],
    after: Mapping[str, AcceptedDocument],
    followed: tuple[Governed, ...],
    governed: Iterable[Governed] = (),
) -> list[OutboxEntry]:
    """What came into force and what ended between two states; `followed` are new versions of the trust file.

    `governed` are all documents in force, for who signed those that are new.
    """
    signed = {row.path: row.signed for row in governed}
    new = {path: row for path, row in sorted(after.items()) if before.get(path) != row}
    entries: list[OutboxEntry] = []
    if any(row.kind == TRUST for row in new.values()):
        entries += [trust_entry(scene, row) for row in followed]
    entries += [
        accepted_entry(scene, path, row, signed.get(path, ())) for path, row in new.items() if row.kind != TRUST
    ]
    kept = {(row.kind, row.name) for row in after.values()}
    gone = [(path, row) for path, row in sorted(before.items()) if (row.kind, row.name) not in kept]
    return entries + [removed_entry(scene, path, row) for path, row in gone]


def same_news(one: Record, other: Record) -> bool:
    """Whether two records tell the same of a pull request, whenever and on whatever trunk; it is merged only once."""
    if one.kind != other.kind:
        return False
    if one.kind == "Merged":
        return _about(one, "commit") == _about(other, "commit")
    return (*_about(one, "head"), one.detail.get("plan")) == (*_about(other, "head"), other.detail.get("plan"))


def _about(record: Record, field: str) -> tuple[object, object]:
    """Which pull request a record is of, and one of its commits."""
    pull = record.detail.get("pull")
    return (pull.get("number"), pull.get(field)) if isinstance(pull, dict) else (None, None)
