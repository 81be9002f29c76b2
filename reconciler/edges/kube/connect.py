"""One connection per cluster: raw bytes in, raw bytes out, with the limits that keep one dead cluster to itself.

The `kubernetes` library reads the configuration, authenticates and builds the connection pool; its model classes and
its exceptions are never seen. Rules: every request has a timeout and is sent once; at most 16 are in flight (watches do
not count); a circuit stops sending after transport failures; one TLS context per connection; no sentence shows a
credential.
"""

import contextlib
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson
import urllib3

from reconciler.edges.kube import kubeconfig
from reconciler.edges.kube.answers import Asked, failure
from reconciler.edges.kube.circuit import Circuit
from reconciler.edges.kube.credentials import ExecPlugin, TokenFile
from reconciler.errors import Misused, Refused, Retry

IN_FLIGHT = 16
TIMEOUT = 10.0
_WATCHES = 16
_CONNECT_SECONDS = 5.0
_CHUNK = 1 << 16
_LARGEST_BODY = 64 << 20
_SHORTEST_TOKEN = 8  # anything shorter guards nothing, and masking it would spoil sentences
_JSON = "application/json"

OnRequest = Callable[[str, str, int, float], None]
"""(verb in lower case, resource, HTTP status or 0 when nothing came back, seconds), called after every request."""


def _nothing(verb: str, resource: str, status: int, seconds: float) -> None:
    """Tell nobody."""


class Stream:
    """The lines of one watch. `stop` may be called from another thread and ends a blocked read at once."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._lock = threading.Lock()
        self._done = False

    def __iter__(self) -> Iterator[bytes]:
        """Complete lines, without their end; raises what the transport raises (see `Connection.stream`)."""
        rest = b""
        for chunk in self._response.stream(_CHUNK, decode_content=True):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line for line in lines if line)
            if len(rest) > _LARGEST_BODY:
                raise urllib3.exceptions.ProtocolError("a watch event is too large")

    def stop(self) -> None:
        """Wake the reader: it sees the end of the stream."""
        with self._lock:
            if not self._done:
                with contextlib.suppress(ValueError, RuntimeError, OSError):  # the stream had ended by itself
                    self._response.shutdown()

    def close(self) -> None:
        """Drop the connection; only the reading thread calls it."""
        with self._lock:
            self._done = True
            self._response.close()


@dataclass(slots=True)
class _Exchange:
    """One request under way: since when (monotonic seconds), and the answer's status (0: none came)."""

    began: float
    status: int = 0

    @property
    def ok(self) -> bool:
        """True in HTTP's success range."""
        return 200 <= self.status < 300  # noqa: PLR2004  # 2xx


