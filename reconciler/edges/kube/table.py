"""What a watch knows of one kind, by key, and the rules that keep it from going back in time.

No threads of its own and no network. Writers are the feed of the kind (`begin`, `replace`, `event`) and whoever has
just written an object and knows the answer first (`observe`). See Note [who is newer].

Note [who is newer]
resourceVersions of one kind only grow, so between an event and a write's answer the greater one is newer. A restored
or replaced etcd starts lower again; the only way to learn of it is a list, so a list always wins, except over answers
that came in while it was under way and are newer than it. An answer for an object that the watch has already seen the
end of must not bring it back: the feed's own position tells.
"""

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar


class Versioned(Protocol):
    """Anything read from the API."""

    @property
    def resource_version(self) -> str:
        """As the server gave it."""


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value", bound=Versioned)


def revision(version: str) -> int | None:
    """A resourceVersion as a number, None when it is not one (it is opaque by contract)."""
    return int(version) if version.isdecimal() else None


def newer(left: str, right: str) -> bool:
    """True when `left` is newer than `right`, or when the two cannot be compared and differ."""
    ours, theirs = revision(left), revision(right)
    if ours is None or theirs is None:
        return left != right
    return ours > theirs


class Table(Generic[Key, Value]):
    """Thread-safe. `changed(old, new)` is called without the lock held; a deletion is (old, None).

    `key` names a row and `group` the rows that are asked for together.
    """

    def __init__(
        self, *, key: Callable[[Value], Key], group: Callable[[Value], str],
        changed: Callable[[Value | None, Value | None], None],
    ) -> None:  # fmt: skip
        self._key = key
        self._group = group
        self._changed = changed
        self._lock = threading.Lock()
        self._rows: dict[Key, Value] = {}
        self._groups: dict[str, tuple[Value, ...]] = {}  # few rows each: a tuple is a fifth of a dict
        self._snapshot: Mapping[Key, Value] | None = None
        self._position = ""
        self._observed: set[Key] = set()  # since the list under way began

    def get(self, key: Key) -> Value | None:
        """What is known under this key."""
        return self._rows.get(key)

    def group(self, name: str) -> tuple[Value, ...]:
        """The rows of one group, in no order; nothing for the empty name."""
        with self._lock:
            return self._groups.get(name, ())

    @property
    def rows(self) -> Mapping[Key, Value]:
        """Everything at one moment; copied only after a change."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = MappingProxyType(dict(self._rows))
            return self._snapshot

    def begin(self) -> None:
        """A list is about to be asked for."""
        with self._lock:
            self._observed.clear()

    def replace(self, values: Iterable[Value], version: str) -> None:
        """A complete list at this resourceVersion."""
        fresh = {self._key(value): value for value in values}
        with self._lock:
            old = dict(self._rows)
            for key in self._observed & old.keys():
                if newer(old[key].resource_version, version):
                    fresh[key] = old[key]
            for key in old.keys() - fresh.keys():
                self._drop(key)
            for key, value in fresh.items():
                self._put(key, value)
            self._position = version
        for key in old.keys() - fresh.keys():
            self._changed(old[key], None)
        for key, value in fresh.items():
            known = old.get(key)
            if known is None or known.resource_version != value.resource_version:
                self._changed(known, value)

    def event(self, value: Value, *, deleted: bool) -> None:
        """One watch event, in the order of the watch."""
        key = self._key(value)
        with self._lock:
            self._position = value.resource_version
            known = self._rows.get(key)
            if known is not None and newer(known.resource_version, value.resource_version):
                return
            if deleted:
                self._drop(key)
            else:
                self._put(key, value)
        same = known is not None and not deleted and known.resource_version == value.resource_version
        if not same and not (known is None and deleted):  # the same: our own write, seen before
            self._changed(known, None if deleted else value)

    def reached(self, version: str) -> None:
        """A bookmark: the watch has seen everything up to here."""
        with self._lock:
            self._position = version

    def observe(self, value: Value) -> None:
        """The answer to a write of our own; tells nobody, because whoever wrote it knows."""
        key = self._key(value)
        with self._lock:
            known = self._rows.get(key)
            seen = known.resource_version if known is not None else self._position
            if seen and not newer(value.resource_version, seen):
                return
            self._put(key, value)
            self._observed.add(key)

    def forget(self, key: Key) -> None:
        """It is gone for sure; tells nobody."""
        with self._lock:
            self._drop(key)

    def _put(self, key: Key, value: Value) -> None:
        self._drop(key)
        self._rows[key] = value
        name = self._group(value)
        if name:
            self._groups[name] = (*self._groups.get(name, ()), value)

    def _drop(self, key: Key) -> None:
        self._snapshot = None
        known = self._rows.pop(key, None)
        if known is None or not self._group(known):
            return
        name = self._group(known)
        rest = tuple(row for row in self._groups[name] if row is not known)
        if rest:
            self._groups[name] = rest
        else:
            del self._groups[name]
