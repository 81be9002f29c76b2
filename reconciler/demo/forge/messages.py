"""The forge's "no": what the API answers as GitHub's JSON and the page says as a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

DOCUMENTATION = "https://docs.github.com/rest"


class ForgeError(Exception):
    """One refusal: HTTP status, sentence, and GitHub's `errors` where a field is wrong."""

    def __init__(
        self, status: int, message: str, *, errors: Sequence[Any] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = list(errors)
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """As GitHub writes it."""
        found: dict[str, Any] = {"message": self.message, "documentation_url": DOCUMENTATION}
        return {**found, "errors": self.errors} if self.errors else found

    @property
    def sentence(self) -> str:
        """For the page: the most telling of what there is to say."""
        told = [error.get("message", "") if isinstance(error, dict) else str(error) for error in self.errors]
        fields = [f"{error['field']}: {error['code']}" for error in self.errors if _is_field(error)]
        return "; ".join(filter(None, told)) or "; ".join(fields) or self.message


def _is_field(error: Any) -> bool:
    return isinstance(error, dict) and "field" in error and "message" not in error


def not_found() -> ForgeError:
    """There is no such thing, or it is not for this login to see."""
    return ForgeError(404, "Not Found")


def invalid(resource: str, field: str, code: str, message: str = "") -> ForgeError:
    """A field that cannot be taken: `missing_field`, `invalid`, or `custom` with a sentence."""
    error = {"resource": resource, "code": code, "field": field}
    return ForgeError(422, "Validation Failed", errors=[{**error, "message": message} if message else error])


def custom(resource: str, message: str) -> ForgeError:
    """A request that is well formed and cannot be carried out."""
    return ForgeError(422, "Validation Failed", errors=[{"resource": resource, "code": "custom", "message": message}])
