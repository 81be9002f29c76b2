"""P11: the forge calls of 100 releases in an hour, against a server that enforces GitHub's limits.

The hour is one of a clock that both sides share, so it takes seconds; the requests are real ones over loopback. The
server refuses (and counts) a write within a second of the last, the 81st in a minute and the 501st in an hour; a
comment moves the list of pull requests, as on GitHub. Each release has a pull request: a comment, three edits, two
statuses. A write that the client refuses for now waits in the bench, and an edit is dropped when the next one is due,
as the daemon does it.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch

from reconciler.edges.forge import pace
from reconciler.edges.forge.open import open_forge
from reconciler.edges.forge.protocol import Forge
from reconciler.errors import Retry
from reconciler.model.pull import CommitStatus, StatusState
from tests.bench.measure import figure

RELEASES = 100
HOUR = 3600.0
POLL = 30.0
_LIMITS = ((1.0, 1), (60.0, 80), (HOUR, 500))


class Clock:
    """Moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Seconds since the bench began."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds


class Limited:
    """A server with GitHub's limits for writes and its tags for reads."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.written: list[float] = []
        self.hits = 0
        self.answers: Counter[tuple[str, int]] = Counter()
        self.moves = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def write(self, path: str) -> tuple[int, bytes]:
        """A write, or GitHub's refusal of it."""
        now = self.clock.now
        if any(sum(at > now - window for at in self.written) >= most for window, most in _LIMITS):
            self.hits += 1
            return 403, b'{"message":"You have exceeded a secondary rate limit"}'
        self.written.append(now)
        self.moves += "/statuses/" not in path
        return 201, b'{"id":1,"body":"","user":{"login":"bot"}}'

    def list(self, tag: str) -> tuple[int, str]:
        """(304 or 200, the list's tag)."""
        current = hashlib.sha256(str(self.moves).encode()).hexdigest()
        return (304 if tag == current else 200), current


def _handler(server: Limited) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # one packet for an answer

        def do_GET(self) -> None:
            """The list of open pull requests, empty."""
            status, tag = server.list(self.headers.get("If-None-Match", ""))
            self._answer(status, b"[]" if status == 200 else b"", tag)

        def do_POST(self) -> None:
            """A comment, an edit or a status."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(*server.write(self.path), "")

        do_PATCH = do_POST  # noqa: N815

        def _answer(self, status: int, body: bytes, tag: str) -> None:
            server.answers[self.command, status] += 1
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler


class Hour:
    """One hour of the daemon's calls: polls, and what is due to be written, by moment."""

    def __init__(self, forge: Forge, clock: Clock, releases: int) -> None:
        self.forge, self.clock = forge, clock
        self.due = sorted(_due(releases), key=lambda one: one[0])
        self.done: Counter[str] = Counter()
        self.late: list[float] = []
        self.longest = 0.0
        self._not_before = 0.0

    def play(self) -> None:
        """Polls go on while writes are due; nothing is skipped but what is overtaken."""
        next_poll, end = 0.0, self.clock.now + HOUR
        while self.due or self.clock.now < end:
            if self.clock.now >= next_poll:
                self.forge.pulls()
                next_poll = self.clock.now + POLL
            moment = max(self.due[0][0], self._not_before) if self.due else end
            if moment > self.clock.now:
                self.clock.now = min(moment, next_poll)
                continue
            self._write()

    def _write(self) -> None:
        at, kind, number = self.due[0]
        if kind == "edit" and any(one[1:] == (kind, number) and one[0] <= self.clock.now for one in self.due[1:]):
            self.due.pop(0)
            return
        began = self.clock.now
        try:
            if kind == "comment":
                self.forge.comment(number, "the plan")
            elif kind == "edit":
                self.forge.edit(number, number, "the plan, further")
            else:
                told = CommitStatus(context="reconciler/prod", state=StatusState.PENDING, description="planning")
                self.forge.set_status(f"{number:040x}", told)
        except Retry as retry:
            self._not_before = self.clock.now + retry.after
            return
        finally:
            self.longest = max(self.longest, self.clock.now - began)
        self.due.pop(0)
        self.done[f"{kind} {number}"] += 1
        self.late.append(self.clock.now - at)


def _due(releases: int) -> Iterator[tuple[float, str, int]]:
    for number in range(1, releases + 1):
        start = (number - 1) * HOUR / releases
        yield start, "comment", number
        yield from ((start + wait, "edit", number) for wait in (30.0, 60.0, 90.0))
        yield from ((start + wait, "status", number) for wait in (0.5, 90.5))


def p11(options: Any) -> Iterator[dict[str, Any]]:  # noqa: ARG001  # an hour is an hour
    """A quiet hour, then a busy one."""
    for name, releases in (("quiet", 0), ("busy", RELEASES)):
        clock = Clock()
        server = Limited(clock)
        with patch.object(pace, "time", clock):
            forge = open_forge(
                "github", repository_url="https://forge.example/acme/models", branch="main", url=server.url,
                token=lambda: "bench-token", allow_plain_loopback=True,
            )  # fmt: skip
            hour = Hour(forge, clock, releases)
            hour.play()
            forge.close()
        server.stop()
        yield from _figures(name, server, hour)


def _figures(name: str, server: Limited, hour: Hour) -> Iterator[dict[str, Any]]:
    polls = sum(count for (method, _), count in server.answers.items() if method == "GET")
    unchanged = 100 * server.answers["GET", 304] / polls
    yield figure("P11", f"{name} hour: polls that are 304", unchanged, " %", "≥ 95 %" if name == "quiet" else "")
    if not hour.done:
        return
    kinds = {kind: [count for key, count in hour.done.items() if key.startswith(kind)] for kind in ("comment", "edit")}
    yield figure("P11", "busy hour: limits hit", server.hits, "", "0")
    yield figure("P11", "… creations of one release, at most", max(kinds["comment"]), "", "≤ 1")
    yield figure("P11", "… edits of one release, at most", max(kinds["edit"]), "", "≤ 3")
    yield figure("P11", "… all writes", len(server.written))
    yield figure("P11", "… longest that one call kept its caller", hour.longest, " s", "≤ 5 s")
    late = sorted(hour.late)
    yield figure("P11", "… a write comes after it was due, p50", late[len(late) // 2], " s")
    yield figure("P11", "… p99", late[len(late) * 99 // 100], " s")
