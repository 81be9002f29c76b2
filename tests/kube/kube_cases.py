"""What the tests of edges/kube share: a scripted API server and objects as a real one sends them."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from reconciler.model.objects import ObjectRef, RenderedObject

Answer = tuple[int, bytes | Iterator[bytes]]
Route = Callable[[str, str, dict[str, str]], Answer]


class Scripted:
    """A threaded HTTP/1.1 server on loopback. `route(method, path, query)` answers; an iterator is sent in chunks.

    `stop` breaks every connection; `start` again keeps the port.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.route: Route = lambda _method, _path, _query: (200, b"{}")
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.extra: dict[str, str] = {}
        self.ended = threading.Event()
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self._open: set[Any] = set()

    def start(self) -> None:
        outer = self
        self.ended.clear()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer._open.add(self.request)

            def finish(self) -> None:
                outer._open.discard(self.request)
                super().finish()

            def log_message(self, *_args: object) -> None:
                pass

            def _any(self) -> None:
                outer.serve(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815  # names of http.server

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64
            allow_reuse_address = True

            def handle_error(self, *_args: object) -> None:
                """Connections break in these tests on purpose."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            for sock in list(self._open):
                with contextlib.suppress(OSError):  # the client was first
                    sock.shutdown(socket.SHUT_RDWR)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        query = dict(parse_qsl(url.query))
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.requests.append((handler.command, url.path, query))
        self.headers.append({key.lower(): value for key, value in handler.headers.items()})
        code, body = self.route(handler.command, url.path, query)
        handler.send_response(code)
        for key, value in self.extra.items():
            handler.send_header(key, value)
        if isinstance(body, bytes):
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in body:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            handler.wfile.flush()
        handler.wfile.write(b"0\r\n\r\n")


def plain_kubeconfig(port: int, token: str) -> str:
    return f"""
apiVersion: v1
kind: Config
current-context: c
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: u, user: {{token: {token}}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
"""


def status(code: int, message: str, **details: Any) -> bytes:
    return orjson.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": message,
            "code": code,
            "details": details,
        }
    )


def deployment(
    namespace: str, name: str, *, state: str = "prod-fraud-0a1b2c3d", image: str = "img:1"
) -> dict[str, Any]:
    """A Deployment as we render one: no replicas, containers with ports, environment and arguments."""
    labels = {"app": name}
    container = {
        "name": "model", "image": image, "args": ["--a", "--b"],
        "ports": [{"containerPort": 8080, "name": "http"}, {"containerPort": 9090, "name": "metrics"}],
        "env": [{"name": "MODEL", "value": "fraud"}, {"name": "LEVEL", "value": "info"}],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    }  # fmt: skip
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": name, "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "reconciler", "reconciler.dev/state": state},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }  # fmt: skip


def service(namespace: str, name: str, *, state: str = "prod-fraud-0a1b2c3d") -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": name, "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "reconciler", "reconciler.dev/state": state},
        },
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }  # fmt: skip


def rendered(body: dict[str, Any], tier: int = 1) -> RenderedObject:
    payload = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return RenderedObject(ref=ObjectRef.of(body), tier=tier, payload=payload, digest="sha256:" + "0" * 64)
