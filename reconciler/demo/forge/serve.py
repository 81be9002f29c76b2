"""One forge that answers on a port of 127.0.0.1: the API, the page, the webhooks, and the look at the branches."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from reconciler.demo.api.faults import Faults
from reconciler.demo.api.http import Listener
from reconciler.demo.api.messages import Answer, Request
from reconciler.demo.forge.api import PREFIX, Api
from reconciler.demo.forge.calls import json
from reconciler.demo.forge.hooks import Deliveries, Webhook
from reconciler.demo.forge.hub import Happened, Hub, Project
from reconciler.demo.forge.messages import ForgeError
from reconciler.demo.forge.page import Page
from reconciler.demo.forge.people import People, Role
from reconciler.demo.forge.repository import Repository
from reconciler.demo.forge.shapes import Shapes
from reconciler.demo.forge.state import Store
from reconciler.errors import Misused, ReconcilerError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_LOOK = 0.5  # seconds between two looks at the branches


class LocalForge:
    """A forge over a bare repository. Ends with `close`, or as a context manager; `state` outlives it.

    `logins`: token → login; `roles`: login → `read` for those who may not write. `required`: statuses that a merge
    needs. `strict`: GitHub's limits are enforced. A `port` of 0 is a free one.
    """

    def __init__(
        self, bare: Path, state: Path, logins: Mapping[str, str], *, name: str = "acme/models",
        roles: Mapping[str, Role] | None = None, required: Sequence[str] = (), strict: bool = False,
        webhook: Webhook | None = None, port: int = 0,
    ) -> None:  # fmt: skip
        owner, _, short = name.partition("/")
        if not logins or not owner or not short or "/" in short:
            raise Misused("A forge needs a repository's name, OWNER/NAME, and at least one token with a login.")
        self.faults = Faults()
        """What it does wrong, for tests; see `reconciler.demo.api.faults`."""
        self._repository = Repository(bare)
        self._store = Store(state)
        self._people = People(tokens=dict(logins), roles=dict(roles or {}), owner=owner)
        self._project = Project(owner=owner, name=short, trunk=self._repository.trunk(), required=tuple(required))
        self._strict = strict
        self._webhook = webhook
        self._port = port
        self._ended = threading.Event()
        self._running: contextlib.ExitStack | None = None
        self._api: Api | None = None
        self.address = ""
        """`http://127.0.0.1:PORT` once it has started: the page."""

    @property
    def api(self) -> str:
        """Where clients are pointed to: the address of the API."""
        return f"{self.address}/{'/'.join(PREFIX)}"

    @property
    def requests(self) -> Counter[tuple[str, int]]:
        """How often each call of the API was made, by its name and the answer's status."""
        return self._api.requests if self._api else Counter()

    def start(self) -> str:
        """Listen; returns `address`. Raises OSError when the port is taken, Misused when the state cannot be read."""
        self._ended.clear()
        with contextlib.ExitStack() as undo:
            undo.callback(self._repository.close)
            ready = threading.Event()  # a request that comes before there is a hub waits for it
            listener = Listener(lambda request: self._answer(ready, request), self.faults, self._port)
            undo.callback(listener.close)
            self._port = listener.port
            self.address = f"http://127.0.0.1:{listener.port}"
            shapes = Shapes(address=self.address, project=self._project, people=self._people)
            hub = Hub(self._project, self._repository, self._store, self._people, self._announce(shapes, undo))
            hub.refresh()
            self._api, self._page = Api(hub, shapes, strict=self._strict), Page(hub)
            ready.set()
            look = threading.Thread(target=self._look, args=(hub,), name="branches", daemon=True)
            look.start()
            undo.callback(look.join)
            undo.callback(self._ended.set)
            self._running = undo.pop_all()
        return self.address

    def close(self) -> None:
        """Stop answering; deliveries that wait are sent."""
        if self._running:
            self._running.close()
            self._running = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _announce(self, shapes: Shapes, undo: contextlib.ExitStack) -> Callable[[Happened], None]:
        """Who hears what happened: the webhook, or nobody."""
        if self._webhook is None:
            return lambda _happened: None
        deliveries = Deliveries(self._webhook, shapes)
        undo.callback(deliveries.close)
        return deliveries.tell

    def _look(self, hub: Hub) -> None:
        """Whoever fetches `refs/pull/N/head` without asking the API first finds it there soon."""
        while not self._ended.wait(_LOOK):
            with contextlib.suppress(ReconcilerError):  # the next look, or whoever asks, sees the same
                hub.refresh()

    def _answer(self, ready: threading.Event, request: Request) -> Answer:
        ready.wait()
        if self._api is None or not _is_loopback(request.headers.get("host", "")):
            return json(ForgeError(403, "This forge is asked as 127.0.0.1 or localhost and as nothing else.").body, 403)
        if request.path[: len(PREFIX)] == PREFIX:
            return self._api.answer(request)
        if request.path == ("__requests",):
            return self._counted(self._api, request)
        return self._page.answer(request)

    @staticmethod
    def _counted(api: Api, request: Request) -> Answer:
        if request.method == "DELETE":
            api.requests.clear()
        counted: dict[str, dict[str, int]] = {}
        for (name, status), times in api.requests.copy().items():
            counted.setdefault(name, {})[str(status)] = times
        return json(counted)


def _is_loopback(host: str) -> bool:
    """Whether a Host header names this machine: no other page's name leads here (DNS rebinding)."""
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False
