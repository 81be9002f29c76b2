"""What one cluster holds: objects in memory, one growing resourceVersion, and a bounded history for watches.

Bodies are without `apiVersion` and `kind` (their resource knows) and are never changed once stored: a write puts a new
one. Whatever reads and then writes does so inside `with store:`. Listeners are called under its lock and must be quick.
"""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import orjson

from reconciler.demo.api.shapes import Body
from reconciler.demo.api.status import expired

Key = tuple[str, str]
"""(group, plural)"""


class Item:
    """One stored object: its body, the bytes of it, and the number it was written as."""

    __slots__ = ("body", "raw", "version")

    def __init__(self, body: Body, version: int) -> None:
        self.body = body
        self.version = version
        self.raw = orjson.dumps(body)

    @property
    def namespace(self) -> str:
        """Empty for cluster-scoped kinds."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return str(self.body["metadata"]["name"])

    @property
    def uid(self) -> str:
        """`metadata.uid`."""
        return str(self.body["metadata"]["uid"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change. `type` is ADDED, MODIFIED or DELETED; `item` is the object after it, `before` the one before."""

    type: str
    item: Item
    before: Item | None
    version: int


Listener = Callable[[Key, Event], None]


class Log:
    """The latest events of one resource. `wait` blocks; everything else needs the store's lock."""

    def __init__(self, changed: threading.Condition, limit: int, oldest: int) -> None:
        self._changed = changed
        self._limit = limit
        self._events: list[Event] = []
        self._oldest = oldest  # everything up to this version is forgotten

    def append(self, event: Event) -> None:
        """Add one; beyond twice the limit the older half is forgotten."""
        self._events.append(event)
        if len(self._events) > 2 * self._limit:
            self.forget(self._events[-self._limit - 1].version)
        self._changed.notify_all()

    def forget(self, version: int) -> None:
        """Drop all events up to this version."""
        self._events = [event for event in self._events if event.version > version]
        self._oldest = max(self._oldest, version)
        self._changed.notify_all()

    def wake(self) -> None:
        """Let every waiting watch look up."""
        self._changed.notify_all()

    @property
    def oldest(self) -> int:
        """A watch from an older version than this cannot be served."""
        return self._oldest

    def after(self, version: int) -> list[Event]:
        """Events later than this version; raises ApiError 410 when some of them are forgotten."""
        if version < self._oldest:
            raise expired(f"too old resource version: {version} ({self._oldest + 1})")
        place = bisect_right(self._events, version, key=lambda event: event.version)
        return self._events[place:]

    def wait(self, seconds: float) -> None:
        """Until something happens or the time is over; the lock is held before and after."""
        self._changed.wait(seconds)


class Store:
    """Thread-safe under `lock`, which may be taken again by whoever has it."""

    def __init__(self, *, history: int) -> None:
        self.lock = threading.RLock()
        self._first = self.version = time.time_ns() // 1_000_000  # later than what an earlier process gave out
        self._depth = 0
        self._finishers: list[Callable[[], None]] = []
        self._history = history
        self._items: dict[Key, dict[str, dict[str, Item]]] = {}
        self._logs: dict[Key, Log] = {}
        self._owned: dict[str, set[tuple[Key, str, str]]] = {}
        self._listeners: list[Listener] = []

    def __enter__(self) -> Self:
        """A transaction: the lock, and at the end of the outermost one the finishers."""
        self.lock.acquire()
        self._depth += 1
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            if self._depth == 1:
                for finisher in self._finishers:
                    finisher()
        finally:
            self._depth -= 1
            self.lock.release()

    def listen(self, listener: Listener) -> None:
        """Call it for every change from now on."""
        self._listeners.append(listener)

    def finish(self, finisher: Callable[[], None]) -> None:
        """Call it at the end of every transaction, still under the lock."""
        self._finishers.append(finisher)

    def log(self, key: Key) -> Log:
        """The history of one resource."""
        log = self._logs.get(key)
        if log is None:
            log = self._logs[key] = Log(threading.Condition(self.lock), self._history, self._first)
        return log

    def get(self, key: Key, namespace: str, name: str) -> Item | None:
        """The object, or None."""
        return self._items.get(key, {}).get(namespace, {}).get(name)

    def items(self, key: Key, namespace: str = "") -> list[Item]:
        """All objects of a resource, or of one namespace, sorted by namespace and name."""
        spaces = self._items.get(key, {})
        chosen = [namespace] if namespace else sorted(spaces)
        return [spaces[space][name] for space in chosen if space in spaces for name in sorted(spaces[space])]

    def items_at(self, key: Key, namespace: str, version: int) -> list[Item]:
        """`items` as they were at an earlier version; raises ApiError 410 when that is forgotten."""
        then = {(item.namespace, item.name): item for item in self.items(key, namespace)}
        for event in reversed(self.log(key).after(version)):
            place = (event.item.namespace, event.item.name)
            if namespace in {"", place[0]}:
                then.pop(place, None)
                if event.before is not None:
                    then[place] = event.before
        return [then[place] for place in sorted(then)]

    def count(self, key: Key) -> int:
        """How many objects of a resource there are."""
        return sum(len(space) for space in self._items.get(key, {}).values())

    def owned_by(self, uid: str) -> Iterator[tuple[Key, Item]]:
        """Objects that name this one in their ownerReferences."""
        for key, namespace, name in tuple(self._owned.get(uid, ())):
            item = self.get(key, namespace, name)
            if item is not None:
                yield key, item

    def put(self, key: Key, body: Body) -> Item:
        """Store it, new or changed, with the next resourceVersion."""
        self.version += 1
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        item = Item(body, self.version)
        space = self._items.setdefault(key, {}).setdefault(item.namespace, {})
        before = space.get(item.name)
        space[item.name] = item
        self._own(key, before, item)
        self._tell(key, Event(type="MODIFIED" if before else "ADDED", item=item, before=before, version=self.version))
        return item

    def remove(self, key: Key, item: Item) -> Item:
        """Forget it; returns its last form, which carries the resourceVersion of the deletion."""
        self.version += 1
        meta = {**item.body["metadata"], "resourceVersion": str(self.version)}
        last = Item({**item.body, "metadata": meta}, self.version)
        del self._items[key][item.namespace][item.name]
        self._own(key, item, None)
        self._tell(key, Event(type="DELETED", item=last, before=item, version=self.version))
        return last

    def compact(self) -> None:
        """Forget all history: watches from older versions get 410."""
        with self.lock:
            for log in self._logs.values():
                log.forget(self.version)

    def wake(self) -> None:
        """Let every waiting watch look up."""
        with self.lock:
            for log in self._logs.values():
                log.wake()

    def _own(self, key: Key, before: Item | None, after: Item | None) -> None:
        old = _owners(before) if before is not None else frozenset()
        new = _owners(after) if after is not None else frozenset()
        if old == new:
            return
        item = after or before
        if item is None:
            return
        place = (key, item.namespace, item.name)
        for uid in old - new:
            self._owned[uid].discard(place)
            if not self._owned[uid]:
                del self._owned[uid]
        for uid in new - old:
            self._owned.setdefault(uid, set()).add(place)

    def _tell(self, key: Key, event: Event) -> None:
        self.log(key).append(event)
        for listener in self._listeners:
            listener(key, event)


def _owners(item: Item) -> frozenset[str]:
    references = item.body["metadata"].get("ownerReferences")
    return frozenset(reference.get("uid", "") for reference in references) if references else frozenset()