class Connection:
    """Thread-safe. `name` is the cluster's name in sentences."""

    def __init__(self, *, name: str, configuration: Any, tls: ssl.SSLContext | None,
                 authorize: Callable[[], str | None], on_request: OnRequest = _nothing) -> None:  # fmt: skip
        self.name = name
        self.circuit = Circuit(name)
        self._base = configuration.host.rstrip("/")
        self._pool = _pool(configuration, tls)
        self._authorize = authorize
        self._login = threading.Lock()
        self._slots = threading.BoundedSemaphore(IN_FLIGHT)
        self._on_request = on_request

    def available(self) -> tuple[bool, float, str]:
        """(requests may be sent, seconds until it is worth asking again, one sentence why not)."""
        return self.circuit.available()

    def close(self) -> None:
        """Drop idle connections."""
        self._pool.clear()

    def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None,
        content_type: str = _JSON, timeout: float = TIMEOUT,
    ) -> tuple[int, bytes]:  # fmt: skip
        """Send once and return (status, body) of a 2xx answer; raises as `answers` says.

        `timeout` in seconds holds for a free slot, for connecting, and for the whole answer.
        """
        with self._slot(timeout):
            return self._send(method, path, query, body, content_type, timeout)

    def proxied(
        self, method: str, path: str, *, body: bytes | None = None, content_type: str = _JSON, timeout: float = TIMEOUT,
        most: int = _CHUNK,
    ) -> tuple[int, bytes]:  # fmt: skip
        """Send once to what answers behind the API server; its status, whatever it is, and `most` bytes of its answer.

        (0, b"") when nothing came back in time, which says nothing of the API server; else raises like `request`.
        """
        with self._slot(timeout):
            headers = self._headers() | ({"Content-Type": content_type} if body is not None else {})
            data = b""
            silence = contextlib.suppress(urllib3.exceptions.ReadTimeoutError, TimeoutError)
            with self._exchange(method.lower(), "pods/proxy") as exchange, silence:
                response = self._sent(method, self._url(path, None), headers, body, _timeout(timeout))
                data = self._beginning(response, most, exchange.began + timeout)
                exchange.status = response.status
            return exchange.status, self._masked(data, headers)

    @contextlib.contextmanager
    def _slot(self, timeout: float) -> Iterator[None]:
        """One of the requests in flight; raises Retry while the circuit is open, and when none gets free in time."""
        free, after, sentence = self.available()
        if not free:
            raise Retry(sentence, reason="ClusterUnreachable", after=after)
        if not self._slots.acquire(timeout=timeout):
            raise Retry(
                f"Cluster {self.name}: {IN_FLIGHT} requests are in flight and none ended within {timeout:g} s.",
                reason="ClusterUnreachable",
            )
        try:
            yield
        finally:
            self._slots.release()

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: bytes | None, content_type: str,
        timeout: float,
    ) -> tuple[int, bytes]:  # fmt: skip
        headers = self._headers() | ({"Content-Type": content_type} if body is not None else {})
        asked = Asked.of(path)
        with self._exchange(method.lower(), asked.resource) as exchange:
            response = self._sent(method, self._url(path, query), headers, body, _timeout(timeout))
            data = self._body(response, exchange.began + timeout)
            exchange.status = response.status
        if not exchange.ok:
            retry_after = response.headers.get("Retry-After")
            raise failure(self.name, method, asked, exchange.status, self._masked(data, headers), retry_after)
        return exchange.status, data

    def stream(self, path: str, *, query: Mapping[str, str], idle: float) -> Stream:
        """Open a watch; `idle` is how many seconds may pass without a byte. Raises like `request`.

        Reading raises urllib3's HTTPError or OSError: give it to `lost`, which returns our error.
        """
        headers = self._headers()
        asked = Asked.of(path)
        patience = urllib3.Timeout(connect=_CONNECT_SECONDS, read=idle)
        with self._exchange("watch", asked.resource) as exchange:
            response = self._sent("GET", self._url(path, query), headers, None, patience)
            exchange.status = response.status
            data = b"" if exchange.ok else self._body(response, exchange.began + idle)
        if not exchange.ok:
            retry_after = response.headers.get("Retry-After")
            raise failure(self.name, "WATCH", asked, exchange.status, self._masked(data, headers), retry_after)
        return Stream(response)

    @contextlib.contextmanager
    def _exchange(self, verb: str, resource: str) -> Iterator["_Exchange"]:
        """One request and its answer: however it ends, the circuit and whoever counts are told; raises Retry."""
        self.circuit.enter()
        exchange = _Exchange(began=time.monotonic())
        try:
            yield exchange
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from None
        finally:
            if exchange.status:
                self.circuit.answered()
            else:
                self.circuit.abandoned()
            self._on_request(verb, resource, exchange.status, time.monotonic() - exchange.began)

    def _sent(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: urllib3.Timeout
    ) -> urllib3.BaseHTTPResponse:
        """The beginning of the answer to what is sent once; nothing is followed and nothing is repeated."""
        return self._pool.request(
            method, url, body=body, headers=headers, preload_content=False, retries=False, redirect=False,
            timeout=timeout,
        )  # fmt: skip

    def lost(self, error: Exception) -> Retry:
        """A watch that broke, as our error; it says nothing about whether the server can be reached."""
        return Retry(f"A watch on cluster {self.name} ended: {_why(error)}.", reason="ClusterUnreachable")

    def _unreachable(self, error: Exception) -> Retry:
        why = _why(error)
        self.circuit.failed(why + ".")
        return Retry(f"Cluster {self.name} does not answer: {why}.", reason="ClusterUnreachable")

    def _headers(self) -> dict[str, str]:
        with self._login:  # a plugin or a token file is read once, not by every waiting thread
            header = self._authorize()
        headers = {"Accept": _JSON, "User-Agent": "reconciler"}
        return headers | {"Authorization": header} if header else headers

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        return f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")

    def _body(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        parts, size = [], 0
        for chunk in response.stream(_CHUNK, decode_content=True):
            parts.append(chunk)
            size += len(chunk)
            if size > _LARGEST_BODY or time.monotonic() > deadline:
                response.close()
                raise urllib3.exceptions.ProtocolError("the answer is too large or too slow")
        response.release_conn()
        return b"".join(parts)

    def _beginning(self, response: urllib3.BaseHTTPResponse, most: int, deadline: float) -> bytes:
        """The first bytes of an answer; the rest is not waited for."""
        parts, size = [], 0
        for chunk in response.stream(min(most, _CHUNK), decode_content=True):
            parts.append(chunk)
            size += len(chunk)
            if size >= most:
                break
            if time.monotonic() > deadline:
                response.close()
                raise TimeoutError
        if size >= most:
            response.close()
        else:
            response.release_conn()
        return b"".join(parts)[:most]

    def _masked(self, data: bytes, headers: Mapping[str, str]) -> bytes:
        token = headers.get("Authorization", "").partition(" ")[2].encode()
        return data.replace(token, b"***") if len(token) >= _SHORTEST_TOKEN else data


def _timeout(seconds: float) -> urllib3.Timeout:
    return urllib3.Timeout(connect=min(seconds, _CONNECT_SECONDS), total=seconds)


_FAILURES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((urllib3.exceptions.NameResolutionError,), "its name does not resolve"),
    ((urllib3.exceptions.NewConnectionError, ConnectionRefusedError), "the connection is refused"),
    ((urllib3.exceptions.ConnectTimeoutError,), "connecting took too long"),
    ((urllib3.exceptions.ReadTimeoutError, TimeoutError), "no answer in time"),
    ((urllib3.exceptions.SSLError, ssl.SSLError), "its TLS certificate or handshake is not accepted"),
    ((urllib3.exceptions.ProxyError,), "the proxy does not let us through"),
)


