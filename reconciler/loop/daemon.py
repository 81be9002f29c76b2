"""The daemon: builds the world from the settings, turns the loops, and stops within its grace period.

Threads: N workers on one queue, one poller per repository (APScheduler), one flusher per ledger, watchdog observers for
local repositories and trust files, and the watch threads of every cluster. With `inline` nothing works in the
background but the watches: `drain` turns the loop in the caller's thread.
"""

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from reconciler.config import RepositorySettings, Settings
from reconciler.edges.cel.engine import CelEngine
from reconciler.edges.git import Actor, Mirror, Remote, SshKey, Token
from reconciler.edges.kube.connect import Connection, open_in_cluster, open_kubeconfig
from reconciler.edges.kube.resources import TARGET_STATE
from reconciler.errors import NotFound, ReconcilerError, Refused, Unreachable
from reconciler.loop.bundle import shipped_policies
from reconciler.loop.endpoints import Endpoints
from reconciler.loop.fleet import REPORT, ClusterKey, Fleet
from reconciler.loop.forges import Forges
from reconciler.loop.home import Home
from reconciler.loop.leader import RENEW, Leader, identity
from reconciler.loop.ledger import Ledger
from reconciler.loop.pulls.one import One
from reconciler.loop.queue import WorkQueue
from reconciler.loop.snapshot import Publication, Snapshot
from reconciler.loop.sources import Source
from reconciler.loop.telemetry import Telemetry
from reconciler.loop.wakers import Wakers
from reconciler.loop.worker import Worker
from reconciler.loop.world import Key, World
from reconciler.model.cluster import Cluster
from reconciler.model.ids import BlobId, ClusterName, ReleaseKey, RepositoryName, Revision, TargetKey
from reconciler.model.state import MOVING, release_key
from reconciler.trust.keys import load_private_key

GRACE = 20.0  # seconds that workers may take to finish their pass at the end
HEARTBEAT = 120.0  # seconds without a turn after which /healthz says that a worker hangs
SETTLE = 1.5  # seconds without anything due that count as settled
_TICK = 1.0
_REFRESH = 10  # ticks between two looks at kubeconfigs on disk


def utc_now() -> datetime:
    """The time that every pass gets."""
    return datetime.now(UTC)


