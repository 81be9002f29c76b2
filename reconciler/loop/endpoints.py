"""/healthz, /readyz and /metrics. Read-only, no secrets, nothing else is answered."""

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from reconciler.errors import Misused

_TEXT = "text/plain; charset=utf-8"

Answer = tuple[HTTPStatus, str, bytes]
"""Status, content type, body."""


class Endpoints:
    """A small HTTP server on threads of its own."""

    def __init__(
        self, address: tuple[str, int], *, alive: Callable[[], list[str]], unready: Callable[[], list[str]],
        metrics: Callable[[], bytes],
    ) -> None:  # fmt: skip
        answers: dict[str, Callable[[], Answer]] = {
            "/healthz": lambda: _verdict(alive()),
            "/readyz": lambda: _verdict(unready()),
            "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_LATEST, metrics()),
        }
        try:
            self._server = _server(address)(address, _handler(answers))
        except OSError as error:
            raise Misused(f"cannot listen on {address[0]}:{address[1]}: {error.strerror}") from None
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self._server.serve_forever, name="endpoints", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _server(address: tuple[str, int]) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        """Listens on IPv4 or IPv6, as the address says."""

        address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET

    return Server


def _verdict(problems: list[str]) -> Answer:
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    return status, _TEXT, ("\n".join(problems) or "ok").encode() + b"\n"


def _handler(answers: dict[str, Callable[[], Answer]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """GET and HEAD of the known paths."""

        timeout = 10.0  # seconds that a client may take to ask

        def do_GET(self) -> None:  # the library's name
            """Answer with a body."""
            answer = answers.get(self.path.partition("?")[0])
            status, kind, body = answer() if answer else (HTTPStatus.NOT_FOUND, _TEXT, b"not found\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815  # the library's name

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
            """Requests are not decisions: they are not logged."""

    return Handler
