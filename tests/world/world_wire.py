"""Between a daemon and embedded clusters without sockets and threads: requests, watches and controllers by hand.

Not what a cluster answers (the product's embedded API does) and not what the daemon makes of it. Rules: a request goes
through the product's own `Connection`, down to where the connection pool would be; a watch tells what there is to tell
and ends, and the feed opens it again when there is more; nothing happens by itself, so that whoever turns the world
decides who is how far behind.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import urllib3

from reconciler.demo.api import Cluster, handlers
from reconciler.demo.api import watch as api_watch
from reconciler.demo.api.controllers import Controllers
from reconciler.demo.api.http import _told
from reconciler.demo.api.messages import Answer, Request, refusal
from reconciler.demo.api.status import ApiError
from reconciler.demo.api.store import Store
from reconciler.edges.kube import connect
from reconciler.edges.kube import watch as kube_watch
from reconciler.edges.kube.feed import Feed
from reconciler.loop.fleet import ClusterHandle
from reconciler.loop.world import World

_ROUNDS = 500  # of controllers, in which a cluster comes to rest


class Wire:
    """Where the clusters are, by address; `cut` are those that cannot be reached."""

    def __init__(self, clusters: Mapping[str, Cluster]) -> None:
        self.clusters = dict(clusters)
        self.cut: set[str] = set()
        self.urls = {name: f"http://127.0.0.1:{port}" for port, name in enumerate(self.clusters, start=1)}
        self._names = {urlsplit(url).netloc: name for name, url in self.urls.items()}

    def kubeconfig(self) -> str:
        rows = [f'- {{name: {name}, cluster: {{server: "{url}"}}}}' for name, url in self.urls.items()]
        contexts = [f"- {{name: {name}, context: {{cluster: {name}, user: demo}}}}" for name in self.urls]
        first = next(iter(self.urls))
        return "\n".join(
            ["apiVersion: v1", "kind: Config", f"current-context: {first}", "clusters:", *rows, "contexts:", *contexts,
             "users:", "- {name: demo, user: {}}", ""]
        )  # fmt: skip

    def pool(self, configuration: Any, _tls: Any) -> "Pool":
        return Pool(self, self._names[urlsplit(configuration.host).netloc])

    def epoch(self, name: str) -> int:
        return self.clusters[name]._epoch


class Pool:
    """What stands where `Connection` has its connection pool."""

    def __init__(self, wire: Wire, name: str) -> None:
        self.wire, self.name = wire, name

    def clear(self) -> None:
        """Nothing is kept open."""

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, **_more: Any
    ) -> "Response":
        if self.name in self.wire.cut:
            raise urllib3.exceptions.NewConnectionError(None, "it is cut off")  # type: ignore[arg-type]
        cluster = self.wire.clusters[self.name]
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            request = Request.of(method, target, {key.lower(): value for key, value in headers.items()}, body or b"")
        except ApiError as error:
            return Response(refusal(error))
        faults = cluster.faults
        hit = faults.hit(request)
        if hit and faults.drop:
            raise urllib3.exceptions.ProtocolError("the server hung up")
        answer = refusal(_told(faults.status)) if hit and faults.status else cluster.answer(request)
        if hit and faults.lose:
            raise urllib3.exceptions.ProtocolError("the answer is lost")
        return Response(answer)


class Response:
    """The part of urllib3's response that `Connection` uses."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.code
        self.headers: dict[str, str] = {}
        self._answer = answer

    def stream(self, _size: int, *, decode_content: bool) -> Iterator[bytes]:
        assert decode_content
        if self._answer.stream is None:
            yield self._answer.body
        else:
            yield from self._answer.stream

    def release_conn(self) -> None:
        """It was never taken."""

    close = shutdown = release_conn


def told(store: Store, watch: api_watch.Watch, _epoch: Any) -> Iterator[bytes]:
    """A watch that ends when it has told what there is; in the place of `reconciler.demo.api.watch.stream`."""
    try:
        position, first = api_watch._begin(store, watch)
        yield b"".join(first)
        events = store.log(watch.resource.key).after(position)
        yield b"".join(api_watch._told(watch, event) for event in events)
        if watch.bookmarks and store.version > position:
            yield api_watch._bookmark(watch.resource, store.version)
    except ApiError as error:
        yield b'{"type":"ERROR","object":' + error.raw + b"}\n"