def _why(error: Exception) -> str:
    """What went wrong, from the kind of error alone: the texts of transport errors quote addresses and objects."""
    words = (words for kinds, words in _FAILURES if isinstance(error, kinds))
    return next(words, f"the connection broke ({type(error).__name__})")


def segment(name: str) -> str:
    """A name as one path segment; raises Refused for what the API server, too, never accepts as a name."""
    if not name or name in {".", ".."} or "/" in name or "%" in name:
        raise Refused(f"{name!r} cannot be the name of a Kubernetes object.")
    return quote(name, safe="")


def cluster_uid(connection: Connection) -> str:
    """The identity of a cluster: the UID of its kube-system namespace."""
    _, body = connection.request("GET", "/api/v1/namespaces/kube-system")
    uid: str = orjson.loads(body)["metadata"]["uid"]
    return uid


def open_kubeconfig(
    path: Path, context: str | None = None, *, name: str, allow: frozenset[str] = frozenset(),
    on_request: OnRequest = _nothing,
) -> Connection:  # fmt: skip
    """A connection by a context (None: the current one) of a kubeconfig; raises Misused. Sends nothing yet."""
    from kubernetes.client import Configuration
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader

    login = kubeconfig.login(path, context, allow)
    user = {key: value for key, value in login.user.items() if key not in {"exec", "tokenFile"}}
    data = {
        "current-context": "only",
        "contexts": [{"name": "only", "context": {"cluster": "only", "user": "only"}}],
        "clusters": [{"name": "only", "cluster": dict(login.cluster)}],
        "users": [{"name": "only", "user": user}],
    }
    configuration = Configuration()
    with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:  # inline keys pass through files: see _context
        try:
            base = str(login.folder)
            loader = KubeConfigLoader(data, config_base_path=base, temp_file_path=folder)  # type: ignore[no-untyped-call]
            loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
            tls = _context(configuration) if login.server.startswith("https:") else None
        except (ConfigException, ValueError, OSError):
            raise Misused(
                f"{path}: context {login.context!r}: its certificates or keys cannot be read; give them as PEM."
            ) from None
    return Connection(
        name=name, configuration=configuration, tls=tls, authorize=_source(login, configuration), on_request=on_request
    )


def open_in_cluster(*, name: str, on_request: OnRequest = _nothing) -> Connection:
    """A connection by the service account of the pod we run in; raises Misused outside of a cluster."""
    from kubernetes.client import Configuration
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.incluster_config import load_incluster_config

    configuration = Configuration()
    try:
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        tls = _context(configuration)
    except (ConfigException, ValueError, OSError):
        raise Misused(
            f"Cluster {name} is configured as in-cluster, but there is no service account here: is this a pod?"
        ) from None
    return Connection(
        name=name, configuration=configuration, tls=tls,
        authorize=lambda: configuration.get_api_key_with_prefix("BearerToken"), on_request=on_request,
    )  # fmt: skip


def _source(login: kubeconfig.Login, configuration: Any) -> Callable[[], str | None]:
    token_file = login.file("tokenFile")
    if token_file is not None:
        return TokenFile(token_file)
    if "exec" in login.user:
        return ExecPlugin(login.user["exec"], login.folder)
    return lambda: configuration.get_api_key_with_prefix("BearerToken")


def _context(configuration: Any) -> ssl.SSLContext:
    """One TLS context with the cluster's CA. The library's default one loads every public CA: 47 ms and 1.1 MiB."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif configuration.ssl_ca_cert:
        context.load_verify_locations(cafile=configuration.ssl_ca_cert)
    else:
        context.load_default_certs()
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def _pool(configuration: Any, tls: ssl.SSLContext | None) -> urllib3.PoolManager:
    from kubernetes.client.rest import RESTClientObject

    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None  # they are in the context
    configuration.connection_pool_maxsize = IN_FLIGHT + _WATCHES
    configuration.retries = False
    configuration.keep_alive = True
    if kubeconfig.is_loopback(urlsplit(configuration.host).hostname or ""):
        configuration.proxy = None
    pool: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
    if tls is not None:
        pool.connection_pool_kw["ssl_context"] = tls
    return pool
