"""What we know of one cluster without asking: our objects as digests, and the state objects.

Kept by one thread per kind (`feed`), read by every pass. Watches are hints, so this is a cache that may be old but
never guesses: `get` says None until a list has said what is there, and `synced` tells whether all have. Rules: digests
only, never objects; callbacks only add keys and must not block; our own writes are stored at once (`observe`) and
called back to nobody.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic

from reconciler.edges.kube import resources
from reconciler.edges.kube.connect import Connection
from reconciler.edges.kube.feed import Feed, Source
from reconciler.edges.kube.observe import summarise
from reconciler.edges.kube.resources import Kind
from reconciler.edges.kube.states import KINDS, State, Stored, Unreadable, decode
from reconciler.edges.kube.table import Table
from reconciler.model.facts import LiveObject
from reconciler.model.objects import LABEL_MANAGED, MANAGED_BY, ObjectRef
from reconciler.model.repository import RepositoryState
from reconciler.model.state import ReleaseState, TargetState

WATCHED = (
    resources.DEPLOYMENT,
    resources.SERVICE,
    resources.AUTOSCALER,
    resources.DISRUPTION_BUDGET,
    resources.NETWORK_POLICY,
    resources.JOB,
)
LISTED = (resources.SERVICE_ACCOUNT,)
LIST_SECONDS = 600.0
_SELECTOR = f"{LABEL_MANAGED}={MANAGED_BY}"

OnChange = Callable[[str, ObjectRef], None]
"""(name of the state object that owns it, which object), called from watch threads."""


class _Cache:
    """The threads of a cache and what they say about themselves."""

    def __init__(self, feeds: tuple[Feed[Any, Any], ...]) -> None:
        self._feeds = feeds

    def start(self) -> None:
        """Start the threads; once."""
        for feed in self._feeds:
            feed.start()

    def stop(self, timeout: float = 2.0) -> None:
        """End them; waits at most `timeout` seconds (they are daemons)."""
        for feed in self._feeds:
            feed.stop()
        deadline = time.monotonic() + timeout
        for feed in self._feeds:
            if feed.is_alive():
                feed.join(max(0.0, deadline - time.monotonic()))

    @property
    def synced(self) -> bool:
        """Every kind has been listed at least once."""
        return all(feed.listed.is_set() for feed in self._feeds)

    def wait_synced(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for `synced`; returns it."""
        deadline = time.monotonic() + timeout
        return all(feed.listed.wait(max(0.0, deadline - time.monotonic())) for feed in self._feeds)

    @property
    def problems(self) -> Mapping[str, str]:
        """By kind, one sentence for every watch that does not work now."""
        found = {feed.source.kind.kind: feed.problem for feed in self._feeds}
        return {kind: problem for kind, problem in found.items() if problem}


