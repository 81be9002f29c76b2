"""Whether a delivery comes from the forge: its HMAC, or its token, before anything in it is looked at. Pure.

What it says is never used: a delivery only means *look now*. Rules: the headers of the configured forge alone count (a
Gitea sends GitHub's, too); a missing or empty signature is none; comparisons take the same time for every wrong answer.
Sources: the forges' webhook documentation; GitLab's signing tokens are Standard Webhooks.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

TOLERANCE = 300.0  # seconds that a signed delivery of GitLab may be old

Headers = Mapping[str, str]
"""By lower-case name."""


def authentic(kind: str, headers: Headers, body: bytes, secret: bytes, now: datetime) -> bool:
    """Whether somebody who knows the secret sent this to us; an empty secret is nobody's."""
    check = _CHECKS.get(kind)
    return bool(secret) and check is not None and check(headers, body, secret, now)


def by_token(kind: str, headers: Headers, secret: bytes) -> bool | None:
    """The answer where the headers alone give it, so that nothing else need be read; None where the body is needed."""
    if kind == "gitlab" and "webhook-signature" not in headers:
        return bool(secret) and _token(headers, secret)
    return None if any(headers.get(name) for name in _SIGNATURES.get(kind, ())) else False


def _github(headers: Headers, body: bytes, secret: bytes, _now: datetime) -> bool:
    algorithm, _, given = headers.get("x-hub-signature-256", "").partition("=")
    return algorithm == "sha256" and _equal(given, _hex(secret, body))


def _gitea(headers: Headers, body: bytes, secret: bytes, _now: datetime) -> bool:
    given = headers.get("x-forgejo-signature") or headers.get("x-gitea-signature", "")
    return _equal(given, _hex(secret, body))


def _gitlab(headers: Headers, body: bytes, secret: bytes, now: datetime) -> bool:
    signatures = headers.get("webhook-signature")
    return _token(headers, secret) if signatures is None else _standard(headers, body, secret, now)


def _token(headers: Headers, secret: bytes) -> bool:
    return hmac.compare_digest(headers.get("x-gitlab-token", "").encode("utf-8", "replace"), secret)


def _standard(headers: Headers, body: bytes, secret: bytes, now: datetime) -> bool:
    """Standard Webhooks: `v1,<base64>` over `id.timestamp.body`; several are given while a secret is changed."""
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdecimal() or abs(now.timestamp() - float(stamp[:12])) > TOLERANCE:
        return False
    signed = f"{name}.{stamp}.".encode("utf-8", "replace") + body
    wanted = base64.b64encode(hmac.digest(_standard_key(secret), signed, "sha256")).decode()
    rows = [row.partition(",") for row in headers.get("webhook-signature", "").split(" ")[:8]]
    return any(version == "v1" and _equal(given, wanted) for version, _, given in rows)


def _standard_key(secret: bytes) -> bytes:
    """A key that is written as `whsec_<base64>` is meant decoded; one that decodes to nothing is nobody's secret."""
    text = secret.removeprefix(b"whsec_")
    if text == secret:
        return secret
    try:
        return base64.b64decode(text, validate=True) or secret
    except binascii.Error:
        return secret


def _hex(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, body, "sha256").hexdigest()


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


_CHECKS: dict[str, Callable[[Headers, bytes, bytes, datetime], bool]] = {
    "github": _github,
    "gitea": _gitea,
    "gitlab": _gitlab,
}
_SIGNATURES = {
    "github": ("x-hub-signature-256",),
    "gitea": ("x-gitea-signature", "x-forgejo-signature"),
    "gitlab": ("webhook-signature",),
}
