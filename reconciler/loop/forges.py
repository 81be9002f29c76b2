"""The forges of a daemon's repositories: who listens to their webhooks.

Not what is done then: a delivery makes the repository's source look, as its schedule would.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from reconciler.config import RepositorySettings, Settings
from reconciler.loop.telemetry import Telemetry
from reconciler.loop.webhooks import Hook, Webhooks
from reconciler.model.ids import RepositoryName


class Forges:
    """All of them; nothing is opened before `start`."""

    def __init__(
        self, settings: Settings, *, telemetry: Telemetry, now: Callable[[], datetime],
        look: Callable[[RepositoryName], None],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._telemetry = telemetry
        self._now = now
        self._look = look
        self._webhooks: Webhooks | None = None

    def start(self) -> None:
        """Listen, if a repository has a webhook. Raises Misused when the port is taken."""
        rows = self._settings.config.repositories
        hooks = {row.name: self._hook(row, row.forge.webhook.secret_file) for row in rows if row.forge.webhook}
        if hooks:
            count = partial(self._telemetry.count, "reconciler_webhooks_total")
            address = self._settings.config.listen.web_address()
            self._webhooks = Webhooks(address, hooks, now=self._now, count=count)
            self._webhooks.start()

    def _hook(self, row: RepositorySettings, secret: str) -> Hook:
        look = partial(self._look, RepositoryName(row.name))
        return Hook(kind=row.forge.type, secret=self._settings.path(secret), look=look)

    def close(self) -> None:
        """Stop listening."""
        if self._webhooks:
            self._webhooks.close()
