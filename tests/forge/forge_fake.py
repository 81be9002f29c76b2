"""A forge on loopback: a real HTTP server that holds pull requests and checks requests by the published description.

Not a forge of any kind: `fake_github`, `fake_gitlab` and `fake_gitea` are. Rules: what a client sends against the
description, and what the fake answers against it, is noted in `wrong`, which the fixture asserts to be empty; `script`
puts answers in front of the fake's own, once each.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from forge_contracts import Description, description

CANARY = "canary-token-7f3a9"
REPO = "/repos/{owner}/{repo}"
CREATED, OK = 201, 200
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@dataclass
class Scripted:
    """An answer of the test's own; `drop` breaks the connection instead, `after` lets the fake act first."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    after: bool = False


@dataclass
class Seen:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    answered: int = 0


@dataclass
class Pull:
    """One pull request, as no forge in particular has it."""

    number: int
    branch: str = "promote-fraud"
    base: str = "main"
    title: str = "Promote fraud"
    author: str = "alice"
    state: str = "open"
    fork: bool = False
    draft: bool = False
    head: str = ""
    merged: str | None = None
    merged_at: datetime | None = None
    updated: datetime = START
    body: str = ""


class Fake:
    """The server and what is on it; `kind`, `prefix` and the handlers come with the subclass."""

    kind = ""
    prefix = ""
    page_size = 100
    size_name = "per_page"
    tags = False
    misdescribed: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.description: Description = description(self.kind)
        self.pulls: dict[int, Pull] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.reviews: dict[int, list[dict[str, Any]]] = {}
        self.statuses: dict[str, list[dict[str, Any]]] = {}
        self.now = START
        self.token = CANARY
        self.login = "reconciler-bot"
        self.seen: list[Seen] = []
        self.wrong: list[str] = []
        self.extra: dict[str, str] = {}
        self.after_page: Callable[[], None] = lambda: None
        self.scripts: dict[tuple[str, str], deque[Scripted]] = {}
        self._ids = 100
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    # What tests do to it.

    def add(self, **fields: Any) -> Pull:
        number = max(self.pulls, default=0) + 1
        pull = Pull(number=number, **{"head": sha(f"head {number}"), "updated": self.now, **fields})
        self.pulls[number] = pull
        return pull

    def merge(self, number: int, at: datetime) -> Pull:
        pull = self.pulls[number]
        pull.state, pull.merged, pull.merged_at, pull.updated = "merged", sha(f"merge {number}"), at, at
        return pull

    def say(self, number: int, author: str, body: str) -> int:
        self.comments.setdefault(number, []).append({"id": self.next_id(), "author": author, "body": body})
        return self._ids

    def script(self, method: str, template: str, *answers: Scripted) -> None:
        """Before the fake's own answers to an operation (its published path), these."""
        self.scripts.setdefault((method, template), deque()).extend(answers)

    def tick(self, seconds: float = 60) -> None:
        self.now += timedelta(seconds=seconds)

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    def asked(self, method: str = "") -> list[Seen]:
        return [one for one in self.seen if not method or one.method == method]

    # How it answers.

    def handler(self, method: str, template: str) -> Callable[..., Any]:
        raise NotImplementedError

    def authorised(self, headers: Mapping[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {self.token}"

    def answer(self, seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        with self._lock:
            self.seen.append(seen)
            found = self._answer(seen)
            seen.answered = found[0] if found else 0
            return found

    def _answer(self, seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        try:
            path = seen.path if self.kind == "gitlab" else seen.path.removeprefix(self.prefix)
            template, parameters = self.description.operation(seen.method, path)
            self.description.check_request(seen.method, template, seen.query, seen.body)
        except AssertionError as error:
            self.wrong.append(str(error))
            return 599, {}, str(error).encode()
        waiting = self.scripts.get((seen.method, template))
        scripted = waiting.popleft() if waiting else None
        if scripted and not scripted.after:
            return None if scripted.drop else self._made(scripted)
        status, headers, body = self._own(seen, template, parameters)
        if scripted:
            return None if scripted.drop else self._made(scripted)
        return self._finished(seen, status, headers, body)

    def _made(self, scripted: Scripted) -> tuple[int, dict[str, str], bytes]:
        body = scripted.body
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        return scripted.status, {**self.extra, **scripted.headers}, content

    def _own(self, seen: Seen, template: str, parameters: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        if not self.authorised(seen.headers) and "/app" not in template[:4]:
            return 401, {}, {"message": "Bad credentials"}
        status, headers, body = self.handler(seen.method, template)(seen, **parameters)
        if template in self.misdescribed:
            return status, headers, body
        try:
            self.description.check_answer(seen.method, template, status, body)
        except AssertionError as error:
            self.wrong.append(f"the fake's own answer to {seen.method} {template}: {error}")
        return status, headers, body

    def _finished(
        self, seen: Seen, status: int, headers: dict[str, str], body: Any
    ) -> tuple[int, dict[str, str], bytes]:
        content = b"" if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json", "Date": self.date(), **self.extra, **headers}
        if self.tags and seen.method == "GET" and status == 200:
            tag = f'W/"{hashlib.sha256(content + self.token.encode()).hexdigest()[:20]}"'
            headers["ETag"] = tag
            if seen.headers.get("if-none-match") == tag:
                return 304, headers, b""
        return status, headers, content

    def date(self) -> str:
        return format_datetime(self.now.replace(tzinfo=UTC), usegmt=True)

    def paged(self, seen: Seen, entries: list[Any]) -> tuple[list[Any], dict[str, str]]:
        """One page, and a Link whose host and path are not those that were called."""
        size = min(int(seen.query.get(self.size_name, 30)), self.page_size)
        page = int(seen.query.get("page", 1))
        chosen = entries[(page - 1) * size : page * size]
        if page * size >= len(entries):
            return chosen, {}
        if size > 1:
            self.after_page()
        query = "&".join(f"{name}={value}" for name, value in {**seen.query, "page": str(page + 1)}.items())
        return chosen, {
            "Link": f'<http://elsewhere.example/repositories/1/x?{query}>; rel="next", <x?page=9>; rel="last"'
        }


def sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _handler(fake: Fake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # one packet for an answer

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            parts = urlsplit(self.path)
            found = fake.answer(
                Seen(
                    method=self.command,
                    path=parts.path,
                    query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                    body=orjson.loads(raw) if raw else None,
                    headers={name.lower(): value for name, value in self.headers.items()},
                )
            )
            if found is None:
                self.close_connection = True
                return
            status, headers, body = found
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    return Handler
