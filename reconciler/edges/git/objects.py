"""Reads objects by id through one long-lived `git cat-file --batch-command`: no process per blob, nothing unpacked.

Not a cache and not a judge of what the bytes mean. Rules: only full ids and our own fixed ref names are asked for;
sizes are asked before contents, so nothing oversized is read; requests are sent in batches small enough that neither
side can wait for the other; a process that dies is started again once, a second death means the mirror is damaged.
"""

import os
import select
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.edges.git.run import Git, end
from reconciler.errors import NotFound, Refused, Retry

REPLY_TIMEOUT = 30.0  # seconds to wait for the next bytes of a reply
_BATCH = 256  # requests on the way: 256 × 50 bytes fit into a pipe that nobody empties
_CHUNK = 256 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What an object is, without its bytes. `size` is in bytes."""

    id: str
    kind: str
    """`blob`, `tree`, `commit` or `tag`."""
    size: int


class _DiedError(Exception):
    """The process ended or stopped answering in the middle of a conversation."""


class Objects:
    """The objects of one bare repository. Safe to use from several threads; `close` ends the process."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self.damaged = False
        """Set when an object that must be there is not, or cannot be read; the mirror is then made anew."""

    @property
    def pid(self) -> int | None:
        """The reading process, if there is one now."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End the process. The next read starts another."""
        with self._lock:
            self._drop()

    def info(self, names: Sequence[str]) -> list[Info | None]:
        """Kind and size of each object (by id, or by one of our own refs); None where there is none."""
        return [reply for batch in _batches(names) for reply in self._converse("info", batch, self._read_info)]

    def contents(self, ids: Sequence[str]) -> Iterator[bytes]:
        """The bytes of each object, in order; the caller has asked for sizes before. Raises `Retry` if one is gone."""
        for batch in _batches(ids):
            yield from self._converse("contents", batch, self._read_contents)

    def one(self, name: str, kind: str, limit: int) -> bytes:
        """The bytes of one object of this kind. Raises `NotFound`; `Refused` when it is larger than `limit` bytes."""
        (info,) = self.info([name])
        if info is None or info.kind != kind:
            raise NotFound(f"There is no {kind} {name}.")
        if info.size > limit:
            raise Refused(f"The {kind} {name} has {info.size} bytes; the limit is {limit}.")
        return next(self.contents([info.id]))

    def damage(self, what: str) -> Retry:
        """Remember that this mirror cannot be used as it is; returns the error to raise."""
        self.damaged = True
        return Retry(f"The mirror in {self._git.folder} is damaged ({what}); it is made anew.", reason="MirrorDamaged")

    def _converse(self, command: str, names: Sequence[str], read: Callable[[], T]) -> list[T]:
        """Send a batch and read its replies; once more with a new process when the old one dies on the way."""
        request = "".join(f"{command} {name}\n" for name in names).encode("ascii")
        with self._lock:
            try:
                return self._exchange(request, len(names), read)
            except _DiedError:
                self._drop()
            try:
                return self._exchange(request, len(names), read)
            except _DiedError as error:
                self._drop()
                raise self.damage(str(error)) from error

    def _exchange(self, request: bytes, count: int, read: Callable[[], T]) -> list[T]:
        if self._process is None:
            self._process = self._git.start(
                ["cat-file", "--batch-command"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        if self._process.stdin is None:
            raise AssertionError("started with a pipe")
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise _DiedError("git cat-file ended") from error
        return [read() for _ in range(count)]

    def _read_info(self) -> Info | None:
        words = self._line().split(b" ")
        if words[-1] == b"missing":
            return None
        if len(words) != 3 or not words[2].isdigit():  # noqa: PLR2004  # id, kind, size
            raise _DiedError("git cat-file gave an answer that we do not know")
        return Info(id=words[0].decode("ascii"), kind=words[1].decode("ascii"), size=int(words[2]))

    def _read_contents(self) -> bytes:
        info = self._read_info()
        if info is None:
            self._drop()  # the replies to the rest of the batch are not wanted
            raise self.damage("an object is missing")
        self._fill(info.size + 1)
        content = bytes(memoryview(self._buffer)[: info.size])
        del self._buffer[: info.size + 1]
        return content

    def _line(self) -> bytes:
        cut = self._buffer.find(b"\n")
        while cut < 0:
            self._fill(len(self._buffer) + 1)
            cut = self._buffer.find(b"\n")
        line = bytes(self._buffer[:cut])
        del self._buffer[: cut + 1]
        return line

    def _fill(self, size: int) -> None:
        """Read until the buffer holds `size` bytes."""
        if self._process is None or self._process.stdout is None:
            raise AssertionError("a reply is read from a process that was asked")
        reader = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        while len(self._buffer) < size:
            if not poll.poll(REPLY_TIMEOUT * 1000):
                raise _DiedError("git cat-file did not answer")
            chunk = os.read(reader, _CHUNK)
            if not chunk:
                raise _DiedError("git cat-file ended")
            self._buffer += chunk

    def _drop(self) -> None:
        self._buffer.clear()
        if self._process is not None:
            end(self._process)
            self._process = None


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _BATCH):
        yield names[start : start + _BATCH]
