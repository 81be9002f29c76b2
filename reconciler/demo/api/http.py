"""HTTP/1.1 on loopback: reads requests, sends answers, a thread per connection. Knows nothing of Kubernetes.

Written by hand because http.server spends more time on a request's headers than the API does on the request.
"""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

from reconciler.demo.api.faults import Faults
from reconciler.demo.api.messages import Answer, Request, refusal
from reconciler.demo.api.status import BODY_LIMIT, ApiError, bad_request, too_large

_LINE = 64 * 1024
_MAX_HEADERS = 100
_DRAINED = 64 * 1024 * 1024  # bytes
_PATIENCE = 2.0  # seconds
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Closed(Exception):
    """The connection has ended."""


class Listener:
    """One port of 127.0.0.1. `answer` is called on the connection's thread and never raises."""

    def __init__(self, answer: Callable[[Request], Answer], faults: Faults, port: int = 0) -> None:
        self._answer = answer
        self._faults = faults
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._socket = self._bound(port)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name=f"listen-{self.port}", daemon=True)
        self._thread.start()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", port))
            found.listen(128)
        except OSError:
            found.close()
            raise
        return found

    def close(self) -> None:
        """Stop listening and cut every connection."""
        with contextlib.suppress(OSError):  # it may never have been connected to
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                _cut(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                while self._exchange(connection, reader):
                    pass
        except (_Closed, OSError):
            pass  # the client left, or `close` cut it
        finally:
            with self._lock:
                self._open.discard(connection)

    def _exchange(self, connection: socket.socket, reader: io.BufferedReader) -> bool:
        """One request and its answer; False when the connection is to end."""
        try:
            request, keep = _read(connection, reader)
        except ApiError as error:
            _send(connection, refusal(error), keep=False)
            _drain(connection)
            return False
        hit = self._faults.hit(request)
        if hit and self._faults.latency:
            time.sleep(self._faults.latency)
        if hit and self._faults.drop:
            return False
        told = self._faults.status if hit else 0
        answer = self._answer(request) if not told or self._faults.late else Answer()
        if told:
            answer = refusal(_told(told))
        if hit and self._faults.lose:
            return False
        if answer.stream is not None:
            _send_stream(connection, answer.stream, answer.content_type)
            return keep
        _send(connection, answer, keep=keep, head=request.method == "HEAD")
        return keep


def _told(code: int) -> ApiError:
    phrase = HTTPStatus(code).phrase
    return ApiError(code, phrase.replace(" ", ""), f"this server was told to answer {code} {phrase}")


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client was first
        connection.shutdown(socket.SHUT_RDWR)


def _line(reader: io.BufferedReader) -> bytes:
    line = reader.readline(_LINE + 1)
    if not line.endswith(b"\n"):
        if len(line) > _LINE:
            raise ApiError(431, "RequestHeaderFieldsTooLarge", "a line of the request is longer than 64 KiB")
        raise _Closed
    return line.rstrip(b"\r\n")


def _read(connection: socket.socket, reader: io.BufferedReader) -> tuple[Request, bool]:
    """The next request and whether the connection lives on; raises ApiError 400, 413, 431, or _Closed."""
    first = _line(reader) or _line(reader)  # one empty line before a request is allowed
    parts = first.decode("latin-1").split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):  # noqa: PLR2004
        raise bad_request("the request line is not METHOD PATH HTTP/1.1")
    method, target, version = parts
    if method not in _METHODS or not target.startswith("/"):
        raise bad_request("the request line is not METHOD PATH HTTP/1.1")
    headers = dict(_headers(reader))
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(_CONTINUE)
    body = _body(reader, headers)
    keep = version != "HTTP/1.0" and headers.get("connection", "").lower() != "close"
    return Request.of(method, target, headers, body), keep


def _headers(reader: io.BufferedReader) -> Iterator[tuple[str, str]]:
    for _ in range(_MAX_HEADERS):
        line = _line(reader)
        if not line:
            return
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise bad_request("a header is not NAME: VALUE")
        yield name.lower(), value.strip()
    raise ApiError(431, "RequestHeaderFieldsTooLarge", f"the request has more than {_MAX_HEADERS} headers")


def _body(reader: io.BufferedReader, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked" or "content-length" in headers:
            raise bad_request("the transfer encoding is not chunked, or the length is given twice")
        return b"".join(_chunks(reader))
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise bad_request("Content-Length is not a number")
    if int(length) > BODY_LIMIT:
        raise too_large()
    return _exactly(reader, int(length))


def _chunks(reader: io.BufferedReader) -> Iterator[bytes]:
    total = 0
    while True:
        size_text = _line(reader).partition(b";")[0].strip()
        try:
            size = int(size_text, 16)
        except ValueError as error:
            raise bad_request("a chunk has no size") from error
        total += size
        if size < 0 or total > BODY_LIMIT:
            raise too_large()
        if not size:
            while _line(reader):
                pass  # trailers say nothing here
            return
        yield _exactly(reader, size)
        _line(reader)


def _exactly(reader: io.BufferedReader, length: int) -> bytes:
    data = reader.read(length) if length else b""
    if len(data) < length:
        raise _Closed
    return data


def _head(code: int, content_type: str, more: str) -> bytes:
    phrase = HTTPStatus(code).phrase
    return f"HTTP/1.1 {code} {phrase}\r\nContent-Type: {content_type}\r\n{more}\r\n".encode("latin-1")


def _send(connection: socket.socket, answer: Answer, *, keep: bool, head: bool = False) -> None:
    more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    more += f"Content-Length: {len(answer.body)}\r\n" + ("" if keep else "Connection: close\r\n")
    connection.sendall(_head(answer.code, answer.content_type, more) + (b"" if head else answer.body))


def _send_stream(connection: socket.socket, stream: Iterator[bytes], content_type: str) -> None:
    connection.sendall(_head(200, content_type, "Transfer-Encoding: chunked\r\n"))
    for piece in stream:
        if piece:
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        elif _left(connection):
            raise _Closed
    connection.sendall(b"0\r\n\r\n")


def _drain(connection: socket.socket) -> None:
    """Take what is still being sent, or the client never reads why it was refused."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_PATIENCE)
    for _ in range(_DRAINED // _LINE):
        if not connection.recv(_LINE):
            return


def _left(connection: socket.socket) -> bool:
    """True when the client has closed its end."""
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