class Feeds:
    """The feeds of one daemon, each turned when there is something to turn for."""

    def __init__(self, wire: Wire, clock: Any) -> None:
        self._wire, self._clock = wire, clock
        self._feeds: list[tuple[Feed[Any, Any], str]] = []
        self._next: dict[Feed[Any, Any], float] = {}
        self._epochs: dict[Feed[Any, Any], int] = {}
        self._handles: list[ClusterHandle] = []

    def add(self, feed: Feed[Any, Any]) -> None:
        self._feeds.append((feed, feed._connection._pool.name))

    def tell_synced(self, handle: ClusterHandle) -> None:
        self._handles.append(handle)

    def due(self) -> list[Feed[Any, Any]]:
        return [feed for feed, name in self._feeds if not feed._ended.is_set() and self._due(feed, name)]

    def _due(self, feed: Feed[Any, Any], name: str) -> bool:
        waits = self._next.get(feed, 0.0) > self._clock.monotonic()
        if not feed._version or feed.problem or feed.source.every:
            return not waits
        if name in self._wire.cut or self._epochs.get(feed) != self._wire.epoch(name):
            return True
        cluster, kind = self._wire.clusters[name], feed.source.kind
        plural = feed._path.rpartition("/")[2]
        events = cluster.store.log((kind.group, plural))._events
        return bool(events) and events[-1].version > int(feed._version)

    def turn(self, feed: Feed[Any, Any]) -> None:
        name = feed._connection._pool.name
        self._epochs[feed] = self._wire.epoch(name)
        self._next[feed] = self._clock.monotonic() + feed._turn()
        synced = [handle for handle in self._handles if handle.cache.synced and not handle._closed.is_set()]
        for handle in synced:
            self._handles.remove(handle)
            handle._on_change(handle.key, "", "")

    def turn_all(self) -> bool:
        """Every feed that has something to read; whether any had."""
        rows = self.due()
        for feed in rows:
            self.turn(feed)
        return bool(rows)


class Hands:
    """Turns the controllers of a cluster, which has no thread of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._controllers = self._fresh()

    def _fresh(self) -> Controllers:
        controllers = self.cluster._controllers
        controllers._thread = _NoThread()  # type: ignore[assignment]
        return controllers

    def turn(self) -> bool:
        """One round; whether there was anything to look at."""
        controllers = self.cluster._controllers
        controllers._view.take_in()
        tasks = controllers._agenda.take()
        for task in tasks:
            controllers._look(task)
        return bool(tasks)

    def settle(self) -> None:
        for _ in range(_ROUNDS):
            if not self.turn():
                return
        raise AssertionError(f"the controllers of {self.cluster.name} do not come to rest")

    def save(self) -> dict[str, Any]:
        """What the cluster holds, to be put back with `load`; bodies are never changed in place."""
        store = self.cluster.store
        return {
            "version": store.version,
            "items": {
                key: {space: dict(rows) for space, rows in spaces.items()} for key, spaces in store._items.items()
            },
            "owned": {uid: set(places) for uid, places in store._owned.items()},
            "logs": {key: (list(log._events), log._oldest) for key, log in store._logs.items()},
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        store = self.cluster.store
        store.version = saved["version"]
        store._items = {
            key: {space: dict(rows) for space, rows in spaces.items()} for key, spaces in saved["items"].items()
        }
        store._owned = {uid: set(places) for uid, places in saved["owned"].items()}
        for key, log in store._logs.items():
            events, oldest = saved["logs"].get(key, ([], saved["version"]))
            log._events, log._oldest = list(events), oldest
        old = self.cluster._controllers
        store._listeners = [each for each in store._listeners if each != old._heard]
        self.cluster._controllers = Controllers(self.cluster._objects, pace=0.0)
        self._fresh()
        self.cluster._controllers.start()
        self.cluster.faults.clear()
        self.settle()


class _NoThread:
    def start(self) -> None:
        """Turned by hand."""

    join = start


@contextlib.contextmanager
def by_hand(wire: Wire, stage: Any) -> Iterator[None]:
    """No sockets and no threads: `stage.feeds` (of the daemon that runs now) is what turns."""

    def start(feed: Feed[Any, Any]) -> None:
        stage.feeds.add(feed)

    def handle_start(handle: ClusterHandle) -> None:
        handle.cache.start()
        stage.feeds.tell_synced(handle)

    def wait_synced(cache: Any, _timeout: float) -> bool:
        stage.feeds.turn_all()
        return bool(cache.synced)

    def in_flight(_handle: ClusterHandle, tasks: Any) -> list[Any]:
        order = list(range(len(tasks)))
        stage.shuffle(order)
        done = {number: tasks[number]() for number in order}
        return [done[number] for number in range(len(tasks))]

    def wake_releases(world: World, keys: Any) -> None:
        for key in sorted(keys, key=str):  # a set's order differs from process to process
            world.queue.add(key)

    with (
        patch.object(connect, "_pool", wire.pool),
        patch.object(handlers, "stream", told),
        patch.object(Feed, "start", start),
        patch.object(kube_watch._Cache, "wait_synced", wait_synced),
        patch.object(ClusterHandle, "start", handle_start),
        patch.object(ClusterHandle, "in_flight", in_flight),
        patch.object(World, "wake_releases", wake_releases),
    ):
        yield
