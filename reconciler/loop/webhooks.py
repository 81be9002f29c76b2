"""`POST /webhooks/<repository>`: a forge says that something moved. A hint costs one look and is never trusted.

Nothing of a delivery is parsed. Rules: the token or HMAC comes first and a body is read only where one is needed, up to
`LIMIT` bytes; a wrong one learns nothing but that; few are answered at one time, so that a flood keeps nobody from
working; a secret is read from its file each time, for it may be changed.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from reconciler.edges.forge.webhook import authentic, by_token
from reconciler.errors import Misused

LIMIT = 8 * 1024 * 1024  # bytes; GitHub sends up to 25 MB, and whatever is larger is found by the poll
PATH = "/webhooks/"
AT_ONCE = 8  # deliveries
_SECONDS = 5.0  # for each read
_SECRET = 4096  # bytes
_PIECE = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One repository's deliveries: the kind of its forge, the file with the secret, and what to do then."""

    kind: str
    secret: Path
    look: Callable[[], None]


class Webhooks:
    """A small HTTP server on threads of its own. `hooks` are by repository."""

    def __init__(
        self, address: tuple[str, int], hooks: Mapping[str, Hook], *, now: Callable[[], datetime],
        count: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        class Server(ThreadingHTTPServer):
            """Listens on IPv4 or IPv6, as the address says."""

            address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            daemon_threads = True
            slots = threading.BoundedSemaphore(AT_ONCE)

            def process_request(self, request: Any, client_address: Any) -> None:
                """Answer in a thread of its own, if one is free; else hang up: the forge tries again or we poll."""
                if self.slots.acquire(blocking=False):
                    super().process_request(request, client_address)
                else:
                    self.shutdown_request(request)

            def process_request_thread(self, request: Any, client_address: Any) -> None:
                """Answer, and leave the thread to the next one."""
                try:
                    super().process_request_thread(request, client_address)
                finally:
                    self.slots.release()

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that went away is no news."""

        try:
            self._server = Server(address, _handler(hooks, now, count))
        except OSError as error:
            raise Misused(f"cannot listen on {address[0]}:{address[1]}: {error.strerror}") from None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self._server.serve_forever, name="webhooks", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def judge(hook: Hook, headers: Mapping[str, str], read: Callable[[int], bytes], now: datetime) -> HTTPStatus:
    """What a delivery is answered; `read` gives so many bytes of its body, or fewer when they do not come."""
    secret = _secret(hook.secret)
    known = by_token(hook.kind, headers, secret)
    if known is not None:
        return HTTPStatus.ACCEPTED if known else HTTPStatus.UNAUTHORIZED
    length = headers.get("content-length", "")
    if not length.isascii() or not length.isdecimal():
        return HTTPStatus.LENGTH_REQUIRED
    if len(length) > len(str(LIMIT)) or int(length) > LIMIT:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    good = authentic(hook.kind, headers, read(int(length)), secret, now)
    return HTTPStatus.ACCEPTED if good else HTTPStatus.UNAUTHORIZED


def _read(stream: Any, length: int) -> bytes:
    """So many bytes, or what came of them in time: one that sends slowly must not keep a thread for long."""
    found, until = bytearray(), time.monotonic() + 2 * _SECONDS
    while len(found) < length and time.monotonic() < until:
        piece = stream.read1(min(length - len(found), _PIECE))
        if not piece:
            break
        found += piece
    return bytes(found)


def _handler(
    hooks: Mapping[str, Hook], now: Callable[[], datetime], count: Callable[[str, str], None]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """POST of the known paths; everything else is not there."""

        timeout = _SECONDS

        def do_POST(self) -> None:  # the library's name
            """Take a delivery."""
            repository = self.path.removeprefix(PATH) if self.path.startswith(PATH) else ""
            hook = hooks.get(repository)
            if hook is None:
                self._answer(HTTPStatus.NOT_FOUND)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = judge(hook, headers, partial(_read, self.rfile), now())
            count(repository, "taken" if status is HTTPStatus.ACCEPTED else "refused")
            if status is HTTPStatus.ACCEPTED:
                hook.look()
            self._answer(status)

        def _answer(self, status: HTTPStatus) -> None:
            self.close_connection = True
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()

        def version_string(self) -> str:
            """Nobody is told what answers."""
            return "reconciler"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
            """Deliveries are counted, not logged: anybody can send one."""

    return Handler


def _secret(file: Path) -> bytes:
    """The secret without its end of line; empty, which nobody can know, when it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(_SECRET).strip()
    except OSError:
        return b""
