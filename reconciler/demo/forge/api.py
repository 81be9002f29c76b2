"""GitHub's REST API below `/api/v3`: who asks, how often, and which call it is. What a call does is in `handlers`.

`requests` counts every call by name and status: what a client costs can be read there, 304s beside the rest.
"""

import time
from collections import Counter

from reconciler.demo.api.messages import Answer, Request
from reconciler.demo.forge.calls import Call, json, tagged
from reconciler.demo.forge.handlers import OUTSIDE, RATE_LIMIT, ROUTES, Route
from reconciler.demo.forge.hub import Hub
from reconciler.demo.forge.limits import Limits
from reconciler.demo.forge.messages import ForgeError, not_found
from reconciler.demo.forge.shapes import Shapes
from reconciler.errors import ReconcilerError

PREFIX = ("api", "v3")
_NOT_MODIFIED = 304
_UNKNOWN = "unknown"


class Api:
    """Answers calls. `shapes` says where it is, which is known once it listens."""

    def __init__(self, hub: Hub, shapes: Shapes, *, strict: bool) -> None:
        self._hub = hub
        self._shapes = shapes
        self._limits = Limits(strict=strict)
        self.requests: Counter[tuple[str, int]] = Counter()

    def answer(self, request: Request) -> Answer:
        """Never raises what a client can cause."""
        name, login = _UNKNOWN, ""
        try:
            route, parts = self._find(request)
            name = route.name if route else _UNKNOWN
            login = self._hub.people.bearer(request.headers.get("authorization", ""))
            if name != RATE_LIMIT:
                self._limits.take(login, request.method, time.time())
            answer = self._ask(route, parts, login, request)
        except ForgeError as error:
            answer = json(error.body, error.status, tuple(error.headers.items()))
        except ReconcilerError as error:
            answer = json(ForgeError(500, error.message).body, 500)
        self.requests[name, answer.code] += 1
        if not login:
            return answer
        if answer.code == _NOT_MODIFIED:
            self._limits.give_back(login)
        left = tuple(self._limits.headers(login, time.time()).items())
        return Answer(
            code=answer.code, body=answer.body, content_type=answer.content_type, headers=(*answer.headers, *left)
        )

    def _ask(self, route: Route | None, parts: tuple[str, ...], login: str, request: Request) -> Answer:
        if route is None:
            raise not_found()
        with self._hub.lock:
            if request.method == "GET":
                self._hub.refresh()
            left = self._limits.left(login, time.time())
            call = Call(hub=self._hub, shapes=self._shapes, login=login, left=left, request=request, parts=parts)
            answer = route.handler(call)
        if request.method != "GET":
            return answer
        return tagged(answer, login, request.headers.get("if-none-match", ""))

    def _find(self, request: Request) -> tuple[Route | None, tuple[str, ...]]:
        """The call that an address means and what its pattern has in groups; no call when there is none."""
        steps = request.path[len(PREFIX) :]
        own = ("repos", self._hub.project.owner, self._hub.project.name)
        below = "/".join(steps[len(own) :])
        routes, path = (ROUTES, below) if steps[: len(own)] == own else (OUTSIDE, "/".join(steps))
        for route in routes:
            found = route.pattern.fullmatch(path)
            if found and route.method == request.method:
                return route, found.groups()
        return None, ()
