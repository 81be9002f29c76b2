"""One call of the API: who asks, for what, with which body; paging, and the answer's form. No call's own rules."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson

from reconciler.demo.api.messages import Answer, Request
from reconciler.demo.forge.hub import Hub
from reconciler.demo.forge.messages import ForgeError
from reconciler.demo.forge.shapes import Shapes

_JSON = "application/json; charset=utf-8"
_PAGE, _MOST = 30, 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a handler gets. `left` is what the login may still ask; `parts` are the groups of the route's pattern."""

    hub: Hub
    shapes: Shapes
    login: str
    left: Mapping[str, int]
    request: Request
    parts: tuple[str, ...]

    @property
    def number(self) -> int:
        """The first part, of a route whose first group is a number."""
        return int(self.parts[0])

    def field(self, name: str, kind: type[T]) -> T | None:
        """One field of the body, None when it is not there or null; raises ForgeError 400 or 422."""
        value = self._body().get(name)
        if value is not None and not isinstance(value, kind):
            raise ForgeError(422, f"Invalid request.\n\nFor 'properties/{name}', {value!r} is not of that type.")
        return value

    def text(self, name: str) -> str:
        """A field that is text; empty when it is not there."""
        return self.field(name, str) or ""

    def _body(self) -> dict[str, Any]:
        try:
            found = orjson.loads(self.request.body or b"{}")
        except ValueError:
            raise ForgeError(400, "Problems parsing JSON") from None
        if not isinstance(found, dict):
            raise ForgeError(400, "Body should be a JSON object")
        return found

    def page(self, items: Sequence[T], shape: Callable[[T], Any]) -> Answer:
        """The part of a list that was asked for."""
        shown, links = self.window(items)
        return json([shape(item) for item in shown], headers=links)

    def window(self, items: Sequence[T]) -> tuple[Sequence[T], tuple[tuple[str, str], ...]]:
        """The items of the page that was asked for, and the header that names the others."""
        size = min(_MOST, max(1, self._count("per_page", _PAGE)))
        page = max(1, self._count("page", 1))
        last = max(1, -(-len(items) // size))
        others = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        wanted = [name for name in others if (page > 1 if name in {"prev", "first"} else page < last)]
        links = [f'<{self._address(others[name])}>; rel="{name}"' for name in wanted]
        return items[(page - 1) * size : page * size], (("Link", ", ".join(links)),) if links else ()

    def _count(self, name: str, otherwise: int) -> int:
        text = self.request.query.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 10 else otherwise  # noqa: PLR2004  # digits: no page has more

    def _address(self, page: int) -> str:
        query = {**self.request.query, "page": page}
        return f"{self.shapes.address}/{'/'.join(self.request.path)}?{urlencode(query)}"


def json(data: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """An answer with a body."""
    return Answer(code=status, body=orjson.dumps(data), content_type=_JSON, headers=headers)


def nothing() -> Answer:
    """204."""
    return Answer(code=204, content_type=_JSON)


def tagged(answer: Answer, login: str, asked: str) -> Answer:
    """A read's answer with its ETag; 304 without a body when that is what was `asked` for."""
    links = "".join(f"{name}{value}" for name, value in answer.headers).encode()
    tag = hashlib.sha256(login.encode() + b"\0" + links + b"\0" + answer.body).hexdigest()
    headers = (*answer.headers, ("ETag", f'W/"{tag}"'), ("Cache-Control", "private, max-age=60, s-maxage=60"))
    if tag in {one.strip().removeprefix("W/").strip('"') for one in asked.split(",")}:
        return Answer(code=304, content_type=_JSON, headers=headers)
    return Answer(code=answer.code, body=answer.body, content_type=_JSON, headers=headers)
