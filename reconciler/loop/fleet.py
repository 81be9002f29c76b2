"""The clusters: one handle each, made from the Cluster documents in force, and the home cluster beside them.

A handle is all that a target pass may do to a cluster. It hides which requests that takes, keeps a cluster that is
suspended or does not answer to itself, and never decides anything.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from reconciler.config import Settings
from reconciler.edges.kube.apply import Objects, foreign
from reconciler.edges.kube.connect import Connection, OnRequest, open_in_cluster, open_kubeconfig
from reconciler.edges.kube.offered import Offered
from reconciler.edges.kube.pods import explain
from reconciler.edges.kube.resources import kind_of
from reconciler.edges.kube.smoke import ask as ask_pod
from reconciler.edges.kube.states import States, Stored
from reconciler.edges.kube.watch import ClusterCache
from reconciler.errors import Conflict, NotFound, ReconcilerError, Retry, Stalled
from reconciler.loop.home import one_state
from reconciler.model.cluster import Cluster
from reconciler.model.facts import LiveObject, PodFact, SmokeAnswer
from reconciler.model.ids import ClusterName, ReleaseKey, RepositoryName, TargetKey, short
from reconciler.model.objects import Kinds, ObjectRef, RenderedObject
from reconciler.model.plan import Action, Plan
from reconciler.model.release import Smoke
from reconciler.model.state import TargetState, unpack
from reconciler.plan.seen import SeenTarget
from reconciler.render.monitoring import OPTIONAL

T = TypeVar("T")
ClusterKey = tuple[RepositoryName, ClusterName]
OnChange = Callable[[ClusterKey, str, str], None]
"""Called from watch threads: the cluster, the state's name, and the kind of the object that somebody else moved.

