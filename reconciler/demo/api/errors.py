"""Answers that are not a success, in Kubernetes' own words and shape.

One class, `ApiError`; one function per kind of answer, with the message format of the real API server, because
clients (and people) match on it. Not about faults of the server itself: those are a bug and become a 500 in `http`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.errors import ReconcilerError

MAX_BODY = 3 * 1024 * 1024  # bytes: the API server's limit for a request body
MAX_STORED = 1536 * 1024  # bytes: etcd's limit for one request


class ApiError(ReconcilerError):
    """An answer with an HTTP code, a machine-readable reason and details."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = dict(details or {})

    def status(self) -> dict[str, Any]:
        """The answer as a `Status` object."""
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            status["details"] = self.details
        return status


class Conflict(ApiError):
    """A write was decided on another resourceVersion or uid than the stored one (409)."""

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(409, "Conflict", message, details)


def qualified(plural: str, group: str) -> str:
    """`deployments.apps`, or `pods` for the core group."""
    return f"{plural}.{group}" if group else plural


def _named(plural: str, group: str, name: str) -> dict[str, Any]:
    return {"name": name, "kind": plural} | ({"group": group} if group else {})


def not_found(plural: str, group: str, name: str) -> ApiError:
    """No object of that name."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _named(plural, group, name))


def no_such_path() -> ApiError:
    """No resource is served at this path."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """An object of that name is there."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _named(plural, group, name))


def stale(plural: str, group: str, name: str) -> Conflict:
    """The resourceVersion sent is not the stored one."""
    message = (
        f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return Conflict(message, _named(plural, group, name))


def precondition(plural: str, group: str, name: str, field: str, wanted: str, found: str) -> Conflict:
    """A precondition (`UID` or `ResourceVersion`) of a write does not hold."""
    message = (
        f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": Precondition failed: '
        f"{field} in precondition: {wanted}, {field} in object meta: {found}"
    )
    return Conflict(message, _named(plural, group, name))


def apply_conflict(causes: Sequence[tuple[str, str]]) -> Conflict:
    """A server-side apply that would take fields from other managers: (manager, field) pairs, fields like `.spec.a`."""
    pairs = [(_printed(manager), field) for manager, field in causes]
    details = {
        "causes": [
            {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}
            for manager, field in pairs
        ]
    }
    if len(pairs) == 1:
        manager, field = pairs[0]
        return Conflict(f"Apply failed with 1 conflict: conflict with {manager}: {field}", details)
    lines: list[str] = []
    for manager in sorted({manager for manager, _ in pairs}):
        lines.append(f"conflicts with {manager}:")
        lines.extend(f"- {field}" for owner, field in pairs if owner == manager)
    return Conflict(f"Apply failed with {len(pairs)} conflicts: " + "\n".join(lines), details)


def _printed(manager: str) -> str:
    return manager if manager.startswith('"') else f'"{manager}"'


def invalid(kind: str, group: str, name: str, problems: Sequence[tuple[str, str, str]]) -> ApiError:
    """The object does not validate: (field, cause reason, sentence) each, as in `("spec.a", "FieldValueRequired", …)`."""
    text = [f"{field}: {sentence}" for field, _, sentence in problems]
    listed = text[0] if len(text) == 1 else f"[{', '.join(text)}]"
    details = {"name": name, "kind": kind} | ({"group": group} if group else {})
    details["causes"] = [{"reason": why, "message": sentence, "field": field} for field, why, sentence in problems]  # type: ignore[assignment]
    return ApiError(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {listed}', details)


def bad_request(message: str) -> ApiError:
    """The request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def forbidden(message: str, details: Mapping[str, Any] | None = None) -> ApiError:
    """The request is understood and refused."""
    return ApiError(403, "Forbidden", message, details)


def method_not_allowed() -> ApiError:
    """The path exists but not for this verb."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def expired(message: str = "") -> ApiError:
    """The resourceVersion or continue token is older than what is remembered."""
    fallback = "The provided continue parameter is too old to display a consistent list result."
    return ApiError(410, "Expired", message or fallback)


def too_large() -> ApiError:
    """The request body is over the limit."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")


def stored_too_large() -> ApiError:
    """The object would not fit into one etcd request."""
    return ApiError(500, "", "etcdserver: request is too large")


def unsupported_media(accepted: Sequence[str]) -> ApiError:
    """The body has a content type this operation does not take."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    """The client accepts nothing this server can write."""
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return ApiError(406, "NotAcceptable", message)
