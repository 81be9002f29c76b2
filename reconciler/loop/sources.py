"""Sources: a watched repository becomes immutable snapshots.

A source polls on its own thread and publishes by one assignment; a pass never waits for Git. What it accepts moves
forward only: a trunk that was rewritten, is gone or cannot be read changes nothing but a condition. The poll is the
truth; everything else (watchdog, webhooks) only says *look now*.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.digest import sha256_of
from reconciler.documents.load import load
from reconciler.edges.git import Mirror, Missing, NotFromStart, Rewritten, changes
from reconciler.edges.git.tree import Snapshot as TreeSnapshot
from reconciler.errors import Misused, NotFound, ReconcilerError, Retry, Stalled, Unreachable
from reconciler.loop.apart import config_removal_path
from reconciler.loop.governing import hold_over
from reconciler.loop.home import Home
from reconciler.loop.ledger import Ledger
from reconciler.loop.snapshot import Index, Publication, Read, Snapshot, snapshot_of
from reconciler.model.facts import CommitFact
from reconciler.model.ids import BlobId, ReleaseKey, RepositoryName, Revision
from reconciler.model.plan import Condition, condition
from reconciler.model.record import OutboxEntry, Record
from reconciler.model.state import AcceptedDocument, RepositoryStatus
from reconciler.model.trustfile import TrustFile
from reconciler.trust.people import read_trust

OnPublish = Callable[[Publication], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The mounted trust file as it was last read."""

    file: TrustFile
    digest: str


def read_trust_file(path: Path, repository: RepositoryName) -> Trust:
    """Read and check a trust file; raises Misused with every problem."""
    try:
        data = path.read_bytes()
        tree = load(str(path), data)
        file = read_trust(tree.data, path=str(path), locate=tree.positions.value)
    except OSError as error:
        raise Misused(f"the trust file {path} cannot be read: {error.strerror}") from None
    except ReconcilerError as error:
        raise Misused(error.message) from None
    if file.spec.repository != repository:
        raise Misused(f"{path} vouches for {file.spec.repository}, not for {repository}")
    return Trust(file=file, digest=sha256_of(data))