class StateTable(Generic[State]):
    """The state objects of one kind, as far as the watch has come."""

    def __init__(self, kind: type[State], on_change: OnChange) -> None:
        self._kind: type[State] = kind
        self._on_change = on_change
        self._table: Table[tuple[str, str], Stored[State] | Unreadable] = Table(
            key=lambda row: (row.namespace, row.name), group=lambda row: row.name, changed=self._changed
        )
        self._named: tuple[Mapping[Any, Any], Mapping[str, Stored[State]]] = ({}, {})

    @property
    def by_name(self) -> Mapping[str, Stored[State]]:
        """Everything readable by name. Of one name in two namespaces it has the last one's; `named` has both."""
        rows, known = self._table.rows, self._named
        if known[0] is not rows:
            ordered = sorted(rows.items(), key=lambda item: item[0])
            fresh = {name: row for (_, name), row in ordered if isinstance(row, Stored)}
            self._named = known = (rows, MappingProxyType(fresh))
        return known[1]

    def named(self, name: str) -> tuple[Stored[State] | Unreadable, ...]:
        """All of one name: one per namespace, unreadable ones too."""
        return self._table.group(name)

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Those that do not parse: they are there, so they must be neither created nor taken for missing."""
        return tuple(row for row in self._table.rows.values() if isinstance(row, Unreadable))

    def observe(self, stored: Stored[State]) -> None:
        """What one of our own writes returned."""
        self._table.observe(stored)

    def feed(self, connection: Connection, namespace: str = "") -> Feed[Any, Any]:
        """The thread that fills it, of one namespace or of all; to be started once."""
        source = Source(kind=KINDS[self._kind], namespace=namespace)
        return Feed(connection, source, self._table, lambda obj: decode(self._kind, obj))

    def _changed(self, old: Stored[State] | Unreadable | None, new: Stored[State] | Unreadable | None) -> None:
        row, api = new or old, KINDS[self._kind]
        if row is not None:
            ref = ObjectRef(group=api.group, version=api.version, kind=api.kind, namespace=row.namespace, name=row.name)
            self._on_change(row.name, ref)


class ClusterCache(_Cache):
    """What one target cluster has: our objects of the watched kinds, and every TargetState.

    Objects of other kinds than those in WATCHED and LISTED are here once somebody asked to follow their kind.
    """

    def __init__(self, connection: Connection, on_change: OnChange) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._stopped = False
        self._others: dict[Kind, tuple[Table[ObjectRef, LiveObject], Feed[Any, Any]]] = {}
        self._on_change = on_change
        self._states: StateTable[TargetState] = StateTable(TargetState, on_change)
        self._tables = {(kind.group, kind.kind): self._table() for kind in (*WATCHED, *LISTED)}
        sources = [
            *(Source(kind=kind, selector=_SELECTOR) for kind in WATCHED),
            *(Source(kind=kind, selector=_SELECTOR, every=LIST_SECONDS) for kind in LISTED),
        ]
        feeds = (Feed(connection, source, self._of(source.kind), summarise) for source in sources)
        super().__init__((self._states.feed(connection), *feeds))

    def watches(self, ref: ObjectRef) -> bool:
        """True for kinds that are kept here from the start."""
        return (ref.group, ref.kind) in self._tables

    def holds(self, ref: ObjectRef) -> bool:
        """True for kinds that are kept here."""
        return self._table_of(ref) is not None

    def follow(self, kind: Kind, plural: str) -> Feed[Any, Any]:
        """The feed of another kind, listed every ten minutes from the first time that somebody asks for it.

        It has no part in `synced`: what only some releases use must not hold the others.
        """
        with self._lock:
            if kind not in self._others:
                source = Source(kind=kind, plural=plural, selector=_SELECTOR, every=LIST_SECONDS)
                table = self._table()
                self._others[kind] = (table, Feed(self._connection, source, table, summarise))
                if not self._stopped:
                    self._others[kind][1].start()
            return self._others[kind][1]

    def stop(self, timeout: float = 2.0) -> None:
        """End all threads; waits at most `timeout` seconds for those that were there from the start."""
        with self._lock:
            self._stopped = True
            for _, feed in self._others.values():
                feed.stop()
        super().stop(timeout)

    def get(self, ref: ObjectRef) -> LiveObject | None:
        """The object, or None when no list or watch has shown it with our managed-by label."""
        table = self._table_of(ref)
        return table.get(ref) if table is not None else None

    def owned_by(self, state_name: str) -> tuple[LiveObject, ...]:
        """Every object that carries this state object's name, sorted by ref."""
        tables = [*self._tables.values(), *(table for table, _ in tuple(self._others.values()))]
        found = (live for table in tables for live in table.group(state_name))
        return tuple(sorted(found, key=lambda live: live.ref))

    @property
    def targets(self) -> Mapping[str, Stored[TargetState]]:
        """Every readable TargetState by name."""
        return self._states.by_name

    @property
    def states(self) -> StateTable[TargetState]:
        """TargetStates by name, the unreadable ones, and where own writes are observed."""
        return self._states

    def observe(self, live: LiveObject) -> None:
        """What an apply returned: our own write must not look like drift until the watch has come so far."""
        table = self._table_of(live.ref)
        if table is not None:
            table.observe(live)

    def forget(self, ref: ObjectRef) -> None:
        """The cluster said that it is not there (a delete returned False): do not wait for the next list to say so."""
        table = self._table_of(ref)
        if table is not None:
            table.forget(ref)

    def _table_of(self, ref: ObjectRef) -> Table[ObjectRef, LiveObject] | None:
        other = self._others.get(resources.kind_of(ref))
        return self._tables.get((ref.group, ref.kind)) or (other[0] if other else None)

    def _of(self, kind: Kind) -> Table[ObjectRef, LiveObject]:
        return self._tables[kind.group, kind.kind]

    def _table(self) -> Table[ObjectRef, LiveObject]:
        return Table(key=lambda live: live.ref, group=lambda live: live.owner, changed=self._changed)

    def _changed(self, old: LiveObject | None, new: LiveObject | None) -> None:
        if old is not None and new is not None and _alike(old, new):
            return
        for owner in {live.owner: live.ref for live in (old, new) if live is not None and live.owner}.items():
            self._on_change(*owner)


class HomeCache(_Cache):
    """The state objects in the home namespace."""

    def __init__(self, connection: Connection, namespace: str, on_change: OnChange) -> None:
        self.releases: StateTable[ReleaseState] = StateTable(ReleaseState, on_change)
        self.repositories: StateTable[RepositoryState] = StateTable(RepositoryState, on_change)
        super().__init__((self.releases.feed(connection, namespace), self.repositories.feed(connection, namespace)))


def _alike(old: LiveObject, new: LiveObject) -> bool:
    """True when nothing that a pass looks at differs: a status that only ticks wakes nobody."""
    return dataclasses.replace(old, resource_version=new.resource_version) == new
