"""What a world sees of its daemon from inside the process: every write it makes, and what it logs."""

import contextlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from reconciler.edges.git.write import Writer
from reconciler.edges.kube.connect import Connection
from reconciler.errors import ReconcilerError


class Crash(BaseException):
    """The process is gone: nothing may catch it and put something in order."""


class Effects:
    """Every write of the daemon: counted, and the place where it can be made to die.

    `arm(n)`: the n-th write from now on is the last one; with `lost` it is not made, otherwise nobody hears of it.
    """

    def __init__(self, on_delete: Callable[[str, str], None]) -> None:
        self.count = 0
        self.log: list[str] = []
        self.dead = False
        self._left: int | None = None
        self._lost = False
        self._on_delete = on_delete

    def arm(self, after: int, *, lost: bool) -> None:
        self._left, self._lost = after, lost

    def reset(self) -> None:
        self.dead, self._left = False, None

    def around(self, what: str, call: Callable[[], Any]) -> Any:
        if self.dead:
            raise Crash(what)
        self.count += 1
        self.log.append(what)
        if self._left is not None:
            self._left -= 1
            self.dead = self._left <= 0
        if not self.dead:
            return call()
        if not self._lost:
            with contextlib.suppress(ReconcilerError):
                call()
        raise Crash(what)

    @contextlib.contextmanager
    def seen(self) -> Iterator[None]:
        """Put ourselves around every write."""
        request, push, commit = Connection.request, Writer.push, Writer.commit_files

        def requested(connection: Connection, method: str, path: str, **more: Any) -> Any:
            if method == "GET" or "/leases" in path:  # who leads is not this world's question
                return request(connection, method, path, **more)
            if method == "DELETE":
                self._on_delete(connection.name, path)
            what = f"{method} {connection.name} {path}"
            return self.around(what, lambda: request(connection, method, path, **more))

        def pushed(writer: Writer, ref: str, new: Any, expected: Any) -> None:
            self.around(f"push {ref}", lambda: push(writer, ref, new, expected))

        def committed(writer: Writer, files: Any, **more: Any) -> Any:
            return self.around("commit", lambda: commit(writer, files, **more))

        with (
            patch.object(Connection, "request", requested),
            patch.object(Writer, "push", pushed),
            patch.object(Writer, "commit_files", committed),
        ):
            yield


class Log:
    """What the daemon logs; `faults` are traces and programming errors."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.faults: list[str] = []

    def _say(self, level: str, event: str, more: dict[str, Any]) -> None:
        self.lines.append(f"{level} {event} {more}")

    def debug(self, event: str, **more: Any) -> None:
        self._say("debug", event, more)

    def info(self, event: str, **more: Any) -> None:
        self._say("info", event, more)

    def warning(self, event: str, **more: Any) -> None:
        self._say("warning", event, more)

    def error(self, event: str, **more: Any) -> None:
        self._say("error", event, more)

    def exception(self, event: str, **more: Any) -> None:
        self.faults.append(f"{event} {more}\n{traceback.format_exc()}")
