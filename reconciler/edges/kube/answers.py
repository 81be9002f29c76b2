"""What the API server said, as our errors: one sentence with the cluster, what was asked, and the server's own reason.

Not the sending (that is `connect`). Rules: 404 NotFound (`Unserved` when the whole resource is unknown), 409 Conflict,
410 Gone, 401 and 403 Retry(Forbidden), 429 Retry after what the server asks, 5xx Retry(ClusterUnreachable), a missing
namespace Stalled(NamespaceMissing), every other refusal Refused. Server texts are capped and cleaned; they are never
trusted to be short, to be one line or to be text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from reconciler.errors import Conflict, NotFound, ReconcilerError, Refused, Retry, Stalled

_LONGEST_MESSAGE = 1_000
_CORE_PREFIX = 2  # /api/v1
_GROUP_PREFIX = 3  # /apis/<group>/<version>
_TOO_MANY = 429
_SERVER_ERRORS = 500
_UNTYPED = "failed to create typed patch object"  # server-side apply says 500 to a field that does not exist


class Gone(Retry):
    """The resourceVersion asked for is too old (HTTP 410): list again."""


class Unserved(NotFound):
    """The server does not serve the resource at all: an unknown kind, or its CustomResourceDefinition is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a path asks for; empty strings where it does not say. `resource` has its subresource: deployments/scale."""

    resource: str
    namespace: str
    name: str

    @classmethod
    def of(cls, path: str) -> "Asked":
        """Of an API path, with or without query."""
        parts = path.split("?", 1)[0].strip("/").split("/")
        rest = parts[_CORE_PREFIX:] if parts[0] == "api" else parts[_GROUP_PREFIX:] if parts[0] == "apis" else []
        namespace = ""
        if rest[:1] == ["namespaces"] and len(rest) > 2:  # noqa: PLR2004  # namespaces/<name>/<resource>
            namespace, rest = rest[1], rest[2:]
        resource, name, *sub = [*rest, "", ""][: max(2, len(rest))]
        return cls(resource="/".join([resource or parts[0], *filter(None, sub)]), namespace=namespace, name=name)

    def __str__(self) -> str:
        thing = f"{self.resource} {self.name}".strip()
        return f"{thing} in namespace {self.namespace}" if self.namespace else thing


def clean(text: str, limit: int = _LONGEST_MESSAGE) -> str:
    """One printable line of at most `limit` characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def status_of(body: bytes) -> Mapping[str, Any]:
    """The Status object of an error body; empty when it is none."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) and data.get("kind") == "Status" else {}


def _not_found(said: str, status: Mapping[str, Any], asked: Asked) -> ReconcilerError:
    details = status.get("details") or {}
    if details.get("kind") == "namespaces" and asked.resource != "namespaces":
        return Stalled(f"{said} Create namespace {asked.namespace}.", reason="NamespaceMissing")
    if not details.get("name"):
        return Unserved(said)
    return NotFound(said)


def _forbidden(said: str, status: Mapping[str, Any], asked: Asked) -> ReconcilerError:
    causes = (status.get("details") or {}).get("causes") or []
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return Stalled(f"{said} Namespace {asked.namespace} is being deleted.", reason="NamespaceMissing")
    return Retry(said, reason="Forbidden")


def _seconds(value: str | None) -> float:
    try:
        return min(max(float(value or 1), 0.1), 300.0)
    except ValueError:
        return 1.0


def failure(cluster: str, verb: str, asked: Asked, code: int, body: bytes, retry_after: str | None) -> ReconcilerError:
    """The error of an answer that is not 2xx."""
    status = status_of(body)
    message = clean(str(status.get("message") or body[:_LONGEST_MESSAGE].decode(errors="replace"))) or "no reason given"
    said = f"Cluster {cluster} answered {code} to {verb} {asked}: {message.rstrip('.')}."
    if code in _BY_CODE:
        return _BY_CODE[code](said, status, asked)
    if code == _TOO_MANY:
        return Retry(said, reason="TooManyRequests", after=_seconds(retry_after))
    if code >= _SERVER_ERRORS and not message.startswith(_UNTYPED):
        return Retry(said, reason="ClusterUnreachable", after=_seconds(retry_after) if retry_after else 0.0)
    return Refused(said)


_BY_CODE: dict[int, Callable[[str, Mapping[str, Any], Asked], ReconcilerError]] = {
    401: _forbidden,
    403: _forbidden,
    404: _not_found,
    409: lambda said, _status, _asked: Conflict(said),
    410: lambda said, _status, _asked: Gone(said, reason="Gone"),
}
