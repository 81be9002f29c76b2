"""The ledger: signed, chained history on the daemon's own ref, written from state, one commit per flush.

It is never asked what should run; it is read at the start (known-good versions, accepted documents) and written when
something was decided. Records wait in the state objects' outboxes until a push succeeded, so a Git host that is down
costs nothing but time.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.digest import sha256_of
from reconciler.edges.git import Actor, Mirror, Writer
from reconciler.errors import Conflict, NotFound, ReconcilerError
from reconciler.loop import ledger_votes
from reconciler.loop.chain import (
    Chain,
    Link,
    accepted_in,
    effective_in,
    identity,
    newest_revision,
    promotions_in,
    record_bytes,
    record_path,
    statement,
    verify_chain,
)
from reconciler.loop.home import Home
from reconciler.loop.ledger_page import readme, status_file, status_path
from reconciler.loop.telemetry import Telemetry
from reconciler.model.ids import BlobId, ReleaseKey, RepositoryName, Revision, short
from reconciler.model.plan import condition
from reconciler.model.record import ApprovalFact, OutboxEntry, Record
from reconciler.model.repository import AcceptedDocument, RepositoryStatus
from reconciler.model.state import Promotion, ReleaseState
from reconciler.model.trustfile import TrustFile
from reconciler.trust.keys import PrivateKey
from reconciler.trust.sshsig import GIT_NAMESPACE, sign

COALESCE = 0.5  # seconds; what is decided meanwhile goes into the same commit
RETRY = 10.0  # seconds after a push that failed
_RACES = 3
_INTACT = "LedgerIntact"


@dataclass(slots=True)
class _Known:
    """What the pushed ledger says. Replaced as one, so that passes never see half of a flush."""

    head: Revision | None = None
    chain: Chain = field(default_factory=lambda: Chain(links=(), problems=()))
    identities: frozenset[str] = frozenset()
    votes: ledger_votes.Facts = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    """By state name the resource version whose whole outbox it has: ten thousand need not be looked at every time."""


class Ledger:
    """One repository's ledger. `flush` is called by one thread; everything else by any."""

    def __init__(
        self,
        repository: RepositoryName,
        *,
        ref: str,
        branch: str,
        mirror: Mirror,
        key: PrivateKey,
        actor: Actor,
        trust: Callable[[], TrustFile],
        leading: Callable[[], bool],
        home: Home,
        now: Callable[[], datetime],
        telemetry: Telemetry,
        log: Any,
    ) -> None:
        self.repository = repository
        self._ref = ref
        self._branch = branch
        self._mirror = mirror
        self._writer = Writer(mirror)
        self._key = key
        self._actor = actor
        self._trust = trust
        self._leading = leading
        self._home = home
        self._now = now
        self._telemetry = telemetry
        self._log = log
        self._known = _Known()
        self._wanted = threading.Event()

    # --- reading

    def load(self) -> None:
        """Fetch and verify; raises Retry when the Git host cannot be reached.

        The home cluster keeps our head: a ledger that does not continue it, or in which less counts than before, was
        truncated or rewritten. Then ours is taken from the mirror and pushed again or, where the mirror is new, what
        still counts is gone on with.
        """
        theirs = self._mirror.fetch_ref(self._ref)
        ours = self._known.head or self._kept_head()
        read = self._read(theirs)
        if ours is None or ours == theirs or self._continues(read, ours):
            self._known = read
            self._tell(intact=True, message="")
            return
        message = f"{self._ref} was truncated or rewritten: it does not continue our {ours[:12]}"
        self._log.error("ledger rewritten", repository=self.repository, sentence=message)
        try:
            self._mirror.trees.commit(ours)
        except NotFound:
            self._known = read
            self._tell(intact=False, message=f"{message}, and the mirror has not kept it")
            return
        self._writer.restore(self._ref, ours, theirs)
        self._known = self._read(ours)
        self._tell(intact=False, message=f"{message}; ours was pushed again")

    def _continues(self, theirs: _Known, ours: Revision) -> bool:
        """True when another daemon of ours went on from our head: nothing that counted ceased to."""
        if theirs.head is None or not self._mirror.contains(theirs.head, ours):
            return False
        return not theirs.chain.problems or set(theirs.chain.problems) <= set(self._read(ours).chain.problems)

    def _kept_head(self) -> Revision | None:
        """Our head as the home cluster keeps it."""
        stored = self._home.repository(self.repository)
        return Revision(stored.value.status.ledger) if stored and stored.value.status.ledger else None

    def _read(self, head: Revision | None) -> _Known:
        """What counts in the ledger at a commit."""
        if head is None:
            return _Known()
        files = self._mirror.trees.walk(head).files
        paths = [path for path in files if path.startswith("records/")]
        blobs = dict(zip(paths, self._mirror.trees.read_many([files[path] for path in paths]), strict=True))
        chain = verify_chain(blobs, self._trust())
        for problem in chain.problems:
            self._log.error("ledger entry does not count", repository=self.repository, problem=problem)
        told = frozenset(identity(link.record) for link in chain.links)
        return _Known(head=head, chain=chain, identities=told, votes=ledger_votes.with_links({}, chain.links))

    def _tell(self, *, intact: bool, message: str) -> None:
        """Keep our head on the home cluster, with a condition once the ledger was not as we left it."""
        known = self._known

        def change(status: RepositoryStatus) -> RepositoryStatus:
            rows = {row.type: row for row in status.conditions}
            if not intact:
                rows[_INTACT] = condition(
                    status.conditions, type_=_INTACT, status=False, reason="LedgerRewritten", message=message,
                    now=self._now(),
                )  # fmt: skip
            update: dict[str, object] = {"ledger": known.head or "", "sequence": known.chain.sequence}
            return status.model_copy(update=update | {"conditions": tuple(rows.values())})

        self._home.change_repository(self.repository, self._branch, change)

    @property
    def head(self) -> Revision | None:
        """The commit that was pushed or read last."""
        return self._known.head

    @property
    def chain(self) -> Chain:
        """The records that count."""
        return self._known.chain

    def has(self, entry: OutboxEntry) -> bool:
        """True when this record was pushed."""
        return identity(entry.record) in self._known.identities

    def history(self, key: ReleaseKey) -> tuple[Promotion, ...]:
        """Promotions of one release, newest first; what a later record says of one counts."""
        return promotions_in(self._records(key))

    def effective(self, key: ReleaseKey) -> dict[str, str]:
        """Packed effective specs of one release's promoted versions, by version."""
        return effective_in(self._records(key))

    def approvals(self, key: ReleaseKey) -> tuple[ApprovalFact, ...]:
        """Votes that counted for one release, each with the time at which it was first seen; the newest last."""
        return ledger_votes.of_release(self._known.votes, key)

    def votes_seen(self, key: ReleaseKey) -> tuple[ApprovalFact, ...]:
        """The same with those that wait: of a pull request, whose record the ledger has not got yet."""
        return (*self.approvals(key), *ledger_votes.waiting_for(key, self.outbox()))

    def records(self) -> list[Record]:
        """Every record, oldest first, with the repository's own that wait."""
        waiting = [entry.record for entry in self.outbox() if not self.has(entry)]
        return [*(link.record for link in self.chain.links), *waiting]

    def outbox(self) -> tuple[OutboxEntry, ...]:
        """The repository's own records that wait."""
        stored = self._home.repository(self.repository)
        return stored.value.status.outbox if stored else ()

    def votes_told(self) -> list[tuple[Record, dict[str, bytes]]]:
        """Every record of a vote, oldest first, those that wait included, with the files that prove it."""
        files = self._mirror.trees.walk(self.head).files if self.head else {}
        rows = ledger_votes.told(self.chain.links, self.outbox(), files)
        return [(record, self._known_blobs(blobs)) for record, blobs in rows]

    def _known_blobs(self, blobs: Mapping[str, str]) -> dict[str, bytes]:
        """The bytes of those that the mirror has."""
        found = {}
        for path, blob in blobs.items():
            try:
                found[path] = self._mirror.trees.read(BlobId(blob))
            except NotFound:
                continue
        return found

    def accepted(self) -> dict[str, AcceptedDocument]:
        """The last accepted governing documents, by path."""
        return accepted_in(link.record for link in self.chain.links)

    def revision(self) -> Revision | None:
        """The newest trunk revision that a record speaks of."""
        return newest_revision([link.record for link in self.chain.links])

    def read(self, path: str) -> bytes | None:
        """One file of the ledger, or None."""
        head = self.head
        blob = self._mirror.trees.walk(head).files.get(path) if head else None
        return self._mirror.trees.read(blob) if blob else None

    def _records(self, key: ReleaseKey) -> list[Record]:
        """Records of one release, newest first."""
        return [
            link.record
            for link in reversed(self.chain.links)
            if (link.record.environment, link.record.name) == (key.environment, key.name)
        ]

    # --- writing

    def wake(self) -> None:
        """There may be something to write."""
        self._wanted.set()

    def run(self, stop: threading.Event) -> None:
        """Flush whenever there is something, until `stop`."""
        wait = None
        while not stop.is_set():
            self._wanted.wait(wait)
            if stop.wait(COALESCE):
                break
            if not self._leading():
                wait = COALESCE
                continue
            self._wanted.clear()
            wait = None
            try:
                self.flush()
            except ReconcilerError as error:
                self._log.warning("ledger not pushed", repository=self.repository, error=error.message)
                wait = RETRY
            except Exception:  # noqa: BLE001  # a fault of ours must not end the thread: the records would wait for ever
                self._log.exception("ledger not pushed", repository=self.repository)
                wait = RETRY
            if wait:
                self._telemetry.count("reconciler_ledger_flushes_total", self.repository, "failed")

    def pending(self) -> list[OutboxEntry]:
        """What the state objects have and the ledger has not, oldest first."""
        known = self._known
        entries = list(self.outbox())
        for name, row in self._home.releases().items():
            outbox = row.value.status.outbox
            if not outbox or row.value.release.repository != self.repository:
                continue
            if known.written.get(name) == row.resource_version:
                continue
            if all(self.has(entry) for entry in outbox):
                known.written[name] = row.resource_version
            else:
                entries += outbox
        fresh = {identity(entry.record): entry for entry in entries if not self.has(entry)}
        return sorted(fresh.values(), key=lambda entry: entry.record.time)  # stable: one release's order stays

    def flush(self) -> int:
        """Write everything pending as one signed commit and push it; returns the number of records."""
        for _ in range(_RACES):
            entries = self.pending()
            self._telemetry.gauge("reconciler_ledger_pending", len(entries), self.repository)
            if not entries:
                return 0
            links, files = self._write(entries)
            try:
                self._push(links, files)
            except Conflict:
                self.load()  # somebody moved our ref: what counts of it is kept, the rest is written again
                continue
            self._telemetry.count("reconciler_ledger_flushes_total", self.repository, "pushed")
            self._telemetry.gauge("reconciler_ledger_pending", 0, self.repository)
            return len(links)
        raise Conflict(f"{self._ref} of {self.repository} moved {_RACES} times while we wrote to it")

    def _write(self, entries: Iterable[OutboxEntry]) -> tuple[list[Link], dict[str, bytes | None]]:
        """The numbered records and the files of the next commit."""
        chain = self.chain
        previous, sequence = chain.head, chain.sequence
        links: list[Link] = []
        files: dict[str, bytes | None] = {}
        for entry in entries:
            sequence += 1
            record = entry.record.model_copy(update={"sequence": sequence, "previous": previous})
            data = record_bytes(record)
            said = statement(record, data)
            path = record_path(record)
            link = Link(path=path, digest=sha256_of(data), record=record)
            files[path] = data
            files[f"{path}.sig"] = sign(self._key, said.text(), said.namespace).encode()
            files |= self._attached(entry)
            links.append(link)
            previous = link.digest
        files |= self._pages(chain.links, links)
        return links, files

    def _attached(self, entry: OutboxEntry) -> dict[str, bytes | None]:
        """Blobs of the trunk that go with a record: manifests and accepted documents with their signatures."""
        found: dict[str, bytes | None] = {}
        for path, blob in entry.blobs.items():
            try:
                found[path] = self._mirror.trees.read(BlobId(blob))
            except NotFound:
                self._log.warning("blob for the ledger is gone", repository=self.repository, path=path, blob=blob)
        return found

    def _pages(self, before: tuple[Link, ...], new: list[Link]) -> dict[str, bytes | None]:
        """The status file of every release that a new record is about, and the page for people."""
        touched = {
            (link.record.environment, link.record.name): link.record.sequence for link in new if link.record.name
        }
        states: list[ReleaseState] = [
            row.value for row in self._home.releases().values() if row.value.release.repository == self.repository
        ]
        pages: dict[str, bytes | None] = {}
        for state in states:
            at = (state.release.environment, state.release.name)
            if at in touched:
                pages[status_path(state)] = status_file(state, touched[at])
        recent = [link.record for link in (*before, *new)][-20:]
        pages["README.md"] = readme(self.repository, states, recent)
        return pages

    def _push(self, links: list[Link], files: dict[str, bytes | None]) -> None:
        known = self._known
        count = len(links)
        first = links[0].record
        subject = f"{first.kind} {first.environment}/{first.name}" if first.name else first.kind
        message = subject if count == 1 else f"{subject} and {count - 1} more records"
        body = "\n".join(f"{link.record.sequence}: {link.record.message}" for link in links)
        commit = self._writer.commit_files(
            files,
            base=known.head,
            message=f"{message}\n\n{body}\n",
            author=self._actor,
            committer=self._actor,
            when=self._now(),
            sign=lambda payload: sign(self._key, payload, GIT_NAMESPACE),
        )
        self._writer.push(self._ref, commit, known.head)
        self._known = _Known(
            head=commit,
            chain=Chain(links=(*known.chain.links, *links), problems=known.chain.problems),
            identities=known.identities | {identity(link.record) for link in links},
            votes=ledger_votes.with_links(known.votes, links),
            written=known.written,
        )
        self._tell(intact=True, message="")
        self._log.info("ledger pushed", repository=self.repository, commit=short(commit), records=count)
