"""Webhooks: what is told, in which order, and that its signature verifies."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reconciler.demo.forge import Webhook

SECRET = "hook-secret"


class Receiver:
    """Somebody who listens for deliveries."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                wanted = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
                assert hmac.compare_digest(self.headers["X-Hub-Signature-256"], wanted)
                assert self.headers["X-GitHub-Delivery"]
                outer.got.append((self.headers["X-GitHub-Event"], json.loads(body)))
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/models"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def wait(self, count: int) -> list[tuple[str, str]]:
        """Events and actions, once there are so many of them."""
        deadline = time.monotonic() + 20
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        return [(event, body.get("action", "")) for event, body in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    listening = Receiver()
    yield listening
    listening.close()


def test_everything_that_happens_is_told_and_signed(receiver, repo, start, client):
    forge = start(webhook=Webhook(url=receiver.url, secret=SECRET))
    ada, bo = client(forge, "ada"), client(forge, "bo")
    sha = repo.branch("promote", {"a": b"a"})
    assert receiver.wait(1) == [("push", "")]  # nobody asked: it was looked for
    ada.post("pulls", head="promote", base="main", title="A")
    comment = bo.post("issues/1/comments", body="hello").json()
    bo.ask("PATCH", f"issues/comments/{comment['id']}", {"body": "hello again"})
    bo.post("pulls/1/reviews", event="APPROVE", body="fine")
    bo.ask("PATCH", "pulls/1", {"title": "B"})
    moved = repo.more("promote", {"b": b"b"})
    ada.get("pulls")
    tip = bo.ask("PUT", "pulls/1/merge", {}).json()["sha"]
    assert receiver.wait(10) == [
        ("push", ""),
        ("pull_request", "opened"),
        ("issue_comment", "created"),
        ("issue_comment", "edited"),
        ("pull_request_review", "submitted"),
        ("pull_request", "edited"),
        ("pull_request", "synchronize"),
        ("push", ""),
        ("pull_request", "closed"),
        ("push", ""),
    ]
    told = [body for _, body in receiver.got]
    assert (told[0]["ref"], told[0]["created"], told[0]["after"]) == ("refs/heads/promote", True, sha)
    assert (told[1]["number"], told[1]["pull_request"]["head"]["sha"]) == (1, sha)
    assert told[2]["issue"]["number"] == 1
    assert told[2]["issue"]["pull_request"]["url"].endswith("/pulls/1")
    assert (told[3]["comment"]["body"], told[3]["sender"]["login"]) == ("hello again", "bo")
    assert (told[4]["review"]["state"], told[4]["review"]["commit_id"]) == ("approved", sha)
    assert told[6]["pull_request"]["head"]["sha"] == moved
    assert told[8]["pull_request"]["merged"] is True
    assert (told[9]["ref"], told[9]["after"]) == ("refs/heads/main", tip)
    assert {body["repository"]["full_name"] for body in told} == {"acme/models"}


def test_a_receiver_that_is_gone_holds_nothing_up(receiver, repo, start, client):
    forge = start(webhook=Webhook(url=receiver.url, secret=SECRET))
    ada = client(forge, "ada")
    repo.branch("promote", {"a": b"a"})
    receiver.wait(1)
    receiver._server.shutdown()
    receiver._server.server_close()
    assert ada.post("pulls", head="promote", base="main", title="A").status_code == 201
    forge.close()


def test_a_secret_is_in_no_text():
    assert SECRET not in repr(Webhook(url="http://127.0.0.1:1/", secret=SECRET))
