"""Deliveries of forges: nobody who does not know the secret is heard, whatever the headers say."""

import base64
import hashlib
import hmac
import tempfile
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from fuzz_room import mutated, over, steps
from hypothesis import strategies as st

from reconciler.edges.forge.webhook import authentic, by_token
from reconciler.loop.webhooks import LIMIT, Hook, judge

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
BODY = b'{"action": "opened"}'
SECRETS = (b"hook-secret", b"whsec_" + base64.b64encode(b"k" * 24), b"whsec_", b"whsec_=", b"\xff\xfe", b"")
FORGES = st.sampled_from(("github", "gitea", "gitlab", "forgejo", ""))
NAMES = (
    "x-hub-signature-256", "x-hub-signature", "x-gitea-signature", "x-forgejo-signature", "x-gitlab-token",
    "webhook-signature", "webhook-id", "webhook-timestamp", "content-length",
)  # fmt: skip
ANSWERS = {
    HTTPStatus.ACCEPTED,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.LENGTH_REQUIRED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


def signed(kind, secret, body=BODY, stamp=STAMP):
    """The headers that a forge which knows the secret sends."""
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    if kind == "github":
        return {"x-hub-signature-256": f"sha256={digest}"}
    if kind == "gitea":
        return {"x-gitea-signature": digest, "x-hub-signature-256": f"sha256={digest}"}
    mac = base64.b64encode(hmac.digest(secret, f"msg.{stamp}.".encode() + body, "sha256")).decode()
    return {"webhook-id": "msg", "webhook-timestamp": stamp, "webhook-signature": f"v1,{mac}"}


GUESSES = [b"", b"secret", b"\0", BODY]
"""What a stranger may sign with."""
HINTS = tuple(
    value.encode()
    for guess in GUESSES
    for kind in ("github", "gitea", "gitlab")
    for value in signed(kind, guess).values()
)
WORDS = [
    b"sha256=",
    b"v1,",
    b"v1, v1,",
    b" ",
    STAMP.encode(),
    b"0",
    b"sha1=",
    "²".encode(),
    "٣".encode(),
    b"1e9",
    b"-1",
]
VALUES = mutated(HINTS, WORDS).map(lambda data: data.decode("latin-1")) | st.text(max_size=30)


@st.composite
def guessed(draw):
    """Headers of somebody who does not know the secret: made up, or all of them signed with another."""
    if draw(st.booleans()):
        return signed(draw(st.sampled_from(("github", "gitea", "gitlab"))), draw(st.sampled_from(GUESSES)))
    return draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))


def _file(secret):
    folder = Path(tempfile.mkdtemp(prefix="fuzz-hook-"))
    (folder / "secret").write_bytes(secret)
    return folder / "secret"


FILES = {secret: _file(secret) for secret in SECRETS}


@over(kind=FORGES, headers=guessed(), secret=st.sampled_from(SECRETS), body=st.binary(max_size=40) | st.just(BODY))
def test_nobody_who_does_not_know_the_secret_is_heard(kind, headers, secret, body):
    with steps(400):
        assert not authentic(kind, headers, body, secret, NOW)
    assert by_token(kind, headers, secret) is not True


@over(
    kind=FORGES,
    headers=guessed(),
    length=st.sampled_from(("", "0", "20", "-1", "+5", "1_0", "٣", "9" * 400, str(LIMIT), str(LIMIT + 1), "0" * 9))
    | st.text(max_size=5),
    secret=st.sampled_from(SECRETS),
)
def test_every_delivery_is_answered_and_no_more_is_read_than_may_be(kind, headers, length, secret):
    asked = []
    hook = Hook(kind=kind, secret=FILES[secret], look=lambda: None)
    answer = judge(hook, {**headers, "content-length": length}, lambda size: asked.append(size) or b"", NOW)
    assert answer in ANSWERS - {HTTPStatus.ACCEPTED}
    assert len(asked) <= 1
    assert all(0 <= size <= LIMIT for size in asked)


@over(
    kind=st.sampled_from(("github", "gitea", "gitlab")),
    body=mutated([BODY]),
    late=st.integers(-400, 400),
)
def test_a_true_delivery_is_heard_and_no_changed_byte_of_it_is(kind, body, late):
    secret, now = SECRETS[0], NOW + timedelta(seconds=late)
    headers = signed(kind, secret)
    fresh = kind != "gitlab" or abs(late) <= 300
    assert authentic(kind, headers, body, secret, now) == (body == BODY and fresh)
    hook = Hook(kind=kind, secret=FILES[secret], look=lambda: None)
    answer = judge(hook, {**headers, "content-length": str(len(body))}, lambda _size: body, now)
    assert (answer is HTTPStatus.ACCEPTED) == (body == BODY and fresh)


@over(value=mutated([b"hook-secret"], WORDS).map(lambda data: data.decode("latin-1")) | st.text(max_size=20))
def test_a_token_is_the_secret_or_is_nothing(value):
    headers = {"x-gitlab-token": value}
    assert authentic("gitlab", headers, b"", b"hook-secret", NOW) == (value == "hook-secret")
