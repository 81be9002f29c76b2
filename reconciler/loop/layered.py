"""An immutable mapping that is cheap to replace: a shared base and a small overlay.

Publishing a snapshot of 100,000 documents in which one changed must not cost 100,000 steps. The overlay is folded into
a new base once it has grown to a fraction of it, so a change costs amortised constant time.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")

_GONE = object()
_FOLD_AT_LEAST = 64
_FOLD_SHARE = 16  # the overlay is folded when it exceeds 1/16 of the base


class Layered(Mapping[K, V], Generic[K, V]):
    """A read-only mapping; `changed` gives the next one and leaves this one as it is."""

    __slots__ = ("_base", "_length", "_overlay")

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        self._base: dict[K, V] = dict(items or {})
        self._overlay: dict[K, object] = {}
        self._length = len(self._base)

    def changed(self, update: Mapping[K, V], *, without: frozenset[K] = frozenset()) -> "Layered[K, V]":
        """The mapping with `update` laid over it and the keys of `without` taken out."""
        following: Layered[K, V] = Layered.__new__(Layered)
        overlay = dict(self._overlay)
        length = self._length
        for key in without:
            if key in self:
                overlay[key] = _GONE
                length -= 1
        for key, value in update.items():
            if key not in self or overlay.get(key) is _GONE:
                length += 1
            overlay[key] = value
        following._base, following._overlay, following._length = self._base, overlay, length
        if len(overlay) > max(_FOLD_AT_LEAST, len(self._base) // _FOLD_SHARE):
            following._fold()
        return following

    def _fold(self) -> None:
        """Make one base of both layers; only called before anybody else sees this mapping."""
        merged: dict[K, object] = {**self._base, **self._overlay}
        self._base = cast("dict[K, V]", {key: value for key, value in merged.items() if value is not _GONE})
        self._overlay = {}

    def __getitem__(self, key: K) -> V:
        value = self._overlay.get(key, self)
        if value is _GONE:
            raise KeyError(key)
        return self._base[key] if value is self else cast("V", value)

    def __iter__(self) -> Iterator[K]:
        for key in self._base:
            if key not in self._overlay:
                yield key
        for key, value in self._overlay.items():
            if value is not _GONE:
                yield key

    def __len__(self) -> int:
        return self._length
