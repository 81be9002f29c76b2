"""The home cluster: release and repository state, as the last watch event or our own last write left them."""

import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from reconciler.edges.kube.connect import Connection, cluster_uid
from reconciler.edges.kube.events import emit
from reconciler.edges.kube.states import State, States, Stored, Unreadable, unreadable
from reconciler.edges.kube.watch import HomeCache
from reconciler.errors import Conflict, NotFound, Retry, Stalled
from reconciler.model.ids import ReleaseKey, RepositoryName
from reconciler.model.objects import ObjectRef
from reconciler.model.repository import RepositoryState, RepositoryStatus
from reconciler.model.state import ReleaseState

MOVED_AGAIN = 0.2  # seconds


class Home:
    """Typed access to the state that spans clusters. Thread-safe; every write is fenced by resourceVersion."""

    def __init__(self, connection: Connection, namespace: str, *, on_change: Callable[[str], None]) -> None:
        self.connection = connection
        self.namespace = namespace
        self.cache = HomeCache(connection, namespace, lambda name, _ref: on_change(name))
        self._releases = States(connection, ReleaseState)
        self._repositories = States(connection, RepositoryState)
        self._uid = ""
        self._repository_lock = threading.Lock()

    @property
    def uid(self) -> str:
        """Whose home this is: the UID of kube-system, read once."""
        if not self._uid:
            self._uid = cluster_uid(self.connection)
        return self._uid

    def start(self) -> None:
        """List and watch."""
        self.cache.start()

    def close(self) -> None:
        """Stop watching."""
        self.cache.stop()
        self.connection.close()

    @property
    def synced(self) -> bool:
        """True once every list was seen."""
        return self.cache.synced

    def release(self, key: ReleaseKey) -> Stored[ReleaseState] | None:
        """One release's state; raises Stalled when it is there and cannot be read: that is not the same as missing."""
        return one_state(self.cache.releases.named(key.state_name))

    def releases(self) -> Mapping[str, Stored[ReleaseState]]:
        """Every release's state, by state name."""
        return self.cache.releases.by_name

    def save_release(self, value: ReleaseState, read: Stored[ReleaseState] | None) -> Stored[ReleaseState]:
        """Write one release's state, fenced by what the pass read; raises Retry when somebody wrote in between."""
        try:
            written = (
                self._releases.update(read, value)
                if read
                else self._releases.create(self.namespace, value.key.state_name, value)
            )
        except (Conflict, NotFound) as error:
            raise Retry(error.message, reason="StateMoved", after=MOVED_AGAIN) from error
        self.cache.releases.observe(written)
        return written

    def forget_release(self, key: ReleaseKey) -> None:
        """Delete one release's state, as it was read; raises Retry when somebody wrote in between."""
        stored = self.release(key)
        if stored is None:
            return
        try:
            self._releases.delete(stored)
        except (Conflict, NotFound) as error:
            raise Retry(error.message, reason="StateMoved", after=MOVED_AGAIN) from error

    def repository(self, name: RepositoryName) -> Stored[RepositoryState] | None:
        """One repository's state."""
        return next((row for row in self.cache.repositories.by_name.values() if row.value.repository == name), None)

    def tell(self, name: RepositoryName, *, warning: bool, reason: str, message: str, now: datetime) -> None:
        """A Kubernetes Event on a repository's state; lost when the cluster does not take it."""
        stored = self.repository(name)
        if stored is None:
            return
        ref = ObjectRef(
            group="reconciler.dev", version="v1alpha1", kind="RepositoryState", namespace=stored.namespace,
            name=stored.name,
        )  # fmt: skip
        emit(
            self.connection, ref, stored.uid, kind="Warning" if warning else "Normal", reason=reason, message=message,
            now=now,
        )  # fmt: skip

    def change_repository(
        self, name: RepositoryName, branch: str, change: Callable[[RepositoryStatus], RepositoryStatus]
    ) -> None:
        """Change one repository's state from what it is now; raises Retry when another process wrote in between.

        Its source and its ledger both write it, each its own fields.
        """
        with self._repository_lock:
            stored = self.repository(name)
            before = stored.value.status if stored else RepositoryStatus()
            value = RepositoryState(repository=name, branch=branch, status=change(before))
            if stored and stored.value == value:
                return
            try:
                written = (
                    self._repositories.update(stored, value)
                    if stored
                    else self._repositories.create(self.namespace, repository_state_name(name), value)
                )
            except (Conflict, NotFound) as error:
                raise Retry(error.message, reason="StateMoved", after=MOVED_AGAIN) from error
            self.cache.repositories.observe(written)


def one_state(rows: tuple[Stored[State] | Unreadable, ...]) -> Stored[State] | None:
    """The one state object of a name; raises Stalled for one that cannot be read and for a name that stands twice."""
    if len(rows) > 1:
        where = " and ".join(sorted(row.namespace for row in rows))
        raise Stalled(
            f"state {rows[0].name} stands in the namespaces {where}; delete the wrong one", reason="StateTwice"
        )
    for row in rows:
        if isinstance(row, Unreadable):
            raise unreadable(row)
        return row
    return None


def repository_state_name(name: RepositoryName) -> str:
    """A Kubernetes name for a repository: its last path segment and a digest."""
    tail = re.sub(r"[^a-z0-9-]+", "-", name.rsplit("/", 1)[-1].lower()).strip("-")[:40] or "repository"
    return f"{tail}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