class Daemon:
    """One process's loops over all its repositories."""

    def __init__(self, settings: Settings, *, log: Any, now: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._log = log
        self._now = now
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.telemetry = Telemetry()
        self.queue: WorkQueue[Key] = WorkQueue(clock=time.monotonic, park=self._park)
        self._names: dict[str, ReleaseKey] = {}
        config = settings.config
        self._home = Home(self._home_connection(), config.home.namespace, on_change=self._home_changed)
        self._leader = Leader(
            self._home.connection, config.home.namespace, me=identity(settings.file), now=now, log=log
        )
        self._fleet = Fleet(settings, on_change=self._cluster_changed, on_request=self.telemetry.requests_of)
        self._engine = CelEngine()
        self.world = World(
            now=now,
            home=self._home,
            fleet=self._fleet,
            engine=self._engine,
            bundle=shipped_policies(),
            queue=self.queue,
            leader=self._leader,
            telemetry=self.telemetry,
            log=log,
            taken_over=frozenset({config.home.take_over} - {""}),
        )
        for repository in config.repositories:
            self._add(repository)
        self._workers = [Worker(self.world, log) for _ in range(config.limits.workers)]
        self._wakers: Wakers | None = None
        self._endpoints: Endpoints | None = None
        self._forges = Forges(settings, self.world, now=now, look=self._look_at_repository, log=log)

    # --- building

    def _home_connection(self) -> Connection:
        home = self._settings.config.home
        observer = self.telemetry.requests_of("home")
        if home.kubeconfig is None:
            return open_in_cluster(name="home", on_request=observer)
        return open_kubeconfig(
            self._settings.path(home.kubeconfig), home.context, name="home", allow=self._settings.config.allowed,
            on_request=observer,
        )  # fmt: skip

    def _remote(self, settings: RepositorySettings) -> Remote:
        given, limits = settings.credentials, self._settings.config.limits
        credentials: Token | SshKey | None = None
        if given.token_file:
            credentials = Token(file=self._settings.path(given.token_file))
        if given.ssh_key_file and given.known_hosts_file:
            credentials = SshKey(
                file=self._settings.path(given.ssh_key_file), known_hosts=self._settings.path(given.known_hosts_file)
            )
        allowed = self._settings.config.allowed
        return Remote(
            url=settings.url,
            branch=settings.branch,
            credentials=credentials,
            allow_file="fileRemotes" in allowed,
            allow_plain_loopback="plainLoopback" in allowed,
            fetch_timeout=limits.fetch_timeout.total_seconds(),
            fetch_limit=limits.fetch_bytes,
        )

    def _add(self, settings: RepositorySettings) -> None:
        name = RepositoryName(settings.name)
        config = self._settings.config
        mirror = Mirror(self._settings.data, name, self._remote(settings), max_blob=config.limits.document_bytes)
        signing = config.signing
        ledger = Ledger(
            name,
            ref=settings.ledger.ref,
            branch=settings.branch,
            mirror=mirror,
            key=load_private_key(self._settings.path(signing.key_file).read_bytes()),
            actor=Actor(name=signing.name, email=signing.email),
            trust=lambda: self.world.sources[name].trust,
            leading=lambda: self._leader.leading,
            home=self._home,
            now=self._now,
            telemetry=self.telemetry,
            log=self._log,
        )
        self.world.ledgers[name] = ledger
        self.world.sources[name] = Source(
            name,
            branch=settings.branch,
            path=settings.path,
            start=Revision(settings.start) if settings.start else None,
            trust=self._settings.path(settings.trust),
            limit=config.limits.document_bytes,
            mirror=mirror,
            ledger=ledger,
            home=self._home,
            now=self._now,
            on_publish=self._published,
            log=self._log,
        )

    # --- what wakes whom

    def _published(self, publication: Publication) -> None:
        snapshot = publication.snapshot
        documents = {name: row.loaded.as_(Cluster) for name, row in snapshot.documents("Cluster").items()}
        self._fleet.sync(snapshot.repository, documents)
        for key in publication.affected:
            self._names[key.state_name] = key
        for row in list(self._home.releases().values()):  # releases that are gone from the trunk
            key = release_key(row.value.release)
            if key.repository == snapshot.repository and key not in snapshot.releases:
                self.queue.add(key)
        self.world.wake_releases(publication.affected)
        self._forges.published(publication)
        self.telemetry.gauge("reconciler_releases", len(snapshot.releases), snapshot.repository)

    def _key_of(self, state_name: str) -> ReleaseKey | None:
        known = self._names.get(state_name)
        if known is None:
            stored = self._home.releases().get(state_name)
            known = release_key(stored.value.release) if stored else None
        return known

    def _home_changed(self, state_name: str) -> None:
        key = self._key_of(state_name)
        if key:
            self.queue.add(key)
            self._forges.release_moved(key)
            self._asked_for(key)

    def _asked_for(self, key: ReleaseKey) -> None:
        """Look at the trunk and at the targets too, when it was a person who touched the release's state."""
        stored = self._home.release(key)
        if stored is None or not stored.asked:
            return
        if key.repository in self.world.sources:
            self._look_at_repository(key.repository)
        for cluster in stored.value.status.directives:
            self.queue.add(TargetKey(release=key, cluster=ClusterName(cluster)))

    def _cluster_changed(self, cluster: ClusterKey, state_name: str, kind: str) -> None:
        if not state_name:
            self._look_at_cluster(cluster)
            return
        key = self._key_of(state_name)
        if key is None or key.repository != cluster[0]:
            return
        if kind in (REPORT, TARGET_STATE.kind):
            self.queue.add(key)
        if kind != REPORT:  # a TargetState that somebody deleted or edited is drift like any other
            self.queue.add(TargetKey(release=key, cluster=cluster[1]))

    def _look_at_repository(self, name: RepositoryName) -> None:
        """Poll it as soon as a thread is free."""
        if self._wakers:
            self._wakers.look(self.world.sources[name])

    def _look_at_cluster(self, cluster: ClusterKey) -> None:
        """Look at everything that one cluster has, and at the releases that run there."""
        handle = self._fleet.handles(cluster[0]).get(cluster[1])
        for stored in list(handle.cache.targets.values()) if handle else []:
            key = release_key(stored.value.release)
            if key.repository == cluster[0]:
                self._names[key.state_name] = key
                self.queue.add(TargetKey(release=key, cluster=cluster[1]))
                self.queue.add(key)
        snapshot = self.world.snapshot(cluster[0])
        if snapshot:
            self.world.wake_releases(snapshot.releases)

    def _park(self, key: Key) -> float:
        return self._fleet.park(key) if isinstance(key, TargetKey) else 0.0

    # --- turning

    def start(self) -> None:
        """Start everything; returns at once. Raises Misused when a port cannot be listened on."""
        config = self._settings.config
        self._endpoints = Endpoints(
            config.listen.address(), alive=self.hanging, unready=self.unready, metrics=self._metrics
        )
        self._endpoints.start()
        self._home.start()
        self._thread(partial(self._leader.run, self._stop), "leader")
        for worker in self._workers:
            self._thread(partial(worker.run, self._stop), f"worker-{len(self._threads)}")
        for ledger in self.world.ledgers.values():
            self._thread(partial(ledger.run, self._stop), f"ledger-{ledger.repository}")
        self._thread(self._watch_reachability, "reachability")
        self._threads += self._forges.start(self._stop)
        self._wakers = Wakers(self._settings, self.world, log=self._log)
        self._wakers.start()

    @property
    def address(self) -> str:
        """Where the endpoints listen."""
        host, _ = self._settings.config.listen.address()
        return f"{host}:{self._endpoints.port}" if self._endpoints else ""

    def _thread(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _metrics(self) -> bytes:
        self.telemetry.gauge("reconciler_queue_length", len(self.queue))
        return self.telemetry.page()

    def _watch_reachability(self) -> None:
        """A cluster that went away or came back is news for every release that runs there."""
        before: dict[ClusterKey, bool] = {}
        for turn in itertools.count():
            if self._stop.wait(_TICK):
                return
            if turn % _REFRESH == 0:
                self._fleet.refresh()
            for handle in self._fleet.all():
                reachable = not handle.silent()
                if before.get(handle.key, reachable) != reachable:
                    self._look_at_cluster(handle.key)
                before[handle.key] = reachable

    def stop(self) -> None:
        """End within the grace period: running passes finish, the ledger is flushed once more, watches end."""
        self._stop.set()
        self._forges.close()
        if self._wakers:
            self._wakers.close()
        self.queue.close()
        deadline = time.monotonic() + GRACE
        for ledger in self.world.ledgers.values():
            ledger.wake()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._threads:
            self._flush()
        if self._leader.leading:
            self._leader.resign()
        self._forges.hang_up()
        self._fleet.close()
        self._home.close()
        self._engine.close()
        for source in self.world.sources.values():
            source.mirror.close()
        if self._endpoints:
            self._endpoints.close()

    def _flush(self) -> None:
        if not self._leader.leading:
            return
        for ledger in self.world.ledgers.values():
            try:
                ledger.flush()
            except (ReconcilerError, NotFound) as error:
                self._log.warning("ledger not pushed", repository=ledger.repository, error=error.message)

    # --- once

    def open(self, timeout: float = 30.0) -> None:
        """Start the watches and read every trunk; nothing is worked on yet. Raises what cannot be reached."""
        self._home.start()
        if not self._home.cache.wait_synced(timeout):
            problems = "; ".join(self._home.cache.problems.values()) or "it does not answer"
            raise Unreachable(f"the home cluster cannot be used: {problems}")
        if not self._leader.turn():
            raise Refused(f"the daemon {self._leader.holder} leads", hint="it does the same; or stop it first")
        for source in self.world.sources.values():
            source.poll()
        for handle in self._fleet.all():
            handle.cache.wait_synced(timeout)

    def drain(self, *, until_settled: bool, timeout: float) -> bool:
        """Turn the loop in this thread; True when nothing was left to do (or, `until_settled`, nothing moves)."""
        worker = self._workers[0]
        deadline = time.monotonic() + timeout
        quiet_since = renewed = time.monotonic()
        while time.monotonic() < deadline:
            if time.monotonic() - renewed > RENEW:
                self._leader.turn()
                renewed = time.monotonic()
            if worker.turn(wait=False):
                quiet_since = time.monotonic()
                continue
            quiet = time.monotonic() - quiet_since
            if quiet >= SETTLE and (not until_settled or not self.moving()):
                self._flush()
                return True
            time.sleep(0.02)
        self._flush()
        return False

    def moving(self) -> list[ReleaseKey]:
        """Releases whose rollout is under way."""
        return [
            release_key(row.value.release) for row in self._home.releases().values() if row.value.status.phase in MOVING
        ]

    def look(
        self, source: Source, *, revision: str = "", files: Mapping[str, BlobId] | None = None,
        read: Callable[[BlobId], bytes] | None = None, timeout: float = 30.0,
    ) -> Snapshot:  # fmt: skip
        """Show the world one state of a trunk without accepting it: a commit, or given files. For previews."""
        self._home.start()
        if not self._home.cache.wait_synced(timeout):
            problems = "; ".join(self._home.cache.problems.values()) or "it does not answer"
            raise Unreachable(f"the home cluster cannot be used: {problems}")
        snapshot = source.peek(revision, files=files, read=read)
        documents = {name: row.loaded.as_(Cluster) for name, row in snapshot.documents("Cluster").items()}
        self._fleet.sync(snapshot.repository, documents)
        for handle in self._fleet.handles(snapshot.repository).values():
            handle.cache.wait_synced(timeout)
        return snapshot

    def pulls(self, repository: RepositoryName) -> One:
        """What looks at one pull request of a repository. For previews; raises Misused without a forge."""
        return self._forges.one(repository)

    # --- what people ask

    def hanging(self) -> list[str]:
        """Workers that have not turned for long; empty while the loops turn."""
        now = time.monotonic()
        return [
            f"a worker has been busy with {worker.key} for {now - worker.since:.0f} s"
            for worker in self._workers
            if worker.key is not None and now - worker.since > HEARTBEAT
        ]

    def unready(self) -> list[str]:
        """What keeps this daemon from working, one sentence each."""
        found = []
        if not self._home.synced:
            found += list(self._home.cache.problems.values()) or ["the home cluster has not been listed yet"]
        for name, source in self.world.sources.items():
            if source.snapshot is None and self._leader.leading:
                found.append(f"repository {name} has not been read yet")
        found += [f"cluster {name}: {sentence}" for (_, name), sentence in self._fleet.broken().items()]
        for handle in self._fleet.all():
            found += [f"cluster {handle.key[1]}: {problem}" for problem in handle.cache.problems.values()]
        return found
