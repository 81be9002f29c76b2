"""One thread that keeps one kind of one cluster up to date: list, watch, and both again when something breaks.

What it reads goes to a `Table`; it decides nothing. Rules: a watch that ends or breaks goes on where it was; one that
cannot be opened lists again, because a place that is gone (410) or a server restored from a backup both look like that,
and the second one would silently send nothing; every hour it lists anyway; between turns it waits with backoff and
jitter; silence for 90 seconds is a broken watch (bookmarks come every minute); whatever goes wrong is told in `problem`
until it works again; `stop` ends a blocked read at once.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

import orjson
import urllib3

from reconciler.edges.kube.answers import Asked, Unserved, failure
from reconciler.edges.kube.connect import Connection, Stream
from reconciler.edges.kube.resources import Kind, collection, kind_missing, known_collection
from reconciler.edges.kube.states import crd_missing
from reconciler.edges.kube.table import Key, Table, Value
from reconciler.errors import ReconcilerError, Retry, Stalled

_PAGE = "500"
_IDLE_SECONDS = 90.0
_LONGEST_WATCH = 600
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 30.0
_LIST_SECONDS = 30.0
_STEADY_SECONDS = 5.0
_RELIST_SECONDS = 3_600.0
_BUSY = "TooManyRequests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a feed reads. `every` > 0: no watch, listed every so many seconds. `plural`: of a kind not in the table."""

    kind: Kind
    plural: str = ""
    namespace: str = ""
    selector: str = ""
    every: float = 0.0


class Feed(threading.Thread, Generic[Key, Value]):
    """A daemon thread; `listed` is set once the table holds a complete list."""

    def __init__(
        self, connection: Connection, source: Source, table: Table[Key, Value],
        decode: Callable[[Mapping[str, Any]], Value],
    ) -> None:  # fmt: skip
        super().__init__(name=f"watch-{connection.name}-{source.kind.kind}", daemon=True)
        self.source = source
        self.listed = threading.Event()
        self.problem = ""
        self._connection = connection
        self._table = table
        self._decode = decode
        known = collection(source.kind, source.plural, source.namespace) if source.plural else ""
        self._path = known or known_collection(source.kind, source.namespace)
        self._ended = threading.Event()
        self._stream: Stream | None = None
        self._version = ""  # where the watch is; empty: list first
        self._listed_at = 0.0
        self._failures = 0

    def stop(self) -> None:
        """End soon; does not wait."""
        self._ended.set()
        stream = self._stream
        if stream is not None:
            stream.stop()

    def run(self) -> None:
        """The thread."""
        while not self._ended.is_set():
            self._ended.wait(self._turn())

    def _turn(self) -> float:
        """List if needed and watch until the watch ends; returns how long to wait before the next turn."""
        began = time.monotonic()
        least = 0.0
        try:
            if not self._version or self.source.every or began - self._listed_at >= _RELIST_SECONDS:
                self._list()
            if self.source.every:
                self._failures = 0
                return self.source.every
            self._watch()
        except Retry as error:
            self.problem = error.message
            least = error.after
        except ReconcilerError as error:
            self._version = ""
            self.problem = error.message
        except Exception as error:  # noqa: BLE001  # a thread that dies would leave its kind stale for ever
            self._version = ""
            self.problem = f"{self.name}: unexpected {type(error).__name__}"
        if time.monotonic() - began >= _STEADY_SECONDS:
            self._failures = 0
        return max(self._backoff(), least)

    def _backoff(self) -> float:
        longest = min(_FIRST_SECONDS * 2.0**self._failures, _LONGEST_SECONDS)
        self._failures = min(self._failures + 1, 16)
        jittered: float = longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not a secret
        return jittered

    def _list(self) -> None:
        query = {"limit": _PAGE} | ({"labelSelector": self.source.selector} if self.source.selector else {})
        values: list[Value] = []
        self._table.begin()
        while True:
            page = self._page(query)
            values += [self._value(item) for item in page.get("items") or []]
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                break
            query["continue"] = meta["continue"]
        self._version = meta.get("resourceVersion", "")
        self._table.replace(values, self._version)
        self._listed_at = time.monotonic()
        self.listed.set()
        self.problem = ""

    def _page(self, query: Mapping[str, str]) -> dict[str, Any]:
        try:
            _, body = self._connection.request("GET", self._path, query=query, timeout=_LIST_SECONDS)
        except Unserved:
            raise self._missing() from None
        page: dict[str, Any] = orjson.loads(body)
        return page

    def _missing(self) -> Stalled:
        missing = kind_missing if self.source.plural else crd_missing
        return missing(self._connection.name, self.source.kind)

    def _value(self, item: dict[str, Any]) -> Value:
        """Items of a list come without their kind."""
        return self._decode({"apiVersion": self.source.kind.api_version, "kind": self.source.kind.kind} | item)

    def _watch(self) -> None:
        """Read events until the server ends the watch or `stop` does; raises when it breaks."""
        seconds = random.randint(_LONGEST_WATCH // 2, _LONGEST_WATCH)  # noqa: S311  # so that not all reconnect at once
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": self._version,
                 "timeoutSeconds": str(seconds)}  # fmt: skip
        if self.source.selector:
            query["labelSelector"] = self.source.selector
        try:
            self._stream = self._connection.stream(self._path, query=query, idle=_IDLE_SECONDS)
        except Unserved:
            raise self._missing() from None
        except Retry as error:
            if error.reason != _BUSY:
                self._version = ""
            raise
        self.problem = ""
        try:
            if not self._ended.is_set():
                self._read(self._stream)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._connection.lost(error) from None
        finally:
            stream, self._stream = self._stream, None
            stream.close()

    def _read(self, stream: Stream) -> None:
        for line in stream:
            event = orjson.loads(line)
            kind, obj = event["type"], event["object"]
            if kind == "ERROR":
                self._refused(obj)
            version = obj["metadata"]["resourceVersion"]
            if kind == "BOOKMARK":
                self._table.reached(version)
            else:
                self._table.event(self._value(obj), deleted=kind == "DELETED")
            self._version = version

    def _refused(self, status: Mapping[str, Any]) -> None:
        """An error inside a watch: a place that is gone (410), or anything else the server has to say."""
        code = int(status.get("code") or 500)
        self._version = ""
        raise failure(self._connection.name, "WATCH", Asked.of(self._path), code, orjson.dumps(status), None)