class Source:
    """One repository. `poll` may be called from any thread; one runs at a time."""

    def __init__(
        self,
        repository: RepositoryName,
        *,
        branch: str,
        path: str,
        start: Revision | None,
        trust: Path,
        limit: int,
        mirror: Mirror,
        ledger: Ledger,
        home: Home,
        now: Callable[[], datetime],
        on_publish: OnPublish,
        log: Any,
    ) -> None:
        self.repository = repository
        self.mirror = mirror
        self.snapshot: Snapshot | None = None
        self._branch, self._path, self._start = branch, path, start
        self._trust_path = trust
        self._trust = read_trust_file(trust, repository)
        self._ledger = ledger
        self._home = home
        self._now = now
        self._on_publish = on_publish
        self._log = log
        self._polling = threading.Lock()
        self._walked: TreeSnapshot | None = None
        self._unpublished: frozenset[ReleaseKey] = frozenset()  # affected by snapshots that could not be written down
        self._loaded = False
        self._limit = limit
        self._index = Index(repository, read=mirror.trees.read, recall=self._recall, limit=limit)

    @property
    def trust(self) -> TrustFile:
        """The trust file in force."""
        return self._trust.file

    def commit(self, revision: Revision) -> CommitFact | None:
        """What Git says of a commit, or None when the mirror does not have it."""
        try:
            found = self.mirror.trees.commit(revision)
        except NotFound:
            return None
        return CommitFact(
            revision=revision,
            author=found.author.name,
            email=found.author.email,
            subject=found.subject,
            time=found.committer_time or found.author_time or self._now(),
        )

    def poll(self) -> str:
        """Look at the trunk once; returns what was found as one word, for the metric. Raises Retry."""
        with self._polling:
            if not self._home.synced:
                raise Retry("the home cluster has not been listed yet", reason="HomeNotListed", after=0.2)
            self._reread_trust()
            try:
                return self._look()
            except (Retry, Stalled) as error:
                status = self._status()
                self._go_on(self._accepted(status), status)
                self._mark(status, synced=False, reason=error.reason, message=error.message)
                if isinstance(error, Retry):
                    raise
                return error.reason

    def _look(self) -> str:
        """Read ledger and trunk as far as they moved; raises Retry and Stalled."""
        if not self._loaded:
            self._ledger.load()
            self._ledger.wake()  # records may have waited for the ledger when the last daemon ended
            self._loaded = True
        status = self._status()
        accepted = self._accepted(status)
        found = self.mirror.poll(accepted, self._start)
        if isinstance(found, Missing | Rewritten | NotFromStart):
            self._go_on(accepted, status)
            return self._refuse(status, found)
        return self._take(self._revision(found), status)

    def _accepted(self, status: RepositoryStatus) -> Revision | None:
        """The last revision that we accepted, as home, this process or the ledger knows it."""
        if status.revision:
            return Revision(status.revision)
        return self.snapshot.revision if self.snapshot else self._ledger.revision()

    def _go_on(self, accepted: Revision | None, status: RepositoryStatus) -> None:
        """The trunk cannot be read: what was accepted stays in force, judged with the trust file of now.

        After a restart it is shown from the mirror, so that clusters are known and repaired while the Git host is down.
        """
        shown = self.snapshot
        revision = shown.revision if shown else accepted
        if revision is None or (shown is not None and shown.trust is self._trust.file):
            return
        try:
            self.mirror.trees.commit(revision)
        except (NotFound, ReconcilerError):
            return  # the mirror is new: nothing is known until the trunk can be read
        self._accept(revision, status, everything=True)

    def _take(self, revision: Revision, status: RepositoryStatus) -> str:
        """Publish what is new: another revision, or the same one judged with another trust file."""
        shown = self.snapshot
        trust_changed = shown is not None and shown.trust is not self._trust.file
        again = trust_changed or (shown is not None and hold_over(shown.governed.values(), self._now()))
        lost = status.revision != revision  # also when somebody deleted what we had written down
        if shown is None or shown.revision != revision or again or lost:
            self._accept(revision, status, everything=again)
            return "moved"
        self._mark(status, synced=True, reason="Synced", message="")
        return "unchanged"

    def peek(self, revision: str, *, files: Mapping[str, BlobId] | None = None, read: Read | None = None) -> Snapshot:
        """Show a state of the trunk without accepting it: `files`, or a commit (empty: what the branch is now)."""
        self._ledger.load()
        status = self._status()
        at = Revision(revision)
        if files is None:
            head = self.mirror.fetch()
            if head is None:
                raise Unreachable(f"{self._branch} does not exist in {self.repository}")
            at = Revision(revision or head)
            self.mirror.trees.commit(at)
            files = self.mirror.trees.walk(at, self._path).files
        self.snapshot = snapshot_of(
            self.repository,
            files,
            revision=at,
            read=read or self.mirror.trees.read,
            recall=self._recall,
            trust=self.trust,
            accepted=status.accepted,
            limit=self._limit,
            now=self._now(),
        )
        return self.snapshot

    @staticmethod
    def _revision(found: Any) -> Revision:
        revision: Revision = getattr(found, "new", None) or found.revision
        return revision

    def _reread_trust(self) -> None:
        """Take over a trust file that changed; one that does not read leaves the last in force."""
        try:
            trust = read_trust_file(self._trust_path, self.repository)
        except Misused as error:
            self._log.error("trust file not taken over", repository=self.repository, error=error.message)
            return
        if trust.digest != self._trust.digest:
            self._trust = trust

    def _status(self) -> RepositoryStatus:
        """What was accepted before: from the home cluster, or where that is lost from this process or the ledger."""
        stored = self._home.repository(self.repository)
        status = stored.value.status if stored else RepositoryStatus()
        if status.accepted:
            return status
        known = self.snapshot.accepted() if self.snapshot else self._ledger.accepted()
        return status.model_copy(update={"accepted": known})

    def _accept(self, revision: Revision, status: RepositoryStatus, *, everything: bool) -> None:
        """Publish the trunk at `revision`, once it is written down that we accepted it."""
        walked = self.mirror.trees.walk(revision, self._path)
        changed: dict[str, BlobId | None] = {row.path: row.after for row in changes(self._walked, walked)}
        publication = self._index.publish(
            changed,
            revision=revision,
            trust=self._trust.file,
            accepted=status.accepted,
            rejected=tuple(str(entry) for entry in walked.rejected),
            now=self._now(),
            everything=everything,
        )
        self._walked = walked
        self._unpublished |= publication.affected
        self._remember(publication.snapshot, status)
        publication = replace(publication, affected=self._unpublished)
        self._unpublished = frozenset()
        self.snapshot = publication.snapshot
        self._log.info(
            "trunk accepted",
            repository=self.repository,
            revision=revision[:12],
            releases=len(publication.snapshot.releases),
            affected=len(publication.affected),
            problems=len(publication.snapshot.problems),
        )
        self._on_publish(publication)

    def _remember(self, snapshot: Snapshot, before: RepositoryStatus) -> None:
        accepted = snapshot.accepted()
        outbox = [entry for entry in before.outbox if not self._ledger.has(entry)]
        for path, document in sorted(accepted.items()):
            if before.accepted.get(path) != document:
                outbox.append(self._accepted_entry(path, document, snapshot.revision))
        kept = {(row.kind, row.name) for row in accepted.values()}
        for path, document in sorted(before.accepted.items()):
            if (document.kind, document.name) not in kept:
                outbox.append(self._removed_entry(path, document, snapshot.revision))
        message = "; ".join(snapshot.rejected)
        self._change(
            revision=snapshot.revision,
            accepted=accepted,
            outbox=tuple(outbox),
            conditions=self._conditions(before, synced=True, reason="Synced", message=message),
        )
        if len(outbox) > len(before.outbox):
            self._ledger.wake()

    def _accepted_entry(self, path: str, document: AcceptedDocument, revision: Revision) -> OutboxEntry:
        record = Record(
            time=self._now().replace(microsecond=0),
            kind="Accepted",
            repository=self.repository,
            revision=revision,
            message=f"{document.kind} {document.name} ({path}) is in force",
            detail={"path": path, "accepted": document.to_data()},
        )
        blobs: dict[str, str] = {f"accepted/{path}": document.blob}
        signature = self._walked.files.get(f"{path}.sig") if self._walked else None
        if signature:
            blobs[f"accepted/{path}.sig"] = signature
        return OutboxEntry(record=record, blobs=blobs)

    def _removed_entry(self, path: str, document: AcceptedDocument, revision: Revision) -> OutboxEntry:
        record = Record(
            time=self._now().replace(microsecond=0),
            kind="Removed",
            repository=self.repository,
            revision=revision,
            message=f"{document.kind} {document.name} ({path}) is in force no more: its removal is signed",
            detail={"path": path, "accepted": document.to_data()},
        )
        removal = config_removal_path(path)
        signature = self._walked.files.get(removal) if self._walked else None
        return OutboxEntry(record=record, blobs={f"ended/{signature}/{removal}": signature} if signature else {})

    def _recall(self, document: AcceptedDocument) -> bytes | None:
        """Bytes of a document accepted earlier: from the mirror while it has them, else from the ledger."""
        try:
            return self.mirror.trees.read(document.blob)
        except NotFound:
            paths = {entry.blob: path for path, entry in self._ledger.accepted().items()}
            path = paths.get(document.blob)
            data = self._ledger.read(f"accepted/{path}") if path else None
            return data if data is not None and sha256_of(data) == document.sha256 else None

    def _refuse(self, status: RepositoryStatus, found: Missing | Rewritten | NotFromStart) -> str:
        """Keep the last good revision and say why."""
        if isinstance(found, Missing):
            reason, message = "BranchMissing", f"{found.ref} is gone; the last accepted revision stays in force"
        elif isinstance(found, Rewritten):
            reason = "TrunkRewritten"
            message = (
                f"{self._branch} was rewritten: {found.advertised[:12]} does not contain {found.accepted[:12]}, which "
                "stays in force"
            )
        else:
            reason = "NotFromStart"
            message = f"{found.advertised[:12]} does not contain the configured start {found.start[:12]}"
        self._mark(status, synced=False, reason=reason, message=message)
        return reason

    def _mark(self, status: RepositoryStatus, *, synced: bool, reason: str, message: str) -> None:
        """Write the condition, if it moved."""
        before = {row.type: row for row in status.conditions}.get("Synced")
        if before and (before.reason, before.status) == (reason, "True" if synced else "False"):
            return
        if not synced:
            self._log.error("trunk refused", repository=self.repository, reason=reason, sentence=message)
        self._change(conditions=self._conditions(status, synced=synced, reason=reason, message=message))

    def _conditions(
        self, before: RepositoryStatus, *, synced: bool, reason: str, message: str
    ) -> tuple[Condition, ...]:
        others = tuple(row for row in before.conditions if row.type != "Synced")
        now = self._now()
        row = condition(before.conditions, type_="Synced", status=synced, reason=reason, message=message, now=now)
        return (row, *others)

    def _change(self, **fields: Any) -> None:
        self._home.change_repository(self.repository, self._branch, lambda now: now.model_copy(update=fields))
