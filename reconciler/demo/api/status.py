"""Refusals as Kubernetes words them: an exception that becomes a `Status` object with reason, code and details."""

from collections.abc import Sequence
from typing import Any

import orjson

_LIMIT = 3 * 1024 * 1024
BODY_LIMIT = _LIMIT  # bytes; what the real server accepts


class ApiError(Exception):
    """The answer to a request that is refused; `code` is the HTTP status, `details` what clients look into."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    @property
    def body(self) -> dict[str, Any]:
        """The Status object."""
        status: dict[str, Any] = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
        }  # fmt: skip
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}

    @property
    def raw(self) -> bytes:
        """The Status object as bytes."""
        return orjson.dumps(self.body)


def cause(reason: str, message: str, field: str) -> dict[str, str]:
    """One entry of `details.causes`."""
    return {"reason": reason, "message": message, "field": field}


def bad_request(message: str) -> ApiError:
    """400: the request makes no sense."""
    return ApiError(400, "BadRequest", message)


def not_found(plural: str, name: str, group: str = "") -> ApiError:
    """404: no such object; `plural` is the resource."""
    details = {"name": name} | ({"group": group} if group else {}) | {"kind": plural}
    return ApiError(404, "NotFound", f'{qualified(plural, group)} "{name}" not found', details)


def no_such_path() -> ApiError:
    """404: nothing is served here."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def not_allowed() -> ApiError:
    """405: the resource does not have this verb."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def already_exists(plural: str, name: str, group: str = "") -> ApiError:
    """409: the name is taken."""
    details = {"name": name} | ({"group": group} if group else {}) | {"kind": plural}
    return ApiError(409, "AlreadyExists", f'{qualified(plural, group)} "{name}" already exists', details)


def conflict(plural: str, name: str, group: str, why: str) -> ApiError:
    """409: decided on an older object than the one stored, or on another one."""
    details = {"name": name} | ({"group": group} if group else {}) | {"kind": plural}
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details)


def forbidden(plural: str, name: str, group: str, why: str) -> ApiError:
    """403: never allowed, or not now."""
    details: dict[str, Any] = {"name": name} | ({"group": group} if group else {}) | {"kind": plural}
    return ApiError(403, "Forbidden", f'{qualified(plural, group)} "{name}" is forbidden: {why}', details)


def unsupported_type(message: str, *, details: bool = True) -> ApiError:
    """415: a body of a type that is not understood here."""
    return ApiError(415, "UnsupportedMediaType", message, {} if details else None)


def too_large() -> ApiError:
    """413: more than 3 MiB."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {_LIMIT}")


def expired(message: str) -> ApiError:
    """410: the history asked for is gone; list again."""
    return ApiError(410, "Expired", message)


def invalid(kind: str, name: str, group: str, causes: Sequence[dict[str, str]]) -> ApiError:
    """422: well formed, but not allowed to be so; each cause names its field."""
    told = [f"{each['field']}: {each['message']}" for each in causes]
    sentence = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    details: dict[str, Any] = (
        ({"name": name} if name else {}) | ({"group": group} if group else {}) | {"kind": kind, "causes": list(causes)}
    )
    return ApiError(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {sentence}', details)


def rejected() -> ApiError:
    """422: a patch that cannot be carried out."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, {})


def qualified(name: str, group: str) -> str:
    """`deployments.apps`, or `pods` of the core group."""
    return f"{name}.{group}" if group else name
