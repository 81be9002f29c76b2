"""The client below the forges: where the token goes, what is followed, how much is read, and that nothing shows it."""

import gzip
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import orjson
import pytest

import reconciler.edges.forge.http as client_module
from reconciler.edges.forge.answers import Rejected
from reconciler.edges.forge.http import Client, TooLarge, address_of, mask
from reconciler.edges.forge.open import open_forge
from reconciler.edges.forge.pace import Pace
from reconciler.errors import Misused, NotFound, ReconcilerError, Refused, Retry

CANARY = "canary-token-7f3a9"
Route = Callable[[str, str], tuple[int, dict[str, str], bytes]]


class Server:
    """route(method, target) answers; `asked` has what came: (method, target, headers)."""

    def __init__(self) -> None:
        self.route: Route = lambda _method, _target: (200, {}, b"[]")
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # the handler's own is self
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # one packet for an answer

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
                status, headers, body = server.route(self.command, self.path)
                self.send_response_only(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PATCH = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Nothing on stderr."""

        return Handler


@pytest.fixture
def serve() -> Iterator[Callable[[], Server]]:
    servers: list[Server] = []

    def start() -> Server:
        servers.append(Server())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def open_client() -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def open_one(server: Server, **options) -> Client:
        address = address_of(f"http://127.0.0.1:{server.port}/api", allow_plain_loopback=True)
        options = {"token": lambda: CANARY, "pace": Pace(interval=0.0), **options}
        opened.append(Client(address, **options))
        return opened[-1]

    yield open_one
    for client in opened:
        client.close()


@pytest.fixture
def client(server, open_client):
    return open_client(server)


# Where the token goes.


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:{other}/api/x", "//127.0.0.1:{other}/api/x", "http://localhost:{own}/api/x",
     "https://127.0.0.1:{own}/api/x", "http://evil@127.0.0.1:{own}/api/x", "", "ftp://127.0.0.1/x"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_to_another_server_is_refused_and_nothing_is_sent_there(
    method, location, server, serve, open_client
):
    other = serve()
    target = location.format(other=other.port, own=server.port)
    server.route = lambda *_: (307, {"Location": target}, b"")
    client = open_client(server)
    with pytest.raises(Refused, match="a redirect that is not followed"):
        client.get("x", "/x") if method == "GET" else client.send("x", "POST", "/x", {})
    assert other.asked == []
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "method", "followed"),
    [(301, "GET", True), (302, "GET", True), (307, "GET", True), (308, "POST", True), (307, "PATCH", True),
     (301, "POST", False), (302, "PATCH", False), (303, "POST", False)],
)  # fmt: skip
def test_a_moved_project_is_followed_on_the_same_server(status, method, followed, server, client):
    moved = (status, {"Location": "/api/repositories/1/x?page=2"}, b"")
    server.route = lambda _method, target: moved if target.startswith("/api/x") else (200, {}, b'{"ok":true}')
    call = (lambda: client.get("x", "/x")) if method == "GET" else (lambda: client.send("x", method, "/x", {}))
    if followed:
        assert call().json() == {"ok": True}
        assert [(asked[0], asked[1]) for asked in server.asked[1:]] == [(method, "/api/repositories/1/x?page=2")]
    else:
        with pytest.raises(Refused, match="not followed"):
            call()
        assert len(server.asked) == 1


def test_redirects_in_a_circle_end(server, client):
    server.route = lambda *_: (302, {"Location": "/api/x"}, b"")
    with pytest.raises(Refused, match="not followed"):
        client.get("x", "/x")
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://forge.example/api", "not sent to forge.example in plain text"),
        ("http://127.0.0.1.evil.example/api", "in plain text"),
        ("http://10.0.0.1/api", "in plain text"),
        ("https://user:secret@forge.example/api", "has a login in it"),
        ("ftp://forge.example", "is not an https address"),
        ("https://", "is not an https address"),
        ("https://forge.example/?x=1", "is not an https address"),
        ("https://forge.example:port/", "is not an address"),
    ],
)
def test_only_https_and_this_machine_get_a_token(url, words):
    with pytest.raises(Misused, match=words) as caught:
        address_of(url, allow_plain_loopback=True)
    assert "secret" not in str(caught.value)


def test_plain_http_to_this_machine_must_be_allowed():
    with pytest.raises(Misused, match="plainLoopback"):
        address_of("http://127.0.0.1:3000", allow_plain_loopback=False)
    shown = [
        str(address_of(url, allow_plain_loopback=True))
        for url in ("http://127.0.0.1:3000/", "http://localhost/api", "http://[::1]:3000", "https://Forge.example/api/")
    ]
    assert shown == ["http://127.0.0.1:3000", "http://localhost/api", "http://[::1]:3000", "https://forge.example/api"]


def test_a_proxy_of_the_environment_does_not_get_what_goes_to_this_machine(server, open_client, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert open_client(server).get("x", "/x").status == 200


# That nothing shows it.

TROUBLE = {
    "a refusal that repeats it": (422, orjson.dumps({"message": f"bad {CANARY}", "errors": [CANARY]})),
    "a page that repeats it": (500, f"<pre>Authorization: Bearer {CANARY}</pre>".encode()),
    "a limit that repeats it": (429, orjson.dumps({"message": f"slow down {CANARY}"})),
    "not logged in": (401, orjson.dumps({"message": f"bad credentials {CANARY}"})),
    "not found": (404, CANARY.encode()),
    "no JSON": (200, CANARY.encode()),
    "a redirect": (302, CANARY.encode()),
}


@pytest.mark.parametrize("case", TROUBLE)
@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
def test_no_error_log_or_repr_shows_the_token(kind, case, server, caplog):
    status, body = TROUBLE[case]
    server.route = lambda *_: (status, {"Location": f"https://evil.example/{CANARY}"}, body)
    options = {"url": f"http://127.0.0.1:{server.port}", "token": lambda: CANARY, "allow_plain_loopback": True}
    forge = open_forge(kind, repository_url="https://x/acme/models", branch="main", **options)
    with caplog.at_level(logging.DEBUG), pytest.raises(ReconcilerError) as caught:
        forge.pulls()
    forge.close()
    error = caught.value
    shown = [str(error), repr(error), error.hint if hasattr(error, "hint") else "", repr(forge), caplog.text]
    chain = error.__cause__ or error.__context__
    while chain:
        shown += [str(chain), repr(chain)] if not isinstance(chain, orjson.JSONDecodeError) else [str(chain)]
        chain = chain.__cause__ or chain.__context__
    assert not [text for text in shown if CANARY in text]
    assert any(CANARY in asked[2]["authorization"] for asked in server.asked)


def test_a_connection_that_breaks_shows_no_token_either(server, open_client, caplog):
    client = open_client(server)
    server.stop()
    with caplog.at_level(logging.DEBUG), pytest.raises(Retry) as caught:
        client.get("x", "/x")
    server.stop = lambda: None
    assert caught.value.reason == "ForgeUnreachable"
    assert CANARY not in f"{caught.value!r}{caplog.text}{client!r}"


def test_a_short_token_is_not_masked_in_every_word():
    assert mask("a message", "a") == "a message"


# How much is read, and for how long.


def test_an_answer_that_is_too_large_is_refused(server, client, monkeypatch):
    monkeypatch.setattr(client_module, "_LARGEST", 1 << 20)
    server.route = lambda *_: (200, {"Content-Encoding": "gzip"}, gzip.compress(b"[" + b" " * (4 << 20) + b"]"))
    with pytest.raises(TooLarge, match="answered more than 1 MiB to x"):
        client.get("x", "/x")


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(server, client, monkeypatch):
    monkeypatch.setattr(client_module, "_LARGEST", 1000)
    entries = [{"number": number, "body": "x" * (700 if number == 7 else 1)} for number in range(12)]

    def route(_method, target):
        query = dict(part.split("=") for part in target.partition("?")[2].split("&"))
        size, page = int(query["per_page"]), int(query.get("page", 1))
        following = {"Link": f'</x?per_page={size}&page={page + 1}>; rel="next"'} if page * size < len(entries) else {}
        return 200, following, orjson.dumps(entries[(page - 1) * size : page * size])

    server.route = route
    found = [entry["number"] for entry in client.pages("x", "/x", {}, size=("per_page", 100))]
    assert found == list(range(12))


def test_one_entry_that_is_too_large_is_an_error_and_not_left_out(server, client, monkeypatch):
    monkeypatch.setattr(client_module, "_LARGEST", 100)
    server.route = lambda *_: (200, {}, b'["' + b"x" * 200 + b'"]')
    with pytest.raises(TooLarge):
        list(client.pages("x", "/x", {}, size=("per_page", 4)))
    assert [asked[1] for asked in server.asked] == ["/api/x?per_page=4", "/api/x?per_page=1"]


def test_an_answer_that_drips_is_given_up(server, client, monkeypatch):
    monkeypatch.setattr(client_module, "_LONGEST_SECONDS", -1.0)
    with pytest.raises(Retry, match="answers too slowly"):
        client.get("x", "/x")
    assert len(server.asked) == 1


def test_a_list_without_an_end_is_refused(server, client, monkeypatch):
    monkeypatch.setattr(client_module, "_MOST_PAGES", 5)
    server.route = lambda *_: (200, {"Link": '<http://elsewhere/y?page=2>; rel="next"'}, b"[1]")
    with pytest.raises(Refused, match="more x than we read"):
        list(client.pages("x", "/x", {}, size=("per_page", 4)))


def test_what_is_kept_is_bounded(server, client, monkeypatch):
    monkeypatch.setattr(client_module, "_KEPT_BYTES", 250)
    server.route = lambda *_: (200, {"ETag": '"1"'}, b'"' + b"x" * 98 + b'"')
    for number in (1, 2, 3, 1, 3):
        client.get("x", f"/{number}")
    assert ["if-none-match" in asked[2] for asked in server.asked] == [False, False, False, False, True]


def test_a_304_of_what_was_never_read_is_no_answer(server, client):
    server.route = lambda *_: (304, {}, b"")
    with pytest.raises(Retry) as caught:
        client.get("x", "/x")
    assert caught.value.reason == "ForgeUnreachable"


def test_a_304_serves_the_kept_body_and_its_links(server, client):
    answers = iter([(200, {"ETag": '"1"', "Link": '<x?page=2>; rel="next"'}, b"[1]"), (304, {}, b"")])
    server.route = lambda *_: next(answers)
    client.get("x", "/x")
    again = client.get("x", "/x")
    assert (again.json(), again.headers["link"]) == ([1], '<x?page=2>; rel="next"')


# What is not repeated, and who waits.


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_a_write_is_sent_once_whatever_comes_back(status, server, client):
    server.route = lambda *_: (status, {}, b"")
    with pytest.raises(Retry) as caught:
        client.send("x", "POST", "/x", {"a": 1})
    assert caught.value.reason == "ForgeUnreachable"
    assert len(server.asked) == 1


def test_a_server_that_says_when_it_is_back_is_left_alone_until_then(server, client):
    server.route = lambda *_: (503, {"Retry-After": "20"}, b"maintenance")
    for _ in range(2):
        with pytest.raises(Retry, match="maintenance") as caught:
            client.get("x", "/x")
        assert (caught.value.reason, round(caught.value.after)) == ("ForgeUnreachable", 20)
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (410, NotFound), (400, Rejected), (405, Rejected)])
def test_an_error_is_one_sentence_with_what_the_forge_says(status, error, server, client):
    server.route = lambda *_: (status, {}, b'{"message":"no\\u001b[31m\\nsuch thing."}')
    with pytest.raises(error) as caught:
        client.get("pull", "/x")
    assert str(caught.value) == f"127.0.0.1:{server.port}, asked for pull, answered {status}: no [31m such thing."


def test_writes_go_one_at_a_time_and_apart(server, open_client):
    client = open_client(server, pace=Pace(interval=0.1))
    inside, most, times = [], [], []

    def route(*_):
        inside.append(1)
        most.append(len(inside))
        times.append(time.monotonic())
        time.sleep(0.02)
        inside.pop()
        return 201, {}, b"{}"

    server.route = route
    threads = [threading.Thread(target=client.send, args=("x", "POST", "/x", {})) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert min(after - before for before, after in pairwise(times)) >= 0.1


def test_reads_do_not_wait_for_writes(server, open_client):
    client = open_client(server, pace=Pace(interval=2.0))
    client.send("x", "POST", "/x", {})
    began = time.monotonic()
    client.get("x", "/x")
    assert time.monotonic() - began < 1.5