The name is empty when everything on the cluster should be looked at: its lists have been read. The kind is REPORT when
a target pass of ours wrote its TargetState.
"""

NOT_SYNCED_AGAIN = 0.2  # seconds
REPORT = "Report"
_NAMES_KEPT = 5.0  # seconds
_LIST_PATIENCE = 2.0  # seconds that a pass waits for the first list of a kind that only some releases use
_SMOKE_AGAIN = 5.0  # seconds between two smoke requests to one version


class _Names:
    """Which names are taken, by kind and namespace: one list answers for all releases that begin within a moment."""

    def __init__(self, names: Callable[[ObjectRef], frozenset[str]]) -> None:
        self._list = names
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, frozenset[str]]] = {}

    def taken(self, ref: ObjectRef) -> bool:
        """Whether an object of this kind had this name at most `_NAMES_KEPT` seconds ago."""
        with self._lock:
            at, names = self._known.get((ref.kind, ref.namespace), (0.0, frozenset[str]()))
            if time.monotonic() - at > _NAMES_KEPT:
                names = self._list(ref)
                self._known[ref.kind, ref.namespace] = (time.monotonic(), names)
            return ref.name in names


class ClusterHandle:
    """One cluster, as a target pass uses it. Thread-safe."""

    def __init__(
        self, key: ClusterKey, document: Cluster, connection: Connection, *, in_flight: int, on_change: OnChange
    ) -> None:
        self.key = key
        self.document = document
        self.connection = connection
        self.objects = Objects(connection)
        self._names = _Names(self.objects.names)
        self._offered = Offered(self.objects.resources, OPTIONAL)
        self._smoked: dict[tuple[str, ...], float] = {}
        self._states = States(connection, TargetState)
        self.cache = ClusterCache(connection, lambda owner, ref: on_change(key, owner, ref.kind))
        self._on_change = on_change
        self._closed = threading.Event()
        self.opened_from = (0, 0)
        self._threads = ThreadPoolExecutor(in_flight, thread_name_prefix=f"act-{key[1]}")

    def start(self) -> None:
        """List and watch."""
        self.cache.start()
        threading.Thread(target=self._tell_synced, name=f"synced-{self.key[1]}", daemon=True).start()

    def _tell_synced(self) -> None:
        while not self._closed.is_set():
            if self.cache.wait_synced(1.0):
                self._on_change(self.key, "", "")
                return

    def close(self) -> None:
        """Stop watching; requests in flight end by their own timeouts."""
        self._closed.set()
        self.cache.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.connection.close()

    def blocked(self) -> tuple[float, str]:
        """(seconds to wait before anything is sent, the sentence why); (0, "") when it may be."""
        if self.document.spec.suspend:
            return 60.0, f"cluster {self.key[1]} is suspended"
        free, after, sentence = self.connection.available()
        return (0.0, "") if free else (max(after, 0.1), sentence)

    def silent(self) -> str:
        """Why this cluster does not answer, or is not asked; empty while it does. Stays said until it answers again."""
        if self.document.spec.suspend:
            return f"cluster {self.key[1]} is suspended"
        return self.connection.circuit.down()

    def check_ready(self) -> None:
        """Raise Retry unless every list was seen once: no target acts before its cluster's lists."""
        after, sentence = self.blocked()
        if sentence:
            raise Retry(sentence, reason="ClusterUnreachable", after=after)
        if not self.cache.synced:
            raise Retry(
                f"cluster {self.key[1]} has not been listed yet", reason="ClusterNotListed", after=NOT_SYNCED_AGAIN
            )

    def stored(self, key: ReleaseKey) -> Stored[TargetState] | None:
        """The release's TargetState here, as the watch knows it; raises Stalled when it cannot be read."""
        return one_state(self.cache.states.named(key.state_name))

    def target(self, key: ReleaseKey) -> TargetState | None:
        """The same for readers: None also when it cannot be read, which its own pass tells."""
        try:
            stored = self.stored(key)
        except Stalled:
            return None
        return stored.value if stored else None

    def live(self, refs: Iterable[ObjectRef]) -> dict[ObjectRef, LiveObject]:
        """Those of `refs` that exist and carry our label; raises Retry while their kinds cannot be listed."""
        refs = tuple(refs)
        for ref in refs:
            if not self.cache.watches(ref):
                self._follow(ref)
        found = {ref: self.cache.get(ref) for ref in refs}
        return {ref: live for ref, live in found.items() if live is not None}

    def _follow(self, ref: ObjectRef) -> None:
        """Know what there is of a kind that only some releases use; of one that is not served there is nothing."""
        try:
            resource = self.objects.resources.of(ref)
        except Stalled:
            return  # applying it says why
        feed = self.cache.follow(kind_of(ref), resource.plural)
        if not feed.listed.wait(_LIST_PATIENCE):
            sentence = feed.problem or f"cluster {self.key[1]} has not been listed for {ref.kind} yet"
            raise Retry(sentence, reason="ClusterNotListed", after=0.0 if feed.problem else NOT_SYNCED_AGAIN)

    def kinds(self) -> Kinds:
        """The optional kinds that this cluster has."""
        return self._offered.kinds()

    def refuse_foreign(self, seen: SeenTarget, plan: Plan) -> None:
        """Raise Stalled when an object about to be created exists and is not ours.

        Only names that others may use as well are asked for: an object of a version carries its digest in its name,
        and its first apply is not forced.
        """
        versions = {short(entry.version) for entry in seen.directive.versions}
        names = {change.ref for change in plan.changes if change.action is Action.CREATE}
        for ref in sorted(ref for ref in names if ref.name.rpartition("-")[2] not in versions):
            known = seen.inventory.get(ref)
            if self._taken(ref) and self._is_foreign(ref, seen.owner, known.uid if known else ""):
                raise Stalled(
                    f"{ref} on {self.key[1]} was not made by us; delete it or rename the release", reason="NotOurs"
                )

    def _taken(self, ref: ObjectRef) -> bool:
        """Whether the name may be taken: of kinds that every release has, one list answers for all of them."""
        return self._names.taken(ref) if self.cache.watches(ref) else self.cache.holds(ref)

    def _is_foreign(self, ref: ObjectRef, owner: str, ours: str) -> bool:
        """Ask for the object itself: a list of names may be old. One with the UID `ours` only lost our label."""
        try:
            live = self.objects.get(ref)
        except NotFound:
            return False
        return live.uid != ours and foreign(live, owner)

    def in_flight(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Run small tasks side by side; their results in order. Raises the first error."""
        if len(tasks) <= 1:
            return [task() for task in tasks]
        return [future.result() for future in [self._threads.submit(task) for task in tasks]]

    def apply(self, rendered: RenderedObject, *, force: bool) -> LiveObject:
        """Server-side apply; the cache knows the answer before anybody looks again."""
        try:
            live = self.objects.apply(rendered, force=force)
        except Conflict as error:
            raise Stalled(f"{error.message}; it was not made by us", reason="NotOurs") from error
        self.cache.observe(live)
        return live

    def scale(self, ref: ObjectRef, replicas: int) -> None:
        """Set a workload's size."""
        self.objects.scale(ref, replicas)

    def delete(self, ref: ObjectRef, uid: str) -> None:
        """Delete exactly that object; gone already is fine, and so is a kind that is: its objects went with it."""
        try:
            begun = self.objects.delete(ref, uid)
        except Stalled as error:
            if error.reason != "KindMissing":
                raise
            begun = False
        if not begun:
            self.cache.forget(ref)

    def explain(self, namespace: str, labels: Mapping[str, str]) -> tuple[PodFact, ...]:
        """Why pods are not ready; empty when that cannot be read now."""
        try:
            return explain(self.connection, namespace, labels)
        except ReconcilerError:
            return ()

    def smoke(self, namespace: str, labels: Mapping[str, str], port: int, smoke: Smoke) -> SmokeAnswer | None:
        """What a ready pod answers; None when none is, one was asked a moment ago, or the cluster cannot be asked."""
        key, now = (namespace, *labels.values()), time.monotonic()
        recent = {one: at for one, at in self._smoked.items() if now - at < _SMOKE_AGAIN}
        if key in recent:
            return None
        self._smoked = recent | {key: now}  # replaced and never changed: of two threads one may ask again too early
        try:
            return ask_pod(self.connection, namespace, labels, port, smoke)
        except ReconcilerError:
            return None

    def save(self, state: TargetState, stored: Stored[TargetState] | None) -> Stored[TargetState]:
        """Write the TargetState if it differs from what was read; raises Retry when somebody wrote in between."""
        if stored and stored.value == state:
            return stored
        namespace = _namespace(state)
        try:
            written = (
                self._states.update(stored, state)
                if stored
                else self._states.create(namespace, state.key.state_name, state)
            )
        except (Conflict, NotFound) as error:
            raise Retry(error.message, reason="StateMoved", after=NOT_SYNCED_AGAIN) from error
        self.cache.states.observe(written)
        self._on_change(self.key, written.name, REPORT)
        return written

    def forget(self, stored: Stored[TargetState]) -> None:
        """Delete the TargetState as it was read; raises Retry when somebody wrote in between."""
        try:
            self._states.delete(stored)
        except NotFound:
            return
        except Conflict as error:
            raise Retry(error.message, reason="StateMoved", after=NOT_SYNCED_AGAIN) from error


def _namespace(state: TargetState) -> str:
    """The release's namespace, from the specs that the state carries."""
    return unpack(next(iter(state.effective.values()))).spec.targets.namespace


def _stamp(path: Path | None) -> tuple[int, int]:
    """What tells that a file was replaced: its inode and time; zeros where there is none."""
    try:
        found = path.stat() if path else None
    except OSError:
        found = None
    return (found.st_ino, found.st_mtime_ns) if found else (0, 0)


class Fleet:
    """All cluster handles, by repository and cluster name."""

    def __init__(self, settings: Settings, *, on_change: OnChange, on_request: Callable[[str], OnRequest]) -> None:
        self._settings = settings
        self._on_change = on_change
        self._on_request = on_request
        self._handles: dict[ClusterKey, ClusterHandle] = {}
        self._broken: dict[ClusterKey, tuple[str, Cluster]] = {}
        self._lock = threading.Lock()

    def sync(self, repository: RepositoryName, documents: Mapping[str, Cluster]) -> None:
        """Open what is new or changed, close what left; what cannot be opened is remembered with its sentence."""
        with self._lock:
            for name, document in documents.items():
                key = (repository, ClusterName(name))
                handle = self._handles.get(key)
                if handle and handle.document.spec.connection == document.spec.connection:
                    handle.document = document
                    continue
                if handle:
                    handle.close()
                self._open(key, document)
            gone = [key for key in self._handles if key[0] == repository and key[1] not in documents]
            for key in gone:
                self._handles.pop(key).close()
            for key in [key for key in self._broken if key[0] == repository and key[1] not in documents]:
                del self._broken[key]

    def refresh(self) -> None:
        """Open again what could not be opened, and what stands in a kubeconfig that changed on disk."""
        with self._lock:
            for key, (_, document) in list(self._broken.items()):
                self._open(key, document)
            for key, handle in list(self._handles.items()):
                if handle.opened_from != _stamp(self._kubeconfig(handle.document)):
                    handle.close()
                    self._open(key, handle.document)

    def _open(self, key: ClusterKey, document: Cluster) -> None:
        try:
            connection = self._connect(key, document)
        except ReconcilerError as error:
            self._handles.pop(key, None)
            self._broken[key] = (error.message, document)
            return
        self._broken.pop(key, None)
        limits = self._settings.config.limits
        handle = ClusterHandle(
            key, document, connection, in_flight=limits.in_flight_per_cluster, on_change=self._on_change
        )
        handle.opened_from = _stamp(self._kubeconfig(document))
        self._handles[key] = handle
        handle.start()

    def _connect(self, key: ClusterKey, document: Cluster) -> Connection:
        observer = self._on_request(key[1])
        path = self._kubeconfig(document)
        if path is None:
            return open_in_cluster(name=key[1], on_request=observer)
        context, allowed = document.spec.connection.context, self._settings.config.allowed
        return open_kubeconfig(path, context, name=key[1], allow=allowed, on_request=observer)

    def _kubeconfig(self, document: Cluster) -> Path | None:
        """The file that a Cluster document names; None for in-cluster."""
        name = document.spec.connection.kubeconfig
        if name is None:
            return None
        folder = self._settings.path(self._settings.config.clusters.kubeconfig_dir)
        found = [folder / f"{name}{suffix}" for suffix in ("", ".yaml", ".kubeconfig")]
        return next((path for path in found if path.is_file()), found[0])

    def cluster(self, key: TargetKey) -> ClusterHandle:
        """The handle of a target's cluster; raises Stalled when it cannot be opened, or is not declared."""
        at = (key.release.repository, key.cluster)
        handle = self._handles.get(at)
        if handle is None:
            broken = self._broken.get(at)
            raise Stalled(broken[0] if broken else f"cluster {key.cluster} is not declared", reason="ClusterUnknown")
        return handle

    def handles(self, repository: RepositoryName) -> dict[ClusterName, ClusterHandle]:
        """The handles of one repository's clusters."""
        return {name: handle for (of, name), handle in list(self._handles.items()) if of == repository}

    def all(self) -> tuple[ClusterHandle, ...]:
        """Every handle."""
        return tuple(self._handles.values())

    def broken(self) -> dict[ClusterKey, str]:
        """Clusters that could not be opened, with the sentence."""
        return {key: sentence for key, (sentence, _) in list(self._broken.items())}

    def park(self, key: TargetKey) -> float:
        """Seconds that a target's key should wait because its cluster cannot be reached."""
        handle = self._handles.get((key.release.repository, key.cluster))
        return handle.blocked()[0] if handle else 0.0

    def close(self) -> None:
        """Close every handle."""
        for handle in self.all():
            handle.close()
