"""Webhooks: what happened, told to one address, signed as GitHub signs it.

As from GitHub, a delivery is tried once and is lost when nobody takes it; deliveries leave in order, from a thread of
their own, and nobody waits for them. Payloads have the published form with the fields that say something here.
"""

import hashlib
import hmac
import queue
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from reconciler.demo.forge.hub import Happened
from reconciler.demo.forge.shapes import Shapes

_TIMEOUT = 10.0  # seconds, as GitHub waits
_NOTHING = "0" * 40
_END = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where deliveries go, and what they are signed with."""

    url: str
    secret: str = field(repr=False)


class Deliveries:
    """Sends what it is told. `close` sends what is still waiting, then ends."""

    def __init__(self, webhook: Webhook, shapes: Shapes) -> None:
        self._webhook = webhook
        self._shapes = shapes
        self._waiting: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send_all, name="webhooks", daemon=True)
        self._thread.start()

    def tell(self, happened: Happened) -> None:
        """Send it soon; never blocks."""
        self._waiting.put((happened.event, orjson.dumps(payload(self._shapes, happened))))

    def close(self) -> None:
        """End the thread; at most one delivery's time."""
        self._waiting.put(_END)
        self._thread.join(_TIMEOUT)

    def _send_all(self) -> None:
        with httpx.Client(timeout=_TIMEOUT, trust_env=False, follow_redirects=False) as client:
            while (delivery := self._waiting.get()) is not _END:
                try:
                    client.post(self._webhook.url, content=delivery[1], headers=self._headers(*delivery))
                except httpx.HTTPError:
                    continue  # lost, as at GitHub: whoever listens polls, too

    def _headers(self, event: str, body: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/local",
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "X-GitHub-Event": event,
            "X-Hub-Signature-256": f"sha256={signature(self._webhook.secret, body)}",
        }


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of a body, in hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def payload(shapes: Shapes, happened: Happened) -> dict[str, Any]:
    """A delivery's body."""
    about: dict[str, Any] = {"repository": shapes.repository(), "sender": shapes.user(happened.sender)}
    if happened.event == "push":
        return {**_push(shapes, happened), **about}
    about["action"] = happened.action
    pull = happened.pull
    if pull is None:
        return about
    if happened.comment:
        issue = {**shapes.pull(pull), "pull_request": {"url": f"{shapes.here}/pulls/{pull.number}"}}
        return {**about, "issue": issue, "comment": shapes.comment(happened.comment)}
    if happened.review:
        said = shapes.review(happened.review)
        review = {**said, "state": said["state"].lower()}  # upper case in the API only
        return {**about, "pull_request": shapes.pull(pull), "review": review}
    return {**about, "number": pull.number, "pull_request": {**shapes.pull(pull), "merged": bool(pull.merged)}}


def _push(shapes: Shapes, happened: Happened) -> dict[str, Any]:
    ref, before, after = happened.moved
    name = shapes.project.owner
    return {
        "ref": ref, "before": before, "after": after, "created": before == _NOTHING, "deleted": after == _NOTHING,
        "forced": False, "base_ref": None, "compare": f"{shapes.page}/compare/{before}...{after}", "commits": [],
        "head_commit": None, "pusher": {"name": name, "email": f"{name}@users.noreply.localhost"},
    }  # fmt: skip
