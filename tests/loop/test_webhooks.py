"""Deliveries of forges: their HMAC or token first, a bounded body, and then nothing but a look."""

import base64
import hashlib
import hmac
import http.client
import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.edges.forge.webhook import authentic, by_token
from reconciler.errors import Misused
from reconciler.loop.webhooks import AT_ONCE, LIMIT, Hook, Webhooks

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
SECRET = b"hook-secret"
BODY = b'{"action": "opened"}'
REPOSITORY = "github.com/acme/models"
RECORDED = next(
    (
        folder / "shared/contracts/gitea/recorded/webhooks"
        for folder in Path(__file__).resolve().parents
        if (folder / "shared/contracts").is_dir()
    ),
    None,
)


def mac(body=BODY, secret=SECRET):
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def standard(body=BODY, *, at=NOW, name="msg_1", secret=SECRET):
    stamp = str(int(at.timestamp()))
    digest = hmac.digest(secret, f"{name}.{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


GOOD = {
    "github": ("github", {"x-hub-signature-256": f"sha256={mac()}"}),
    "gitea": ("gitea", {"x-gitea-signature": mac()}),
    "forgejo": ("gitea", {"x-forgejo-signature": mac(), "x-gitea-signature": mac()}),
    "gitlab, its token": ("gitlab", {"x-gitlab-token": "hook-secret"}),
    "gitlab, signed": ("gitlab", standard()),
    "gitlab, signed while the key is changed": (
        "gitlab",
        standard() | {"webhook-signature": f"v1,AAAA {standard()['webhook-signature']}"},
    ),
}
BAD = {
    "no header": ("github", {}),
    "an empty digest, as without a secret": ("github", {"x-hub-signature-256": "sha256="}),
    "sha1 only": ("github", {"x-hub-signature": "sha1=" + "0" * 40}),
    "sha1 in the name of sha256": ("github", {"x-hub-signature-256": f"sha1={mac()}"}),
    "of another body": ("github", {"x-hub-signature-256": f"sha256={mac(b'{}')}"}),
    "of another secret": ("gitea", {"x-gitea-signature": mac(secret=b"other")}),
    "gitea's, in github's header only": ("gitea", {"x-hub-signature-256": f"sha256={mac()}"}),
    "no text": ("gitea", {"x-gitea-signature": "\udcff\udc00é"}),
    "gitlab, another token": ("gitlab", {"x-gitlab-token": "hook-secre"}),
    "gitlab, no token": ("gitlab", {}),
    "gitlab, an old one again": ("gitlab", standard(at=NOW - timedelta(minutes=6))),
    "gitlab, another time": ("gitlab", standard() | {"webhook-timestamp": "1"}),
    "gitlab, no time": ("gitlab", standard() | {"webhook-timestamp": "1e9"}),
    "gitlab, the right token beside a wrong signature": (
        "gitlab",
        standard(b"{}") | {"x-gitlab-token": "hook-secret"},
    ),
    "an unknown forge": ("bitbucket", {"x-hub-signature-256": f"sha256={mac()}"}),
}


@pytest.mark.parametrize(("kind", "headers"), GOOD.values(), ids=GOOD)
def test_who_knows_the_secret_is_heard(kind, headers):
    assert by_token(kind, headers, SECRET) in (None, True)
    assert authentic(kind, headers, BODY, SECRET, NOW)


@pytest.mark.parametrize(("kind", "headers"), BAD.values(), ids=BAD)
def test_nobody_else_is_heard(kind, headers):
    assert not by_token(kind, headers, SECRET)
    assert not authentic(kind, headers, BODY, SECRET, NOW)


@pytest.mark.parametrize(("kind", "headers"), GOOD.values(), ids=GOOD)
def test_an_empty_secret_is_nobodys(kind, headers):
    assert not authentic(kind, headers, BODY, b"", NOW)
    assert not authentic(kind, {"x-hub-signature-256": f"sha256={mac(secret=b'')}"}, BODY, b"", NOW)


def test_a_key_in_the_form_of_standard_webhooks_is_meant_decoded():
    key = b"whsec_" + base64.b64encode(SECRET)
    assert authentic("gitlab", standard(), BODY, key, NOW)
    assert authentic("gitlab", standard(secret=b"whsec_!"), BODY, b"whsec_!", NOW)


@pytest.mark.parametrize("key", [b"whsec_", b"whsec_="])
def test_a_key_that_decodes_to_nothing_is_not_everybodys(key):
    assert not authentic("gitlab", standard(secret=b""), BODY, key, NOW)


def as_go_writes(data):
    """The bytes that Gitea signed: the recording kept them parsed."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return "".join({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}.get(char, char) for char in text).encode()


@pytest.mark.skipif(RECORDED is None, reason="the recorded deliveries are not on this machine")
def test_what_a_running_gitea_sent_is_heard():
    files = sorted(RECORDED.glob("*.json"))
    assert files
    for file in files:
        sent = json.loads(file.read_text())
        headers = {name.lower(): value for name, value in sent["headers"].items()}
        body = as_go_writes(sent["body"])
        assert authentic("gitea", headers, body, SECRET, NOW), file.name


# --- the endpoint


class Served:
    def __init__(self, folder, kind="github"):
        self.secret = folder / "secret"
        self.secret.write_bytes(SECRET + b"\n")
        self.looks, self.counted = [], []
        hook = Hook(kind=kind, secret=self.secret, look=lambda: self.looks.append(1))
        self.webhooks = Webhooks(
            ("127.0.0.1", 0), {REPOSITORY: hook}, now=lambda: NOW, count=lambda *row: self.counted.append(row)
        )
        self.webhooks.start()

    def post(self, body=BODY, *, path=f"/webhooks/{REPOSITORY}", method="POST", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.webhooks.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def signed(self, body=BODY):
        return self.post(body, **{"X-Hub-Signature-256": f"sha256={mac(body)}"})


@pytest.fixture
def served(tmp_path):
    made = Served(tmp_path)
    yield made
    made.webhooks.close()


def test_a_good_delivery_makes_us_look_and_nothing_of_it_is_read(served):
    assert served.signed(b"\xff{ not even json") == 202
    assert served.looks == [1]
    assert served.counted == [(REPOSITORY, "taken")]


def test_a_bad_signature_makes_nobody_look(served):
    assert served.post(**{"X-Hub-Signature-256": f"sha256={mac(b'other')}"}) == 401
    assert served.post() == 401
    assert served.looks == []
    assert served.counted == [(REPOSITORY, "refused")] * 2


@pytest.mark.parametrize("path", ["/", "/webhooks/", "/webhooks/other", f"/webhooks/{REPOSITORY}/", "/webhooks/../x"])
def test_no_other_path_is_there(served, path):
    assert served.post(path=path) == 404
    assert served.looks == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_a_post_is_answered(served, method):
    assert served.post(method=method) == 501


def test_a_body_beyond_the_limit_is_not_read(served):
    with socket.create_connection(("127.0.0.1", served.webhooks.port), timeout=10) as client:
        head = f"POST /webhooks/{REPOSITORY} HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256={mac()}\r\n"
        client.sendall(f"{head}Content-Length: {50 * 1024 * 1024}\r\n\r\n".encode())
        assert b" 413 " in client.recv(100)
    assert served.looks == []
    assert LIMIT < 50 * 1024 * 1024


@pytest.mark.parametrize("length", ["", "-1", "1e3", "٣", "9" * 5000])
def test_a_length_that_is_none_is_refused(served, length):
    with socket.create_connection(("127.0.0.1", served.webhooks.port), timeout=10) as client:
        head = f"POST /webhooks/{REPOSITORY} HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256={mac()}\r\n"
        client.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
        assert client.recv(100).split()[1] in (b"411", b"413")
    assert served.looks == []


def test_a_changed_secret_counts_at_once_and_a_lost_one_is_nobodys(served):
    served.secret.write_bytes(b"another")
    assert served.signed() == 401
    served.secret.unlink()
    assert served.post(**{"X-Hub-Signature-256": f"sha256={mac(secret=b'')}"}) == 401


def test_a_gitlab_token_is_judged_before_any_body(tmp_path):
    served = Served(tmp_path, "gitlab")
    try:
        with socket.create_connection(("127.0.0.1", served.webhooks.port), timeout=10) as client:
            client.sendall(f"POST /webhooks/{REPOSITORY} HTTP/1.1\r\nX-Gitlab-Token: no\r\n\r\n".encode())
            assert b" 401 " in client.recv(100)
        assert served.post(**{"X-Gitlab-Token": "hook-secret"}) == 202
        assert served.looks == [1]
    finally:
        served.webhooks.close()


def test_a_flood_of_slow_clients_is_hung_up_on_and_ends(served):
    idle = [socket.create_connection(("127.0.0.1", served.webhooks.port), timeout=10) for _ in range(AT_ONCE * 3)]
    try:
        deadline = time.monotonic() + 20
        while sum(_hung_up(client) for client in idle) < AT_ONCE and time.monotonic() < deadline:
            time.sleep(0.05)
        working = [thread for thread in threading.enumerate() if "process_request" in thread.name]
        assert len(working) <= AT_ONCE
    finally:
        for client in idle:
            client.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            assert served.signed() == 202
        except (http.client.HTTPException, OSError):
            time.sleep(0.1)  # their threads have not ended yet
        else:
            break
    assert served.looks == [1]


def _hung_up(client):
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_port_that_is_taken_is_said(served):
    with pytest.raises(Misused, match="cannot listen"):
        Webhooks(("127.0.0.1", served.webhooks.port), {}, now=lambda: NOW, count=lambda *_: None)
