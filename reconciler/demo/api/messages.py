"""A request and an answer, without sockets: what `http` reads and writes and everything else works with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from reconciler.demo.api.status import ApiError, bad_request

JSON = "application/json"
_MAX_PARAMETERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` is decoded and split at slashes; header names are lower case; of repeated parameters the last counts."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> "Request":
        """From a request line's target; raises ApiError 400."""
        path, _, query = target.partition("?")
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS, errors="strict")
            steps = tuple(unquote(step, errors="strict") for step in path.strip("/").split("/"))
        except ValueError as error:
            raise bad_request(f"the address cannot be read: {error}") from error
        return cls(method=method, path=steps, query=dict(pairs), headers=headers, body=body)

    def flag(self, name: str) -> bool:
        """A boolean parameter as Go reads it: present and empty is true."""
        value = self.query.get(name)
        return value is not None and value.lower() not in {"0", "f", "false"}

    def number(self, name: str) -> int | None:
        """An integer parameter, None when it is not there; raises ApiError 400."""
        value = self.query.get(name, "")
        if not value:
            return None
        try:
            return int(value)
        except ValueError as error:
            raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax') from error

    @property
    def content_type(self) -> str:
        """Without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Either `body`, or `stream`: pieces that are sent as they come (an empty one asks whether anybody listens)."""

    code: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    """Further ones, of a body; the caller answers for what stands in them."""
    stream: Iterator[bytes] | None = None


def json(data: Any, code: int = 200, content_type: str = JSON) -> Answer:
    """JSON data."""
    return Answer(code=code, body=orjson.dumps(data), content_type=content_type)


def text(data: str, code: int = 200) -> Answer:
    """Plain text."""
    return Answer(code=code, body=data.encode(), content_type="text/plain; charset=utf-8")


def refusal(error: ApiError) -> Answer:
    """A Status."""
    return Answer(code=error.code, body=error.raw)
