"""The stream of a watch: what there is, then every change, then bookmarks, until its time is over."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson

from reconciler.demo.api.resources import Resource
from reconciler.demo.api.selectors import Matches
from reconciler.demo.api.shapes import Body
from reconciler.demo.api.status import ApiError, expired
from reconciler.demo.api.store import Event, Item, Store

_LONGEST = 1800.0  # seconds, for watches that do not say how long
_BOOKMARK = 60.0  # seconds between two bookmarks
_BOOKMARK_BEFORE_END = 2.0
_LISTENING = 5.0  # seconds between two looks whether the client is still there

Encode = Callable[[Item], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is watched.

    `since` is a resourceVersion, None for "what there is first"; `announced`: a bookmark says when that is complete.
    """

    resource: Resource
    namespace: str
    matches: Matches | None
    since: int | None
    bookmarks: bool
    announced: bool
    seconds: float | None
    encode: Encode


def stream(store: Store, watch: Watch, epoch: Callable[[], int]) -> Iterator[bytes]:
    """Lines of JSON; an empty piece now and then, so that the sender can see whether anybody listens.

    Ends when `epoch()` changes, when the resource is gone, or with an ERROR event when the history has been forgotten.
    """
    started = epoch()
    end = time.monotonic() + (watch.seconds or _LONGEST)
    bookmark = min(time.monotonic() + _BOOKMARK, end - _BOOKMARK_BEFORE_END)
    try:
        position, first = _begin(store, watch)
        yield b"".join(first)
        if watch.bookmarks and watch.announced:
            yield _bookmark(watch.resource, position, complete=True)
        while epoch() == started and time.monotonic() < end:
            due = bookmark if watch.bookmarks and bookmark < end else end
            events, position = _next(store, watch, position, min(due, end))
            yield b"".join(events)
            if watch.bookmarks and time.monotonic() >= bookmark:
                bookmark = time.monotonic() + _BOOKMARK
                yield _bookmark(watch.resource, position)
    except ApiError as error:
        yield b'{"type":"ERROR","object":' + error.raw + b"}\n"


def _begin(store: Store, watch: Watch) -> tuple[int, list[bytes]]:
    with store.lock:
        if watch.since is not None:
            if watch.since > store.version:
                raise expired(f"too large resource version: {watch.since}, current: {store.version}")
            store.log(watch.resource.key).after(watch.since)
            return watch.since, []
        items = store.items(watch.resource.key, watch.namespace)
        position = store.version
    return position, [_line("ADDED", watch.encode(item)) for item in items if _wanted(watch, item)]


def _next(store: Store, watch: Watch, position: int, until: float) -> tuple[list[bytes], int]:
    log = store.log(watch.resource.key)
    with store.lock:
        events = log.after(position)
        if not events:
            log.wait(max(0.0, min(until - time.monotonic(), _LISTENING)))
            events = log.after(position)
        # Everything of this resource up to the store's version has been seen: a bookmark may say so.
        position = max(position, store.version)
    return [line for event in events if (line := _told(watch, event))], position


def _told(watch: Watch, event: Event) -> bytes:
    """The event as this watch sees it: an object that leaves the selection is deleted for it, one that enters added."""
    if watch.namespace and event.item.namespace != watch.namespace:
        return b""
    now = event.type != "DELETED" and _wanted(watch, event.item)
    before = event.before is not None and _wanted(watch, event.before)
    if not now and not before:
        return b""
    kind = "DELETED" if not now else "MODIFIED" if before else "ADDED"
    return _line(kind, watch.encode(event.item))


def _wanted(watch: Watch, item: Item) -> bool:
    return watch.matches is None or watch.matches(item.body)


def _line(kind: str, raw: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"


def _bookmark(resource: Resource, position: int, *, complete: bool = False) -> bytes:
    meta: Body = {"resourceVersion": str(position), "creationTimestamp": None}
    if complete:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return _line(
        "BOOKMARK", orjson.dumps({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta})
    )
