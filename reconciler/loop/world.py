"""Everything a pass may reach, in one place: facts to read, and the few doors through which it writes.

The world holds no decision. What passes share is replaced by one assignment (snapshots) or guarded by its owner (queue,
caches, ledger); the caches here are by content, so losing them costs time only.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from reconciler.edges.cel.engine import CelEngine
from reconciler.edges.kube.events import emit
from reconciler.edges.kube.states import Stored
from reconciler.errors import ReconcilerError
from reconciler.judge.question import LoadedPolicy, Question
from reconciler.loop.backoff import Backoff
from reconciler.loop.claims import Claims
from reconciler.loop.fleet import Fleet
from reconciler.loop.home import Home
from reconciler.loop.kept import Kept
from reconciler.loop.leader import Leader
from reconciler.loop.ledger import Ledger
from reconciler.loop.progress import Fleeting, restored
from reconciler.loop.queue import WorkQueue
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.sources import Source
from reconciler.loop.telemetry import Telemetry
from reconciler.loop.verdicts import Verdicts
from reconciler.model.facts import CommitFact
from reconciler.model.ids import ClusterName, ReleaseKey, RepositoryName, Revision, TargetKey, Version
from reconciler.model.objects import Kinds, ObjectRef, Rendering
from reconciler.model.policy import PolicyVerdict
from reconciler.model.record import ApprovalFact, OutboxEntry
from reconciler.model.release import Effective
from reconciler.model.state import Directive, ReleaseState, ReleaseStatus, unpack
from reconciler.model.vote import NOTHING_GIVEN, GivenVotes
from reconciler.render.target import render

Key = ReleaseKey | TargetKey

_RENDERINGS = 20_000  # one per target and directive; a rendering is some 10 KiB
_UNPACKED = 20_000


class World:
    """One daemon's world. Passes get it as their second argument."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        home: Home,
        fleet: Fleet,
        engine: CelEngine,
        bundle: Sequence[LoadedPolicy],
        queue: WorkQueue[Key],
        leader: Leader,
        telemetry: Telemetry,
        log: Any,
        taken_over: frozenset[str],
    ) -> None:
        self.now = now
        self.home = home
        self.fleet = fleet
        self.bundle = tuple(bundle)
        self.queue = queue
        self.leader = leader
        self.telemetry = telemetry
        self.log = log
        self.taken_over = taken_over
        self.sources: dict[RepositoryName, Source] = {}
        self.ledgers: dict[RepositoryName, Ledger] = {}
        self._renderings: Kept[tuple[Any, ...], Rendering] = Kept(_RENDERINGS)
        self._verdicts = Verdicts(engine, telemetry, now)
        self.backoff = Backoff()
        self.claims = Claims()
        self._troubles: dict[Key, str] = {}
        self._written: dict[ReleaseKey, datetime] = {}
        self.deleted: dict[TargetKey, datetime] = {}  # when a target's pass last deleted something
        self.shown: Mapping[RepositoryName, Snapshot] = {}
        """Trunks that are looked at in place of what the sources published: `showing`."""
        self.pull = 0
        """The pull request that such a trunk is the merge of; 0 for none."""
        self.unpack = lru_cache(maxsize=_UNPACKED)(unpack)

    def showing(self, snapshot: Snapshot, *, pull: int = 0) -> "World":
        """The same world with another trunk, for previews: nothing is written to it, and what it claims is its own.

        `pull` is the pull request whose merge that trunk is.
        """
        other = copy.copy(self)
        other.claims = Claims()
        other.shown, other.pull = {snapshot.repository: snapshot}, pull
        return other

    @property
    def home_uid(self) -> str:
        """Whose targets are ours."""
        return self.home.uid

    def snapshot(self, repository: RepositoryName) -> Snapshot | None:
        """The trunk as last published; None before the first time."""
        source = self.sources.get(repository)
        return self.shown.get(repository) or (source.snapshot if source else None)

    def commit(self, repository: RepositoryName, revision: Revision) -> CommitFact | None:
        """What Git says of a commit; nothing in it is trusted."""
        source = self.sources.get(repository)
        return source.commit(revision) if source else None

    def release_state(self, key: ReleaseKey) -> ReleaseState | None:
        """The release's state on the home cluster."""
        stored = self.home.release(key)
        return stored.value if stored else None

    def release_states(self, repository: str) -> list[ReleaseState]:
        """The states of all releases of one repository that can be read."""
        rows = list(self.home.releases().values())
        return [row.value for row in rows if row.value.release.repository == repository]

    def lost_state(self, key: ReleaseKey) -> ReleaseStatus | None:
        """What a release runs by its targets, where its own state is lost; None when it runs nowhere."""
        clusters = self.clusters_of(key)
        return self.restore(key, clusters) if any(row.state for row in clusters.values()) else None

    def failing(self, key: ReleaseKey) -> bool:
        """True when its last pass failed."""
        return bool(self._troubles.get(key))

    def pass_over(self, key: ReleaseKey) -> None:
        """What this release claimed is written down, or did not happen: whoever waited because of it looks again."""
        if self.claims.drop(key):
            self.wake_waiting(key)

    def wake_waiting(self, key: ReleaseKey) -> None:
        """Something that releases of this environment wait for changed."""
        self.wake_releases(self.claims.called(key))

    def save_release(self, state: ReleaseState, read: Stored[ReleaseState] | None) -> None:
        """Write it, fenced by what was read."""
        self.home.save_release(state, read)
        self._written[state.key] = self.now()

    def forget_release(self, key: ReleaseKey) -> None:
        """Delete the state of a release that ended, and what we remember of it."""
        self.home.forget_release(key)
        self._written.pop(key, None)

    def wrote(self, key: ReleaseKey, seconds: float) -> bool:
        """True when this release's state was written within the last `seconds`."""
        at = self._written.get(key)
        return at is not None and (self.now() - at).total_seconds() < seconds

    def clusters_of(self, key: ReleaseKey) -> dict[ClusterName, Fleeting]:
        """All clusters of the repository as this release sees them, those that cannot be opened included."""
        seen = {
            name: Fleeting(reachable=False, listing=False, state=None, trouble=sentence)
            for (of, name), sentence in self.fleet.broken().items()
            if of == key.repository
        }
        for name, handle in self.fleet.handles(key.repository).items():
            silent = handle.silent()
            seen[name] = Fleeting(
                reachable=not silent and handle.cache.synced,
                listing=not silent and not handle.cache.synced,
                state=handle.target(key),
                trouble=silent or self._troubles.get(TargetKey(release=key, cluster=name), ""),
            )
        snapshot = self.snapshot(key.repository)
        for declared in snapshot.documents("Cluster") if snapshot else ():  # those that are being opened at the moment
            opening = Fleeting(reachable=False, listing=True, state=None, trouble="")
            seen.setdefault(ClusterName(declared), opening)
        return seen

    def restore(self, key: ReleaseKey, clusters: Mapping[ClusterName, Fleeting]) -> ReleaseStatus:
        """A lost release's status, from what its targets run and what the ledger knows."""
        ledger = self.ledgers.get(key.repository)
        history = ledger.history(key) if ledger else ()
        packed = ledger.effective(key) if ledger else {}
        votes = ledger.approvals(key) if ledger else ()
        return restored((row.state for row in clusters.values() if row.state), history, packed, votes)

    def votes_given(self, key: ReleaseKey) -> GivenVotes:
        """What people said of it in comments, reviews and refs."""
        source = self.sources.get(key.repository)
        return source.votes.of(key) if source else NOTHING_GIVEN

    def votes_seen(self, key: ReleaseKey) -> tuple[ApprovalFact, ...]:
        """Votes that were written down, each with the time at which it was first seen."""
        ledger = self.ledgers.get(key.repository)
        return ledger.votes_seen(key) if ledger else ()

    def rendering(
        self, key: Key, directive: Directive, effective: Mapping[Version, Effective], kinds: Kinds = frozenset()
    ) -> Rendering:
        """What a target should have, or any target of a release; the same input is rendered once."""
        release, cluster = (key.release, str(key.cluster)) if isinstance(key, TargetKey) else (key, "")
        told = cluster if any(entry.hooks for entry in directive.versions) else ""  # only hooks are told where they are
        return self._renderings.get(
            (release, told, directive.apply, directive.versions, kinds),
            lambda: render(directive, effective, key=release, kinds=kinds, cluster=told),
        )

    def verdicts(self, questions: Sequence[Question]) -> tuple[PolicyVerdict, ...]:
        """One verdict per question; a question whose every input is known is not asked again."""
        return self._verdicts.ask(questions)

    def has_record(self, repository: RepositoryName, entry: OutboxEntry) -> bool:
        """True when the ledger has pushed this record."""
        ledger = self.ledgers.get(repository)
        return ledger.has(entry) if ledger else False

    def wake_ledger(self, repository: RepositoryName) -> None:
        """There is something to write down."""
        ledger = self.ledgers.get(repository)
        if ledger:
            ledger.wake()

    def wake_target(self, key: ReleaseKey, cluster: ClusterName) -> None:
        """A directive moved."""
        self.queue.add(TargetKey(release=key, cluster=cluster))

    def wake_releases(self, keys: Iterable[ReleaseKey]) -> None:
        """Look at these releases again."""
        for key in keys:
            self.queue.add(key)

    def wake_everything(self) -> None:
        """Look at every release that the trunk or the home cluster knows, and at every target; costs no request."""
        for source in self.sources.values():
            if source.snapshot:
                self.wake_releases(source.snapshot.releases)
        for row in list(self.home.releases().values()):
            self.queue.add(row.value.key)
            for cluster in row.value.status.directives:
                self.wake_target(row.value.key, ClusterName(cluster))

    def trouble(self, key: Key, sentence: str) -> None:
        """A pass failed; what a target's pass says is news for its release."""
        if self._troubles.get(key) != sentence:
            self._troubles[key] = sentence
            if isinstance(key, TargetKey):
                self.queue.add(key.release)

    def clear_trouble(self, key: Key) -> None:
        """A pass succeeded; that a target's does again is news for its release."""
        if self._troubles.pop(key, None) and isinstance(key, TargetKey):
            self.queue.add(key.release)

    def event(self, key: ReleaseKey, *, warning: bool, reason: str, message: str) -> None:
        """A Kubernetes Event on the release's state; lost when the home cluster does not take it."""
        stored = self.home.release(key)
        if stored is None:
            return
        ref = ObjectRef(
            group="reconciler.dev", version="v1alpha1", kind="ReleaseState", namespace=stored.namespace,
            name=stored.name,
        )  # fmt: skip
        try:
            emit(
                self.home.connection, ref, stored.uid, kind="Warning" if warning else "Normal", reason=reason,
                message=message, now=self.now(),
            )  # fmt: skip
        except ReconcilerError as error:
            self.log.debug("event not written", release=str(key), error=error.message)
