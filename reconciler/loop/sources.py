"""Sources: a watched repository becomes immutable snapshots.

A source polls on its own thread and publishes by one assignment; a pass never waits for Git. What it accepts moves
forward only: a trunk that is gone or cannot be read changes nothing but a condition, and so does one that was rewritten
until somebody who may signed that it goes on from there (`rewritten`). The poll is the truth; everything else
(watchdog, webhooks) only says *look now*.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.digest import sha256_of
from reconciler.documents.schema import parse
from reconciler.edges.git import Mirror, Missing, Moved, NotFromStart, Rewritten, changes
from reconciler.edges.git.tree import Snapshot as TreeSnapshot
from reconciler.errors import NotFound, ReconcilerError, Refused, Retry, Stalled, Unreachable
from reconciler.loop.governing import THE_TRUST_FILE, hold_over
from reconciler.loop.home import Home
from reconciler.loop.indexing import Index, Read, snapshot_of
from reconciler.loop.ledger import Ledger
from reconciler.loop.mounted import TrustFiles
from reconciler.loop.recording import Scene, changes_entries, trunk_accepted_entry, trunk_rewritten_entry
from reconciler.loop.rewritten import Acceptance, accepted_sentence, ask_people, refusal, step_of
from reconciler.loop.snapshot import Publication, Snapshot
from reconciler.loop.statements import TRUST
from reconciler.loop.vote_refs import VoteRefs, asked
from reconciler.loop.votes import Votes
from reconciler.model.facts import CommitFact
from reconciler.model.ids import BlobId, ReleaseKey, RepositoryName, Revision
from reconciler.model.plan import Told, with_told
from reconciler.model.record import ACCEPTED, SEEN, OutboxEntry
from reconciler.model.repository import AcceptedDocument, RepositoryStatus
from reconciler.model.trustfile import TrustFile

OnPublish = Callable[[Publication], None]

_SYNCED, _TRUST_FILE = "Synced", "TrustFile"


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
        self._trust = TrustFiles(trust, repository, log)
        self._trusted: BlobId | None = None  # of the repository's trust file that was recalled last
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
        self.votes, self._refs = Votes(), VoteRefs(repository)
        self._index = Index(repository, read=mirror.trees.read, recall=self._recall, limit=limit)

    @property
    def trust(self) -> TrustFile:
        """The trust file in force: the mounted one, or a later version from the repository."""
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
            before = self._status()
            self._know_trust(before)
            self._trust.reread(before.trust)
            try:
                found = self._look()
            except (Retry, Stalled) as error:
                status = self._status()
                self._go_on(self._accepted(status), status)
                self._mark(status, synced=False, reason=error.reason, message=error.message)
                if isinstance(error, Retry):
                    raise
                return error.reason
            self._look_at_votes()
            return found

    def _look(self) -> str:
        """Read ledger and trunk as far as they moved; raises Retry and Stalled."""
        if not self._loaded:
            self._load_ledger()
            self._ledger.wake()  # records may have waited for the ledger when the last daemon ended
            self._loaded = True
        status = self._status()
        accepted = self._accepted(status)
        found = self.mirror.poll(accepted, self._start)
        if isinstance(found, Rewritten | NotFromStart):
            return self._ask_people(found, accepted, status)
        if isinstance(found, Missing):
            self._go_on(accepted, status)
            message = f"{found.ref} is gone; the last accepted revision stays in force"
            self._mark(status, synced=False, reason="BranchMissing", message=message)
            return "BranchMissing"
        return self._take(found.new if isinstance(found, Moved) else found.revision, status)

    def _look_at_votes(self) -> None:
        """Read what people pushed, where somebody is asked; what cannot be listed stays as it is."""
        where = asked(self.snapshot) if self.snapshot else frozenset[str]()
        if self.snapshot is None or not where:
            return
        try:
            given = self._refs.look(self.mirror, where, self.snapshot.releases)
        except ReconcilerError as error:
            self._log.warning("approvals cannot be listed", repository=self.repository, error=error.message)
            return
        if ignored := self._refs.news():
            self._log.warning("approvals ignored", repository=self.repository, sentence=ignored)
        if affected := self.votes.take_refs(given):
            self._on_publish(Publication(snapshot=self.snapshot, affected=affected))

    def _load_ledger(self) -> None:
        """Read it with the trust file in force; a later one, accepted from the repository, names later daemon keys."""
        self._ledger.load()
        while self._know_trust(self._status()):
            self._ledger.load()
        self.votes.restore(self._ledger.votes_told())

    def _know_trust(self, status: RepositoryStatus) -> bool:
        """Recall the trust file that was accepted from the repository; True when it is in force from now on."""
        for path, document in status.accepted.items():
            if document.kind != TRUST or document.blob == self._trusted:
                continue
            data = self._recall(document)
            if data is None:
                continue  # whoever needs it says so
            self._trusted = document.blob
            try:
                return self._trust.follow(parse(path, data, max_bytes=self._limit).as_(TrustFile))
            except Refused:
                continue  # the same
        return False

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
        if revision is None or (shown is not None and shown.mounted is self._trust.mounted.file):
            return
        try:
            self.mirror.trees.commit(revision)
        except ReconcilerError:
            return  # the mirror is new: nothing is known until the trunk can be read
        self._accept(revision, status, everything=True)

    def _take(self, revision: Revision, status: RepositoryStatus) -> str:
        """Publish what is new: another revision, or the same one judged with another trust file."""
        shown = self.snapshot
        trust_changed = shown is not None and shown.mounted is not self._trust.mounted.file
        again = trust_changed or (shown is not None and hold_over(shown.governed.values(), self._now()))
        lost = status.revision != revision  # also when somebody deleted what we had written down
        if shown is None or shown.revision != revision or again or lost:
            self._accept(revision, status, everything=again)
            return "moved"
        self._mark(status, synced=True, reason=_SYNCED, message=shown.not_read)
        return "unchanged"

    def peek(self, revision: str, *, files: Mapping[str, BlobId] | None = None, read: Read | None = None) -> Snapshot:
        """Show a state of the trunk without accepting it: `files`, or a commit (empty: what the branch is now)."""
        self._load_ledger()
        status = self._status()
        at = Revision(revision)
        if files is None:
            head = self.mirror.fetch()
            if head is None:
                raise Unreachable(f"{self._branch} does not exist in {self.repository}")
            at = Revision(revision or head)
            self.mirror.trees.commit(at)
            return self._peek(at, status)
        self.snapshot = snapshot_of(
            self.repository,
            files,
            revision=at,
            read=read or self.mirror.trees.read,
            recall=self._recall,
            trust=self._trust.mounted.file,
            accepted=status.accepted,
            limit=self._limit,
            now=self._now(),
        )
        return self.snapshot

    def _peek(self, revision: Revision, status: RepositoryStatus) -> Snapshot:
        """A commit as the trunk, so that one can ask what would come after it (`as_if`); with what people pushed."""
        walked = self.mirror.trees.walk(revision, self._path)
        self.snapshot = self._step(self._index, walked, revision, status.accepted, everything=True).snapshot
        self._walked = walked
        self._look_at_votes()
        return self.snapshot

    def as_if(self, revision: Revision) -> Publication:
        """The trunk as it would be at a commit of the mirror, and whom the step to there concerns; nothing is accepted.

        Costs what differs. Raises Retry while the trunk was not read yet.
        """
        with self._polling:
            if self.snapshot is None or self._walked is None:
                raise Retry(f"{self.repository} has not been read yet", reason="NotReadYet")
            walked = self.mirror.trees.walk(revision, self._path)
            return self._step(self._index.fork(), walked, revision, self.snapshot.accepted())

    def _step(
        self, index: Index, walked: TreeSnapshot, revision: Revision, accepted: Mapping[str, AcceptedDocument], *,
        everything: bool = False,
    ) -> Publication:  # fmt: skip
        """What an index comes to that has what was walked last, once it has this."""
        return index.publish(
            {row.path: row.after for row in changes(self._walked, walked)},
            revision=revision,
            trust=self._trust.mounted.file,
            accepted=accepted,
            rejected=tuple(str(entry) for entry in walked.rejected),
            now=self._now(),
            everything=everything,
        )

    def _status(self) -> RepositoryStatus:
        """What was accepted before: from the home cluster, or where that is lost from this process or the ledger."""
        stored = self._home.repository(self.repository)
        status = stored.value.status if stored else RepositoryStatus()
        if status.accepted:
            return status
        known = self.snapshot.accepted() if self.snapshot else self._ledger.accepted()
        return status.model_copy(update={"accepted": known})

    def _accept(
        self, revision: Revision, status: RepositoryStatus, *, everything: bool, by: Acceptance | None = None
    ) -> None:
        """Publish the trunk at `revision`, once it is written down that we accepted it (`by` people, if rewritten)."""
        walked = self.mirror.trees.walk(revision, self._path)
        publication = self._step(self._index, walked, revision, status.accepted, everything=everything)
        self._walked = walked
        self._unpublished |= publication.affected
        self._remember(publication.snapshot, status, by)
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

    def _remember(self, snapshot: Snapshot, before: RepositoryStatus, by: Acceptance | None) -> None:
        accepted = snapshot.accepted()
        scene = self._scene(snapshot.revision)
        new = changes_entries(scene, before.accepted, accepted, snapshot.followed, snapshot.governed.values())
        if by:
            new.insert(0, trunk_accepted_entry(scene, by))
        governed = snapshot.governed.get(THE_TRUST_FILE)
        if governed:
            self._trust.follow(governed.loaded.as_(TrustFile))
        synced = Told(type=_SYNCED, status=True, reason=_SYNCED, message=snapshot.not_read)
        fields = {
            "revision": snapshot.revision,
            "accepted": accepted,
            "trust": self._trust.mounted.remembered,
            "outbox": (*(entry for entry in before.outbox if not self._ledger.has(entry)), *new),
        }

        def change(now: RepositoryStatus) -> RepositoryStatus:
            if by and now.revision not in ("", before.revision):
                raise Retry(f"{self.repository} moved on meanwhile", reason="StateMoved")
            rows = with_told(now.conditions, (synced, self._trust_told(snapshot)), self._now())
            return now.model_copy(update={**fields, "conditions": rows})

        self._home.change_repository(self.repository, self._branch, change)
        if new:
            self._ledger.wake()

    def _scene(self, revision: Revision | None) -> Scene:
        files = self._walked.files if self._walked else {}
        return Scene(repository=self.repository, revision=revision, files=files, now=self._now())

    def _recall(self, document: AcceptedDocument) -> bytes | None:
        """Bytes of a document accepted earlier: from the mirror while it has them, else from the ledger."""
        try:
            return self.mirror.trees.read(document.blob)
        except NotFound:
            paths = {entry.blob: path for path, entry in self._ledger.accepted().items()}
            path = paths.get(document.blob)
            data = self._ledger.read(f"accepted/{path}") if path else None
            return data if data is not None and sha256_of(data) == document.sha256 else None

    def _ask_people(self, found: Rewritten | NotFromStart, accepted: Revision | None, status: RepositoryStatus) -> str:
        """The trunk was rewritten: go on from there when somebody who may signed that, else keep the last good one."""
        step = step_of(self.repository, self._branch, found)
        records = [link.record for link in self._ledger.chain.links] + [entry.record for entry in status.outbox]
        answer = ask_people(self.mirror, step, self.trust, records, now=self._now())
        if answer.acceptance:
            return self._follow_people(answer.acceptance, status)
        self._go_on(accepted, status)
        reason, message = refusal(step, found, answer.notes)
        known = [record for record in records if record.kind in (SEEN, ACCEPTED)]
        if not known or known[-1].detail.get("from") != step.old or known[-1].kind == ACCEPTED:
            self.write_down(trunk_rewritten_entry(self._scene(accepted), step, message))
            self._home.tell(self.repository, warning=True, reason=reason, message=message, now=self._now())
        self._mark(self._status(), synced=False, reason=reason, message=message, exact=True)
        return reason

    def write_down(self, *entries: OutboxEntry) -> None:
        """Put records into the outbox; the ledger has them soon. Raises Retry when the home cluster was written to."""

        def change(now: RepositoryStatus) -> RepositoryStatus:
            waiting = (entry for entry in now.outbox if not self._ledger.has(entry))
            return now.model_copy(update={"outbox": (*waiting, *entries)})

        self._home.change_repository(self.repository, self._branch, change)
        self._ledger.wake()

    def _follow_people(self, acceptance: Acceptance, status: RepositoryStatus) -> str:
        """Move to exactly the commit that was accepted; what follows it there comes with the next poll."""
        step, message = acceptance.step, accepted_sentence(acceptance)
        self.mirror.accept(step.new)
        self._accept(step.new, status, everything=False, by=acceptance)
        self._log.warning("rewritten trunk accepted", repository=self.repository, sentence=message)
        self._home.tell(self.repository, warning=False, reason=ACCEPTED, message=message, now=self._now())
        return ACCEPTED

    def _mark(self, status: RepositoryStatus, *, synced: bool, reason: str, message: str, exact: bool = False) -> None:
        """Write the conditions, if one moved; the words of Synced alone move it only where `exact` says so."""
        before = {row.type: row for row in status.conditions}.get(_SYNCED)
        same = before is not None and (before.reason, before.status) == (reason, "True" if synced else "False")
        if before and same and not exact:
            message = before.message
        if not synced and not same:
            self._log.error("trunk refused", repository=self.repository, reason=reason, sentence=message)
        told = Told(type=_SYNCED, status=synced, reason=reason, message=message)
        rows = (told, self._trust_told(self.snapshot))
        if with_told(status.conditions, rows, self._now()) == status.conditions:
            return
        self._home.change_repository(
            self.repository,
            self._branch,
            lambda now: now.model_copy(update={"conditions": with_told(now.conditions, rows, self._now())}),
        )

    def _trust_told(self, snapshot: Snapshot | None) -> Told:
        """What is to be said of the trust file."""
        governed = snapshot.governed.get(THE_TRUST_FILE) if snapshot else None
        note = governed.note if governed else snapshot.refused.get(THE_TRUST_FILE, "") if snapshot else ""
        status, reason, message = self._trust.told(note)
        return Told(type=_TRUST_FILE, status=status, reason=reason, message=message)
